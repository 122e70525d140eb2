// Instructions and frames that the processor refuses: what the handler is told.
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;

static void on_fault(int signal, siginfo_t *info, void *context) {
    const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    printf("signal %d code %d address %lx vector %lld error %llx\n", signal, info->si_code,
           (unsigned long)info->si_addr, registers[REG_TRAPNO], registers[REG_ERR]);
    siglongjmp(back, 1);
}

static uint16_t wanted_cs, wanted_ss;
static int is_strict;

static void change_selectors(int signal, siginfo_t *info, void *context) {
    const unsigned long kStrictRestoreSs = 4;
    ucontext_t *uc = context;
    (void)signal, (void)info;
    uc->uc_mcontext.gregs[REG_CSGSFS] = (greg_t)((uint64_t)wanted_ss << 48 | wanted_cs);
    if (!is_strict) uc->uc_flags &= ~kStrictRestoreSs;
}

static void install(int signal, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(signal, &action, NULL);
}

#define TRY(name, text, ...)                      \
    do {                                          \
        printf("%s: ", name);                     \
        if (sigsetjmp(back, 1) == 0) {            \
            __asm__ volatile(text : __VA_ARGS__); \
            puts("nothing");                      \
        }                                         \
    } while (0)

static void refused_instructions(void) {
    const uint64_t nowhere = 0x8000000000000008;
    TRY("push", "mov %0, %%rsp\n\tpush %%rax", : "r"(nowhere));
    TRY("call", "mov %0, %%rsp\n\tcall 1f\n1:", : "r"(nowhere));
    TRY("load by rbp", "push %%rbp\n\tmov %0, %%rbp\n\tmov (%%rbp), %%rax\n\tpop %%rbp",
        : "r"(nowhere) : "rax");
    TRY("load", "mov (%0), %%rax", : "r"(nowhere) : "rax");
    TRY("jump", "jmp *%0", : "r"(nowhere));
    TRY("segment", "mov %0, %%ds", : "r"(0x1234));
    TRY("int 0x21", "int $0x21", :);
    TRY("int 4", "int $4", :);
    TRY("int 1", "int $1", :);
    TRY("hlt", "hlt", :);
}

static void sse(const char *name, unsigned unmasked, double a, double b, int divide) {
    const unsigned mxcsr = 0x1f80 & ~(unmasked << 7);
    if (divide) {
        TRY(name, "ldmxcsr %0\n\tmovsd %1, %%xmm0\n\tdivsd %2, %%xmm0",
            : "m"(mxcsr), "m"(a), "m"(b) : "xmm0");
    } else {
        TRY(name, "ldmxcsr %0\n\tmovsd %1, %%xmm0\n\tmulsd %2, %%xmm0",
            : "m"(mxcsr), "m"(a), "m"(b) : "xmm0");
    }
}

static void floating_point(void) {
    const unsigned short x87_divide = 0x37b, x87_invalid = 0x37e;
    sse("sse invalid", 1, 0, 0, 1);
    sse("sse denormal", 2, 1, 4e-320, 0);
    sse("sse divide", 4, 1, 0, 1);
    sse("sse overflow", 8, 1e300, 1e300, 0);
    sse("sse underflow", 16, 1e-300, 1e-300, 0);
    sse("sse inexact", 32, 1, 3, 1);
    TRY("x87 divide", "fldcw %0\n\tfld1\n\tfldz\n\tfdivrp\n\tfwait", : "m"(x87_divide));
    TRY("x87 invalid", "fldcw %0\n\tfldz\n\tfldz\n\tfdivrp\n\tfwait", : "m"(x87_invalid));
}

/// Neither 32-bit code nor a local descriptor table: those selectors mean something else.
static void frames(void) {
    static const uint16_t selectors[][2] = {
        {0x33, 0x2b}, {0x30, 0x28}, {0, 0x2b},    {0x33, 0},    {0x33, 0x33},
        {0x2b, 0x2b}, {0x10, 0x2b}, {0x33, 0x18}, {0x1238, 0x2b}, {0x33, 0x1238}};
    for (size_t i = 0; i < sizeof selectors / sizeof *selectors; ++i) {
        for (is_strict = 0; is_strict < 2; ++is_strict) {
            wanted_cs = selectors[i][0];
            wanted_ss = selectors[i][1];
            printf("cs %x ss %x strict %d: ", wanted_cs, wanted_ss, is_strict);
            if (sigsetjmp(back, 1) == 0) {
                raise(SIGUSR1);
                puts("returned");
            }
        }
    }
}

static long set_base(int code, uint64_t base) { return syscall(SYS_arch_prctl, code, base); }

/// FS is the C library's: it only gets what is refused.
static void bases(void) {
    static uint64_t words[4] = {1, 2, 3, 4};
    static const uint64_t refused[] = {0x8000000000000000, 0xffff800000000000, ~0UL};
    uint64_t base = 1, word = 0;
    for (int i = 0; i < 3; ++i) {
        const long fs = set_base(ARCH_SET_FS, refused[i]), gs = set_base(ARCH_SET_GS, refused[i]);
        printf("base %lx: %ld %ld %s\n", refused[i], fs, gs, strerror(errno));
    }
    set_base(ARCH_GET_GS, (uintptr_t)&base);
    printf("gs: %lx\n", base);
    printf("set gs: %ld\n", set_base(ARCH_SET_GS, (uintptr_t)words));
    wanted_cs = 0x33, wanted_ss = 0x2b;
    raise(SIGUSR1);
    __asm__ volatile("mov %%gs:8, %0" : "=r"(word));
    set_base(ARCH_GET_GS, (uintptr_t)&base);
    printf("gs after a handler: %lu, as set: %d\n", word, base == (uintptr_t)words);
    set_base(ARCH_SET_GS, 0);
    const long unknown = set_base(0x1000, 0);
    printf("unknown: %ld %s\n", unknown, strerror(errno));
}

/// The number is the lower half of rax.
static void numbers(void) {
    printf("number with an upper half: %d\n", (pid_t)syscall(1L << 32 | SYS_getpid) == getpid());
}

int main(int argc, char **argv) {
    static char alt_stack[65536];
    const stack_t stack = {.ss_sp = alt_stack, .ss_size = sizeof alt_stack};
    sigaltstack(&stack, NULL);
    install(SIGSEGV, on_fault);
    install(SIGBUS, on_fault);
    install(SIGFPE, on_fault);
    install(SIGUSR1, change_selectors);
    if (argc > 1 && strcmp(argv[1], "int80") == 0) {
        TRY("int 0x80", "int $0x80", : "a"(20));
        return 0;
    }
    refused_instructions();
    floating_point();
    frames();
    bases();
    numbers();
    return 0;
}
