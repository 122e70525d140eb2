// What a CPU may see through its TLB, as the x86 manuals have it: what was dropped is gone, what
// was not present is never cached, what is cached outlives a store until it is dropped.

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

constexpr Model kModels[] = {Model::sc, Model::tso};
constexpr std::uint64_t kPresent = 1, kWritable = 2, kAccessed = 32, kDirty = 64;
constexpr std::uint64_t kFrame1 = 0x1000, kFrame2 = 0x2000;
constexpr sfc_entry_format kFormat{kPresent, kWritable, kAccessed, kDirty};
constexpr std::uint64_t kVa = 0x400000;

struct State {
    Word<std::uint64_t> pte;
    Word<int> flag, data;
    std::uint64_t used = 0;
    int read = 0;
};

std::uint64_t translate(State& state, sfc_translate access = SFC_TLB_LOAD) {
    return sfc_translate_entry(1, kVa, &state.pte, access, true, &kFormat, nullptr);
}

void drop(void* /*state*/) { sfc_tlb_invalidate(1, kVa, kVa + 4096, nullptr); }

/// Which entries, as used and as left, two CPUs can come to.
template <class Writer, class User>
std::set<std::string> outcomes(Model model, std::uint64_t entry, Writer writer, User user) {
    std::set<std::string> seen;
    const Result result = check(
        [&](Program& program) {
            State& state = program.make<State>();
            new (&state.pte) Word<std::uint64_t>(entry);
            program.spawn([&state, writer] { writer(state); }, "writer", 0);
            program.spawn([&state, user] { user(state); }, "user", 1);
            program.finish([&state, &seen] {
                const bool fault = (state.used & kPresent) == 0;
                seen.insert((fault ? "fault" : std::to_string(state.used >> 12)) +
                            (state.read != 0 ? " after" : ""));
            });
        },
        {.model = model});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.redundant, 0u);
    return seen;
}

using Set = std::set<std::string>;
const auto kReader = [](State& state) {
    state.read = state.flag.load();
    state.used = translate(state);
};

TEST(Tlb, a_store_alone_leaves_what_is_cached) {
    for (const Model model : kModels)
        EXPECT_EQ(outcomes(
                      model, kFrame1 | kPresent | kAccessed,
                      [](State& state) {
                          state.pte.exchange(0, SFC_FULL);
                          state.flag.store(1);
                      },
                      kReader),
                  (Set{"1", "fault", "1 after", "fault after"}));
}

TEST(Tlb, a_shootdown_drops_it) {
    for (const Model model : kModels)
        EXPECT_EQ(outcomes(
                      model, kFrame1 | kPresent | kAccessed,
                      [](State& state) {
                          state.pte.exchange(0, SFC_FULL);
                          sfc_ipi_wait(sfc_ipi(2, drop, &state, nullptr), nullptr);
                          state.flag.store(1);
                      },
                      kReader),
                  (Set{"1", "fault", "fault after"}));
}

TEST(Tlb, another_address_or_space_drops_nothing) {
    for (const Model model : kModels)
        EXPECT_EQ(outcomes(
                      model, kFrame1 | kPresent | kAccessed,
                      [](State& state) {
                          state.pte.exchange(0, SFC_FULL);
                          const unsigned ticket = sfc_ipi(
                              2,
                              [](void*) {
                                  sfc_tlb_invalidate(1, kVa + 4096, kVa + 8192, nullptr);
                                  sfc_tlb_invalidate(2, kVa, kVa + 4096, nullptr);
                              },
                              &state, nullptr);
                          sfc_ipi_wait(ticket, nullptr);
                          state.flag.store(1);
                      },
                      kReader),
                  (Set{"1", "fault", "1 after", "fault after"}));
}

TEST(Tlb, what_is_not_present_is_not_cached) {
    for (const Model model : kModels)
        EXPECT_EQ(outcomes(
                      model, 0,
                      [](State& state) {
                          state.pte.store(kFrame1 | kPresent | kAccessed);
                          state.flag.store(1);
                      },
                      kReader),
                  (Set{"1", "fault", "1 after"}));
}

TEST(Tlb, from_one_valid_entry_to_another_nobody_faults) {
    for (const Model model : kModels)
        EXPECT_EQ(outcomes(
                      model, kFrame1 | kPresent | kAccessed,
                      [](State& state) {
                          state.pte.store(kFrame2 | kPresent | kAccessed);
                          state.flag.store(1);
                      },
                      kReader),
                  (Set{"1", "2", "1 after", "2 after"}));
}

TEST(Tlb, what_was_never_accessed_was_never_cached) {
    for (const Model model : kModels)
        EXPECT_EQ(outcomes(
                      model, kFrame1 | kPresent,
                      [](State& state) {
                          state.pte.exchange(0, SFC_FULL);
                          state.flag.store(1);
                      },
                      kReader),
                  (Set{"1", "fault", "fault after"}));
}

TEST(Tlb, a_store_marks_the_entry_dirty_before_it_goes_through) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                State& state = program.make<State>();
                new (&state.pte) Word<std::uint64_t>(kFrame1 | kPresent | kWritable | kAccessed);
                program.spawn([&state] {
                    // Write protection that keeps what the processor set.
                    const std::uint64_t old = state.pte.exchange(0, SFC_FULL);
                    state.read = (old & kDirty) != 0;
                });
                program.spawn([&state] { state.used = translate(state, SFC_TLB_STORE); });
                program.finish([&state] {
                    require(state.read != 0 || (state.used & kPresent) == 0,
                            "a store went through an entry that was not dirty");
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 3u);  // before, between the look and the mark, after
    }
}

}  // namespace
}  // namespace surefoot::checker
