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

// --- names that say which of several
// ---------------------------------------------------------

constexpr Model kModels[] = {Model::sc, Model::tso, Model::weak};

TEST(Report, tells_tasks_of_one_name_apart) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& data = program.make<Data<int>>();
                sfc_name(&data, sizeof data, "data");
                for (int i = 0; i < 2; ++i)
                    program.spawn([&data] { sfc_plain_write(&data, sizeof data, nullptr); }, "pop");
            },
            {.model = model});
        EXPECT_NE(result.message.find("by pop (task 0) ("), std::string::npos) << result.message;
        EXPECT_NE(result.message.find("by pop (task 1) ("), std::string::npos) << result.message;
    }
}

TEST(Report, names_what_a_deadlock_waits_for) {
    struct Waits {
        Mutex lock;
        Word<int> word;
    };
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& waits = program.make<Waits>();
                sfc_name(&waits.lock, sizeof waits.lock, "lock");
                sfc_name(&waits.word, sizeof waits.word, "word");
                program.spawn(
                    [&waits] {
                        waits.lock.lock();
                        waits.word.await(1);
                    },
                    "keeper");
                program.spawn([&waits] { waits.word.await(2); }, "other");
                program.spawn(
                    [&waits] {
                        sfc_join(0, nullptr);
                        waits.lock.lock();
                    },
                    "last");
                program.spawn([&waits] {
                    waits.word.await(0);
                    sfc_join(3, nullptr);
                });
            },
            {.model = model});
        EXPECT_EQ(result.message,
                  "deadlock: keeper waits for a value of word, other waits for a value of word, "
                  "last waits for keeper to end, task 3 waits for task 3 to end");
    }
    const Result locks = check([](Program& program) {
        auto& lock = program.make<Mutex>();
        sfc_name(&lock, sizeof lock, "lock");
        program.spawn(
            [&lock] {
                lock.lock();
                lock.lock();
            },
            "fool");
    });
    EXPECT_EQ(locks.message, "deadlock: fool waits for lock lock (held by fool)");
}

TEST(Report, names_the_sender_of_an_interrupt_and_its_cpu) {
    const Result result = check([](Program& program) {
        program.spawn(
            [] { sfc_ipi(2, [](void*) { require(false, "the end"); }, nullptr, nullptr); },
            "sender");
        program.spawn([] {}, "victim");
    });
    EXPECT_EQ(result.schedule,
              "   1 sender       send interrupt to CPU 1\n"
              "   2 irq of CPU 1 interrupt begins of sender\n");
}

TEST(Report, of_the_model_weak_is_the_graph_task_by_task) {
    const Result result = check(
        [](Program& program) {
            auto& state = program.make<State>();
            name_all(state);
            program.spawn(
                [&state] {
                    state.x.store(3);
                    state.x.fetch_add(1);
                    state.y.store(1);
                },
                "left");
            program.spawn(
                [&state] { require(state.y.load() == 0 || state.x.load() != 0, "stale"); },
                "right");
        },
        {.model = Model::weak});
    EXPECT_EQ(result.schedule,
              "   1 left         store x -> 0x3\n"
              "   2 left         rmw x 0x3 -> 0x4 from 1\n"
              "   3 left         store state+4 -> 0x1\n"
              "   4 right        load state+4 0x1 from 3\n"
              "   5 right        load x 0x0 from the beginning\n");
}

// --- places
// ---------------------------------------------------------------------------------

/// Seen by the dynamic linker: this program is linked with -rdynamic.
}  // namespace

extern "C" [[gnu::noinline]] void store_in_a_function_of_its_own(Word<int>& word) { word.store(1); }
extern "C" [[gnu::noinline]] void require_in_a_function_of_its_own(const Word<int>& word) {
    require(word.load() == 7, "not seven");
}

namespace {

TEST(Report, has_places_in_the_functions_that_made_the_calls) {
    const Result result = check([](Program& program) {
        auto& word = program.make<Word<int>>();
        program.spawn([&word] { require_in_a_function_of_its_own(word); });
    });
    EXPECT_EQ(result.place.rfind("require_in_a_function_of_its_own+0x", 0), 0U) << result.place;
    const Result race = check([](Program& program) {
        auto& word = program.make<Word<int>>();
        program.spawn([&word] { store_in_a_function_of_its_own(word); });
        program.spawn([&word] { sfc_plain_read(&word, sizeof word, nullptr); });
    });
    EXPECT_NE(race.message.find("(store_in_a_function_of_its_own+0x"), std::string::npos)
        << race.message;
}

}  // namespace
}  // namespace surefoot::checker
