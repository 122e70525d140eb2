#pragma once

// The stub's half of the protocol: fills of the host mappings, execution of unmap commands, and
// what a thread does between an exit and its next guest instruction. The port offers besides
//
//   guest_range() -> VaRange                          what host_map and host_unmap may touch
//   load_entry(PhysAddr) -> uint64_t                  0 outside the arena
//   host_map(VirtAddr, bytes, PhysAddr, write, exec) -> MapResult
//   host_unmap(VirtAddr, bytes) -> bool

#include "cpu/mirror/protocol/words.hpp"
#include "cpu/mirror/protocol/walk.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

enum class MapResult : std::uint8_t { mapped, no_memory, refused };

/// What became of a fill.
struct Fill {
    enum class Kind : std::uint8_t { mapped, fault, refused };
    Kind kind = Kind::fault;
    std::uint32_t code = 0;
};

/// F. The word lies in memory that only threads of one stub lock.
template <class Port>
class FillLock {
public:
    FillLock(Port& port, SpaceWords<Port>& space, bool take)
        : port_(port), word_(space.fill_lock), taken_(take) {
        using Order = typename Port::Order;
        if (!taken_) return;
        std::uint32_t seen = 0;
        // Acquire: pairs with the release in the destructor.
        if (word_.compare_exchange(seen, 1, Order::acquire, Order::relaxed)) return;
        while (word_.exchange(2, Order::acquire) != 0) port_.wait(word_, 2);
    }
    ~FillLock() {
        if (taken_ && word_.exchange(0, Port::Order::release) == 2) port_.wake(word_);
    }
    FillLock(const FillLock&) = delete;
    FillLock& operator=(const FillLock&) = delete;

private:
    Port& port_;
    typename Port::template Atomic<std::uint32_t>& word_;
    bool taken_;
};

template <class Port, class Format>
class StubSide {
public:
    using Order = typename Port::Order;

    StubSide(Port& port, SpaceWords<Port>& space, Format format)
        : port_(port), space_(space), format_(format) {}

    /// Makes a present entry, and neighbours like it, usable, or says which fault the access is.
    Fill fill(VirtAddr va, Access access) {
        return fill_within(window_of(va, space_.fill_around.get()), va, access);
    }

    /// The same after the server has resolved a fault, which may have populated what comes next.
    /// What lies before was there before: it is mapped already, or was not wanted yet.
    Fill fill_resolved(VirtAddr va, Access access) {
        const VirtAddr end = window_of(va, space_.fault_around.get()).end;
        return fill_within({va.align_down(Format::kPageSize), end}, va, access);
    }

    /// Between the handoff to this thread and its first fill or guest instruction: executes what
    /// shootdowns left behind while nobody ran.
    void catch_up() {
        // Published before the handoff, under M; the handoff's acquire makes it visible.
        const std::uint64_t wanted = space_.generation.load(Order::relaxed);
        // Acquire: pairs with the release below; the other thread's host_unmap has returned.
        if (space_.done.load(Order::acquire) >= wanted) return;
        FillLock<Port> fill_lock(port_, space_, true);
        if (space_.done.load(Order::relaxed) >= wanted) return;
        execute(space_.pending);
        space_.done.store(wanted, Order::release);
    }

    /// The agent, for a shootdown while a thread of the space runs.
    void unmap_for_server() {
        FillLock<Port> fill_lock(port_, space_,
                                 (space_.hooks.load(Order::relaxed) & space_.kHookNoFillLock) == 0);
        execute(space_.agent_list);
    }

private:
    /// The aligned block of pages around `va`. A guest may have written over the number. (The zygote
    /// has no libgcc, which is_power_of_two needs to count bits.)
    static VaRange window_of(VirtAddr va, std::uint32_t pages) {
        const std::uint64_t bytes = ((pages & (pages - 1)) == 0 && pages != 0 ? pages : 1) * Format::kPageSize;
        return {va.align_down(bytes), va.align_down(bytes) + bytes};
    }

    Fill fill_within(VaRange window, VirtAddr va, Access access) {
        if (!port_.guest_range().contains(va)) {
            return {.code = fault_code(WalkResult::not_present, access)};
        }
        const std::uint32_t hooks = space_.hooks.load(Order::relaxed);
        // From the first table load to the end of host_map, so that a shootdown either comes
        // after the mapping, and removes it, or before the loads, which then see its entries.
        FillLock<Port> fill_lock(port_, space_, (hooks & space_.kHookNoFillLock) == 0);
        const PhysAddr root(space_.root.load(Order::relaxed));
        const Walk walk = walk_tables(format_, port_, root, va, access);
        if (walk.result != WalkResult::translated) {
            return {.code = fault_code(walk.result, access)};
        }
        if (hooks != 0) pause_here(hooks);
        const VirtAddr page = va.align_down(Format::kPageSize);
        return {.kind = map(window, page, walk.leaf) ? Fill::Kind::mapped : Fill::Kind::refused};
    }

    /// What one eviction drops.
    std::uint64_t region_bytes() const { return format_.span(arch::PtLevel::pmd); }

    void execute(const UnmapList<Port>& list) {
        const std::uint32_t count = list.count.get();
        if (list.all.get() != 0 || count > kMaxRanges) return unmap_everything();
        for (std::uint32_t i = 0; i < count; ++i) {
            const VaRange range = intersect(list.ranges[i].get(), port_.guest_range());
            if (range.empty()) continue;
            // Cutting a host mapping in two needs memory, and may exceed the host's limit of
            // mappings; dropping all of them does not.
            if (!port_.host_unmap(range.start, range.bytes())) return unmap_everything();
        }
    }

    void unmap_everything() {
        const VaRange guest = port_.guest_range();
        port_.host_unmap(guest.start, guest.bytes());
        space_.recent_head.set(space_.recent_tail.get());
    }

    /// Test hook: announces that a fill stands between walk and map, and waits.
    void pause_here(std::uint32_t hooks) {
        if ((hooks & space_.kHookPauseFill) == 0) return;
        // One fill pauses for each time that the hook is set.
        if ((space_.hooks.fetch_and(~space_.kHookPauseFill, Order::relaxed) &
             space_.kHookPauseFill) == 0) {
            return;
        }
        space_.paused.store(1, Order::seq_cst);
        port_.wake(space_.paused);
        while (space_.paused.load(Order::acquire) == 1) port_.wait(space_.paused, 1);
    }

    bool map(VaRange window, VirtAddr page, const Leaf& leaf) {
        const VaRange range = widen(window, page, leaf);
        const PhysAddr pa = leaf.page - (page - range.start);
        remember(page);
        for (bool emptied = false;;) {
            const MapResult result =
                port_.host_map(range.start, range.bytes(), pa, leaf.writable, leaf.executable);
            if (result == MapResult::mapped) return true;
            if (result == MapResult::refused || emptied) return false;
            emptied = !evict();
        }
    }

    /// Fill-around: neighbours in `window` that the same walk would translate with the same rights
    /// and that lie beside the page in the arena.
    VaRange widen(VaRange window, VirtAddr page, const Leaf& leaf) {
        VaRange range{page, page + Format::kPageSize};
        // A window of a power of two lies in one table unless it is larger than the table.
        const std::uint64_t reach = leaf.level == arch::PtLevel::pte
                                        ? format_.span(arch::above(leaf.level))
                                        : format_.span(leaf.level);
        window = intersect(window, {page.align_down(reach), page.align_down(reach) + reach});
        window = intersect(window, port_.guest_range());
        while (range.start > window.start && alike(range.start - Format::kPageSize, page, leaf)) {
            range.start = range.start - Format::kPageSize;
        }
        while (range.end < window.end && alike(range.end, page, leaf)) {
            range.end += Format::kPageSize;
        }
        return range;
    }

    bool alike(VirtAddr neighbour, VirtAddr page, const Leaf& leaf) {
        if (leaf.level != arch::PtLevel::pte) return true;
        const std::uint64_t raw = port_.load_entry(
            leaf.table + format_.index(neighbour, leaf.level) * sizeof(std::uint64_t));
        constexpr std::uint64_t kWanted = Format::kPresent | Format::kUser | Format::kAccessed;
        constexpr std::uint64_t kWriteDirty = Format::kWrite | Format::kDirty;
        if ((raw & kWanted) != kWanted) return false;
        // Where a level above takes a right away, the leaf's bits say more than `leaf`: equal
        // bits are then refused, which costs a refill and is never wrong.
        if (((raw & kWriteDirty) == kWriteDirty) != leaf.writable) return false;
        if (((raw & Format::kNoExec) == 0) != leaf.executable) return false;
        return (raw & Format::kFrameMask) == (leaf.page + (neighbour - page)).raw();
    }

    void remember(VirtAddr page) {
        const auto region = static_cast<std::uint32_t>(page.raw() / region_bytes());
        const std::uint64_t tail = space_.recent_tail.get();
        if (tail > 0 && space_.recent[(tail - 1) % kRecentRegions].get() == region) return;
        space_.recent[tail % kRecentRegions].set(region);
        space_.recent_tail.set(tail + 1);
        if (tail + 1 - space_.recent_head.get() > kRecentRegions) {
            space_.recent_head.set(tail + 1 - kRecentRegions);
        }
    }

    /// The host allows no more mappings: drops the region that was filled longest ago, as a TLB
    /// evicts. @return false if everything had to go
    bool evict() {
        const std::uint64_t head = space_.recent_head.get();
        if (head < space_.recent_tail.get()) {
            space_.recent_head.set(head + 1);
            const VirtAddr start(space_.recent[head % kRecentRegions].get() * region_bytes());
            const VaRange region =
                intersect({start, start + region_bytes()}, port_.guest_range());
            if (!region.empty() && port_.host_unmap(region.start, region.bytes())) return true;
        }
        unmap_everything();
        return false;
    }

    Port& port_;
    SpaceWords<Port>& space_;
    Format format_;
};

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
