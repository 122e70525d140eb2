// The checked layer: what a program does while it is alone, and what a search makes of it.

#include <gtest/gtest.h>

#include "surefoot/checker/checker.hpp"
#include "sync/sync.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::sync;
using checker::Model;
using checker::Program;
using checker::Result;
using checker::Verdict;

TEST(AloneDeathTest, waiting_for_a_lock_of_a_stopped_cpu_is_a_deadlock) {
    WordLock lock;
    lock.lock();
    EXPECT_FALSE(lock.try_lock());
    EXPECT_DEATH(lock.lock(), "deadlock");
}

TEST(AloneDeathTest, waiting_on_an_unchanged_word_is_a_deadlock) {
    Atomic<std::uint32_t> word{3};
    EXPECT_DEATH(word.wait(3, Order::acquire), "deadlock");
}

TEST(AloneDeathTest, grace_period_inside_a_section_is_a_deadlock) {
    engine::rcu_enter();
    EXPECT_DEATH(engine::grace_period(), "deadlock");
    engine::rcu_exit();
}

/// Explores `body`, which is given the program and starts each execution alone.
template <class Body>
Result search(Body body, const checker::Options& options = {}) {
    const Result result = checker::check(
        [&](Program& program) {
            engine::begin_execution();
            body(program);
        },
        options);
    engine::end_search();
    return result;
}

/// Two tasks run `step` each; `after` looks at the end.
template <class Shared, class Step, class After>
Result two_tasks(Step step, After after, const checker::Options& options = {}) {
    return search(
        [&](Program& program) {
            Shared& shared = program.make<Shared>();
            program.spawn([&shared, step] { step(shared); }, "A");
            program.spawn([&shared, step] { step(shared); }, "B");
            program.finish([&shared, after] { after(shared); });
        },
        options);
}

using Word = Atomic<std::uint32_t>;

TEST(Search, read_modify_writes_lose_nothing) {
    const Result result = two_tasks<Word>(
        [](Word& word) { word.fetch_add(1, Order::relaxed); },
        [](Word& word) { checker::require(word.load(Order::relaxed) == 2, "lost"); });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 2U);
}

TEST(Search, a_load_and_a_store_lose_an_increment) {
    const Result result = two_tasks<Word>(
        [](Word& word) { word.store(word.load(Order::relaxed) + 1, Order::relaxed); },
        [](Word& word) { checker::require(word.load(Order::relaxed) == 2, "lost"); });
    EXPECT_EQ(result.verdict, Verdict::violated);
    EXPECT_EQ(result.message, "lost");
}

TEST(Search, compare_exchange_fails_where_another_was_first) {
    struct Claim {
        Word word{0};
        Word winners{0};
    };
    const Result result = two_tasks<Claim>(
        [](Claim& claim) {
            std::uint32_t expected = 0;
            if (claim.word.compare_exchange(expected, 7, Order::acq_rel, Order::relaxed)) {
                claim.winners.fetch_add(1, Order::relaxed);
            } else {
                SF_ASSERT(expected == 7);
            }
        },
        [](Claim& claim) { checker::require(claim.winners.load(Order::relaxed) == 1, "winners"); });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 2U);
}

/// Whether both tasks can miss each other's store.
bool both_miss(Order store, Model model) {
    struct Words {
        Word mine[2];
        Word missed;
    };
    const Result result = search(
        [store](Program& program) {
            Words& words = program.make<Words>();
            for (unsigned i = 0; i < 2; ++i) {
                program.spawn([&words, i, store] {
                    words.mine[i].store(1, store);
                    if (words.mine[1 - i].load(Order::relaxed) == 0)
                        words.missed.fetch_add(1, Order::relaxed);
                });
            }
            program.finish([&words] {
                checker::outcome(words.missed.load(Order::relaxed) == 2 ? "both" : "not both");
            });
        },
        {.model = model});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    return result.outcomes.contains("both");
}

TEST(Search, store_buffers_hide_stores_that_are_not_seq_cst) {
    EXPECT_FALSE(both_miss(Order::relaxed, Model::sc));
    EXPECT_TRUE(both_miss(Order::relaxed, Model::tso));
    EXPECT_TRUE(both_miss(Order::release, Model::tso));
    EXPECT_FALSE(both_miss(Order::seq_cst, Model::tso));
}

struct Locked {
    SpinLock<LockId::leaf> lock;
    Shared<unsigned> value;
};

TEST(Search, a_lock_keeps_plain_data) {
    for (const Model model : {Model::sc, Model::tso}) {
        const Result result = two_tasks<Locked>(
            [](Locked& locked) {
                const Guard guard(locked.lock);
                locked.value.set(locked.value.get() + 1);
            },
            [](Locked& locked) { checker::require(locked.value.get() == 2, "lost"); },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 2U);
    }
}

TEST(Search, plain_data_without_a_lock_is_a_race) {
    const Result result =
        two_tasks<Locked>([](Locked& locked) { locked.value.set(1); }, [](Locked&) {});
    EXPECT_EQ(result.verdict, Verdict::violated);
    EXPECT_NE(result.message.find("data race"), std::string::npos) << result.message;
}

TEST(Search, readers_share_and_exclude_a_writer) {
    struct Book {
        RwSem<LockId::mmap_lock> lock;
        Shared<unsigned> page;
    };
    const Result result = search([](Program& program) {
        Book& book = program.make<Book>();
        for (unsigned i = 0; i < 2; ++i) {
            program.spawn([&book] {
                const SharedGuard guard(book.lock);
                SF_ASSERT(book.page.get() % 2 == 0);
            });
        }
        program.spawn([&book] {
            book.lock.lock();
            book.page.set(1);
            book.page.set(2);
            book.lock.downgrade();
            SF_ASSERT(book.page.get() == 2);
            book.lock.unlock_shared();
        });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 4U);  // each reader before or after the writer
}

TEST(Search, waiting_blocks_until_the_word_changes) {
    const Result result = search([](Program& program) {
        Word& word = program.make<Word>();
        program.spawn([&word] {
            word.wait(0, Order::acquire);
            SF_ASSERT(word.load(Order::relaxed) == 5);
        });
        program.spawn([&word] { word.store(5, Order::release); });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 1U);
}

TEST(Search, a_wait_for_nothing_is_a_deadlock) {
    const Result result = search([](Program& program) {
        Word& word = program.make<Word>();
        program.spawn([&word] { word.wait(0, Order::relaxed); });
    });
    EXPECT_EQ(result.verdict, Verdict::violated);
}

TEST(Search, a_failed_assertion_is_a_violation) {
    const Result result = two_tasks<Word>(
        [](Word& word) { SF_ASSERT(word.fetch_add(1, Order::relaxed) == 0); }, [](Word&) {});
    EXPECT_EQ(result.verdict, Verdict::violated);
    EXPECT_NE(result.message.find("fetch_add"), std::string::npos) << result.message;
}

TEST(Search, each_task_has_its_own_lock_validator) {
    struct Locks {
        SpinLock<LockId::leaf> leaf[2];
    };
    const auto both = [](Program& program, bool nested) {
        Locks& locks = program.make<Locks>();
        for (unsigned i = 0; i < 2; ++i) {
            program.spawn([&locks, i, nested] {
                const Guard first(locks.leaf[i]);
                if (nested) {
                    locks.leaf[1 - i].lock();
                    locks.leaf[1 - i].unlock();
                }
            });
        }
    };
    const Result apart = search([&](Program& program) { both(program, false); });
    EXPECT_EQ(apart.verdict, Verdict::holds) << apart.message;
    const Result nested = search([&](Program& program) { both(program, true); });
    EXPECT_EQ(nested.verdict, Verdict::violated);
    EXPECT_NE(nested.message.find("second lock of its class"), std::string::npos) << nested.message;
}

struct Node : RcuHead {
    Shared<unsigned> alive{1};
};

void kill_node(RcuHead& head) { static_cast<Node&>(head).alive.set(0); }

/// A reader looks at a node that the other task takes out.
template <class Remove>
Result remove_under_reader(Remove remove) {
    return search([remove](Program& program) {
        Node& node = program.make<Node>();
        Atomic<Node*>& head = program.make<Atomic<Node*>>(&node);
        program.spawn([&head] {
            const RcuReadGuard rcu;
            if (Node* const seen = head.load(Order::acquire)) SF_ASSERT(seen->alive.get() == 1);
        });
        program.spawn([&head, &node, remove] {
            head.store(nullptr, Order::release);
            remove(node);
        });
    });
}

TEST(Search, rcu_callbacks_run_after_the_readers) {
    const Result deferred = remove_under_reader([](Node& node) {
        rcu_defer<kill_node>(node);
        rcu_barrier();
        SF_ASSERT(node.alive.get() == 0);
    });
    EXPECT_EQ(deferred.verdict, Verdict::holds) << deferred.message;
    const Result waited = remove_under_reader([](Node& node) {
        rcu_synchronize();
        kill_node(node);
    });
    EXPECT_EQ(waited.verdict, Verdict::holds) << waited.message;
    const Result at_once = remove_under_reader([](Node& node) { kill_node(node); });
    EXPECT_EQ(at_once.verdict, Verdict::violated);
}

TEST(Search, an_object_goes_back_to_the_cpu_that_freed_it) {
    struct Cache : ObjectCache<Word> {};
    const Result result = two_tasks<Cache>(
        [](Cache& cache) {
            Word* const first = cache.alloc();
            first->store(3, Order::relaxed);
            cache.free(first);
            Word* const again = cache.alloc();
            SF_ASSERT(again == first);
            SF_ASSERT(again->load(Order::relaxed) == 3);
            cache.free(again);
        },
        [](Cache& cache) { checker::require(cache.in_use() == 0, "lost an object"); });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 1U);
}

TEST(Search, a_shared_object_is_watched_after_its_end) {
    struct Object : SharedObject {
        Word word{0};
    };
    const Result result = search([](Program& program) {
        Object* const object = new (std::nothrow) Object;
        program.spawn([object] { object->word.load(Order::relaxed); });
        program.spawn([object] { delete object; });
    });
    EXPECT_EQ(result.verdict, Verdict::violated);
    EXPECT_NE(result.message.find("use after free"), std::string::npos) << result.message;
}

TEST(Search, a_task_starts_threads_and_waits_for_them) {
    const Result result = search([](Program& program) {
        Word& word = program.make<Word>();
        program.spawn([&word] {
            auto thread = Thread::start([&word] { word.store(1, Order::relaxed); });
            SF_ASSERT(thread);
            word.load(Order::relaxed);
            thread->join();
            SF_ASSERT(word.load(Order::relaxed) == 1);
        });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 2U);
}

}  // namespace
