#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

_Static_assert(sizeof(struct sf_kvm_regs) == sizeof(struct kvm_regs), "registers");
_Static_assert(offsetof(struct sf_kvm_regs, rflags) == offsetof(struct kvm_regs, rflags), "rflags");
_Static_assert(sizeof(struct sf_kvm_sregs) >= sizeof(struct kvm_sregs), "special registers");

enum { MAX_CPUID_ENTRIES = 256 };

struct sf_kvm_cpuid {
    struct kvm_cpuid2 head;
    struct kvm_cpuid_entry2 entries[MAX_CPUID_ENTRIES];
};

static int result(int value) { return value < 0 ? -errno : value; }

int sf_kvm_open(void) { return result(open("/dev/kvm", O_RDWR | O_CLOEXEC)); }

int sf_kvm_create_vm(int kvm) { return result(ioctl(kvm, KVM_CREATE_VM, 0)); }

int sf_kvm_add_memory(int vm, uint32_t slot, uint64_t gpa, void* host, uint64_t bytes) {
    struct kvm_userspace_memory_region region = {
        .slot = slot,
        .guest_phys_addr = gpa,
        .memory_size = bytes,
        .userspace_addr = (uintptr_t)host,
    };
    return result(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
}

int sf_kvm_read_cpuid(int kvm, struct sf_kvm_cpuid** cpuid) {
    struct sf_kvm_cpuid* made = calloc(1, sizeof *made);
    if (made == NULL) return -ENOMEM;
    made->head.nent = MAX_CPUID_ENTRIES;
    if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, made) < 0) {
        const int error = -errno;
        free(made);
        return error;
    }
    *cpuid = made;
    return 0;
}

void sf_kvm_free_cpuid(struct sf_kvm_cpuid* cpuid) { free(cpuid); }

static const struct kvm_cpuid_entry2* find_cpuid(const struct sf_kvm_cpuid* cpuid,
                                                 uint32_t function, uint32_t index) {
    for (uint32_t i = 0; i < cpuid->head.nent; ++i) {
        const struct kvm_cpuid_entry2* entry = &cpuid->entries[i];
        if (entry->function == function && entry->index == index) return entry;
    }
    return NULL;
}

/* Intel SDM volume 1, 13.2: leaf 0xd names the features and where each lies in the area. */
static void find_fp_layout(const struct sf_kvm_cpuid* cpuid, struct sf_kvm_facts* facts) {
    /* x87, SSE, AVX, AVX-512, PKRU. AMX needs a permission that nobody asked for. */
    const uint64_t wanted = 0x2e7;
    const uint32_t legacy_and_header = 576;
    const struct kvm_cpuid_entry2* main = find_cpuid(cpuid, 0xd, 0);
    facts->fp_bytes = legacy_and_header;
    facts->fp_features = 3;
    if (main == NULL) return;
    facts->fp_features |= main->eax & wanted;
    for (uint32_t i = 2; i < 32; ++i) {
        const struct kvm_cpuid_entry2* part = find_cpuid(cpuid, 0xd, i);
        if ((facts->fp_features >> i & 1) == 0 || part == NULL) continue;
        const size_t end = (size_t)part->ebx + part->eax;
        if (end > facts->fp_bytes) facts->fp_bytes = end;
    }
}

int sf_kvm_examine(int kvm, int vm, const struct sf_kvm_cpuid* cpuid, struct sf_kvm_facts* facts) {
    const int wanted = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
    if (ioctl(kvm, KVM_GET_API_VERSION, 0) != KVM_API_VERSION) return -EOPNOTSUPP;
    if ((ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & wanted) != wanted) return -EOPNOTSUPP;
    if (ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0) return -EOPNOTSUPP;
    const int run_bytes = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
    if (run_bytes < (int)sizeof(struct kvm_run)) return -EOPNOTSUPP;
    const int xsave_bytes = ioctl(vm, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);
    facts->run_bytes = (size_t)run_bytes;
    facts->xsave_bytes = sizeof(struct kvm_xsave);
    if (xsave_bytes > (int)facts->xsave_bytes) facts->xsave_bytes = (size_t)xsave_bytes;
    find_fp_layout(cpuid, facts);
    return facts->fp_bytes <= facts->xsave_bytes ? 0 : -EOPNOTSUPP;
}

int sf_kvm_create_vcpu(int vm, uint32_t id) { return result(ioctl(vm, KVM_CREATE_VCPU, id)); }

static struct kvm_segment segment(uint16_t selector, uint8_t type, uint8_t dpl) {
    return (struct kvm_segment){
        .limit = 0xffffffff,
        .selector = selector,
        .type = type,
        .present = 1,
        .dpl = dpl,
        .db = 1,
        .s = 1,
        .g = 1,
    };
}

/* CR4 as a guest program expects it, as far as this KVM lets a guest have it. */
static uint64_t choose_cr4(const struct sf_kvm_cpuid* cpuid) {
    const uint64_t pae = 1 << 5, osfxsr = 1 << 9, osxmmexcpt = 1 << 10;
    const uint64_t fsgsbase = 1 << 16, osxsave = 1 << 18;
    const struct kvm_cpuid_entry2* basic = find_cpuid(cpuid, 1, 0);
    const struct kvm_cpuid_entry2* more = find_cpuid(cpuid, 7, 0);
    uint64_t cr4 = pae | osfxsr | osxmmexcpt;
    if (basic != NULL && (basic->ecx >> 26 & 1) != 0) cr4 |= osxsave;
    if (more != NULL && (more->ebx & 1) != 0) cr4 |= fsgsbase;
    return cr4;
}

static int set_special_registers(int vcpu, const struct sf_kvm_cpuid* cpuid,
                                 const struct sf_kvm_start* start, struct sf_kvm_sregs* made) {
    struct kvm_sregs s;
    if (ioctl(vcpu, KVM_GET_SREGS, &s) < 0) return -errno;
    s.cs = segment(start->kernel_cs, 0xb, 0);
    s.cs.db = 0;
    s.cs.l = 1;
    s.ss = segment(start->kernel_ss, 3, 0);
    /* Null selectors as Linux programs have them; of privilege level 3, or else iretq would make
     * them unusable. */
    s.ds = s.es = s.fs = s.gs = segment(0, 3, 3);
    s.tr = segment(start->tss_selector, 0xb, 0);
    s.tr.base = start->tss;
    s.tr.limit = 103;
    s.tr.s = s.tr.db = s.tr.g = 0;
    s.gdt.base = start->gdt;
    s.gdt.limit = start->gdt_limit;
    s.idt.base = start->idt;
    s.idt.limit = start->idt_limit;
    s.cr0 = 0x80050033; /* PG AM WP NE ET MP PE */
    s.cr3 = start->cr3;
    s.cr4 = choose_cr4(cpuid);
    s.efer = 0xd01; /* NXE LMA LME SCE */
    if (ioctl(vcpu, KVM_SET_SREGS, &s) < 0) return -errno;
    memcpy(made->words, &s, sizeof s);
    return 0;
}

static int set_msrs(int vcpu, const struct sf_kvm_start* start) {
    struct {
        struct kvm_msrs head;
        struct kvm_msr_entry entries[3];
    } msrs = {
        .head.nmsrs = 3,
        .entries = {{.index = 0xc0000081, .data = start->star},
                    {.index = 0xc0000082, .data = start->lstar},
                    {.index = 0xc0000084, .data = start->sfmask}},
    };
    const int set = ioctl(vcpu, KVM_SET_MSRS, &msrs);
    if (set < 0) return -errno;
    return set == 3 ? 0 : -EOPNOTSUPP;
}

int sf_kvm_start_vcpu(int vcpu, const struct sf_kvm_cpuid* cpuid, uint64_t fp_features,
                      const struct sf_kvm_start* start, struct sf_kvm_sregs* made) {
    if (ioctl(vcpu, KVM_SET_CPUID2, cpuid) < 0) return -errno;
    const int error = set_special_registers(vcpu, cpuid, start, made);
    if (error < 0) return error;
    struct kvm_xcrs xcrs = {.nr_xcrs = 1};
    xcrs.xcrs[0].value = fp_features;
    if (fp_features != 3 && ioctl(vcpu, KVM_SET_XCRS, &xcrs) < 0) return -errno;
    return set_msrs(vcpu, start);
}

void sf_kvm_prepare_run(void* run) {
    struct kvm_run* r = run;
    r->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
    r->kvm_dirty_regs = 0;
}

int sf_kvm_run(int vcpu) { return result(ioctl(vcpu, KVM_RUN, 0)); }

enum sf_kvm_reason sf_kvm_exit_reason(const void* run) {
    const struct kvm_run* r = run;
    return r->exit_reason == KVM_EXIT_HLT ? SF_KVM_HALTED : SF_KVM_BROKEN;
}

uint8_t* sf_kvm_immediate_exit(void* run) { return &((struct kvm_run*)run)->immediate_exit; }

struct sf_kvm_regs* sf_kvm_registers(void* run) {
    return (struct sf_kvm_regs*)&((struct kvm_run*)run)->s.regs.regs;
}

void sf_kvm_regs_changed(void* run) {
    ((struct kvm_run*)run)->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

uint64_t sf_kvm_cr2(const void* run) { return ((const struct kvm_run*)run)->s.regs.sregs.cr2; }

uint64_t sf_kvm_fs_base(const void* run) {
    return ((const struct kvm_run*)run)->s.regs.sregs.fs.base;
}

uint64_t sf_kvm_gs_base(const void* run) {
    return ((const struct kvm_run*)run)->s.regs.sregs.gs.base;
}

int sf_kvm_has_pending_event(int vcpu) {
    struct kvm_vcpu_events events;
    if (ioctl(vcpu, KVM_GET_VCPU_EVENTS, &events) < 0) return -errno;
    return events.exception.injected || events.exception.pending;
}

unsigned sf_kvm_privilege_level(const void* run) {
    return ((const struct kvm_run*)run)->s.regs.sregs.cs.selector & 3;
}

void sf_kvm_put_sregs(void* run, const struct sf_kvm_sregs* from, uint64_t cr3, uint64_t fs_base,
                      uint64_t gs_base) {
    struct kvm_run* r = run;
    struct kvm_sregs* s = &r->s.regs.sregs;
    memcpy(s, from->words, sizeof *s);
    s->cr3 = cr3;
    s->fs.base = fs_base;
    s->gs.base = gs_base;
    r->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
}

int sf_kvm_get_fp(int vcpu, void* xsave, size_t bytes) {
    const int small = bytes == sizeof(struct kvm_xsave);
    return result(ioctl(vcpu, small ? KVM_GET_XSAVE : KVM_GET_XSAVE2, xsave));
}

int sf_kvm_set_fp(int vcpu, const void* xsave) {
    return result(ioctl(vcpu, KVM_SET_XSAVE, xsave));
}

int sf_kvm_set_signal_mask(int vcpu, uint64_t mask) {
    struct {
        struct kvm_signal_mask head;
        uint8_t bytes[8];
    } argument = {.head.len = 8};
    memcpy(argument.bytes, &mask, sizeof mask);
    return result(ioctl(vcpu, KVM_SET_SIGNAL_MASK, &argument));
}
