// Locks, waiting, RCU and interrupts: what they exclude, and what is reported when nobody moves.

#include <gtest/gtest.h>

#include "programs.hpp"

namespace surefoot::checker {
namespace {

using programs::Int;

const Model kModels[] = {Model::sc, Model::tso};

TEST(Locks, opposite_orders_deadlock) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& a = program.make<Mutex>();
                auto& b = program.make<Mutex>();
                program.spawn([&] { a.lock(), b.lock(), b.unlock(), a.unlock(); });
                program.spawn([&] { b.lock(), a.lock(), a.unlock(), b.unlock(); });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::violated);
        EXPECT_NE(result.message.find("deadlock"), std::string::npos) << result.message;
    }
}

TEST(Locks, readers_commute_and_exclude_a_writer) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& lock = program.make<Mutex>();
                auto& x = program.make<Int>();
                for (int i = 0; i < 2; ++i) {
                    program.spawn([&] {
                        lock.lock_shared();
                        const int before = x.load();
                        require(x.load() == before, "a writer came between two reads");
                        lock.unlock_shared();
                    });
                }
                program.spawn([&] {
                    lock.lock();
                    x.store(1);
                    lock.unlock();
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 4U);
    }
}

TEST(Locks, trylock_fails_only_while_the_lock_is_held) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& lock = program.make<Mutex>();
                program.spawn([&] { lock.lock(), lock.unlock(); });
                program.spawn([&] {
                    if (lock.try_lock()) lock.unlock();
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 3U);  // before, while held, after
    }
}

TEST(Await, finds_a_value_that_is_there_for_a_moment_only) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& x = program.make<Int>();
                program.spawn([&] { x.store(1), x.store(0); });
                program.spawn([&] { x.await(1); });
            },
            {.model = model, .deadlock_is_error = false});
        EXPECT_EQ(result.complete, 1U);
        EXPECT_EQ(result.blocked, 1U);
    }
}

TEST(Await, ticket_lock_has_one_execution_for_each_order) {
    const std::uint64_t expected[] = {2, 6, 24};
    for (const Model model : kModels) {
        for (int n = 2; n <= 4; ++n) {
            const Result result = check(
                [n](Program& program) {
                    struct State {
                        Int next, owner, x;
                    };
                    auto& s = program.make<State>();
                    for (int i = 0; i < n; ++i) {
                        program.spawn([&s] {
                            const int mine = s.next.fetch_add(1);
                            s.owner.await(mine);
                            s.x.store(s.x.load() + 1);
                            s.owner.store(mine + 1);
                        });
                    }
                    program.finish([&s, n] { require(s.x.get() == n, "an increment was lost"); });
                },
                {.model = model});
            EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
            EXPECT_EQ(result.complete, expected[n - 2]);
        }
    }
}

TEST(Sleep, lost_wakeup_is_reported) {
    const auto body = [](bool check_under_lock) {
        return [check_under_lock](Program& program) {
            struct State {
                Mutex lock;
                Int ready;
            };
            auto& s = program.make<State>();
            program.spawn([&s, check_under_lock] {
                if (!check_under_lock) {
                    if (s.ready.load() == 0) sfc_wait(&s.ready, nullptr, nullptr);
                    return;
                }
                s.lock.lock();
                if (s.ready.load() == 0) sfc_wait(&s.ready, &s.lock, nullptr);
                s.lock.unlock();
            });
            program.spawn([&s] {
                s.lock.lock();
                s.ready.store(1);
                s.lock.unlock();
                sfc_wake(&s.ready, 1, nullptr);
            });
        };
    };
    for (const Model model : kModels) {
        EXPECT_EQ(check(body(true), {.model = model}).verdict, Verdict::holds);
        const Result lost = check(body(false), {.model = model});
        EXPECT_EQ(lost.verdict, Verdict::violated);
        EXPECT_NE(lost.message.find("wake"), std::string::npos) << lost.message;
    }
}

TEST(Rcu, a_grace_period_waits_for_the_sections_before_it) {
    for (const Model model : kModels) {
        bool saw_new_then_old = false;
        const Result result = check(
            [&](Program& program) {
                struct State {
                    Int x, y;
                    int r1, r2;
                };
                auto& s = program.make<State>();
                program.spawn([&s] {
                    sfc_rcu_read_lock(nullptr, nullptr);
                    s.r1 = s.y.load();
                    s.r2 = s.x.load();
                    sfc_rcu_read_unlock(nullptr, nullptr);
                });
                program.spawn([&s] {
                    s.x.store(1);
                    sfc_synchronize_rcu(nullptr, nullptr);
                    s.y.store(1);
                });
                program.finish([&] { saw_new_then_old |= s.r1 == 1 && s.r2 == 0; });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_FALSE(saw_new_then_old);
    }
}

TEST(Rcu, a_callback_runs_after_the_sections_that_could_see_its_object) {
    for (const Model model : kModels) {
        for (const bool reader_in_section : {true, false}) {
            const Result result = check(
                [=](Program& program) {
                    struct State {
                        Int head{1}, alive{1};
                    };
                    auto& s = program.make<State>();
                    program.spawn([&s, reader_in_section] {
                        if (reader_in_section) sfc_rcu_read_lock(nullptr, nullptr);
                        if (s.head.load() == 1)
                            require(s.alive.load() == 1, "the reader sees a freed object");
                        if (reader_in_section) sfc_rcu_read_unlock(nullptr, nullptr);
                    });
                    program.spawn([&s] {
                        s.head.store(0);
                        sfc_call_rcu(
                            nullptr, [](void* of) { static_cast<State*>(of)->alive.store(0); }, &s,
                            nullptr);
                    });
                },
                {.model = model});
            EXPECT_EQ(result.verdict == Verdict::holds, reader_in_section) << result.message;
        }
    }
}

TEST(Interrupts, come_between_any_two_steps_where_they_are_on) {
    for (const Model model : kModels) {
        for (const bool off : {false, true}) {
            bool between = false;
            const Result result = check(
                [&](Program& program) {
                    struct State {
                        Int x, y;
                        int r1, r2;
                    };
                    auto& s = program.make<State>();
                    program.spawn([&s, off] {
                        if (off) sfc_irq_disable();
                        s.r1 = s.x.load();
                        s.r2 = s.y.load();
                        if (off) sfc_irq_enable();
                    });
                    program.spawn([&s] {
                        const unsigned ticket = sfc_ipi(
                            1,
                            [](void* of) {
                                static_cast<State*>(of)->x.store(1);
                                static_cast<State*>(of)->y.store(1);
                            },
                            &s, nullptr);
                        sfc_ipi_wait(ticket, nullptr);
                        require(s.x.load() == 1 && s.y.load() == 1, "not handled");
                    });
                    program.finish([&] { between |= s.r1 == 0 && s.r2 == 1; });
                },
                {.model = model});
            EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
            EXPECT_EQ(between, !off);
            EXPECT_EQ(result.complete, off ? 2U : 3U);
        }
    }
}

TEST(Interrupts, waiting_for_a_cpu_that_never_switches_them_on_deadlocks) {
    const Result result = check([](Program& program) {
        auto& done = program.make<Int>();
        program.spawn([&] {
            sfc_irq_disable();
            done.await(1);
            sfc_irq_enable();
        });
        program.spawn([&] {
            sfc_ipi_wait(sfc_ipi(1, [](void*) {}, nullptr, nullptr), nullptr);
            done.store(1);
        });
    });
    EXPECT_EQ(result.verdict, Verdict::violated) << result.message;
}

TEST(Spinning, is_a_mistake_that_names_the_loop) {
    const Result result = check([](Program& program) {
        auto& x = program.make<Int>();
        program.spawn([&] {
            while (x.load() == 0) {
            }
        });
        program.spawn([&] { x.store(1); });
    });
    EXPECT_EQ(result.verdict, Verdict::wrong);
    EXPECT_NE(result.message.find("sfc_await"), std::string::npos) << result.message;
}

TEST(Choose, tries_every_outcome_once) {
    std::uint64_t seen = 0;
    const Result result = check([&](Program& program) {
        auto& x = program.make<Int>();
        for (int i = 0; i < 2; ++i)
            program.spawn([&] { x.store(static_cast<int>(sfc_choose(3, nullptr)) + 1); });
        program.finish([&] { seen |= std::uint64_t{1} << x.get(); });
    });
    EXPECT_EQ(result.complete, 3U * 3U * 2U);
    EXPECT_EQ(seen, 0b1110U);
}

}  // namespace
}  // namespace surefoot::checker
