// Handlers: what they are told, on which stack they run, and what they leave as it was.
#define _GNU_SOURCE
#include <errno.h>
#include <immintrin.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static volatile int seen_signal, seen_code, on_alt_stack, calls;
static void *volatile seen_address;
static char *alt_stack;
static const size_t kAltSize = 65536;

static void on_fault(int signal, siginfo_t *info, void *context) {
    int here;
    (void)context;
    seen_signal = signal;
    seen_code = info->si_code;
    seen_address = info->si_addr;
    on_alt_stack = (char *)&here >= alt_stack && (char *)&here < alt_stack + kAltSize;
    siglongjmp(back, 1);
}

static void install(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigaction(signal, &action, NULL);
}

static void test_faults(void) {
    char *page = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page + 4096, 4096);
    install(SIGSEGV, on_fault, SA_ONSTACK);
    if (sigsetjmp(back, 1) == 0) *(volatile char *)(page + 5) = 1;
    printf("write to read-only: signal %d code %d offset %td alt %d\n", seen_signal, seen_code,
           (char *)seen_address - page, on_alt_stack);
    if (sigsetjmp(back, 1) == 0) *(volatile char *)(page + 4096 + 9) = 1;
    printf("unmapped: signal %d code %d offset %td alt %d\n", seen_signal, seen_code,
           (char *)seen_address - page, on_alt_stack);
    if (sigsetjmp(back, 1) == 0) ((void (*)(void))(uintptr_t)page)();
    printf("execute: signal %d code %d offset %td\n", seen_signal, seen_code,
           (char *)seen_address - page);
    if (sigsetjmp(back, 1) == 0) *(volatile char *)0x8000000000000000 = 1;
    printf("non-canonical: signal %d code %d address %p\n", seen_signal, seen_code, seen_address);
    install(SIGILL, on_fault, 0);
    if (sigsetjmp(back, 1) == 0) __asm__ volatile("ud2");
    printf("ud2: signal %d code %d alt %d\n", seen_signal, seen_code, on_alt_stack);
    install(SIGFPE, on_fault, 0);
    if (sigsetjmp(back, 1) == 0) {
        __asm__ volatile("xor %%edx, %%edx\n\txor %%ecx, %%ecx\n\tdivl %%ecx" : : "a"(1) : "ecx", "edx");
    }
    printf("divide: signal %d code %d\n", seen_signal, seen_code);
    char name[] = "/tmp/surefoot-bus-XXXXXX";
    int fd = mkstemp(name);
    unlink(name);
    if (ftruncate(fd, 100) != 0) puts("ftruncate failed");
    char *file = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);
    install(SIGBUS, on_fault, 0);
    if (sigsetjmp(back, 1) == 0) printf("%d\n", *(volatile char *)(file + 4096 + 3));
    printf("past the end: signal %d code %d offset %td\n", seen_signal, seen_code,
           (char *)seen_address - file);
    close(fd);
}

static void spoil_registers(int signal) {
    (void)signal;
    ++calls;
    double values[8];
    for (int i = 0; i < 8; ++i) values[i] = i * 1.5;
    __asm__ volatile(
        "movupd %0, %%xmm0\n\tmovapd %%xmm0, %%xmm7\n\tmovapd %%xmm0, %%xmm15\n\tfldpi"
        : : "m"(values[2]) : "xmm0", "xmm7", "xmm15");
}

static void test_registers(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = spoil_registers;
    sigaction(SIGUSR1, &action, NULL);
    double in[2] = {3.25, -7.5}, out7[2], out15[2];
    long pid = getpid(), result;
    uint64_t r12_after;
    __asm__ volatile(
        "movupd (%[in]), %%xmm7\n\tmovupd (%[in]), %%xmm15\n\t"
        "mov $0x1234567890abcdef, %%r12\n\t"
        "syscall\n\t"
        "movupd %%xmm7, (%[out7])\n\tmovupd %%xmm15, (%[out15])\n\tmov %%r12, %[r12]"
        : "=a"(result), [r12] "=r"(r12_after)
        : [in] "r"(in), [out7] "r"(out7), [out15] "r"(out15), "a"(62L), "D"(pid), "S"((long)SIGUSR1)
        : "rcx", "r11", "r12", "xmm7", "xmm15", "memory");
    printf("registers after a handler: %ld %d %g %g %g %g %lx\n", result, calls, out7[0], out7[1],
           out15[0], out15[1], (unsigned long)r12_after);
}

__attribute__((target("avx"))) static int check_avx(void) {
    float in[8] = {1, 2, 3, 4, 5, 6, 7, 8}, out[8];
    long result;
    __asm__ volatile(
        "vmovups (%[in]), %%ymm9\n\tsyscall\n\tvmovups %%ymm9, (%[out])"
        : "=a"(result)
        : [in] "r"(in), [out] "r"(out), "a"(62L), "D"((long)getpid()), "S"((long)SIGUSR1)
        : "rcx", "r11", "xmm9", "memory");
    return memcmp(in, out, sizeof in) == 0;
}

static void count(int signal) { (void)signal; ++calls; }

static void test_masks(void) {
    signal(SIGUSR2, count);
    calls = 0;
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR2);
    raise(SIGUSR2);
    sigpending(&pending);
    printf("blocked: calls %d pending %d\n", calls, sigismember(&pending, SIGUSR2));
    sigemptyset(&set);
    int result = sigsuspend(&set);
    printf("suspended: %d %s, calls %d\n", result, strerror(errno), calls);
    sigprocmask(SIG_SETMASK, NULL, &set);
    printf("still blocked: %d\n", sigismember(&set, SIGUSR2));
    sigprocmask(SIG_SETMASK, &old, NULL);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count;
    action.sa_flags = SA_RESETHAND;
    sigaction(SIGUSR2, &action, NULL);
    raise(SIGUSR2);
    sigaction(SIGUSR2, NULL, &action);
    printf("reset: calls %d default %d\n", calls, action.sa_handler == SIG_DFL);
}

static int fds[2];
static pthread_t main_thread;

/// Signals until the reader's handler has run, then gives it something to read.
static void *interrupter(void *restart) {
    pthread_kill(main_thread, SIGUSR1);
    while (calls == 0) sched_yield();
    if (restart != NULL && write(fds[1], "x", 1) != 1) return NULL;
    return NULL;
}

static void test_restart(int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count;
    action.sa_flags = flags;
    sigaction(SIGUSR1, &action, NULL);
    calls = 0;
    main_thread = pthread_self();
    if (pipe(fds) != 0) return;
    // Blocked until the read waits or is about to: no signal can come before.
    pthread_t thread;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    pthread_create(&thread, NULL, interrupter, flags & SA_RESTART ? &fds : NULL);
    char c = '-';
    if (!(flags & SA_RESTART)) {
        // Without SA_RESTART the interruption itself must end the wait.
        errno = 0;
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(fds[0], &readable);
        int result = pselect(fds[0] + 1, &readable, NULL, NULL, NULL, &old);
        printf("pselect: %d %s\n", result, strerror(errno));
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    } else {
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        long result = read(fds[0], &c, 1);
        printf("restarted read: %ld %c\n", result, c);
    }
    pthread_join(thread, NULL);
    close(fds[0]);
    close(fds[1]);
}

static void test_timer(void) {
    signal(SIGALRM, count);
    calls = 0;
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    sigprocmask(SIG_BLOCK, &set, &old);
    struct itimerval timer = {{0, 0}, {0, 2000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    sigsuspend(&old);
    printf("alarm: calls %d\n", calls);
    sigprocmask(SIG_SETMASK, &old, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (pipe(fds) != 0) return;
    close(fds[0]);
    long result = write(fds[1], "x", 1);
    printf("broken pipe: %ld %s\n", result, strerror(errno));
}

int main(void) {
    alt_stack = malloc(kAltSize);
    stack_t stack = {.ss_sp = alt_stack, .ss_size = kAltSize};
    sigaltstack(&stack, NULL);
    test_faults();
    test_registers();
    printf("avx: %d\n", !__builtin_cpu_supports("avx") || check_avx());
    test_masks();
    test_restart(0);
    test_restart(SA_RESTART);
    test_timer();
    return 0;
}
