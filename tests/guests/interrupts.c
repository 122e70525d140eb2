// Threads in every kind of wait are interrupted by signals again and again, as often as the argument
// says; then the process ends while all of them wait or run.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { kKinds = 6 };

static int fds[2];
static atomic_int interrupted[kKinds];
static atomic_int handled[kKinds];
static __thread int kind;
static atomic_int spinning;
static int futex_word;

static void on_signal(int signal) {
    (void)signal;
    atomic_fetch_add(&handled[kind], 1);
}

static int wait_once(void) {
    char c;
    struct pollfd p = {fds[0], POLLIN, 0};
    struct timespec forever = {1000000, 0};
    sigset_t none;
    switch (kind) {
        case 0: return read(fds[0], &c, 1) < 0 && errno == EINTR;
        case 1: return syscall(SYS_nanosleep, &forever, NULL) < 0 && errno == EINTR;
        case 2:
            return syscall(SYS_futex, &futex_word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) < 0 &&
                   errno == EINTR;
        case 3: return poll(&p, 1, -1) < 0 && errno == EINTR;
        case 4:
            sigemptyset(&none);
            return sigsuspend(&none) < 0 && errno == EINTR;
        default: {
            int before = atomic_load(&handled[kind]);
            while (atomic_load(&handled[kind]) == before) atomic_fetch_add(&spinning, 1);
            return 1;
        }
    }
}

static void *waiter(void *argument) {
    kind = (int)(long)argument;
    for (;;) {
        if (wait_once()) atomic_fetch_add(&interrupted[kind], 1);
    }
    return NULL;
}

int main(int argc, char **argv) {
    const int rounds = argc > 1 ? atoi(argv[1]) : 200;
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    if (pipe(fds) != 0) return 1;
    pthread_t threads[kKinds];
    for (long i = 0; i < kKinds; ++i) pthread_create(&threads[i], NULL, waiter, (void *)i);
    for (int round = 1; round <= rounds; ++round) {
        for (int i = 0; i < kKinds; ++i) {
            // A signal that comes between two waits interrupts none: send until one was.
            int target = atomic_load(&interrupted[i]) + 1;
            while (atomic_load(&interrupted[i]) < target) {
                pthread_kill(threads[i], SIGUSR1);
                sched_yield();
            }
        }
    }
    for (int i = 0; i < kKinds; ++i) printf("kind %d: %d\n", i, atomic_load(&interrupted[i]) >= rounds);
    fflush(stdout);
    _exit(5);
}
