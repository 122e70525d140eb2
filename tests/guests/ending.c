// Ends in the way that its argument names.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *how = argc > 1 ? argv[1] : "";
    printf("ending by %s\n", how);
    fflush(stdout);
    if (strcmp(how, "exit") == 0) exit(atoi(argv[2]));
    if (strcmp(how, "abort") == 0) abort();
    if (strcmp(how, "kill") == 0) kill(getpid(), atoi(argv[2]));
    if (strcmp(how, "null") == 0) *(volatile int *)8 = 1;
    if (strcmp(how, "trap") == 0) __asm__ volatile("int3");
    if (strcmp(how, "ud2") == 0) __asm__ volatile("ud2");
    if (strcmp(how, "hlt") == 0) __asm__ volatile("hlt");
    if (strcmp(how, "stack") == 0) {
        __asm__ volatile("mov %0, %%rsp\n\tpush %%rax" : : "r"(0x8000000000000000));
    }
    if (strcmp(how, "pipe") == 0) {
        int fds[2];
        if (pipe(fds) != 0) return 1;
        close(fds[0]);
        if (write(fds[1], "x", 1) != 1) return 2;
    }
    if (strcmp(how, "blocked") == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGSEGV);
        sigprocmask(SIG_BLOCK, &set, NULL);
        *(volatile int *)8 = 1;
    }
    if (strcmp(how, "fsize") == 0) {
        struct rlimit limit = {4096, 1 << 20};
        char bytes[8192] = {0};
        FILE *file = tmpfile();
        if (file == NULL || setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
        printf("written: %zd\n", write(fileno(file), bytes, sizeof bytes));
        fflush(stdout);
        if (write(fileno(file), bytes, 1) != 1) return 2;
    }
    if (strcmp(how, "pause") == 0) pause();
    while (strcmp(how, "spin") == 0) {
    }
    if (strcmp(how, "memory") == 0) {
        for (;;) {
            char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p == MAP_FAILED) return 3;
            memset(p, 1, 1 << 20);
        }
    }
    return 0;
}
