/* Surefoot for an embedder, as a C ABI. surefoot.hpp says the same in C++.
 *
 * Threads: every function may be called from any thread at any time, on the same machine and the
 *   same space, unless its comment says otherwise. No lock is held on return.
 * Errors: negative Linux error numbers. A failed call leaves the address space as it was unless its
 *   comment says otherwise. -ENOMEM may come from every call that can fail.
 * Units: addresses and lengths are bytes; a page has 4096. prot, flags and advice are the numbers
 *   of <sys/mman.h> on x86-64 Linux.
 * Option structs: `size` is sizeof the struct as the caller knows it. Fields that a smaller struct
 *   lacks are 0, and 0 is always the default. A larger struct than the library knows is -E2BIG
 *   unless what it does not know is 0; one without all of `size` is -EINVAL.
 * State: all of it belongs to the handles. Process-wide are only liburcu's list of reader
 *   threads, the C++ library's table of waiting threads, and a counter that numbers threads. */
#ifndef SUREFOOT_SUREFOOT_H
#define SUREFOOT_SUREFOOT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Physical memory, and what the address spaces in it share. Any number may live in a process. */
struct sf_machine;
/* One address space (Linux: struct mm_struct). Keeps its machine alive. */
struct sf_space;
/* A file that private mappings show. Its mappings keep it, and its machine, alive. */
struct sf_file;

struct sf_machine_options {
    size_t size;
    /* Size of the arena; rounded down to whole pages, at least 64 KiB; 0: 1 GiB. The host's memory
     * is used as frames are touched. */
    uint64_t memory_bytes;
    /* NULL: a memfd of the library. Otherwise the caller's, page-aligned and zeroed, and alone the
     * library's until the machine and all its spaces and files are destroyed. */
    void *memory;
    /* With `memory`: what sf_arena_fd returns, or -1. Stays the caller's, and open. */
    int32_t memory_fd;
    uint32_t reserved; /* 0 */
};

/* The machine goes into *out. `options` may be NULL.
 * Returns 0, -EINVAL, -E2BIG, -ENOMEM, -EMFILE, -ENFILE; nothing is left behind. */
int sf_machine_create(const struct sf_machine_options *options, struct sf_machine **out);
/* NULL is nothing. The memory goes with the last of machine, spaces and files. */
void sf_machine_destroy(struct sf_machine *machine);

/* The frames: byte n is physical address n, as page-table entries name it. */
void *sf_arena_base(const struct sf_machine *machine);
uint64_t sf_arena_size(const struct sf_machine *machine);
/* -1 if other processes can't map it. */
int sf_arena_fd(const struct sf_machine *machine);
/* Bytes of frames in use: pages, tables, the zero page. A table that was unlinked counts until its
 * grace period is over. */
uint64_t sf_memory_used(const struct sf_machine *machine);

/* Name of event counter `index`, as in /proc/vmstat where Linux has it; NULL past the last. */
const char *sf_counter_name(unsigned index);
/* Its count over all spaces; 0 past the last. */
uint64_t sf_counter(const struct sf_machine *machine, unsigned index);

struct sf_range {
    uint64_t start;
    uint64_t end; /* exclusive */
};

/* Tables were unlinked as well: drop cached pointers to tables too. A table's frame stays untouched
 * until the call has returned. */
#define SF_INVALIDATE_TABLES 1u
/* Everything cached of this space is to go; the one range is the whole space. */
#define SF_INVALIDATE_ALL 2u

struct sf_invalidation {
    size_t size;
    /* Where leaf entries were cleared, or permit less now. */
    const struct sf_range *ranges;
    size_t nr_ranges;
    uint32_t flags;
};

/* Removes stale translations from whatever caches them. Its return is the acknowledgement: frames
 * are reused from then on, so nobody may still use an old translation.
 * Locks: the library may hold page-table locks, the mmap lock and an RCU read section. The function
 * may block, but must not call the library for any space of that machine, nor wait for a thread
 * that is inside such a call. The one exception is sf_translate.
 * Called on the thread that changes the tables, by several at once if several change them. */
typedef void (*sf_invalidate_fn)(void *context, const struct sf_invalidation *what);

#define SF_UNLIMITED UINT64_MAX

struct sf_space_options {
    size_t size;
    /* Of page tables: 4 or 5; 0: 4. */
    uint32_t levels;
    /* mlock is not limited if this is not 0. (CAP_IPC_LOCK) */
    uint32_t may_lock_all;
    /* First address past the space, page-aligned, at least 1 MiB; 0: the end of the lower half.
     * (TASK_SIZE) */
    uint64_t task_size;
    /* Where the break starts; 0: there is none, sf_brk returns 0. */
    uint64_t start_brk;
    /* Linux's sysctl vm.mmap_min_addr; 0: 64 KiB. */
    uint64_t mmap_min_addr;
    /* Linux's RLIMIT_*. 0: unlimited for AS and DATA, 8 MiB for STACK and MEMLOCK. */
    uint64_t limit_address_space;
    uint64_t limit_data;
    uint64_t limit_stack;
    uint64_t limit_memlock;
    /* NULL: nothing caches translations. */
    sf_invalidate_fn invalidate;
    void *invalidate_context;
    /* Pages that the first write to private anonymous memory may populate at once, where as many
     * lie populated in front of it: a power of two, 1 to 512; 0: 1. (multi-size THP) */
    uint32_t fault_around;
    uint32_t reserved; /* 0 */
};

/* The space goes into *out. `options` may be NULL. Returns 0, -EINVAL, -E2BIG, -ENOMEM. */
int sf_space_create(struct sf_machine *machine, const struct sf_space_options *options,
                    struct sf_space **out);
/* Unmaps everything, which the invalidate callback still hears of (the handle is not to be
 * used any more, even there), and waits for an RCU grace period. No other call on the space is
 * running. NULL is nothing. */
void sf_space_destroy(struct sf_space *space);

struct sf_file_options {
    size_t size;
    /* Fills `page` (4096 bytes) with page `index` of the file. The rest of a short page is zeroed.
     * Returns bytes filled, or a negative error number; past the end -ENXIO (SIGBUS).
     * Locks: a VMA lock or the mmap lock is held; it may block, and must not call the library for a
     * space that maps the file. By several threads at once. */
    int64_t (*read_page)(void *context, uint64_t index, void *page);
    /* Nothing reads the file any more: handle and mappings are gone. May be NULL; the locks of
     * read_page, and the same rules. */
    void (*release)(void *context);
    void *context;
    /* As sf_maps shows it; copied. May be NULL. */
    const char *name;
    uint64_t inode;
};

/* The file goes into *out. Returns 0, -EINVAL without read_page, -E2BIG, -ENOMEM; `release` is not
 * called for a file that was not made. */
int sf_file_create(struct sf_machine *machine, const struct sf_file_options *options,
                   struct sf_file **out);
/* Mappings stay, and keep the file. NULL is nothing. */
void sf_file_destroy(struct sf_file *file);

/* mmap(2). `file` is NULL with MAP_ANONYMOUS; `offset` is page-aligned.
 * Returns the address, -EINVAL, -ENOMEM, -EEXIST, -EPERM, -EAGAIN, -EOVERFLOW, -EOPNOTSUPP, -ENODEV
 * (MAP_SHARED of a file), -EBADF (no file, not anonymous), -EXDEV (another machine's file). */
int64_t sf_mmap(struct sf_space *space, uint64_t address, uint64_t length, int prot, int flags,
                const struct sf_file *file, uint64_t offset);
/* munmap(2). Returns 0, -EINVAL, -ENOMEM. */
int sf_munmap(struct sf_space *space, uint64_t start, uint64_t length);
/* mprotect(2). Returns 0, -EINVAL, -EACCES, -ENOMEM; what lies before a hole is changed then. */
int sf_mprotect(struct sf_space *space, uint64_t start, uint64_t length, int prot);
/* madvise(2). Returns 0, -EINVAL (also for advice that is not built), -ENOMEM (what lies around a
 * hole was processed), -EFAULT, -EAGAIN. */
int sf_madvise(struct sf_space *space, uint64_t start, uint64_t length, int advice);
/* brk(2). Returns the new break, or the current one if it stays. */
uint64_t sf_brk(struct sf_space *space, uint64_t address);
/* mincore(2): one byte a page into `resident`, bit 0 is "resident".
 * Returns 0, -EINVAL, or -ENOMEM for a hole. */
int sf_mincore(struct sf_space *space, uint64_t start, uint64_t length, unsigned char *resident);
/* mlock2(2); `flags` 0 or MLOCK_ONFAULT. Returns 0, -EINVAL, -EPERM, -ENOMEM (what lies before a
 * hole stays locked), -EAGAIN. */
int sf_mlock(struct sf_space *space, uint64_t start, uint64_t length, int flags);
int sf_munlock(struct sf_space *space, uint64_t start, uint64_t length);
/* mlockall(2). Returns 0, -EINVAL, -EPERM, -ENOMEM. */
int sf_mlockall(struct sf_space *space, int flags);
int sf_munlockall(struct sf_space *space);

enum sf_access { SF_READ = 0, SF_WRITE = 1, SF_EXECUTE = 2 };

enum sf_fault_result {
    SF_HANDLED = 0, /* the access can be repeated (and may fault again) */
    SF_MAPERR = 1,  /* nothing is mapped there: SIGSEGV, SEGV_MAPERR */
    SF_ACCERR = 2,  /* the mapping forbids it: SIGSEGV, SEGV_ACCERR */
    SF_BUS = 3,     /* past the end of the file, or it could not be read: SIGBUS */
    SF_OOM = 4      /* no frame or table could be had */
};

/* Resolves a page fault at `va` (any byte), as handle_mm_fault. Sets accessed, and dirty for a
 * write. Locks: takes a VMA lock or the mmap lock, and page-table locks.
 * Returns an sf_fault_result, or -EINVAL if `access` is not an sf_access. */
int sf_fault(struct sf_space *space, uint64_t va, int access);

/* Physical address of the root table: what a processor's CR3 would hold. For the space's life.
 * Whoever walks the tables: loads each entry once, atomically; stores nothing; and keeps the
 * invalidate callback waiting meanwhile, so that no table goes away. */
uint64_t sf_root(const struct sf_space *space);

#define SF_PTE_WRITABLE 1u
#define SF_PTE_EXECUTABLE 2u
#define SF_PTE_ACCESSED 4u
/* A cache must not let a write through before this is set: sf_fault with SF_WRITE sets it. */
#define SF_PTE_DIRTY 8u

struct sf_translation {
    size_t size; /* set by the caller */
    /* Offset into the arena of that very byte. */
    uint64_t physical;
    uint32_t bits;
};

/* The walk in software. Never faults; takes no lock but an RCU read section, so that it can be
 * called under a lock that the invalidate callback takes: that is how a cache is filled without
 * keeping what was just invalidated.
 * Returns 0, -EFAULT if no entry is present, -EINVAL for a wrong size. */
int sf_translate(const struct sf_space *space, uint64_t va, struct sf_translation *out);

/* Copies guest memory, faulting pages in. Not atomic against other writers.
 * Returns bytes copied: fewer where the rest is not accessible or memory ran out. */
size_t sf_read(struct sf_space *space, void *to, size_t bytes, uint64_t from);
size_t sf_write(struct sf_space *space, uint64_t to, const void *from, size_t bytes);

/* Bytes, but for the counts. */
struct sf_space_statistics {
    size_t size; /* set by the caller; a smaller struct is filled as far as it goes */
    uint64_t rss_anon;
    uint64_t rss_file;
    uint64_t rss_shmem;
    /* Page tables, the root included. */
    uint64_t tables;
    /* Mapped, as /proc/PID/status has it: VmSize, VmLck, VmData, VmStk. */
    uint64_t total_vm;
    uint64_t locked_vm;
    uint64_t data_vm;
    uint64_t stack_vm;
    uint64_t nr_vmas;
};

/* Exact when no other call is running. Returns 0, -EINVAL for a size without all of `size`. */
int sf_statistics(const struct sf_space *space, struct sf_space_statistics *out);

/* The text of /proc/PID/maps, cut to `bytes` with a NUL (0: nothing is written).
 * Takes the mmap lock for reading. Returns the whole length without NUL, or -ENOMEM. */
int64_t sf_maps(const struct sf_space *space, char *text, size_t bytes);
/* Compares tables, entries, counts and mappings with each other. No other call on the space is
 * running. Returns 0, or the length of the complaint, which is put into `text` as sf_maps does, or
 * -ENOMEM. */
int64_t sf_check(struct sf_space *space, char *text, size_t bytes);

/* "major.minor.patch" */
const char *sf_version(void);

#ifdef __cplusplus
}
#endif

#endif
