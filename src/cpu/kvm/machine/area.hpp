#pragma once

// The supervisor area: guest-physical memory of the back end's own, above the arena. Every space
// maps it, and the arena, through the last entry of its root table, for level 0 only.

#include <cstddef>
#include <cstdint>

#include "arch/arch.hpp"
#include "cpu/kvm/machine/stubs.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

using Format = arch::X86_64;
inline constexpr std::uint64_t kPage = Format::kPageSize;
inline constexpr std::uint64_t kHuge = 2ULL << 20;
inline constexpr std::uint64_t kGiant = 1ULL << 30;

inline constexpr unsigned kLastEntry = 511;
/// What the last entry of a root table maps: the arena from here on, and in the last GiB the area.
inline constexpr std::uint64_t kWindow = 0xffff'ff80'0000'0000;
inline constexpr std::uint64_t kAreaVa = kWindow + kLastEntry * kGiant;
inline constexpr std::uint64_t kArenaMax = 256 * kGiant;

/// KVM gives no more.
inline constexpr unsigned kMaxVcpus = 1024;
inline constexpr unsigned kTouchListEntries = kPage / sizeof(std::uint64_t);

/// The pages of the area, in order.
struct AreaPage {
    static constexpr std::uint64_t kVectorStubs = 0;
    static constexpr std::uint64_t kStubs = 1;
    static constexpr std::uint64_t kIdt = 2;
    static constexpr std::uint64_t kGdt = 3;
    static constexpr std::uint64_t kTouchList = 4;
    static constexpr std::uint64_t kServiceRoot = 5;
    static constexpr std::uint64_t kPud = 6;
    static constexpr std::uint64_t kAreaPmd = 7;
    static constexpr std::uint64_t kAreaPte = 8;
    static constexpr std::uint64_t kProbe = 9;  // the self-test's
    static constexpr std::uint64_t kProbePages = 10;
    /// Pages before this one are mapped; code is not writable, the rest not executable.
    static constexpr std::uint64_t kMapped = kProbe + kProbePages;
    static constexpr std::uint64_t kArenaPmds = kMapped;  // one for each GiB
    /// One page for each vCPU: its task state, and its kernel stack down from the end.
    static constexpr std::uint64_t kVcpus = kHuge / kPage;
};
static_assert(AreaPage::kArenaPmds + kArenaMax / kGiant <= AreaPage::kVcpus);
inline constexpr std::uint64_t kAreaBytes = (AreaPage::kVcpus + kMaxVcpus) * kPage;

constexpr std::uint64_t area_va(std::uint64_t page) { return kAreaVa + page * kPage; }
inline constexpr std::uint64_t kSyscallEntry = area_va(AreaPage::kStubs) + kSyscallStub;

/// The memory of the area.
class Area {
public:
    Area() = default;
    /// @param pa where the area begins for the guest: past the arena
    static Result<Area> create(PhysAddr pa, std::uint64_t arena_bytes) noexcept;
    Area(Area&& other) noexcept { swap(other); }
    Area& operator=(Area&& other) noexcept {
        swap(other);
        return *this;
    }
    ~Area();

    std::byte* start() const { return start_; }
    PhysAddr pa(std::uint64_t page) const { return pa_ + page * kPage; }
    std::byte* page(std::uint64_t page) const { return start_ + page * kPage; }
    std::uint64_t* words(std::uint64_t page) const {
        return reinterpret_cast<std::uint64_t*>(this->page(page));
    }
    bool contains(PhysAddr pa) const { return pa >= pa_ && pa - pa_ < kAreaBytes; }
    std::byte* at(PhysAddr pa) const { return start_ + (pa - pa_); }
    /// The last entry of every root table.
    std::uint64_t root_entry() const;

private:
    Area(PhysAddr pa, std::byte* start) : pa_(pa), start_(start) {}
    void swap(Area& other) noexcept {
        std::swap(pa_, other.pa_);
        std::swap(start_, other.start_);
    }
    void write_code();
    void write_tables(std::uint64_t arena_bytes);

    PhysAddr pa_;
    std::byte* start_ = nullptr;
};

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
