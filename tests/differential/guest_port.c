/* memops as a program: the kernel that it runs on does the work. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memops_port.h"

#define RESULT(call)                       \
    long result = (long)syscall call;      \
    return result == -1 ? -last_error() : result

extern int* __errno_location(void);
static long last_error(void) { return *__errno_location(); }

long port_mmap(uint64_t addr, uint64_t length, uint32_t prot, uint32_t flags, int fd,
               uint64_t offset) {
    RESULT((SYS_mmap, addr, length, prot, flags, fd, offset));
}
long port_munmap(uint64_t addr, uint64_t length) { RESULT((SYS_munmap, addr, length)); }
long port_mprotect(uint64_t addr, uint64_t length, uint32_t prot) {
    RESULT((SYS_mprotect, addr, length, prot));
}
long port_mremap(uint64_t addr, uint64_t old_length, uint64_t new_length, uint32_t flags,
                 uint64_t new_addr) {
    RESULT((SYS_mremap, addr, old_length, new_length, flags, new_addr));
}
long port_madvise(uint64_t addr, uint64_t length, int advice) {
    RESULT((SYS_madvise, addr, length, advice));
}
long port_msync(uint64_t addr, uint64_t length, uint32_t flags) {
    RESULT((SYS_msync, addr, length, flags));
}
long port_mincore(uint64_t addr, uint64_t length, unsigned char* vec) {
    RESULT((SYS_mincore, addr, length, vec));
}
long port_mlock2(uint64_t addr, uint64_t length, uint32_t flags) {
    if (flags == 0) {
        RESULT((SYS_mlock, addr, length));
    }
    RESULT((SYS_mlock2, addr, length, flags));
}
long port_munlock(uint64_t addr, uint64_t length) { RESULT((SYS_munlock, addr, length)); }
long port_mlockall(uint32_t flags) { RESULT((SYS_mlockall, flags)); }
long port_munlockall(void) { RESULT((SYS_munlockall)); }
uint64_t port_brk(uint64_t addr) { return (uint64_t)syscall(SYS_brk, addr); }

static const int resources[] = {RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_DATA};
static struct rlimit initial[3];

void port_limit(enum memops_limit which, uint64_t bytes) {
    struct rlimit limit = initial[which];
    if (bytes != ~0ULL) limit.rlim_cur = bytes;
    setrlimit((__rlimit_resource_t)resources[which], &limit);
}

static sigjmp_buf before_access;
static volatile struct memops_fault caught;

static void on_fault(int signal, siginfo_t* info, void* context) {
    (void)context;
    caught.signal = signal;
    caught.code = info->si_code;
    caught.address = (uint64_t)(uintptr_t)info->si_addr;
    siglongjmp(before_access, 1);
}

static struct memops_fault outcome(void) {
    const struct memops_fault fault = {caught.signal, caught.code, caught.address};
    return fault;
}

struct memops_fault port_load(uint64_t addr, uint8_t* value) {
    caught.signal = 0;
    if (sigsetjmp(before_access, 0) == 0) *value = *(volatile uint8_t*)(uintptr_t)addr;
    return outcome();
}

struct memops_fault port_store(uint64_t addr, uint8_t value) {
    caught.signal = 0;
    if (sigsetjmp(before_access, 0) == 0) *(volatile uint8_t*)(uintptr_t)addr = value;
    return outcome();
}

struct memops_fault port_call(uint64_t addr) {
    caught.signal = 0;
    if (sigsetjmp(before_access, 0) == 0) ((void (*)(void))(uintptr_t)addr)();
    return outcome();
}

size_t port_maps(char* text, size_t size) {
    const int fd = open("/proc/self/maps", O_RDONLY);
    size_t length = 0;
    for (;;) {
        const ssize_t n = read(fd, text + length, size - length);
        if (n <= 0) break;
        length += (size_t)n;
    }
    close(fd);
    return length;
}

void port_write(const char* text, size_t length) {
    while (length > 0) {
        const ssize_t n = write(1, text, length);
        if (n <= 0) _exit(3);
        text += n;
        length -= (size_t)n;
    }
}

static void move_descriptor(int from, int to) {
    if (from < 0 || dup2(from, to) != to) _exit(3);
    close(from);
}

static void open_files(void) {
    int ends[2];
    move_descriptor(open("/dev/null", O_WRONLY), MEMOPS_WRITE_ONLY);
    move_descriptor(open("/dev/zero", O_RDONLY), MEMOPS_ZERO);
    if (pipe(ends) != 0) _exit(3);
    move_descriptor(ends[0], MEMOPS_PIPE);
}

/* Whether mremap moves several mappings at once: Linux 6.17, which changed its checks too. */
static int moves_several(void) {
    const size_t page = 4096;
    char* at = mmap(NULL, 4 * page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED || mprotect(at, page, PROT_NONE) != 0) return 0;
    return mremap(at, 2 * page, 2 * page, MREMAP_MAYMOVE | MREMAP_FIXED, at + 2 * page) !=
           MAP_FAILED;
}

int main(int argc, char** argv) {
    if (argc == 2 && strcmp(argv[1], "probe-remap") == 0) return !moves_several();
    struct memops_options options;
    if (memops_parse(argc, argv, &options) != 0) return 2;
    for (int i = 0; i < 3; ++i) getrlimit((__rlimit_resource_t)resources[i], &initial[i]);
    struct sigaction action = {0};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    if (options.files) open_files();
    return memops_run(&options);
}
