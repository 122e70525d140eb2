// What the machine's parts guarantee and what they do not: each in a program that goes wrong as
// soon as the part does.

#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

using Int = Word<int>;
constexpr Model kModels[] = {Model::sc, Model::tso};

struct Update {
    Int before, after;  // the writer sets one, waits, and sets the other
    int saw_before, saw_after;
};

/// Whether a reader can see `before` unset and then, in the same go, `after` set.
template <class Reader>
bool sees_both_sides(Model model, Reader reader, const void* domain = nullptr) {
    bool possible = false;
    const Result result = check(
        [&](Program& program) {
            auto& update = program.make<Update>();
            program.spawn([&update, reader] { reader(update); });
            program.spawn([&update, domain] {
                update.before.store(1);
                sfc_synchronize_rcu(domain, nullptr);
                update.after.store(1);
            });
            program.finish([&] { possible |= update.saw_before == 0 && update.saw_after == 1; });
        },
        {.model = model});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    return possible;
}

constexpr auto kReadLock = [] { sfc_rcu_read_lock(nullptr, nullptr); };
constexpr auto kReadUnlock = [] { sfc_rcu_read_unlock(nullptr, nullptr); };

TEST(Rcu, a_section_is_on_one_side_of_a_grace_period) {
    for (const Model model : kModels) {
        EXPECT_FALSE(sees_both_sides(model, [](Update& update) {
            kReadLock();
            update.saw_before = update.before.load();
            update.saw_after = update.after.load();
            kReadUnlock();
        }));
        EXPECT_TRUE(sees_both_sides(model, [](Update& update) {
            update.saw_before = update.before.load();
            update.saw_after = update.after.load();
        }));
    }
}

TEST(Rcu, an_inner_unlock_ends_nothing) {
    for (const Model model : kModels) {
        EXPECT_FALSE(sees_both_sides(model, [](Update& update) {
            kReadLock();
            update.saw_before = update.before.load();
            kReadLock();
            kReadUnlock();
            update.saw_after = update.after.load();
            kReadUnlock();
        }));
    }
}

TEST(Rcu, two_sections_can_be_on_both_sides) {
    for (const Model model : kModels) {
        EXPECT_TRUE(sees_both_sides(model, [](Update& update) {
            kReadLock();
            update.saw_before = update.before.load();
            kReadUnlock();
            kReadLock();
            update.saw_after = update.after.load();
            kReadUnlock();
        }));
    }
}

TEST(Rcu, a_grace_period_waits_for_its_own_domain_only) {
    static constexpr int kDomain = 0;
    for (const Model model : kModels) {
        const auto reader = [](const void* domain) {
            return [domain](Update& update) {
                sfc_rcu_read_lock(domain, nullptr);
                update.saw_before = update.before.load();
                update.saw_after = update.after.load();
                sfc_rcu_read_unlock(domain, nullptr);
            };
        };
        EXPECT_FALSE(sees_both_sides(model, reader(&kDomain), &kDomain));
        EXPECT_TRUE(sees_both_sides(model, reader(nullptr), &kDomain));
    }
}

TEST(Rcu, a_barrier_waits_for_the_callbacks_before_it) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& called = program.make<Int>();
                program.spawn([&called] {
                    sfc_call_rcu(
                        nullptr, [](void* word) { static_cast<Int*>(word)->store(1); }, &called,
                        nullptr);
                    sfc_rcu_barrier(nullptr, nullptr);
                    require(called.load() == 1, "the barrier did not wait");
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 1u);
    }
}

struct Called {
    Int other, called;
    int saw;
};

void set_called(void* of) { static_cast<Called*>(of)->called.store(1); }

TEST(Rcu, a_barrier_need_not_wait_for_a_callback_that_is_queued_later) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& state = program.make<Called>();
                program.spawn([&state] { sfc_call_rcu(nullptr, set_called, &state, nullptr); });
                program.spawn([&state] {
                    state.other.store(1);
                    sfc_rcu_barrier(nullptr, nullptr);
                    state.saw = state.called.load();
                });
                program.finish([&state] { outcome(state.saw != 0 ? "called" : "not yet"); });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        // Queued later: the load is before or after the callback's store. Earlier: after.
        EXPECT_EQ(result.outcomes.at("not yet"), 1u);
        EXPECT_EQ(result.outcomes.at("called"), 2u);
        EXPECT_EQ(result.redundant, 0u);
    }
}

TEST(Rcu, a_barrier_waits_for_its_own_domain_only) {
    static constexpr int kDomain = 0;
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& state = program.make<Called>();
                program.spawn([&state] {
                    sfc_call_rcu(&kDomain, set_called, &state, nullptr);
                    sfc_rcu_barrier(nullptr, nullptr);
                    state.saw = state.called.load();
                });
                program.finish([&state] { outcome(state.saw != 0 ? "called" : "not yet"); });
            },
            {.model = model});
        EXPECT_EQ(result.complete, 2u);
        EXPECT_EQ(result.outcomes.size(), 2u);
    }
}

/// What a task does with a lock that another one takes once.
template <class Body>
Result with_lock(Model model, Body body) {
    return check(
        [body](Program& program) {
            auto& lock = program.make<Spinlock>();
            program.spawn([&lock, body] { body(lock); });
            program.spawn([&lock] {
                lock.lock();
                lock.unlock();
            });
        },
        {.model = model});
}

TEST(Locks, are_not_released_twice) {
    for (const Model model : kModels) {
        EXPECT_EQ(with_lock(model,
                            [](Spinlock& lock) {
                                lock.lock();
                                lock.unlock();
                                lock.unlock();
                            })
                      .message,
                  "a lock is released by a task that does not hold it");
        EXPECT_EQ(with_lock(model,
                            [](Spinlock& lock) {
                                sfc_lock_shared(&lock, SFC_LOCK_SPIN, nullptr);
                                sfc_unlock_shared(&lock, SFC_LOCK_SPIN, nullptr);
                                sfc_unlock_shared(&lock, SFC_LOCK_SPIN, nullptr);
                            })
                      .message,
                  "a lock is released by a task that does not hold it");
    }
}

TEST(Locks, are_held_by_who_goes_to_sleep_with_them) {
    for (const Model model : kModels)
        EXPECT_EQ(with_lock(model, [](Spinlock& lock) { sfc_wait(&lock, &lock, nullptr); }).message,
                  "a task goes to sleep with a lock that it does not hold");
}

TEST(Locks, that_the_task_released_look_free_to_it) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& lock = program.make<Spinlock>();
                program.spawn([&lock] {
                    lock.lock();
                    lock.unlock();
                    require(!sfc_is_locked(&lock, false, nullptr), "it holds the lock still");
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 1u);
        EXPECT_EQ(result.redundant, 0u);
        // Another task takes the lock before, after, or is seen with it.
        const Result two = with_lock(model, [](Spinlock& other) {
            other.lock();
            other.unlock();
            sfc_is_locked(&other, false, nullptr);
        });
        EXPECT_EQ(two.complete, 4u);
        EXPECT_EQ(two.redundant, 0u);
    }
}

/// Why the program, whose only task this is, is refused.
template <class Body>
std::string refusal(Model model, Body body) {
    const Result result = check(
        [body](Program& program) {
            auto& words = program.make<Update>();
            program.spawn([&words, body] { body(words); });
        },
        {.model = model});
    return result.verdict == Verdict::wrong ? result.message : "";
}

TEST(Misuse, of_words_is_refused) {
    const std::string why = "a word has 1, 2, 4 or 8 bytes and is aligned to its size";
    for (const Model model : {Model::sc, Model::tso, Model::weak}) {
        for (const unsigned size : {0u, 3u, 16u, 256u, 264u}) {
            EXPECT_EQ(refusal(model,
                              [size](Update& words) {
                                  sfc_load(&words, size, SFC_RELAXED, nullptr);
                              }),
                      why);
            EXPECT_EQ(refusal(model,
                              [size](Update& words) {
                                  sfc_store(&words, size, 1, SFC_RELAXED, nullptr);
                              }),
                      why);
        }
        EXPECT_EQ(refusal(model,
                          [](Update& words) {
                              void* const inside = reinterpret_cast<char*>(&words) + 1;
                              sfc_rmw(inside, 2, SFC_ADD, 1, SFC_RELAXED, nullptr);
                          }),
                  why);
    }
}

TEST(Misuse, of_numbers_is_refused) {
    const std::string why = "a wait for a task or an interrupt that there is not";
    for (const Model model : {Model::sc, Model::tso, Model::weak})
        EXPECT_EQ(refusal(model, [](Update&) { sfc_join(700000, nullptr); }), why);
    for (const Model model : kModels) {
        EXPECT_EQ(refusal(model, [](Update&) { sfc_ipi_wait(3000000, nullptr); }), why);
        EXPECT_EQ(refusal(model,
                          [](Update&) {
                              sfc_spawn([](void*) {}, nullptr, SFC_MAX_CPUS, nullptr);
                          }),
                  "more CPUs than 16");
    }
}

TEST(Trylock, takes_a_lock_that_is_free_and_no_other) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& lock = program.make<Spinlock>();
                program.spawn([&lock] {
                    require(lock.try_lock(), "a free lock was refused");
                    require(!lock.try_lock(), "a held lock was given");
                    lock.unlock();
                    require(lock.try_lock(), "a released lock was refused");
                    lock.unlock();
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    }
}

TEST(Join, waits_for_the_stores_of_the_task) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& x = program.make<Int>();
                const unsigned writer = program.spawn([&x] { x.store(1); });
                program.spawn([&x, writer] {
                    sfc_join(writer, nullptr);
                    require(x.load() == 1, "the store is still on its way");
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 1u);
    }
}

TEST(Choose, tries_every_number) {
    unsigned tried = 0;
    const Result result = check([&](Program& program) {
        auto& chosen = program.make<Int>();
        program.spawn([&chosen] { chosen.store(static_cast<int>(sfc_choose(3, nullptr))); });
        program.finish([&] { tried |= 1u << chosen.get(); });
    });
    EXPECT_EQ(result.complete, 3u);
    EXPECT_EQ(tried, 7u);
}

TEST(Interrupts, a_handler_runs_on_every_cpu_but_the_senders) {
    const Result result = check([](Program& program) {
        struct State {
            Int handled[3];
        };
        auto& state = program.make<State>();
        for (int cpu = 1; cpu < 3; ++cpu)
            program.spawn([&state] { state.handled[0].load(); }, "", cpu);
        program.spawn(
            [&state] {
                sfc_ipi_wait(
                    sfc_ipi(
                        7,
                        [](void* of) { static_cast<State*>(of)->handled[sfc_cpu()].fetch_add(1); },
                        &state, nullptr),
                    nullptr);
                require(state.handled[1].load() == 1, "CPU 1 did not handle it once");
                require(state.handled[2].load() == 1, "CPU 2 did not handle it once");
                require(state.handled[0].load() == 0, "the sender interrupted itself");
            },
            "", 0);
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
}

TEST(Interrupts, are_handled_in_the_order_of_their_sending) {
    unsigned seen = 0;
    const Result result = check([&](Program& program) {
        auto& last = program.make<Int>();
        program.spawn([] {}, "", 0);
        program.spawn([&last] {
            sfc_ipi(1, [](void* of) { static_cast<Int*>(of)->store(1); }, &last, nullptr);
        });
        program.spawn([&last] {
            sfc_ipi(1, [](void* of) { static_cast<Int*>(of)->store(2); }, &last, nullptr);
        });
        program.finish([&] { seen |= 1u << last.get(); });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 2u);
    EXPECT_EQ(seen, 6u);
}

/// A handler that takes the lock: it stands before, inside (where nobody goes on) or behind.
TEST(Interrupts, that_take_a_lock_deadlock_with_its_holder) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& lock = program.make<Mutex>();
                program.spawn([&lock] { lock.lock(), lock.unlock(); }, "", 0);
                program.spawn(
                    [&lock] {
                        for (int i = 0; i < 2; ++i)
                            sfc_ipi(
                                1,
                                [](void* of) {
                                    static_cast<Mutex*>(of)->lock();
                                    static_cast<Mutex*>(of)->unlock();
                                },
                                &lock, nullptr);
                    },
                    "", 1);
            },
            {.model = model, .deadlock_is_error = false});
        EXPECT_EQ(result.complete, 3U);
        EXPECT_EQ(result.blocked, 2U);
    }
}

/// A store waits in the buffer before the next one is made: the handler finds each number of them.
TEST(Interrupts, come_between_any_two_stores) {
    struct State {
        Int lock, data;
        Spinlock spinlock;
        Int next;
        Data<int> found;
    };
    const auto handler = [](void* of) {
        State& state = *static_cast<State*>(of);
        state.found.set(state.lock.load() + state.data.load() + state.next.load() +
                        (sfc_is_locked(&state.spinlock, false, nullptr) ? 10 : 0));
    };
    const auto body = [&](Program& program) {
        auto& state = program.make<State>();
        program.spawn(
            [&state] {
                state.lock.fetch_add(1);
                state.data.store(1);
                state.spinlock.lock();
                state.next.store(1);
                state.spinlock.unlock();
            },
            "", 0);
        program.spawn([&] { sfc_ipi(1, handler, &state, nullptr); }, "", 1);
        program.finish([&state] { outcome(std::to_string(state.found.get())); });
    };
    const std::set<std::string> wanted = {"0", "1", "2", "12", "13", "3"};
    for (const Model model : kModels)
        for (const Strategy strategy : {Strategy::exhaustive, Strategy::bounded}) {
            const Result result = check(body, {.model = model, .strategy = strategy, .bound = 100});
            EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
            std::set<std::string> found;
            for (const auto& [outcome, executions] : result.outcomes)
                found.insert(outcome);
            EXPECT_EQ(found, wanted);
        }
}

/// What its CPU's buffer has drained is no more news to a handler than what the buffer holds.
TEST(Interrupts, find_the_stores_of_their_cpu_drained_or_not) {
    const auto body = [](Program& program) {
        auto& lock = program.make<Mutex>();
        auto& x = program.make<Int>();
        program.spawn([&lock] { lock.lock(), lock.unlock(); }, "", 0);
        program.spawn(
            [&lock, &x] {
                if (!lock.try_lock()) return;
                x.store(1);
                lock.unlock();
            },
            "", 1);
        program.spawn(
            [&x] { sfc_ipi(2, [](void* of) { static_cast<Int*>(of)->load(); }, &x, nullptr); }, "",
            2);
    };
    for (const Model model : kModels) {
        const Result all = check(body, {.model = model});
        const Result bounded =
            check(body, {.model = model, .strategy = Strategy::bounded, .bound = 100});
        EXPECT_EQ(all.complete, bounded.complete);
        EXPECT_EQ(all.redundant, 0U);
    }
}

/// With stores as steps a schedule has more of them; its replay is told so.
TEST(Interrupts, between_stores_are_replayed) {
    const auto body = [](Program& program) {
        auto& words = program.make<std::array<Int, 2>>();
        program.spawn([&words] { words[0].store(1), words[1].store(1); }, "", 0);
        program.spawn(
            [&words] {
                sfc_ipi(
                    1,
                    [](void* of) {
                        auto& seen = *static_cast<std::array<Int, 2>*>(of);
                        require(seen[0].load() == seen[1].load(), "between the stores");
                    },
                    &words, nullptr);
            },
            "", 1);
    };
    const Result found = check(body, {.model = Model::tso});
    ASSERT_EQ(found.verdict, Verdict::violated);
    const Result again = check(body, {.model = Model::tso, .replay = found.replay});
    EXPECT_EQ(again.verdict, Verdict::violated);
    EXPECT_EQ(again.schedule, found.schedule);
}

/// Beside a section: two increments in either order or one of them in its middle, were it not that
/// the second is its CPU's; and a store before or behind it.
TEST(Interrupts, that_are_off_keep_other_tasks_of_the_cpu_out) {
    const auto body = [](Program& program) {
        auto& words = program.make<std::array<Int, 2>>();
        program.spawn(
            [&words] {
                words[0].fetch_add(1);
                sfc_irq_disable();
                words[0].store(1);
                words[1].load();
                sfc_irq_enable();
            },
            "", 0);
        program.spawn([&words] { words[1].store(1); }, "", 0);
        program.spawn([&words] { words[0].fetch_add(1); }, "", 0);
    };
    const Result all = check(body);
    EXPECT_EQ(all.verdict, Verdict::holds) << all.message;
    EXPECT_EQ(all.complete, check(body, {.strategy = Strategy::bounded, .bound = 100}).complete);
    EXPECT_EQ(all.complete, 6U);
}

/// The task can go on after the first of four increments by handlers, of which two are its CPU's.
TEST(Interrupts, let_a_task_go_on_before_any_of_them) {
    const Result result = check(
        [](Program& program) {
            auto& x = program.make<Int>();
            program.spawn([&x] {
                for (int i = 0; i < 2; ++i)
                    sfc_ipi(7, [](void* of) { static_cast<Int*>(of)->fetch_add(1); }, &x, nullptr);
            });
            program.spawn([&x] { x.await(1); });
            program.spawn([] {});
        },
        {.deadlock_is_error = false});
    EXPECT_EQ(result.complete, 6U);
    EXPECT_EQ(result.blocked, 6U);
}

TEST(Interrupts, that_a_lock_holder_waits_for_do_not_hide_the_lock) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& lock = program.make<Mutex>();
                program.spawn(
                    [&lock] {
                        lock.lock();
                        sfc_ipi_wait(sfc_ipi(2, [](void*) {}, nullptr, nullptr), nullptr);
                        lock.unlock();
                    },
                    "", 0);
                program.spawn([&lock] { lock.lock(), lock.unlock(); }, "", 1);
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_GE(result.complete, 2u);  // either has the lock first
        EXPECT_EQ(result.redundant, 0u);
    }
}

}  // namespace
}  // namespace surefoot::checker
