// What a handler starts with, what a new thread inherits, and what becomes of ignored signals.
#define _GNU_SOURCE
#include <fenv.h>
#include <immintrin.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct float_control {
    uint32_t mxcsr;
    uint16_t x87;
};

static struct float_control float_control(void) {
    struct float_control control = {.mxcsr = _mm_getcsr()};
    __asm__ volatile("fnstcw %0" : "=m"(control.x87));
    return control;
}

static void print_control(const char *where, struct float_control control) {
    printf("%s: mxcsr %x, x87 %x\n", where, control.mxcsr, control.x87);
}

static struct float_control in_handler;
static sigset_t mask_in_handler;
static int calls, calls_before_return;

static void count(int signal) {
    (void)signal;
    ++calls;
}

static void look_around(int signal) {
    (void)signal;
    in_handler = float_control();
    sigprocmask(SIG_SETMASK, NULL, &mask_in_handler);
    raise(SIGUSR2);
    calls_before_return = calls;
}

static void test_handler(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = look_around;
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGUSR2, count);
    fesetround(FE_UPWARD);
    raise(SIGUSR1);
    print_control("in the handler", in_handler);
    print_control("after it", float_control());
    fesetround(FE_TONEAREST);
    printf("blocked in the handler: USR1 %d USR2 %d TERM %d HUP %d\n",
           sigismember(&mask_in_handler, SIGUSR1), sigismember(&mask_in_handler, SIGUSR2),
           sigismember(&mask_in_handler, SIGTERM), sigismember(&mask_in_handler, SIGHUP));
    printf("USR2 came %d times in it, %d times in all\n", calls_before_return, calls);
    sigprocmask(SIG_SETMASK, NULL, &mask_in_handler);
    printf("blocked after it: USR1 %d USR2 %d\n", sigismember(&mask_in_handler, SIGUSR1),
           sigismember(&mask_in_handler, SIGUSR2));
}

static struct float_control in_child;
static uint64_t child_mask;
static uint32_t child_tid;

static int look_around_in_child(void *nothing) {
    (void)nothing;
    in_child = float_control();
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, NULL, &child_mask, sizeof child_mask);
    return 0;
}

/// By clone itself: pthread_create sets the mask of the new thread.
static void test_inheritance(void) {
    static char stack[65536] __attribute__((aligned(16)));
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_SETMASK, &set, &old);
    fesetround(FE_DOWNWARD);
    child_tid = 1;
    const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                      CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    if (clone(look_around_in_child, stack + sizeof stack, flags, NULL, NULL, NULL, &child_tid) < 0)
        perror("clone");
    while (__atomic_load_n(&child_tid, __ATOMIC_ACQUIRE) != 0)
        syscall(SYS_futex, &child_tid, FUTEX_WAIT, 1, NULL, NULL, 0);
    fesetround(FE_TONEAREST);
    sigprocmask(SIG_SETMASK, &old, NULL);
    print_control("in the new thread", in_child);
    printf("blocked in the new thread: %lx\n", (unsigned long)child_mask);
}

/// `send` makes SIGUSR1 pending, for the process or for this thread.
static void test_ignored(const char *what, int (*send)(void)) {
    signal(SIGUSR1, count);
    calls = 0;
    sigset_t set, old, pending;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    send();
    sigpending(&pending);
    printf("%s: pending %d", what, sigismember(&pending, SIGUSR1));
    signal(SIGUSR1, SIG_IGN);
    sigpending(&pending);
    printf(", ignored: pending %d", sigismember(&pending, SIGUSR1));
    signal(SIGUSR1, count);
    sigprocmask(SIG_SETMASK, &old, NULL);
    printf(", handled: calls %d\n", calls);
}

static int send_to_process(void) { return kill(getpid(), SIGUSR1); }
static int send_to_thread(void) { return raise(SIGUSR1); }

int main(void) {
    test_handler();
    test_inheritance();
    test_ignored("for the process", send_to_process);
    test_ignored("for the thread", send_to_thread);
    return 0;
}
