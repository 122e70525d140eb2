#pragma once

/* KVM's interface, called from C: in C++ some structures of linux/kvm.h have another size (the
 * macro of their flexible arrays adds an empty member), and with it another ioctl number.
 * Functions that return int give 0 or more, or a negative error number. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The layout of struct kvm_regs. */
struct sf_kvm_regs {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp;
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rip, rflags;
};

/* Room for a struct kvm_sregs. */
struct sf_kvm_sregs {
    uint64_t words[40];
};

/* What a virtual processor needs at its start. */
struct sf_kvm_start {
    uint64_t cr3, gdt, idt, tss;
    uint16_t gdt_limit, idt_limit;
    uint64_t star, lstar, sfmask;
    uint16_t kernel_cs, kernel_ss, tss_selector;
};

/* Facts of a KVM. */
struct sf_kvm_facts {
    size_t run_bytes;
    size_t xsave_bytes;   /* of KVM's buffer */
    size_t fp_bytes;      /* of what the features below occupy in it */
    uint64_t fp_features; /* XCR0 */
};

struct sf_kvm_cpuid;

enum sf_kvm_reason { SF_KVM_HALTED, SF_KVM_BROKEN };

int sf_kvm_open(void);
int sf_kvm_create_vm(int kvm);
/* SF: -EOPNOTSUPP when something is missing. */
int sf_kvm_examine(int kvm, int vm, const struct sf_kvm_cpuid* cpuid, struct sf_kvm_facts* facts);
int sf_kvm_add_memory(int vm, uint32_t slot, uint64_t gpa, void* host, uint64_t bytes);

int sf_kvm_read_cpuid(int kvm, struct sf_kvm_cpuid** cpuid);
void sf_kvm_free_cpuid(struct sf_kvm_cpuid* cpuid);

int sf_kvm_create_vcpu(int vm, uint32_t id);
/* Registers, features and MSRs; `made` gets the special registers as they are then. */
int sf_kvm_start_vcpu(int vcpu, const struct sf_kvm_cpuid* cpuid, uint64_t fp_features,
                      const struct sf_kvm_start* start, struct sf_kvm_sregs* made);

/* `run` is the shared page of a vCPU. */
void sf_kvm_prepare_run(void* run);
int sf_kvm_run(int vcpu);
enum sf_kvm_reason sf_kvm_exit_reason(const void* run);
uint8_t* sf_kvm_immediate_exit(void* run);
/* The registers at the last exit, and for the next entry. */
struct sf_kvm_regs* sf_kvm_registers(void* run);
void sf_kvm_regs_changed(void* run);
uint64_t sf_kvm_cr2(const void* run);
uint64_t sf_kvm_fs_base(const void* run);
uint64_t sf_kvm_gs_base(const void* run);
/* Whether an exception waits to be delivered by the next sf_kvm_run. */
int sf_kvm_has_pending_event(int vcpu);
unsigned sf_kvm_privilege_level(const void* run);
void sf_kvm_put_sregs(void* run, const struct sf_kvm_sregs* from, uint64_t cr3, uint64_t fs_base,
                      uint64_t gs_base);

int sf_kvm_get_fp(int vcpu, void* xsave, size_t bytes);
int sf_kvm_set_fp(int vcpu, const void* xsave);

/* The signal mask of the calling thread during sf_kvm_run. */
int sf_kvm_set_signal_mask(int vcpu, uint64_t mask);

#ifdef __cplusplus
}
#endif
