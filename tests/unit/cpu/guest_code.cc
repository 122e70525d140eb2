#include "guest_code.hpp"

#define GUEST(name, text)                                                            \
    asm(".pushsection .rodata\n.globl guest_" #name "\n.globl guest_" #name "_end\n" \
        "guest_" #name ":\n" text "\nguest_" #name "_end:\n.popsection\n")

GUEST(syscalls, "1: mov $39, %eax; syscall; inc %rbx; jmp 1b");
GUEST(load, "1: mov (%rdi), %rax; syscall; jmp 1b");
GUEST(store, "1: mov %rsi, (%rdi); syscall; jmp 1b");
GUEST(spin, "1: inc %rbx; jmp 1b");
GUEST(watch, "1: mov (%rdi), %rax; cmp %rsi, %rax; je 1b; syscall; jmp 1b");
GUEST(count, "1: lock incq (%rdi); dec %rcx; jnz 1b; syscall; jmp 1b");
GUEST(ud2, "ud2");
GUEST(int3, "int3");
GUEST(divide, "xor %ecx, %ecx; xor %edx, %edx; mov $1, %eax; div %ecx");
GUEST(privileged, "hlt");
GUEST(noncanonical, "movabs $0x8000000000000000, %rax; mov (%rax), %rax");
GUEST(segment, "mov $0x1230, %eax; mov %eax, %ds");
GUEST(int80, "mov $1, %eax; int $0x80");
GUEST(vectors, "1: paddq %xmm1, %xmm0; syscall; jmp 1b");
GUEST(sweep,
      "1: xor %eax, %eax; mov %rdi, %r8; mov %rdx, %r9;"
      "2: lea (%r8, %rsi), %r10; cmp %r10, (%r8); je 3f; inc %rax;"
      "3: add %rbx, %r8; dec %r9; jnz 2b; syscall; jmp 1b");
GUEST(fs, "1: mov %fs:0, %rax; syscall; jmp 1b");
GUEST(gs, "1: mov %gs:0, %rax; syscall; jmp 1b");
GUEST(touch, "1: mov (%rdi), %rax; dec %rcx; jnz 1b; syscall; jmp 1b");
