// Accesses that the program makes itself and announces. That announced loads, stores and
// read-modify-writes are what called ones are is judged by oracle/ (sc-announced, tso-announced).

#include <gtest/gtest.h>

#include <string>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

constexpr Model kModels[] = {Model::sc, Model::tso};

struct State {
    int x, y;
    int seen[2];
};

int load(int& word, sfc_access_kind kind = SFC_READ_MARKED) {
    sfc_announce(&word, sizeof word, kind, nullptr);
    return *static_cast<volatile int*>(&word);
}
void store(int& word, int value, sfc_access_kind kind = SFC_WRITE_MARKED) {
    sfc_announce(&word, sizeof word, kind, nullptr);
    *static_cast<volatile int*>(&word) = value;
}
void add(int& word, unsigned announcements = 1) {
    for (unsigned i = 0; i < announcements; ++i)
        sfc_announce(&word, sizeof word, SFC_RMW, &word);
    __atomic_fetch_add(&word, 1, __ATOMIC_RELAXED);
}

Result run(void (*left)(State&), void (*right)(State&), Model model,
           void (*finish)(State&) = nullptr) {
    return check(
        [=](Program& program) {
            auto& state = program.make<State>();
            program.spawn([&state, left] { left(state); }, "left");
            if (right != nullptr) program.spawn([&state, right] { right(state); }, "right");
            program.finish([&state, finish] {
                if (finish != nullptr) finish(state);
            });
        },
        {.model = model});
}

TEST(Announced, read_modify_writes_of_one_instruction_are_one_step) {
    for (const Model model : kModels) {
        const Result result = run([](State& s) { add(s.x, 3); }, [](State& s) { add(s.x, 2); },
                                  model, [](State& s) { require(s.x == 2, "lost"); });
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 2u);
        EXPECT_EQ(result.max_depth, 2u);
    }
}

TEST(Announced, read_modify_writes_of_two_instructions_are_two_steps) {
    for (const Model model : kModels) {
        const auto twice = [](State& s) {
            add(s.x);
            add(s.x);
        };
        const Result result = run(twice, twice, model);
        EXPECT_EQ(result.complete, 6u) << result.message;
    }
}

TEST(Announced, stores_that_change_nothing_are_stores) {
    for (const Model model : kModels) {
        const Result result =
            run([](State& s) { store(s.x, 0); }, [](State& s) { load(s.x); }, model);
        EXPECT_EQ(result.complete, 2u) << result.message;
    }
}

TEST(Announced, plain_accesses_see_and_follow_the_own_buffered_store) {
    for (const Model model : kModels) {
        const Result result = run(
            [](State& s) {
                store(s.x, 1);
                require(load(s.x, SFC_READ_PLAIN) == 1, "its own store is not seen");
                store(s.x, load(s.x, SFC_READ_PLAIN) + 1, SFC_WRITE_PLAIN);
                sfc_announce(&s.x, sizeof s.x, SFC_COMPOUND, nullptr);
                s.x = s.x + 1;
                require(load(s.x, SFC_READ_PLAIN) == 3, "its own plain store is not seen");
                s.seen[0] = load(s.y);
            },
            [](State& s) {
                store(s.y, 1);
                s.seen[1] = load(s.y);
            },
            model, [](State& s) { require(s.x == 3, "an older store came last"); });
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    }
}

TEST(Announced, stores_wait_in_the_buffer_and_others_do_not_see_them) {
    for (const Model model : kModels) {
        const auto first = [](State& s) {
            store(s.x, 1);
            s.seen[0] = load(s.y);
        };
        const auto second = [](State& s) {
            store(s.y, 1);
            s.seen[1] = load(s.x);
        };
        const Result result = run(first, second, model, [](State& s) {
            require(s.seen[0] == 1 || s.seen[1] == 1, "store buffering");
        });
        EXPECT_EQ(result.message, model == Model::tso ? "store buffering" : "");
    }
}

TEST(Announced, plain_accesses_race) {
    for (const Model model : kModels) {
        for (const sfc_access_kind kind : {SFC_WRITE_PLAIN, SFC_COMPOUND}) {
            // Others are plain, too.
            static sfc_access_kind other;
            other = kind;
            const Result result =
                run([](State& s) { store(s.x, 1, other); }, [](State& s) { load(s.x); }, model);
            EXPECT_TRUE(result.message.starts_with("data race")) << result.message;
        }
        const Result read =
            run([](State& s) { load(s.x, SFC_READ_PLAIN); }, [](State& s) { load(s.x); }, model);
        EXPECT_EQ(read.verdict, Verdict::holds) << read.message;
    }
}

TEST(Announced, schedules_have_the_values_that_the_program_wrote) {
    const Result result = run(
        [](State& s) {
            sfc_name(&s.x, sizeof s.x, "x");
            store(s.x, 5);
            add(s.x);
            require(load(s.x) != 6, "the end");
        },
        nullptr, Model::sc);
    EXPECT_EQ(result.schedule,
              "   1 left         store x 0x0 -> 0x5\n"
              "   2 left         rmw x 0x5 -> 0x6\n"
              "   3 left         load x reads 0x6\n");
}

TEST(Announced, accesses_that_are_no_words_are_refused) {
    struct Wide {
        alignas(8) char bytes[16];
    };
    const auto touch = [](std::size_t offset, std::size_t size, Model model) {
        return check(
                   [=](Program& program) {
                       auto& wide = program.make<Wide>();
                       program.spawn([&wide, offset, size] {
                           sfc_announce(wide.bytes + offset, size, SFC_READ_MARKED, nullptr);
                       });
                   },
                   {.model = model})
            .message;
    };
    EXPECT_EQ(touch(0, 8, Model::sc), "");
    EXPECT_NE(touch(0, 16, Model::sc), "");
    EXPECT_NE(touch(6, 4, Model::sc), "");
    EXPECT_EQ(touch(0, 8, Model::weak), "an announced access: not under the model weak");
}

}  // namespace
}  // namespace surefoot::checker
