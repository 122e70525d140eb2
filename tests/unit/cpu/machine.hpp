#pragma once

// A mirror on a small arena, with page tables made by hand: the test, or the benchmark, is the
// memory manager.

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <span>

#include "cpu/cpu.hpp"
#include "cpu/mirror/testing.hpp"
#include "guest_code.hpp"

namespace surefoot::cpu {

inline constexpr std::uint64_t kPage = 4096;

struct Bits {
    bool write = true;
    bool exec = false;
    bool young = true;
    bool dirty = true;
};

class Arena {
public:
    explicit Arena(std::uint64_t bytes) : bytes_(bytes) {
        fd_ = ::memfd_create("arena", MFD_CLOEXEC);
        SF_ASSERT(::ftruncate(fd_, static_cast<off_t>(bytes)) == 0);
        void* start = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0);
        SF_ASSERT(start != MAP_FAILED);
        start_ = static_cast<std::byte*>(start);
    }
    ~Arena() {
        ::munmap(start_, bytes_);
        ::close(fd_);
    }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    int fd() const { return fd_; }
    std::uint64_t bytes() const { return bytes_; }
    PhysAddr frame(unsigned pages = 1) {
        const PhysAddr pa(next_);
        next_ += pages * kPage;
        SF_ASSERT(next_ <= bytes_);
        return pa;
    }
    sync::Atomic<std::uint64_t>& word(PhysAddr pa) {
        return *reinterpret_cast<sync::Atomic<std::uint64_t>*>(start_ + pa.raw());
    }
    std::span<std::byte> all() { return {start_, bytes_}; }
    std::byte* bytes_at(PhysAddr pa) { return start_ + pa.raw(); }

private:
    std::uint64_t bytes_;
    std::uint64_t next_ = kPage;
    int fd_ = -1;
    std::byte* start_ = nullptr;
};

/// One tree of tables.
class Tables {
public:
    explicit Tables(Arena& arena) : arena_(arena), root_(arena.frame()) {}

    PhysAddr root() const { return root_; }

    sync::Atomic<std::uint64_t>& entry(VirtAddr va,
                                       arch::PtLevel wanted = arch::PtLevel::pte) {
        PhysAddr table = root_;
        for (arch::PtLevel level = format_.top();; level = arch::below(level)) {
            auto& e = arena_.word(table + format_.index(va, level) * 8);
            if (level == wanted) return e;
            std::uint64_t raw = e.load(sync::Order::relaxed);
            if (raw == 0) {
                raw = arch::Format::make_table<arch::PtLevel::pmd>(arch::to_pfn(arena_.frame()))
                          .raw;
                e.store(raw, sync::Order::release);
            }
            table = PhysAddr(raw & arch::Format::kFrameMask);
        }
    }
    void map(VirtAddr va, PhysAddr pa, Bits bits = {}) {
        entry(va).store(raw_leaf<arch::PtLevel::pte>(pa, bits), sync::Order::release);
    }
    void map_huge(VirtAddr va, PhysAddr pa, Bits bits = {}) {
        entry(va, arch::PtLevel::pmd)
            .store(raw_leaf<arch::PtLevel::pmd>(pa, bits), sync::Order::release);
    }
    void unmap(VirtAddr va) { entry(va).store(0, sync::Order::release); }

private:
    template <arch::PtLevel L>
    static std::uint64_t raw_leaf(PhysAddr pa, Bits b) {
        return arch::Format::make_leaf<L>(arch::to_pfn(pa), {.write = b.write,
                                                             .exec = b.exec,
                                                             .young = b.young,
                                                             .dirty = b.dirty,
                                                             .special = false,
                                                             .prot_none = false})
            .raw;
    }
    Arena& arena_;
    arch::Format format_;
    PhysAddr root_;
};

/// A guest thread: its processor and its registers.
struct Guest {
    std::unique_ptr<Vcpu> vcpu;
    Regs regs{};

    Exit run() { return vcpu->run(regs); }
};

/// The eager mirror leaves nothing to the next entry: each shootdown is executed at once.
enum class BackendKind { mirror, eager_mirror, kvm };

/// One space on one back end.
class Machine {
public:
    static constexpr VirtAddr kCode{0x40'0000};
    static constexpr VirtAddr kData{0x1000'0000};

    explicit Machine(MirrorOptions options = {}, std::uint64_t bytes = kArenaBytes)
        : arena(bytes), tables(arena) {
        options.arena_fd = arena.fd();
        options.arena_bytes = arena.bytes();
        start(make_mirror(options));
    }
    explicit Machine(KvmOptions options, std::uint64_t bytes = kArenaBytes)
        : arena(bytes), tables(arena) {
        options.arena = arena.all();
        start(make_kvm(options));
    }
    explicit Machine(BackendKind kind) : arena(kArenaBytes), tables(arena) {
        MirrorOptions mirror{.arena_fd = arena.fd(), .arena_bytes = arena.bytes()};
        mirror.lazy = kind != BackendKind::eager_mirror;
        start(kind == BackendKind::kvm ? make_kvm({.arena = arena.all()}) : make_mirror(mirror));
    }

    /// Puts the code into the next page of the code range.
    VirtAddr place(std::span<const unsigned char> code) {
        const VirtAddr va = kCode + placed_++ * kPage;
        const PhysAddr pa = arena.frame();
        std::memcpy(arena.bytes_at(pa), code.data(), code.size());
        tables.map(va, pa, {.write = false, .exec = true, .young = true, .dirty = false});
        return va;
    }
    Guest guest(VirtAddr code) {
        Result<std::unique_ptr<Vcpu>> vcpu = space->create_vcpu();
        SF_ASSERT(vcpu.has_value());
        Guest g{std::move(*vcpu)};
        g.regs.rip = code.raw();
        g.regs.rflags = 0x202;
        return g;
    }
    Guest guest(std::span<const unsigned char> code) { return guest(place(code)); }
    /// A frame whose first word is `value`.
    PhysAddr frame_with(std::uint64_t value) {
        const PhysAddr pa = arena.frame();
        arena.word(pa).store(value, sync::Order::relaxed);
        return pa;
    }
    void invalidate(VirtAddr va, std::uint64_t pages = 1) {
        const VaRange range{va, va + pages * kPage};
        space->invalidate({.ranges = {&range, 1}, .unlinked_tables = {}});
    }

    Arena arena;
    Tables tables;
    std::unique_ptr<CpuBackend> backend;
    std::unique_ptr<Space> space;

private:
    static constexpr std::uint64_t kArenaBytes = 64ULL << 20;

    void start(Result<std::unique_ptr<CpuBackend>> made) {
        SF_ASSERT(made.has_value());
        backend = std::move(*made);
        Result<std::unique_ptr<Space>> s = backend->create_space(tables.root());
        SF_ASSERT(s.has_value());
        space = std::move(*s);
    }

    std::uint64_t placed_ = 0;
};

}  // namespace surefoot::cpu
