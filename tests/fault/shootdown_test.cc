// The shootdown is real: an invalidation that is dropped shows as a stale translation, for each
// operation that owes one; with it, none is left.

#include <gtest/gtest.h>

#include <functional>

#include "api/api.hpp"
#include "support/guest_cpu.hpp"

namespace surefoot::testing {
namespace {

using namespace mm::uapi;
using mm::FaultResult;

constexpr std::uint64_t kPage = arch::kPageSize;

/// Passes invalidations on, or loses them.
class LossyShootdown : public host::TlbShootdown {
public:
    explicit LossyShootdown(host::TlbShootdown& next) : next_(next) {}

    void invalidate(const host::Invalidation& what) noexcept override {
        ++asked;
        if (on_invalidate) on_invalidate();
        if (!lose) next_.invalidate(what);
    }
    void invalidate_all() noexcept override {
        ++asked;
        if (!lose) next_.invalidate_all();
    }

    std::function<void()> on_invalidate;
    bool lose = false;
    unsigned asked = 0;

private:
    host::TlbShootdown& next_;
};

/// One page that a processor has in its TLB, writable.
class Shootdown : public ::testing::Test {
protected:
    void SetUp() override {
        machine_ = std::move(*api::Machine::create({.memory_bytes = 16ULL << 20}));
        mm_ = std::move(*mm::Mm::create(machine_->system(), {.task_size = VirtAddr(1ULL << 46)}));
        cpu_ = std::make_unique<GuestCpu>(*mm_);
        cpus_.add(*cpu_);
        mm_->tables.attach(&lossy_);
        const auto made = mm::mmap(*mm_, {.addr = VirtAddr(0),
                                          .length = kPage,
                                          .prot = PROT_READ | PROT_WRITE,
                                          .flags = MAP_PRIVATE | MAP_ANONYMOUS});
        ASSERT_TRUE(made);
        page_ = *made;
        ASSERT_EQ(cpu_->store(page_, 42), FaultResult::handled);
        std::uint8_t byte = 0;
        ASSERT_TRUE(cpu_->cached_load(page_, byte));
        ASSERT_TRUE(cpu_->cached_store(page_, 42));
    }
    void TearDown() override {
        EXPECT_EQ(mm::check_mm(*mm_), "");
        mm_.reset();
    }

    /// What the TLB still allows after `change`, with and without its invalidations.
    template <class Change, class Stale>
    void expect_stale_only_when_lost(Change&& change, Stale&& is_stale) {
        lossy_.asked = 0;
        lossy_.lose = true;
        change();
        lossy_.lose = false;
        EXPECT_GT(lossy_.asked, 0U);
        EXPECT_TRUE(is_stale()) << "nothing was lost: the processor does not cache";
        cpus_.invalidate_all();
        EXPECT_FALSE(is_stale());
    }
    template <class Change, class Stale>
    void expect_never_stale(Change&& change, Stale&& is_stale) {
        change();
        EXPECT_GT(lossy_.asked, 0U);
        EXPECT_FALSE(is_stale());
    }

    /// The processor has the zero page in its TLB.
    void read_zero_page() {
        drop();
        std::uint8_t byte = 1;
        ASSERT_EQ(cpu_->load(page_, byte), FaultResult::handled);
        ASSERT_EQ(byte, 0);
        ASSERT_TRUE(can_load());
        ASSERT_FALSE(can_store());
    }
    /// The processor has the page in its TLB as code.
    void become_code() {
        ASSERT_TRUE(mm::mprotect(*mm_, page_, kPage, PROT_READ | PROT_EXEC));
        ASSERT_EQ(cpu_->fetch(page_), FaultResult::handled);
        ASSERT_TRUE(can_fetch());
        lossy_.asked = 0;
    }
    /// Another processor writes.
    void write_elsewhere() {
        ASSERT_EQ(mm::handle_fault(*mm_, page_, mm::Access::write), FaultResult::handled);
    }
    bool is_mapped(VirtAddr page) {
        const sync::RcuReadGuard rcu;
        const pgtable::PageTables& tables = mm_->tables;
        return pgtable::translate(tables.arena(), tables.root(), tables.format(), page).has_value();
    }

    bool can_load() {
        std::uint8_t byte = 0;
        return cpu_->cached_load(page_, byte);
    }
    bool can_store() { return cpu_->cached_store(page_, 7); }
    bool can_fetch() { return cpu_->cached_fetch(page_); }
    void unmap() { ASSERT_TRUE(mm::munmap(*mm_, page_, kPage)); }
    void expect_moved_after_invalidation() {
        const VirtAddr to = page_ + 64 * kPage;
        unsigned seen = 0;
        lossy_.on_invalidate = [&] {
            ++seen;
            EXPECT_FALSE(is_mapped(page_));
            EXPECT_FALSE(is_mapped(to)) << "at both places at once";
        };
        ASSERT_TRUE(mm::mremap(*mm_, {.addr = page_,
                                      .old_length = kPage,
                                      .new_length = kPage,
                                      .flags = MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
                                      .new_addr = to}));
        lossy_.on_invalidate = nullptr;
        EXPECT_GT(seen, 0U);
        EXPECT_TRUE(is_mapped(to));
    }
    void protect() { ASSERT_TRUE(mm::mprotect(*mm_, page_, kPage, PROT_READ)); }
    void drop() { ASSERT_TRUE(mm::madvise(*mm_, page_, kPage, MADV_DONTNEED)); }

private:
    std::unique_ptr<api::Machine> machine_;
    GuestCpus cpus_;
    LossyShootdown lossy_{cpus_};
    std::unique_ptr<GuestCpu> cpu_;
    mm::MmPtr mm_;
    VirtAddr page_;
};

TEST_F(Shootdown, munmap_without_it_leaves_a_stale_mapping) {
    expect_stale_only_when_lost([&] { unmap(); }, [&] { return can_load(); });
}
TEST_F(Shootdown, munmap_leaves_no_mapping) {
    expect_never_stale([&] { unmap(); }, [&] { return can_load(); });
}
TEST_F(Shootdown, mprotect_without_it_leaves_a_writable_mapping) {
    expect_stale_only_when_lost([&] { protect(); }, [&] { return can_store(); });
}
TEST_F(Shootdown, mprotect_leaves_no_writable_mapping) {
    expect_never_stale([&] { protect(); }, [&] { return can_store(); });
}
TEST_F(Shootdown, mprotect_without_it_leaves_code_executable) {
    become_code();
    expect_stale_only_when_lost([&] { protect(); }, [&] { return can_fetch(); });
}
TEST_F(Shootdown, mprotect_leaves_no_code_executable) {
    become_code();
    expect_never_stale([&] { protect(); }, [&] { return can_fetch(); });
}
TEST_F(Shootdown, dontneed_without_it_leaves_the_old_page) {
    expect_stale_only_when_lost([&] { drop(); }, [&] { return can_load(); });
}
TEST_F(Shootdown, dontneed_leaves_no_mapping) {
    expect_never_stale([&] { drop(); }, [&] { return can_load(); });
}
TEST_F(Shootdown, writing_the_zero_page_without_it_leaves_it_mapped) {
    read_zero_page();
    expect_stale_only_when_lost([&] { write_elsewhere(); }, [&] { return can_load(); });
}
TEST_F(Shootdown, writing_the_zero_page_leaves_it_nowhere) {
    read_zero_page();
    expect_never_stale([&] { write_elsewhere(); }, [&] { return can_load(); });
}

TEST_F(Shootdown, mremap_invalidates_before_the_page_is_at_its_new_place) {
    expect_moved_after_invalidation();
}

}  // namespace
}  // namespace surefoot::testing
