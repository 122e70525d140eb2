// The n-th allocation fails, for all n until none is reached: a clean error, nothing lost, and the
// same call works afterwards. Once by the plan that the library's allocators ask, once by the
// program's operator new, which an embedder's program may run out of at any time.

#include <gtest/gtest.h>

#include <cerrno>
#include <functional>

#include "api/impl.hpp"
#include "failing_new.hpp"
#include "surefoot/surefoot.hpp"

namespace {

constexpr std::uint64_t kPage = 4096;

using namespace surefoot;
using namespace mm::uapi;

std::int64_t read_zeros(void*, std::uint64_t, void*) { return 0; }

/// Made before anything fails: its name takes memory, as its copy in the library does.
const FileOptions kFile{.read_page = read_zeros,
                        .name = "a name that is longer than what a string holds by itself"};

/// The first error of a life, 0 if it went well. Every failed call leaves a sound space.
int live(const Expected<Machine>& made_or_not, Machine* machine) {
    if (!made_or_not) return made_or_not.error().number;
    auto space = machine->create_space({.start_brk = 0x10000000});
    if (!space) return space.error().number;
    auto file = machine->create_file(kFile);
    if (!file) return file.error().number;

    auto at = space->mmap({.length = 8 * kPage,
                           .prot = PROT_READ | PROT_WRITE,
                           .flags = MAP_PRIVATE | MAP_ANONYMOUS});
    if (!at) return at.error().number;
    auto data =
        space->mmap({.length = kPage, .prot = PROT_READ, .flags = MAP_PRIVATE, .file = &*file});
    if (!data) return data.error().number;
    auto shared = space->mmap(
        {.length = kPage, .prot = PROT_READ | PROT_WRITE, .flags = MAP_SHARED | MAP_ANONYMOUS});
    if (!shared) return shared.error().number;

    int first = 0;
    const auto note = [&](int error) {
        if (first == 0) first = error;
    };
    const auto fault = [&](std::uint64_t va, Access access) {
        const Fault result = space->fault(va, access);
        EXPECT_TRUE(result == Fault::handled || result == Fault::oom);
        if (result == Fault::oom) note(ENOMEM);
    };
    fault(*at, Access::write);
    fault(*data, Access::read);
    fault(*shared, Access::write);
    if (space->write(*at + kPage, "x", 1) != 1) note(ENOMEM);
    note(space->mprotect(*at + 2 * kPage, kPage, PROT_READ).error().number);
    note(space->madvise(*at, kPage, MADV_DONTNEED).error().number);
    if (space->brk(0x10001000) != 0x10001000) note(ENOMEM);
    note(space->mlock(*at + 5 * kPage, kPage).error().number);
    auto maps = space->maps();
    note(maps.error().number);
    note(space->munmap(*at + 4 * kPage, kPage).error().number);
    auto complaint = space->check();
    note(complaint.error().number);
    if (complaint) {
        EXPECT_EQ(*complaint, "");
    }
    return first;
}

/// @param arm  makes the n-th request fail; @param disarm  returns whether it came
void check_each(const std::function<int()>& life, const std::function<void(unsigned)>& arm,
                const std::function<bool()>& disarm) {
    constexpr unsigned kMost = 10000;
    for (unsigned n = 1; n < kMost; ++n) {
        arm(n);
        const int error = life();
        if (!disarm()) {
            EXPECT_EQ(error, 0) << "no request failed";
            EXPECT_GT(n, 10U) << "the test reached too few requests";
            return;
        }
        EXPECT_TRUE(error == 0 || error == ENOMEM || error == EMFILE || error == EAGAIN)
            << "request " << n << " failed, the life ended with " << error;
    }
    FAIL() << "still failing after " << kMost << " requests";
}

TEST(NthAllocationFails, of_the_library) {
    sync::FailPlan plan;
    const auto life = [&] {
        auto machine = MachineAccess::create({.memory_bytes = 1 << 20, .fail_plan = &plan});
        return live(machine, machine ? &*machine : nullptr);
    };
    check_each(
        life, [&](unsigned n) { plan.arm(n); },
        [&] {
            plan.disarm();
            return plan.hit();
        });
}

TEST(NthAllocationFails, of_the_program) {
    const auto life = [] {
        auto machine = Machine::create({.memory_bytes = 1 << 20});
        return live(machine, machine ? &*machine : nullptr);
    };
    check_each(life, fail_new_in, stop_failing_new);
}

}  // namespace
