// What a report calls things by: names of memory, notes in the schedule.

#include <gtest/gtest.h>

#include <string>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

struct State {
    Word<int> x, y;
    Spinlock lock;
};

Result fail_at_end(void (*name)(State&), Model model = Model::sc) {
    return check(
        [name](Program& program) {
            auto& state = program.make<State>();
            name(state);
            program.spawn(
                [&state] {
                    sfc_note("about to store", nullptr);
                    state.x.store(3);
                    sfc_note("stored", nullptr);
                    state.lock.lock();
                    state.y.load();
                    require(false, "the end");
                },
                "task");
        },
        {.model = model});
}

void name_all(State& state) {
    sfc_name(&state, sizeof state, "state");
    sfc_name(&state.x, sizeof state.x, "x");
    sfc_name(&state.lock, sizeof state.lock, "lock");
}

TEST(Report, has_names_notes_and_values_in_their_order) {
    // The latest name of an address counts; what has none is told by its place in the one around.
    EXPECT_EQ(fail_at_end(name_all).schedule,
              "     task         # about to store\n"
              "   1 task         store x 0x0 -> 0x3\n"
              "     task         # stored\n"
              "   2 task         lock lock\n"
              "   3 task         load state+4 reads 0x0\n");
}

TEST(Report, has_addresses_where_there_are_no_names) {
    const std::string schedule = fail_at_end([](State&) {}).schedule;
    EXPECT_NE(schedule.find("store 0x55"), std::string::npos) << schedule;
}

TEST(Report, puts_a_note_before_what_drains_later) {
    EXPECT_EQ(fail_at_end(name_all, Model::tso).schedule,
              "     task         # about to store\n"
              "     task         # stored\n"
              "   1 CPU 0        drained x 0x0 -> 0x3\n"
              "   2 task         lock lock\n"
              "   3 task         load state+4 reads 0x0\n");
}

}  // namespace
}  // namespace surefoot::checker
