// The invalidate callback: what it is told, and that frames are not reused before it returned.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <functional>
#include <vector>

#include "surefoot/surefoot.hpp"

namespace {

using namespace surefoot;

constexpr std::uint64_t kPage = 4096;

class InvalidateTest : public testing::Test {
  protected:
    struct Told {
        std::vector<Range> ranges;
        bool tables_freed;
        bool all;
    };

    static void invalidate(void* context, const Invalidation& what) {
        auto& test = *static_cast<InvalidateTest*>(context);
        test.told_.push_back(
            {{what.ranges, what.ranges + what.nr_ranges}, what.tables_freed, what.all});
        if (test.inside_) test.inside_();
    }

    bool covered(std::uint64_t va) const {
        for (const Told& told : told_) {
            for (const Range& r : told.ranges) {
                if (r.start <= va && va < r.end) return true;
            }
        }
        return false;
    }

    void SetUp() override {
        at_ = *space_->mmap({.length = 8 * kPage,
                             .prot = PROT_READ | PROT_WRITE,
                             .flags = MAP_PRIVATE | MAP_ANONYMOUS});
        for (std::uint64_t i = 0; i < 8; ++i)
            ASSERT_EQ(space_->write(at_ + i * kPage, "old", 3), 3U);
        told_.clear();
    }

    // The end of the space is told as well, when its handle is no more to be used.
    void TearDown() override { inside_ = nullptr; }

    std::vector<Told> told_;
    std::function<void()> inside_;
    Expected<Machine> machine_ = Machine::create({.memory_bytes = 4 << 20});
    Expected<Space> space_ =
        machine_->create_space({.invalidate = invalidate, .invalidate_context = this});
    std::uint64_t at_ = 0;
};

TEST_F(InvalidateTest, munmap_tells_its_range_before_pages_are_freed) {
    const std::uint64_t frame = space_->translate(at_ + kPage)->physical;
    const std::uint64_t used = machine_->statistics().used;
    unsigned calls = 0;
    inside_ = [&] {
        ++calls;
        EXPECT_FALSE(space_->translate(at_ + kPage)) << "the entry is gone already";
        EXPECT_EQ(machine_->arena().base[frame], std::byte{'o'}) << "its page is not";
        EXPECT_EQ(machine_->statistics().used, used);
    };
    EXPECT_TRUE(space_->munmap(at_ + kPage, 2 * kPage));
    EXPECT_EQ(calls, 1U);
    EXPECT_TRUE(covered(at_ + kPage) && covered(at_ + 2 * kPage));
    EXPECT_FALSE(covered(at_) || covered(at_ + 3 * kPage));
    EXPECT_EQ(machine_->statistics().used, used - 2 * kPage);
}

TEST_F(InvalidateTest, madvise_dontneed_and_mprotect_tell_what_permits_less) {
    EXPECT_TRUE(space_->madvise(at_, kPage, MADV_DONTNEED));
    EXPECT_TRUE(covered(at_));
    EXPECT_FALSE(covered(at_ + kPage));
    EXPECT_TRUE(space_->mprotect(at_ + 4 * kPage, kPage, PROT_READ));
    EXPECT_TRUE(covered(at_ + 4 * kPage));
    EXPECT_FALSE(covered(at_ + 5 * kPage));
}

TEST_F(InvalidateTest, what_was_never_present_needs_no_invalidation) {
    auto untouched = space_->mmap({.length = kPage, .flags = MAP_PRIVATE | MAP_ANONYMOUS});
    EXPECT_TRUE(space_->mprotect(*untouched, kPage, PROT_READ));
    EXPECT_TRUE(told_.empty());
}

TEST_F(InvalidateTest, replacing_the_zero_page_is_told) {
    auto at = space_->mmap(
        {.length = kPage, .prot = PROT_READ | PROT_WRITE, .flags = MAP_PRIVATE | MAP_ANONYMOUS});
    EXPECT_EQ(space_->fault(*at, Access::read), Fault::handled);
    EXPECT_TRUE(told_.empty());
    EXPECT_EQ(space_->fault(*at, Access::write), Fault::handled);
    EXPECT_TRUE(covered(*at));
}

TEST_F(InvalidateTest, freed_tables_are_told_of) {
    EXPECT_TRUE(space_->munmap(at_ + 7 * kPage, kPage));
    EXPECT_THAT(told_, testing::Each(testing::Field(&Told::tables_freed, false)));
    EXPECT_TRUE(space_->munmap(at_, 7 * kPage));
    EXPECT_THAT(told_, testing::Contains(testing::Field(&Told::tables_freed, true)));
}

TEST_F(InvalidateTest, the_end_of_a_space_is_told) {
    {
        const Space ended = std::move(*space_);
    }
    EXPECT_TRUE(covered(at_) && covered(at_ + 7 * kPage));
}

TEST_F(InvalidateTest, each_space_hears_of_itself_alone) {
    auto other = machine_->create_space();
    auto at = other->mmap({.length = kPage,
                           .prot = PROT_READ | PROT_WRITE,
                           .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE});
    EXPECT_TRUE(other->munmap(*at, kPage));
    EXPECT_TRUE(told_.empty());
}

}  // namespace
