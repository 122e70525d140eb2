// For each operation the n-th allocation fails, for all n until none is reached: the error is a
// clean one, the address space stays consistent, the operation works afterwards, and nothing leaks.

#include <functional>
#include <set>

#include "support.hpp"

namespace surefoot::testing {
namespace {

using namespace mm::uapi;
using mm::FaultResult;

constexpr std::uint64_t kPageBytes = arch::kPageSize;
constexpr VirtAddr kAt{1ULL << 40};
constexpr std::uint32_t kRw = PROT_READ | PROT_WRITE;
constexpr std::uint32_t kFixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
constexpr std::uint32_t kFixedShared = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
constexpr VirtAddr kBreak{0x50'0000};

using Outcome = Result<void>;

Outcome map_at(mm::Mm& mm, std::uint64_t page, std::uint64_t pages, std::uint32_t flags = kFixed,
               std::uint32_t prot = kRw) {
    const auto made = mm::mmap(mm, {.addr = kAt + page * kPageBytes,
                                    .length = pages * kPageBytes,
                                    .prot = prot,
                                    .flags = flags});
    if (!made) return made.error();
    return {};
}

Outcome touch(mm::Mm& mm, std::uint64_t page, mm::Access access) {
    const FaultResult result = mm::handle_fault(mm, kAt + page * kPageBytes, access);
    if (result == FaultResult::oom) return Errno::nomem;
    return result == FaultResult::handled ? Outcome{} : Errno::fault;
}

/// Sixteen pages, some of them there.
void sixteen(mm::Mm& mm) {
    ASSERT_TRUE(map_at(mm, 0, 16));
    ASSERT_TRUE(touch(mm, 3, mm::Access::write));
    ASSERT_TRUE(touch(mm, 9, mm::Access::read));
}
void nothing(mm::Mm&) {}
void no_break(mm::Mm& mm) {
    mm.start_brk.set(kBreak);
    mm.brk.set(kBreak);
}
void break_of_eight_pages(mm::Mm& mm) {
    no_break(mm);
    ASSERT_EQ(mm::brk(mm, kBreak + 8 * kPageBytes), kBreak + 8 * kPageBytes);
}

Outcome set_break(mm::Mm& mm, std::uint64_t pages) {
    const VirtAddr wanted = kBreak + pages * kPageBytes;
    return mm::brk(mm, wanted) == wanted ? Outcome{} : Errno::nomem;
}

Outcome copy_over(mm::Mm& mm) {
    const std::array<std::byte, 3 * kPageBytes> data{};
    const std::size_t done = mm::copy_to_user(mm, kAt + kPageBytes, data);
    return done == data.size() ? Outcome{} : Errno::nomem;
}
Outcome hold_pages(mm::Mm& mm) {
    mm::UserPages held(mm, mm::Access::write);
    return held.add(kAt, 8 * kPageBytes) == 8 * kPageBytes ? Outcome{} : Errno::nomem;
}

struct Case {
    const char* name;
    std::function<void(mm::Mm&)> prepare;
    std::function<Outcome(mm::Mm&)> run;
    std::set<Errno> errors = {Errno::nomem};

    friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

std::vector<Case> mappings() {
    return {
        {"mmap", nothing, [](mm::Mm& m) { return map_at(m, 0, 4); }},
        {"mmap_shared", nothing, [](mm::Mm& m) { return map_at(m, 0, 4, kFixedShared); }},
        {"mmap_populated", nothing,
         [](mm::Mm& m) { return map_at(m, 0, 4, kFixed | MAP_POPULATE); }},
        {"mmap_shared_populated", nothing,
         [](mm::Mm& m) { return map_at(m, 0, 4, kFixedShared | MAP_POPULATE); }},
        {"mmap_inside_another", sixteen,
         [](mm::Mm& m) { return map_at(m, 5, 4, kFixed, PROT_READ); }},
        {"munmap_of_the_middle", sixteen,
         [](mm::Mm& m) { return mm::munmap(m, kAt + 4 * kPageBytes, 4 * kPageBytes); }},
        {"brk_up", no_break, [](mm::Mm& m) { return set_break(m, 12); }},
        {"brk_down", break_of_eight_pages, [](mm::Mm& m) { return set_break(m, 5); }},
    };
}

std::vector<Case> changes() {
    const VirtAddr inside = kAt + 2 * kPageBytes;
    constexpr std::uint64_t kSome = 5 * kPageBytes;
    return {
        {"mprotect", sixteen, [=](mm::Mm& m) { return mm::mprotect(m, inside, kSome, PROT_READ); }},
        {"madvise_random",
         sixteen,
         [=](mm::Mm& m) { return mm::madvise(m, inside, kSome, MADV_RANDOM); },
         {Errno::again}},
        {"madvise_populate", sixteen,
         [=](mm::Mm& m) { return mm::madvise(m, inside, kSome, MADV_POPULATE_WRITE); }},
        {"mlock",
         sixteen,
         [=](mm::Mm& m) { return mm::mlock(m, inside, kSome, 0); },
         {Errno::nomem, Errno::again}},
        {"mlock_on_fault", sixteen,
         [=](mm::Mm& m) { return mm::mlock(m, inside, kSome, MLOCK_ONFAULT); }},
        {"munlock",
         [](mm::Mm& m) {
             sixteen(m);
             ASSERT_TRUE(mm::mlock(m, kAt, 16 * kPageBytes, 0));
         },
         [=](mm::Mm& m) { return mm::munlock(m, inside, kSome); }},
        {"mlockall", sixteen, [](mm::Mm& m) { return mm::mlockall(m, MCL_CURRENT | MCL_FUTURE); }},
    };
}

std::vector<Case> accesses() {
    return {
        {"first_write", [](mm::Mm& m) { ASSERT_TRUE(map_at(m, 0, 16)); },
         [](mm::Mm& m) { return touch(m, 4, mm::Access::write); }},
        {"first_read", [](mm::Mm& m) { ASSERT_TRUE(map_at(m, 0, 16)); },
         [](mm::Mm& m) { return touch(m, 4, mm::Access::read); }},
        {"write_to_the_zero_page", sixteen,
         [](mm::Mm& m) { return touch(m, 9, mm::Access::write); }},
        {"first_access_of_shared_memory",
         [](mm::Mm& m) { ASSERT_TRUE(map_at(m, 0, 16, kFixedShared)); },
         [](mm::Mm& m) { return touch(m, 4, mm::Access::write); }},
        {"stack_growth", [](mm::Mm& m) { ASSERT_TRUE(map_at(m, 15, 1, kFixed | MAP_GROWSDOWN)); },
         [](mm::Mm& m) { return touch(m, 4, mm::Access::write); }},
        {"copy_to_user", sixteen, copy_over},
        {"user_pages", sixteen, hold_pages},
        {"fault_in", sixteen,
         [](mm::Mm& m) { return mm::fault_in(m, kAt + 5 * kPageBytes, mm::Access::write); }},
    };
}

class FailingAllocation : public MmTest, public ::testing::WithParamInterface<Case> {
  protected:
    struct InUse {
        std::uint64_t frames;
        std::int64_t vmas;
        std::int64_t anon_vmas;
        friend bool operator==(const InUse&, const InUse&) = default;
        friend void PrintTo(const InUse& u, std::ostream* out) {
            *out << u.frames << " frames, " << u.vmas << " VMAs, " << u.anon_vmas << " anon_vmas";
        }
    };
    InUse in_use() {
        system().deferred.drain();
        sync::rcu_barrier();
        return {system().frames.in_use(), system().vma_caches.vmas.in_use(),
                system().vma_caches.anon_vmas.in_use()};
    }
    void undo() {
        ASSERT_TRUE(mm::munlockall(space()));
        ASSERT_TRUE(mm::munmap(space(), VirtAddr(0), space().options.task_size.raw()));
    }

    /// @return whether an n-th allocation was asked for
    bool try_with(std::uint64_t n) {
        const Case& c = GetParam();
        c.prepare(space());
        plan.arm(n);
        const Outcome first = c.run(space());
        const bool hit = plan.hit();
        plan.disarm();
        EXPECT_EQ(mm::check_mm(space()), "");
        if (!first) {
            EXPECT_TRUE(hit);
            EXPECT_TRUE(c.errors.contains(first.error())) << static_cast<int>(first.error());
            EXPECT_TRUE(c.run(space())) << "again, with enough memory";
            EXPECT_EQ(mm::check_mm(space()), "");
        }
        undo();
        return hit;
    }
};

TEST_P(FailingAllocation, is_survived_and_leaks_nothing) {
    const InUse before = in_use();
    std::uint64_t n = 1;
    while (try_with(n)) {
        ASSERT_FALSE(HasFailure()) << "allocation " << n;
        ASSERT_EQ(in_use(), before) << "allocation " << n;
        ++n;
    }
    EXPECT_EQ(in_use(), before);
    EXPECT_GT(n, 1U) << "the operation allocates nothing";
}

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(Mappings, FailingAllocation, ::testing::ValuesIn(mappings()),
                         name_of_case);
INSTANTIATE_TEST_SUITE_P(Changes, FailingAllocation, ::testing::ValuesIn(changes()), name_of_case);
INSTANTIATE_TEST_SUITE_P(Accesses, FailingAllocation, ::testing::ValuesIn(accesses()),
                         name_of_case);

TEST(FailingStart, machine_and_address_space_fail_cleanly) {
    std::uint64_t n = 1;
    for (bool hit = true; hit; ++n) {
        sync::FailPlan plan;
        plan.arm(n);
        {
            auto machine = api::Machine::create({.memory_bytes = 1ULL << 20, .fail_plan = &plan});
            if (machine) {
                const auto mm =
                    mm::Mm::create((*machine)->system(), {.task_size = VirtAddr(1ULL << 46)});
                EXPECT_NE(mm.has_value(), plan.hit());
            } else {
                EXPECT_TRUE(plan.hit());
            }
        }
        hit = plan.hit();
    }
    EXPECT_GT(n, 4U);
}

}  // namespace
}  // namespace surefoot::testing
