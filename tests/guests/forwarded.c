// Tells which signals it is sent, and, asked for `inherited`, which it finds blocked or ignored.
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t done;

static void on_signal(int signal, siginfo_t *info, void *context) {
    (void)context;
    char line[80];
    int n = snprintf(line, sizeof line, "signal %d code %d from the parent: %d\n", signal, info->si_code,
                     info->si_pid == getppid());
    done = signal == SIGTERM;
    if (write(1, line, (size_t)n) != n) _exit(1);
}

static void tell_inherited(void) {
    sigset_t blocked;
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (int signal = 1; signal <= 64; ++signal) {
        struct sigaction action = {0};
        sigaction(signal, NULL, &action);
        printf("signal %d blocked %d ignored %d\n", signal, sigismember(&blocked, signal),
               action.sa_handler == SIG_IGN);
    }
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "inherited") == 0) {
        tell_inherited();
        return 0;
    }
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
    // Blocked but while it waits, so that none comes between a look and the wait.
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (int signal = 1; signal <= 64; ++signal) sigaction(signal, &action, NULL);
    puts("ready");
    fflush(stdout);
    while (!done) sigsuspend(&none);
    return 9;
}
