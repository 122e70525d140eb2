#include "cpu/kvm/machine/stubs.hpp"

asm(R"(
.pushsection .rodata
.balign 16
surefoot_kvm_stubs:
        iretq
.balign 16
        push %rax
        mov %cr3, %rax
        mov %rax, %cr3
        pop %rax
        iretq
.org surefoot_kvm_stubs + 48
        hlt
.org surefoot_kvm_stubs + 64
1:      test %rcx, %rcx
        jz 3f
        mov (%rsi), %rax
        add $8, %rsi
        dec %rcx
        test $1, %al
        jnz 2f
        lock orl $0, (%rax)
        jmp 1b
2:      lock orb $0, (%rax)
        jmp 1b
3:      hlt
surefoot_kvm_stubs_end:
.popsection
)");

extern "C" const unsigned char surefoot_kvm_stubs[];
extern "C" const unsigned char surefoot_kvm_stubs_end[];

namespace surefoot::inline SF_BUILD::cpu::kvm {

std::span<const unsigned char> code_of_stubs() {
    return {surefoot_kvm_stubs, surefoot_kvm_stubs_end};
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
