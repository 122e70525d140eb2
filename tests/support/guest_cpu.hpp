#pragma once

#include <cstdint>
#include <map>

#include "mm/mm.hpp"
#include "support/racy_byte.hpp"

namespace surefoot::testing {

/// One simulated processor with a TLB of its own: filled by walking the tables, emptied only by
/// shootdowns, so that a forgotten invalidation shows as a stale translation. An access and an
/// invalidation exclude each other, as on hardware an instruction is done or not done when the
/// interrupt of a shootdown is taken.
class GuestCpu {
public:
    explicit GuestCpu(mm::Mm& mm) : mm_(mm) {}
    GuestCpu(const GuestCpu&) = delete;
    GuestCpu& operator=(const GuestCpu&) = delete;

    /// @return what the fault handler said if it could not help
    mm::FaultResult load(VirtAddr va, std::uint8_t& out) {
        return access(va, mm::Access::read, [&](std::byte* b) { out = load_racy(b); });
    }
    mm::FaultResult store(VirtAddr va, std::uint8_t value) {
        return access(va, mm::Access::write, [&](std::byte* b) { store_racy(b, value); });
    }
    /// Fetches an instruction.
    mm::FaultResult fetch(VirtAddr va) {
        return access(va, mm::Access::exec, [](std::byte*) {});
    }

    /// An access that only the TLB may serve: what a stale translation would let through.
    /// @return whether it could
    bool cached_load(VirtAddr va, std::uint8_t& out) {
        const sync::Guard guard(lock_);
        const Cached* hit = find_cached(va, mm::Access::read);
        if (hit == nullptr) return false;
        out = load_racy(byte_at(*hit, va));
        return true;
    }
    bool cached_store(VirtAddr va, std::uint8_t value) {
        const sync::Guard guard(lock_);
        const Cached* hit = find_cached(va, mm::Access::write);
        if (hit == nullptr) return false;
        store_racy(byte_at(*hit, va), value);
        return true;
    }

    bool cached_fetch(VirtAddr va) {
        const sync::Guard guard(lock_);
        return find_cached(va, mm::Access::exec) != nullptr;
    }

    void invalidate(std::span<const VaRange> ranges) {
        const sync::Guard guard(lock_);
        for (const VaRange& range : ranges) {
            cached_.erase(cached_.lower_bound(range.start.raw()),
                          cached_.lower_bound(range.end.raw()));
        }
    }
    void invalidate_all() {
        const sync::Guard guard(lock_);
        cached_.clear();
    }

private:
    struct Cached {
        std::uint64_t page;
        bool write;
        bool exec;
    };

    template <class Use>
    mm::FaultResult access(VirtAddr va, mm::Access how, Use&& use) {
        for (;;) {
            {
                const sync::Guard guard(lock_);
                if (const Cached* hit = find(va, how)) {
                    use(byte_at(*hit, va));
                    return mm::FaultResult::handled;
                }
            }
            const mm::FaultResult result = mm::handle_fault(mm_, va, how);
            if (result != mm::FaultResult::handled) return result;
        }
    }

    const Cached* find_cached(VirtAddr va, mm::Access how) const {
        const auto it = cached_.find(va.align_down(arch::kPageSize).raw());
        if (it == cached_.end()) return nullptr;
        if (how == mm::Access::write && !it->second.write) return nullptr;
        if (how == mm::Access::exec && !it->second.exec) return nullptr;
        return &it->second;
    }

    /// A cached translation, or one that the tables allow now: a store needs the dirty bit.
    const Cached* find(VirtAddr va, mm::Access how) {
        if (const Cached* hit = find_cached(va, how)) return hit;
        const VirtAddr page = va.align_down(arch::kPageSize);
        const sync::RcuReadGuard rcu;
        const auto found = pgtable::translate(mm_.tables.arena(), mm_.tables.root(),
                                              mm_.tables.format(), page);
        if (!found || !found->bits.young) return nullptr;
        cached_[page.raw()] = {.page = found->address.raw(),
                               .write = found->bits.write && found->bits.dirty,
                               .exec = found->bits.exec};
        return find_cached(va, how);
    }

    std::byte* byte_at(const Cached& hit, VirtAddr va) const {
        return mm_.system.arena().address(Pfn(0)) + hit.page + va.raw() % arch::kPageSize;
    }

    mm::Mm& mm_;
    sync::SpinLock<sync::LockId::backend> lock_;
    std::map<std::uint64_t, Cached> cached_;
};

/// The processors of one address space, told of every invalidation one after the other.
class GuestCpus : public host::TlbShootdown {
public:
    void add(GuestCpu& cpu) { cpus_.push_back(&cpu); }

    void invalidate(const host::Invalidation& what) noexcept override {
        for (GuestCpu* cpu : cpus_) cpu->invalidate(what.ranges);
    }
    void invalidate_all() noexcept override {
        for (GuestCpu* cpu : cpus_) cpu->invalidate_all();
    }

private:
    std::vector<GuestCpu*> cpus_;
};

}  // namespace surefoot::testing
