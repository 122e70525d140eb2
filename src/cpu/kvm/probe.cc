#include "cpu/kvm/probe.hpp"

#include <cstring>

#include "cpu/kvm/space.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

namespace {

/// mov (%rdi), %rax; syscall
constexpr unsigned char kLoad[] = {0x48, 0x8b, 0x07, 0x0f, 0x05};

/// A space in the area: three upper tables, two lowest ones, a page of code, frames.
class Prober {
public:
    explicit Prober(Machine& machine) : machine_(machine) {}

    /// A load through a fresh table; learns how the system call after it arrives.
    Result<void> run_guest() {
        build();
        KvmSpace space(machine_, counters_, table(kRoot));
        if (Result<void> started = start(space); !started) return started.error();
        for (const bool faults : {true, false}) {
            machine_.syscall_faults = faults;
            if (load(kFirst) == value_of(kFrame0)) return stop(faults);
        }
        vcpu_.reset();
        return Errno::opnotsupp;
    }

    /// Whether this method shows every change of the tables at once.
    bool flushes(FlushMethod method) {
        machine_.flush = method;
        bool fresh = true;
        for (int round = 0; round < kRounds && fresh; ++round) {
            build();
            KvmSpace space(machine_, counters_, table(kRoot));
            if (!start(space)) return false;
            fresh = shows_remaps(space) && shows_unlinked_tables(space);
            vcpu_.reset();
        }
        return fresh;
    }

private:
    static constexpr int kRounds = 3;
    static constexpr VirtAddr kCodeVa{0x40'0000};
    /// Pages that the first lowest table maps, and the same of the second.
    static constexpr VirtAddr kFirst{0x40'1000};
    static constexpr VirtAddr kSecond{0x60'1000};
    static constexpr std::uint64_t kPages = 3;
    enum Part : std::uint64_t { kRoot, kPud, kPmd, kPteA, kPteB, kCode, kFrame0 };
    static_assert(kFrame0 + kPages < AreaPage::kProbePages);

    PhysAddr table(std::uint64_t part) const { return machine_.area().pa(AreaPage::kProbe + part); }
    std::uint64_t* words(std::uint64_t part) const {
        return machine_.area().words(AreaPage::kProbe + part);
    }
    static std::uint64_t value_of(std::uint64_t frame) { return 0x5eed + frame; }

    void put(std::uint64_t in, VirtAddr va, arch::PtLevel level, std::uint64_t raw) {
        machine_.entry(table(in) + Format::index(va, level) * sizeof raw)
            .store(raw, sync::Order::seq_cst);
    }
    void link(std::uint64_t in, VirtAddr va, arch::PtLevel level, std::uint64_t to) {
        put(in, va, level, Format::make_table<arch::PtLevel::pmd>(arch::to_pfn(table(to))).raw);
    }
    void map(std::uint64_t in, VirtAddr va, std::uint64_t frame) {
        const arch::LeafBits bits{.write = true, .exec = true, .young = true, .dirty = true};
        put(in, va, arch::PtLevel::pte,
            Format::make_leaf<arch::PtLevel::pte>(arch::to_pfn(table(frame)), bits).raw);
    }

    void build() {
        std::memset(words(kRoot), 0, AreaPage::kProbePages * kPage);
        std::memcpy(words(kCode), kLoad, sizeof kLoad);
        link(kRoot, kCodeVa, arch::PtLevel::p4d, kPud);
        link(kPud, kCodeVa, arch::PtLevel::pud, kPmd);
        link(kPmd, kCodeVa, arch::PtLevel::pmd, kPteA);
        map(kPteA, kCodeVa, kCode);
        for (std::uint64_t i = 0; i <= kPages; ++i) words(kFrame0 + i)[0] = value_of(kFrame0 + i);
        for (std::uint64_t i = 0; i < kPages; ++i) map(kPteA, kFirst + i * kPage, kFrame0 + i);
    }

    Result<void> start(KvmSpace& space) {
        Result<std::unique_ptr<Vcpu>> vcpu = space.create_vcpu();
        if (!vcpu) return vcpu.error();
        vcpu_ = std::move(*vcpu);
        return {};
    }
    Result<void> stop(bool faults) {
        vcpu_.reset();
        machine_.syscall_faults = faults;
        return {};
    }

    /// What the guest loads, 0 if it faults.
    std::uint64_t load(VirtAddr va) {
        Regs regs{};
        regs.rip = kCodeVa.raw();
        regs.rdi = va.raw();
        return vcpu_->run(regs).kind == Exit::Kind::syscall ? regs.rax : 0;
    }

    bool shows_remaps(KvmSpace& space) {
        for (std::uint64_t i = 0; i < kPages; ++i) {
            const VirtAddr va = kFirst + i * kPage;
            const VaRange page{va, va + kPage};
            if (load(va) != value_of(kFrame0 + i)) return false;
            map(kPteA, va, kFrame0 + i + 1);
            space.invalidate({.ranges = {&page, 1}, .unlinked_tables = {}});
            if (load(va) != value_of(kFrame0 + i + 1)) return false;
            put(kPteA, va, arch::PtLevel::pte, 0);
            space.invalidate({.ranges = {&page, 1}, .unlinked_tables = {}});
            if (load(va) != 0) return false;
        }
        return true;
    }

    /// A table goes, is used for other addresses, and must show nothing of its first life.
    bool shows_unlinked_tables(KvmSpace& space) {
        const VaRange reach{kSecond.align_down(kHuge), kSecond.align_down(kHuge) + kHuge};
        link(kPmd, kSecond, arch::PtLevel::pmd, kPteB);
        for (std::uint64_t i = 0; i < kPages; ++i) {
            map(kPteB, kSecond + i * kPage, kFrame0 + i);
            if (load(kSecond + i * kPage) != value_of(kFrame0 + i)) return false;
        }
        put(kPmd, kSecond, arch::PtLevel::pmd, 0);
        const Pfn unlinked = arch::to_pfn(table(kPteB));
        space.invalidate({.ranges = {&reach, 1}, .unlinked_tables = {&unlinked, 1}});
        if (load(kSecond) != 0) return false;
        const VirtAddr elsewhere = kSecond + kHuge;
        for (std::uint64_t i = 0; i < kPages; ++i) map(kPteB, elsewhere + i * kPage, kFrame0 + i + 1);
        link(kPmd, elsewhere, arch::PtLevel::pmd, kPteB);
        for (std::uint64_t i = 0; i < kPages; ++i) {
            if (load(elsewhere + i * kPage) != value_of(kFrame0 + i + 1)) return false;
        }
        return true;
    }

    Machine& machine_;
    Counters counters_;
    std::unique_ptr<Vcpu> vcpu_;
};

}  // namespace

Result<void> probe(Machine& machine) noexcept {
    machine.flush = {.touch = true, .reload = true};
    Prober prober(machine);
    if (Result<void> ran = prober.run_guest(); !ran) return ran.error();
    // Nested paging shows all changes after a reload. What looks fresh without one may be a
    // translation that got lost by chance, so touches alone count only where KVM shadows the
    // tables: there, reloads alone leave stale shadows, with certainty.
    const FlushMethod methods[] = {{.touch = false, .reload = true},
                                   {.touch = true, .reload = false},
                                   {.touch = true, .reload = true}};
    for (const FlushMethod method : methods) {
        if (prober.flushes(method)) return {};
    }
    return Errno::opnotsupp;
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
