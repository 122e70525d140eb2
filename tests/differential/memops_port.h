/* What memops does to an address space, so that the same operations can drive the kernel below
 * the program (guest_port.c) or an address space inside a test process (twin_test.cc). */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An access that was refused; signal 0 means it was not. */
struct memops_fault {
    int signal;
    int code; /* si_code */
    uint64_t address;
};

/* Descriptors: the first comes from quiet_exec, guest_port.c opens the others. */
enum { MEMOPS_READABLE = 100, MEMOPS_WRITE_ONLY = 101, MEMOPS_PIPE = 102, MEMOPS_ZERO = 103 };

enum memops_limit { LIMIT_MEMLOCK, LIMIT_AS, LIMIT_DATA };

/* Each returns what the system call returns: a value, or a negative errno. */
long port_mmap(uint64_t addr, uint64_t length, uint32_t prot, uint32_t flags, int fd,
               uint64_t offset);
long port_munmap(uint64_t addr, uint64_t length);
long port_mprotect(uint64_t addr, uint64_t length, uint32_t prot);
/* `flags` are MREMAP_*. */
long port_mremap(uint64_t addr, uint64_t old_length, uint64_t new_length, uint32_t flags,
                 uint64_t new_addr);
long port_madvise(uint64_t addr, uint64_t length, int advice);
long port_msync(uint64_t addr, uint64_t length, uint32_t flags);
long port_mincore(uint64_t addr, uint64_t length, unsigned char* vec);
long port_mlock2(uint64_t addr, uint64_t length, uint32_t flags);
long port_munlock(uint64_t addr, uint64_t length);
long port_mlockall(uint32_t flags);
long port_munlockall(void);
uint64_t port_brk(uint64_t addr);
/* The soft limit in bytes; ~0 is what the program started with. */
void port_limit(enum memops_limit which, uint64_t bytes);

struct memops_fault port_load(uint64_t addr, uint8_t* value);
struct memops_fault port_store(uint64_t addr, uint8_t value);
/* Calls the `ret` at addr. */
struct memops_fault port_call(uint64_t addr);

/* /proc/self/maps; returns its length. */
size_t port_maps(char* text, size_t size);
void port_write(const char* text, size_t length);

struct memops_options {
    uint64_t seed;
    uint64_t operations;
    uint64_t from; /* operations [from, to) are printed one by one */
    uint64_t to;
    int maps;      /* and the mappings after each of them */
    int files;     /* descriptors and bad pointers are tried too: a system-call layer is there */
    int remap;     /* mremap is called: both sides answer as Linux 6.17 and later */
    int residency; /* what mincore tells is logged: both populate one page a fault */
    int require;   /* each pair has to be hit this often; 0: no demand */
};

/* Returns the exit status. */
int memops_run(const struct memops_options* options);
/* `memops SEED N [--from A --to B] [--maps] [--no-files] [--no-remap] [--no-residency]
 * [--require K]` */
int memops_parse(int argc, char** argv, struct memops_options* options);

#ifdef __cplusplus
}
#endif
