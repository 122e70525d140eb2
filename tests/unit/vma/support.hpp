#pragma once

// What the tests of this folder share.

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "vma/vma.hpp"

namespace surefoot::inline SF_BUILD::vma::test {

inline constexpr std::uint64_t kPage = arch::kPageSize;

inline VirtAddr page(std::uint64_t n) { return VirtAddr(n * kPage); }
inline VaRange pages(std::uint64_t first, std::uint64_t end) { return {page(first), page(end)}; }

/// Of random tests: SUREFOOT_SEED replays a failure.
inline std::uint64_t seed() {
    const char* given = std::getenv("SUREFOOT_SEED");
    const std::uint64_t value =
        given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::printf("SUREFOOT_SEED=%llu\n", static_cast<unsigned long long>(value));
    std::fflush(stdout);
    return value;
}

inline constexpr VmaFlags kRw = VmaFlag::read | VmaFlag::write | kVmaMayAccess;
inline constexpr VmaFlags kRo = VmaFlag::read | kVmaMayAccess;

/// A file that only has a name.
class FakeFile final : public Backing {
  public:
    explicit FakeFile(const char* name) : name_(name) {}
    ~FakeFile() override { EXPECT_EQ(released, 1); }
    std::string_view name() const override { return name_; }
    BackingId id() const override { return {}; }
    Result<void> read_page(std::uint64_t, std::span<std::byte>) override { return Errno::io; }
    Result<Pfn> shared_frame(std::uint64_t) override { return Errno::nodev; }
    int released = 0;

  protected:
    void release() noexcept override { ++released; }

  private:
    const char* name_;
};

/// A space with everything around it; the end of a test finds what it leaked.
class Fixture {
  public:
    explicit Fixture(VmaSpaceOptions options = {}) : caches(&plan), space(caches, options) {}
    ~Fixture() {
        plan.disarm();
        MmapWriteGuard mmap(space);
        space.free_detached(detach_all(mmap));
    }

    /// Unfaulted private anonymous memory, not merged unless asked for.
    Vma& map(VaRange range, VmaFlags flags = kRw,
             NewMapping::Merge merge = NewMapping::Merge::never) {
        MmapWriteGuard mmap(space);
        Result<VmaChange> change = prepare_insert(mmap, {.range = range,
                                                         .flags = flags,
                                                         .pgoff = anonymous_pgoff(range.start),
                                                         .merge = merge});
        EXPECT_TRUE(change.has_value());
        Committed done = commit(mmap, std::move(*change));
        space.free_detached(std::move(done.detached));
        return *done.vma;
    }

    /// As a first private fault does it. @return the one it has now
    AnonVma* fault(Vma& vma, AnonVma* shared = nullptr, std::uint32_t links = 1) {
        if (shared == nullptr) {
            shared = caches.anon_vmas.alloc();
            shared->init(nullptr, nullptr);
        } else {
            shared->get();
        }
        MmapWriteGuard mmap(space);
        vma_start_write(mmap, vma);
        vma.set_anon_vma(shared, links);
        return shared;
    }

    /// "10-12 rw 10 A, 12-14 r 12": pages, rights, pgoff, and a letter for each anon_vma.
    std::string maps() {
        MmapReadGuard mmap(space);
        std::string text;
        std::vector<AnonVma*> seen;
        mmap.for_each({VirtAddr(0), VirtAddr(~0ULL)}, [&](const Vma& vma) {
            if (!text.empty()) text += ", ";
            text += std::to_string(vma.start().raw() / kPage) + "-" +
                    std::to_string(vma.end().raw() / kPage) + " ";
            if (vma.has(VmaFlag::read)) text += "r";
            if (vma.has(VmaFlag::write)) text += "w";
            text += " " + std::to_string(vma.pgoff());
            if (AnonVma* anon = vma.anon_vma()) {
                auto at = std::find(seen.begin(), seen.end(), anon);
                text += std::string(" ") + static_cast<char>('A' + (at - seen.begin()));
                if (at == seen.end()) seen.push_back(anon);
            }
            EXPECT_TRUE(vma.is_attached());
            EXPECT_EQ(vma.space(), &space);
        });
        EXPECT_EQ(space.tree().check(), "");
        EXPECT_EQ(space.tree().size(), space.map_count());
        return text;
    }

    sync::FailPlan plan;
    VmaCaches caches;
    VmaSpace space;
};

}  // namespace surefoot::inline SF_BUILD::vma::test
