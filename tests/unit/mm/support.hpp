#pragma once

// A machine, one address space and a software TLB: every access of a test goes through it, so
// that a forgotten invalidation shows as a stale translation.

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>

#include "api/api.hpp"
#include "mm/mm.hpp"

namespace surefoot::testing {

/// Caches translations like a processor; filled on access by walking the tables.
class SoftwareTlb : public host::TlbShootdown {
public:
    void attach(mm::Mm& mm) {
        mm_ = &mm;
        mm.tables.attach(this);
    }

    void invalidate(const host::Invalidation& what) noexcept override {
        ++invalidations;
        for (const VaRange& range : what.ranges) {
            std::erase_if(cached_, [&](const auto& e) { return range.contains(VirtAddr(e.first)); });
        }
    }
    void invalidate_all() noexcept override {
        ++invalidations;
        cached_.clear();
    }

    /// Loads or stores one byte as a guest would, with faults.
    /// @return what the fault handler said if it failed
    mm::FaultResult load(VirtAddr va, std::uint8_t& out) {
        return access(va, mm::Access::read, [&](std::byte& b) { out = std::to_integer<std::uint8_t>(b); });
    }
    mm::FaultResult store(VirtAddr va, std::uint8_t value) {
        return access(va, mm::Access::write, [&](std::byte& b) { b = std::byte{value}; });
    }

    unsigned invalidations = 0;

private:
    struct Cached {
        std::uint64_t page;
        bool writable;
    };

    template <class Use>
    mm::FaultResult access(VirtAddr va, mm::Access how, Use&& use) {
        for (;;) {
            if (Cached* hit = find(va, how)) {
                use(mm_->system.arena().address(Pfn(0))[hit->page + va.raw() % arch::kPageSize]);
                return mm::FaultResult::handled;
            }
            const mm::FaultResult result = mm::handle_fault(*mm_, va, how);
            if (result != mm::FaultResult::handled) return result;
        }
    }

    /// A cached translation, or one that the tables allow now: a store needs the dirty bit.
    Cached* find(VirtAddr va, mm::Access how) {
        const std::uint64_t page = va.align_down(arch::kPageSize).raw();
        const bool write = how == mm::Access::write;
        if (auto it = cached_.find(page); it != cached_.end() && (!write || it->second.writable)) {
            return &it->second;
        }
        const sync::RcuReadGuard rcu;
        const auto found = pgtable::translate(mm_->tables.arena(), mm_->tables.root(),
                                              mm_->tables.format(), VirtAddr(page));
        if (!found || !found->bits.young) return nullptr;
        const bool writable = found->bits.write && found->bits.dirty;
        if (write && !writable) return nullptr;
        return &(cached_[page] = {found->address.raw(), writable});
    }

    mm::Mm* mm_ = nullptr;
    std::map<std::uint64_t, Cached> cached_;
};

class MmTest : public ::testing::Test {
protected:
    static constexpr std::uint64_t kPage = arch::kPageSize;

    void SetUp() override { set_up({.task_size = VirtAddr(1ULL << 46)}); }

    void set_up(const mm::MmOptions& options) {
        auto machine = api::Machine::create({.memory_bytes = 64ULL << 20, .fail_plan = &plan});
        ASSERT_TRUE(machine);
        machine_ = std::move(*machine);
        auto created = mm::Mm::create(machine_->system(), options);
        ASSERT_TRUE(created);
        mm_ = std::move(*created);
        tlb.attach(*mm_);
    }
    void TearDown() override {
        if (mm_ == nullptr) return;
        EXPECT_EQ(mm::check_mm(*mm_), "");
        mm_.reset();
        machine_.reset();  // asserts that everything is back
    }

    mm::Mm& space() { return *mm_; }
    mm::System& system() { return machine_->system(); }

    Result<VirtAddr> map(std::uint64_t pages, std::uint32_t prot = 3, std::uint32_t flags = 0x22,
                         std::uint64_t addr = 0) {
        return mm::mmap(*mm_, {.addr = VirtAddr(addr),
                               .length = pages * kPage,
                               .prot = prot,
                               .flags = flags});
    }

    /// One line a VMA: pages from `base`, rights.
    std::string maps(VirtAddr base) {
        std::string text;
        mm::for_each_vma(*mm_, false, [&](const mm::VmaStats& v) {
            text += std::to_string((v.range.start - base) / kPage) + "-" +
                    std::to_string((v.range.end - base) / kPage) + " " +
                    (v.flags.has(vma::VmaFlag::read) ? "r" : "-") +
                    (v.flags.has(vma::VmaFlag::write) ? "w" : "-") +
                    (v.flags.has(vma::VmaFlag::exec) ? "x" : "-") +
                    (v.flags.has(vma::VmaFlag::shared) ? "s" : "p") + "\n";
        });
        return text;
    }

    sync::FailPlan plan;
    SoftwareTlb tlb;

private:
    std::unique_ptr<api::Machine> machine_;
    mm::MmPtr mm_;
};

}  // namespace surefoot::testing
