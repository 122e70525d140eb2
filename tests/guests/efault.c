// Every call that takes a pointer gets bad ones: unmapped, of the kernel's half, not canonical, and
// the last byte before a hole. What it answers is printed.
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

struct call {
    const char *name;
    long number;
    long args[6];
    // Bit i: argument i is a pointer.
    unsigned pointers;
};

enum { P0 = 1, P1 = 2, P2 = 4, P3 = 8, P4 = 16, P5 = 32 };

static struct {
    const char *name;
    char *address;
} bad[] = {{"unmapped", NULL},
           {"kernel", (char *)0xffff800000000000},
           {"not canonical", (char *)0x8000000000000000},
           {"at a hole", NULL}};
enum { kBad = sizeof bad / sizeof *bad, kAtHole = kBad - 1 };

// Below the program: the kernel places nothing there by itself, its break included.
static void make_bad_pointers(void) {
    char *page = mmap((void *)0x100000, 4096, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    bad[0].address = page + 4096 + 512;
    bad[kAtHole].address = page + 4095;
}

static void report(const char *name, int argument, const char *kind, long result) {
    printf("%s %d %s: ", name, argument, kind);
    if (result < 0) {
        printf("%s\n", strerrorname_np(errno));
    } else {
        printf("%ld\n", result);
    }
}

static void sweep(const struct call *call) {
    for (int i = 0; i < 6; ++i) {
        for (int kind = 0; kind < kBad && (call->pointers >> i & 1); ++kind) {
            long a[6];
            memcpy(a, call->args, sizeof a);
            a[i] = (long)bad[kind].address;
            *bad[kAtHole].address = 'x';
            report(call->name, i, bad[kind].name,
                   syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]));
        }
    }
}

static char directory[] = "/tmp/surefoot-efault-XXXXXX";
static char buffer[4096];
static int file, dir, ends[2], terminal;

#define CALL(name, pointers, ...) \
    sweep(&(const struct call) { #name, SYS_##name, {__VA_ARGS__}, pointers })
#define PTR(x) (long)(x)

static void read_and_write(void) {
    struct iovec vector = {buffer, 8};
    CALL(read, P1, file, 0, 8);
    CALL(write, P1, file, 0, 8);
    CALL(pread64, P1, file, 0, 8, 0);
    CALL(pwrite64, P1, file, 0, 8, 0);
    CALL(readv, P1, file, 0, 1);
    CALL(writev, P1, file, 0, 1);
    CALL(preadv, P1, file, 0, 1, 0, 0);
    CALL(pwritev, P1, file, 0, 1, 0, 0);
    CALL(read, P1, file, 0, 0);
    CALL(read, P1, file, 0, -1);
    CALL(pread64, P1, file, 0, LONG_MIN, 0);
    CALL(write, P1, file, 0, 0);
    // At the end of a file nobody looks at the buffer.
    lseek(file, 0, SEEK_END);
    CALL(read, P1, file, 0, 8);
    CALL(pread64, P1, file, 0, 8, 1 << 20);
    lseek(file, 0, SEEK_SET);
    // A pipe's are not asked: Linux looks at a whole page first, we move what lies before the hole.
    for (int kind = 0; kind < kBad; ++kind) {
        struct iovec two[2] = {vector, {bad[kind].address, 8}};
        report("readv base", 0, bad[kind].name, preadv(file, two + 1, 1, 0));
        report("writev base", 0, bad[kind].name, pwritev(file, two + 1, 1, 0));
        report("readv base", 1, bad[kind].name, preadv(file, two, 2, 0));
        report("writev base", 1, bad[kind].name, pwritev(file, two, 2, 0));
    }
    CALL(getdents64, P1, dir, 0, 4096);
    CALL(getrandom, P0, 0, 8, 0);
    CALL(ioctl, P2, ends[0], FIONREAD, 0);
    CALL(ioctl, P2, terminal, TCGETS, 0);
    CALL(ioctl, P2, terminal, TCSETS, 0);
    CALL(ioctl, P2, terminal, TIOCGWINSZ, 0);
    CALL(fcntl, P2, file, F_GETLK, 0);
    CALL(fcntl, P2, file, F_SETLK, 0);
    CALL(pipe, P0, 0);
    CALL(pipe2, P0, 0, O_CLOEXEC);
}

static void paths(void) {
    CALL(open, P0, 0, O_RDONLY, 0);
    CALL(creat, P0, 0, 0600);
    CALL(openat, P1, AT_FDCWD, 0, O_RDONLY, 0);
    CALL(stat, P0 | P1, PTR("file"), PTR(buffer));
    CALL(lstat, P0 | P1, PTR("file"), PTR(buffer));
    CALL(fstat, P1, file, 0);
    CALL(newfstatat, P1 | P2, dir, PTR("file"), PTR(buffer), 0);
    CALL(statx, P1 | P4, dir, PTR("file"), 0, STATX_BASIC_STATS, PTR(buffer));
    CALL(access, P0, 0, R_OK);
    CALL(faccessat, P1, dir, 0, R_OK);
    CALL(faccessat2, P1, dir, 0, R_OK, 0);
    CALL(readlink, P0 | P1, PTR("link"), PTR(buffer), 4096);
    CALL(readlinkat, P1 | P2, dir, PTR("link"), PTR(buffer), 4096);
    CALL(truncate, P0, 0, 0);
    CALL(statfs, P0 | P1, PTR("file"), PTR(buffer));
    CALL(fstatfs, P1, file, 0);
    CALL(memfd_create, P0, 0, 0);
    CALL(getcwd, P0, 0, 4096);
    CALL(chdir, P0, 0);
    CALL(mkdir, P0, 0, 0700);
    CALL(mkdirat, P1, dir, 0, 0700);
    CALL(rmdir, P0, 0);
    CALL(unlink, P0, 0);
    CALL(unlinkat, P1, dir, 0, 0);
    CALL(rename, P0 | P1, PTR("file"), PTR("other"));
    CALL(renameat, P1 | P3, dir, PTR("file"), dir, PTR("other"));
    CALL(renameat2, P1 | P3, dir, PTR("file"), dir, PTR("other"), 0);
    CALL(link, P0 | P1, PTR("file"), PTR("other"));
    CALL(linkat, P1 | P3, dir, PTR("file"), dir, PTR("other"), 0);
    CALL(symlink, P0 | P1, PTR("file"), PTR("other"));
    CALL(symlinkat, P0 | P2, PTR("file"), dir, PTR("other"));
    CALL(chmod, P0, 0, 0600);
    CALL(fchmodat, P1, dir, 0, 0600);
    const struct timespec times[2] = {{1, 0}, {1, 0}};
    CALL(utimensat, P1 | P2, dir, PTR("file"), PTR(times), 0);
}

static void waiting(void) {
    const struct timespec none = {0, 0};
    struct pollfd fds[1] = {{file, POLLIN, 0}};
    uint64_t mask = 0, set = 1;
    const struct {
        const void *mask;
        size_t size;
    } sized = {&mask, 8};
    const struct timeval zero = {0, 0};
    CALL(poll, P0, 0, 1, 0);
    CALL(ppoll, P0 | P2 | P3, PTR(fds), 1, PTR(&none), PTR(&mask), 8);
    CALL(select, P1 | P2 | P3 | P4, 1, PTR(&set), PTR(&set), PTR(&set), PTR(&zero));
    CALL(pselect6, P1 | P2 | P3 | P4 | P5, 1, PTR(&set), PTR(&set), PTR(&set), PTR(&none),
         PTR(&sized));
    for (int kind = 0; kind < kBad; ++kind) {
        const struct {
            const void *mask;
            size_t size;
        } wrong = {bad[kind].address, 8};
        report("pselect6 mask", 5, bad[kind].name,
               syscall(SYS_pselect6, 0, NULL, NULL, NULL, &none, &wrong));
    }
    static uint32_t word, other;
    CALL(futex, P0, 0, FUTEX_WAIT, 0, PTR(&none));
    CALL(futex, P0, 0, FUTEX_WAKE_PRIVATE, 1);
    CALL(futex, P0, 0, FUTEX_WAKE, 1);
    CALL(futex, P3, PTR(&word), FUTEX_WAIT, 0, 0);
    CALL(futex, P0 | P4, PTR(&word), FUTEX_CMP_REQUEUE, 1, 1, PTR(&other), 0);
    CALL(futex, P0 | P4, PTR(&word), FUTEX_WAKE_OP, 1, 1, PTR(&other), 0);
}

static void times_and_limits(void) {
    const struct timespec moment = {0, 1};
    const struct itimerval off = {{0, 0}, {0, 0}};
    const struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    CALL(clock_gettime, P1, CLOCK_MONOTONIC, 0);
    CALL(clock_getres, P1, CLOCK_MONOTONIC, 0);
    CALL(clock_nanosleep, P2 | P3, CLOCK_MONOTONIC, 0, PTR(&moment), PTR(buffer));
    CALL(nanosleep, P0 | P1, PTR(&moment), PTR(buffer));
    CALL(gettimeofday, P0 | P1, PTR(buffer), PTR(buffer));
    CALL(time, P0, 0);
    CALL(times, P0, 0);
    CALL(setitimer, P1 | P2, ITIMER_REAL, PTR(&off), PTR(buffer));
    CALL(getitimer, P1, ITIMER_REAL, 0);
    CALL(getrlimit, P1, RLIMIT_AS, 0);
    CALL(setrlimit, P1, RLIMIT_AS, 0);
    CALL(prlimit64, P2 | P3, 0, RLIMIT_AS, PTR(&limit), PTR(buffer));
    CALL(getrusage, P1, RUSAGE_SELF, 0);
    CALL(uname, P0, 0);
    CALL(sysinfo, P0, 0);
    CALL(sched_getaffinity, P2, 0, 128, 0);
    const uint64_t no_cpu = 0, all_cpus = ~0ULL;
    CALL(sched_setaffinity, P2, 0, 8, 0);
    report("sched_setaffinity", 2, "no processor",
           syscall(SYS_sched_setaffinity, 0, 8, &no_cpu));
    report("sched_setaffinity", 2, "all", syscall(SYS_sched_setaffinity, 0, 8, &all_cpus));
    CALL(sched_getparam, P1, 0, 0);
    CALL(getcpu, P0 | P1, PTR(buffer), PTR(buffer));
}

static void process(void) {
    char *page = mmap(NULL, 2 * 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    CALL(mincore, P2, PTR(page), 4096, 0);
    CALL(mincore, P2, PTR(page), 4096 * 2, 0);
    CALL(getresuid, P0 | P1 | P2, PTR(buffer), PTR(buffer), PTR(buffer));
    CALL(getresgid, P0 | P1 | P2, PTR(buffer), PTR(buffer), PTR(buffer));
    CALL(getgroups, P1, 65536, 0);
    CALL(arch_prctl, P1, ARCH_GET_FS, 0);
    CALL(arch_prctl, P1, ARCH_GET_GS, 0);
    CALL(prctl, P1, PR_SET_NAME, 0);
    CALL(prctl, P1, PR_GET_NAME, 0);
    CALL(clone3, P0, 0, sizeof(struct clone_args));
}

static void signals(void) {
    struct {
        void *handler;
        uint64_t flags, restorer, mask;
    } action = {SIG_IGN, 0, 0, 0};
    const uint64_t usr2 = 1ULL << (SIGUSR2 - 1);
    const struct timespec none = {0, 0};
    siginfo_t info;
    memset(&info, 0, sizeof info);
    info.si_code = SI_QUEUE;
    CALL(rt_sigaction, P1 | P2, SIGUSR1, PTR(&action), PTR(buffer), 8);
    CALL(rt_sigprocmask, P1 | P2, SIG_BLOCK, PTR(&usr2), PTR(buffer), 8);
    CALL(rt_sigpending, P0, 0, 8);
    CALL(rt_sigsuspend, P0, 0, 8);
    CALL(rt_sigtimedwait, P0 | P2, PTR(&usr2), PTR(buffer), PTR(&none), 8);
    for (int kind = 0; kind < kBad; ++kind) {
        raise(SIGUSR2);
        report("rt_sigtimedwait", 1, bad[kind].name,
               syscall(SYS_rt_sigtimedwait, &usr2, bad[kind].address, &none, 8));
    }
    CALL(rt_sigqueueinfo, P2, getpid(), SIGUSR2, 0);
    CALL(rt_tgsigqueueinfo, P3, getpid(), gettid(), SIGUSR2, 0);
    const stack_t stack = {buffer, 0, sizeof buffer};
    CALL(sigaltstack, P0 | P1, PTR(&stack), PTR(&action));
}

int main(void) {
    setvbuf(stdout, NULL, _IOFBF, 1 << 16);
    make_bad_pointers();
    if (mkdtemp(directory) == NULL || chdir(directory) != 0) return 1;
    file = open("file", O_RDWR | O_CREAT, 0600);
    dir = open(".", O_RDONLY | O_DIRECTORY);
    terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (file < 0 || dir < 0 || pipe2(ends, O_NONBLOCK) != 0) return 2;
    if (symlink("file", "link") != 0 || ftruncate(file, 4096) != 0) return 3;
    if (write(ends[1], buffer, sizeof buffer) != sizeof buffer) return 4;
    read_and_write();
    paths();
    waiting();
    times_and_limits();
    process();
    signals();
    unlink("file");
    unlink("link");
    rmdir(directory);
    return 0;
}
