// Memory that tasks give back and get again: who may still touch it, and who may touch it already.

#include <gtest/gtest.h>

#include <cstdint>
#include <ostream>
#include <string>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

constexpr Model kModels[] = {Model::sc, Model::tso, Model::weak};

struct Object {
    Data<int> data;
    Word<int> word;
    Mutex mutex;
    Spinlock spinlock;
};

struct State {
    Word<Object*> published;
    Object* object;  // that setup made
    Object* made;    // known to everybody, without a word of when it was made
    Word<int> flag;
    Mutex mutex;
};

const void* place(std::uintptr_t number) { return reinterpret_cast<const void*>(number); }
void free_object(void* object) { sfc_free(object, place(0xf)); }
Object* make_object() {
    return new (sfc_alloc(sizeof(Object), alignof(Object), place(0xa))) Object;
}

struct Case {
    const char* name;
    const char* message;  // its beginning; null: nothing is wrong
    void (*left)(State&);
    void (*right)(State&);
};
std::ostream& operator<<(std::ostream& out, const Case& row) { return out << row.name; }

void idle(State&) {}
void free_it(State& s) { free_object(s.object); }
void read_data(State& s) { s.object->data.get(); }
void load_word(State& s) { s.object->word.load(); }
void store_word(State& s) { s.object->word.store(1); }
void add_to_word(State& s) { s.object->word.fetch_add(1); }
void lock_inside(State& s) {
    s.object->mutex.lock();
    s.object->mutex.unlock();
}
void read_and_free(State& s) {
    read_data(s);
    load_word(s);
    free_it(s);
}
void free_and_read(State& s) {
    free_it(s);
    read_data(s);
}
void free_twice(State& s) {
    free_it(s);
    free_it(s);
}
void free_the_middle(State& s) { free_object(reinterpret_cast<char*>(s.object) + 16); }
void free_locked(State& s) {
    s.mutex.lock();
    if (s.published.load() != nullptr) free_it(s);
    s.published.store(nullptr);
    s.mutex.unlock();
}
void read_locked(State& s) {
    s.mutex.lock();
    if (Object* const object = s.published.load()) object->data.get();
    s.mutex.unlock();
}
void read_after_unlock(State& s) {
    s.mutex.lock();
    Object* const object = s.published.load();
    s.mutex.unlock();
    if (object != nullptr) object->data.get();
}
void release_and_free(State& s) {
    s.flag.await(1, SFC_ACQUIRE);
    free_it(s);
}
void read_and_release(State& s) {
    read_data(s);
    store_word(s);
    s.flag.store(1, SFC_RELEASE);
}
void release_and_read(State& s) {
    s.flag.store(1, SFC_RELEASE);
    read_data(s);
}
void release_and_store(State& s) {
    s.flag.store(1, SFC_RELEASE);
    store_word(s);
}

Object* unpublish(State& s) {
    Object* const object = s.published.load();
    s.published.store(nullptr);
    return object;
}
void unpublish_and_call_rcu(State& s) { sfc_call_rcu(nullptr, free_object, unpublish(s), nullptr); }
void unpublish_and_synchronize(State& s) {
    Object* const object = unpublish(s);
    sfc_synchronize_rcu(nullptr, nullptr);
    free_object(object);
}
void unpublish_and_free(State& s) { free_object(unpublish(s)); }
void call_rcu_and_unpublish(State& s) {
    sfc_call_rcu(nullptr, free_object, s.object, nullptr);
    s.published.store(nullptr);
}
template <void (*access)(Object&)>
void read_in_section(State& s) {
    sfc_rcu_read_lock(nullptr, nullptr);
    Object* const object = s.published.load();
    sfc_address_depends(sfc_last_load());
    if (object != nullptr) access(*object);
    sfc_rcu_read_unlock(nullptr, nullptr);
}
void plainly(Object& object) { object.data.get(); }
void marked(Object& object) { object.word.load(); }
void read_after_section(State& s) {
    sfc_rcu_read_lock(nullptr, nullptr);
    Object* const object = s.published.load();
    sfc_rcu_read_unlock(nullptr, nullptr);
    if (object != nullptr) object->data.get();
}

template <sfc_order order>
void make_and_publish(State& s) {
    s.made = make_object();
    s.published.store(s.made, order);
}
template <sfc_order order>
void read_published(State& s) {
    Object* const object = s.published.load(order);
    if (object == s.made && object != nullptr) object->word.load();
}
void touch_what_is_made(State& s) {
    s.flag.load();
    if (s.made != nullptr) s.made->word.load();
}
void make_and_use(State&) {
    Object* const made = make_object();
    made->data.set(1);
    made->word.store(1);
    made->word.load();
    free_object(made);
}

constexpr const char* kUseAfterFree = "use after free of object";
const Case kCases[] = {
    {"own_object", nullptr, read_and_free, idle},
    {"own_free", kUseAfterFree, free_and_read, idle},
    {"free_twice", kUseAfterFree, free_twice, idle},
    {"both_free", kUseAfterFree, free_it, free_it},
    {"free_of_the_middle", "free of ", free_the_middle, idle},
    {"plain_read", kUseAfterFree, free_it, read_data},
    {"load", kUseAfterFree, free_it, load_word},
    {"store", kUseAfterFree, free_it, store_word},
    {"read_modify_write", kUseAfterFree, free_it, add_to_word},
    {"lock", kUseAfterFree, free_it, lock_inside},
    {"plain_read_first", kUseAfterFree, read_data, free_it},
    {"load_first", kUseAfterFree, load_word, free_it},
    {"store_first", kUseAfterFree, store_word, free_it},
    {"lock_first", kUseAfterFree, lock_inside, free_it},
    {"locked", nullptr, read_locked, free_locked},
    {"used_after_unlock", kUseAfterFree, read_after_unlock, free_locked},
    {"released", nullptr, read_and_release, release_and_free},
    {"released_too_early", kUseAfterFree, release_and_read, release_and_free},
    {"stored_too_late", kUseAfterFree, release_and_store, release_and_free},

    {"call_rcu", nullptr, read_in_section<plainly>, unpublish_and_call_rcu},
    {"call_rcu_and_marked", nullptr, read_in_section<marked>, unpublish_and_call_rcu},
    {"call_rcu_first", nullptr, unpublish_and_call_rcu, read_in_section<plainly>},
    {"synchronize_rcu", nullptr, read_in_section<plainly>, unpublish_and_synchronize},
    {"synchronize_rcu_first", nullptr, unpublish_and_synchronize, read_in_section<plainly>},
    {"synchronize_rcu_first_and_marked", nullptr, unpublish_and_synchronize,
     read_in_section<marked>},
    {"no_grace_period", kUseAfterFree, read_in_section<plainly>, unpublish_and_free},
    {"after_the_section", kUseAfterFree, read_after_section, unpublish_and_call_rcu},
    {"call_rcu_too_early", kUseAfterFree, read_in_section<plainly>, call_rcu_and_unpublish},

    {"published", nullptr, make_and_publish<SFC_RELEASE>, read_published<SFC_ACQUIRE>},
    {"not_published", "use before publication of ", make_and_publish<SFC_RELEASE>,
     touch_what_is_made},
    {"own_made", nullptr, make_and_use, make_and_use},
};

class Heap : public testing::TestWithParam<Case> {
  protected:
    static Result run(const Options& options) {
        const Case& row = GetParam();
        return check(
            [&row](Program& program) {
                auto& state = program.make<State>();
                state.object = &program.make<Object>();
                state.published.store(state.object);
                sfc_name(state.object, sizeof(Object), "object");
                program.spawn([&state, &row] { row.left(state); }, "left", 0);
                program.spawn([&state, &row] { row.right(state); }, "right", 1);
            },
            options);
    }
    static void expect(Model model) {
        const Case& row = GetParam();
        const Result result = run({.model = model});
        if (row.message == nullptr) {
            EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
            return;
        }
        EXPECT_EQ(result.verdict, Verdict::violated);
        EXPECT_TRUE(result.message.starts_with(row.message)) << result.message;
        if (model == Model::weak) return;
        EXPECT_EQ(run({.model = model, .replay = result.replay}).message, result.message);
    }
};

TEST_P(Heap, sc) { expect(Model::sc); }
TEST_P(Heap, tso) { expect(Model::tso); }
TEST_P(Heap, weak) { expect(Model::weak); }

INSTANTIATE_TEST_SUITE_P(All, Heap, testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(HeapMessages, name_both_sides) {
    for (const Model model : kModels) {
        const auto message_of = [&](bool free_first) {
            return check(
                       [&](Program& program) {
                           auto& object = program.make<Object>();
                           sfc_name(&object, sizeof object, "object");
                           const auto free = [&object] { free_object(&object); };
                           const auto load = [&object] {
                               sfc_load(&object, 4, SFC_RELAXED, place(0x20));
                           };
                           if (free_first) program.spawn(free, "owner");
                           program.spawn(load, "user");
                           if (!free_first) program.spawn(free, "owner");
                       },
                       {.model = model})
                .message;
        };
        EXPECT_EQ(message_of(true),
                  "use after free of object: free by owner (0xf), then load by user (0x20)");
        EXPECT_EQ(message_of(false),
                  "use after free of object: load by user (0x20) and free by owner (0xf) are not "
                  "ordered");
    }
}

/// A task frees the object that the other one knows, and takes it back for something else.
Result given_again(const Options& options) {
    return check(
        [](Program& program) {
            auto& object = program.make<Object>();
            program.spawn([&object] {
                sfc_free(&object, place(0xf));
                sfc_give_again(&object, place(0xa));
                require(sfc_generation(&object) == 1, "the second owner");
                object.word.store(1);
            });
            program.spawn([&object] { object.word.load(); });
        },
        options);
}

TEST(GivenAgain, is_the_new_owners_alone) {
    for (const Model model : {Model::sc, Model::tso}) {
        const Result result = given_again({.model = model, .stop_at_error = false});
        EXPECT_EQ(result.verdict, Verdict::violated);
        EXPECT_EQ(result.complete, 0U);  // whenever the old owner comes
        EXPECT_NE(result.message.find("use after free"), std::string::npos) << result.message;
    }
}

TEST(GivenAgain, is_refused_where_the_engine_reuses_and_under_weak) {
    EXPECT_EQ(given_again({.reuse = SFC_REUSE_LIFO}).verdict, Verdict::wrong);
    EXPECT_EQ(given_again({.model = Model::weak}).verdict, Verdict::wrong);
}

TEST(GivenAgain, was_free) {
    const Result result = check([](Program& program) {
        auto& object = program.make<Object>();
        program.spawn([&object] { sfc_give_again(&object, nullptr); });
    });
    EXPECT_EQ(result.verdict, Verdict::wrong) << result.message;
}

/// One task publishes an object, frees it and publishes another one; who finds the same address
/// twice takes it for the same object.
Result aba(Model model, sfc_reuse policy) {
    return check(
        [](Program& program) {
            auto& state = program.make<State>();
            program.spawn([&state] {
                Object* const first = make_object();
                state.published.store(first);
                state.published.store(nullptr);
                free_object(first);
                state.published.store(make_object());
            });
            program.spawn([&state] {
                Object* const had = state.published.load();
                if (had == nullptr) return;
                const unsigned generation = sfc_generation(had);
                if (state.published.load() == had)
                    require(sfc_generation(had) == generation, "another object");
            });
        },
        {.model = model, .reuse = policy});
}

TEST(Reuse, lifo_gives_out_what_was_freed_last) {
    for (const Model model : {Model::sc, Model::tso}) {
        const Result result = check(
            [](Program& program) {
                program.spawn([] {
                    Object* const first = make_object();
                    Object* const second = make_object();
                    require(sfc_generation(first) == 0, "the first owner");
                    free_object(first);
                    free_object(second);
                    require(make_object() == second, "not the block freed last");
                    require(sfc_generation(second) == 1, "the second owner");
                    require(make_object() == first, "not the block freed before");
                });
            },
            {.model = model, .reuse = SFC_REUSE_LIFO});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    }
}

TEST(Reuse, is_off_by_default) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                program.spawn([] {
                    Object* const first = make_object();
                    free_object(first);
                    require(make_object() != first, "a freed block came back");
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    }
}

TEST(Reuse, is_told_by_the_generation) {
    for (const Model model : {Model::sc, Model::tso}) {
        EXPECT_EQ(aba(model, SFC_REUSE_LIFO).message, "another object");
        EXPECT_EQ(aba(model, SFC_REUSE_NEVER).verdict, Verdict::holds);
    }
}

TEST(Reuse, tries_every_order_of_freeing_and_making) {
    for (const Model model : {Model::sc, Model::tso}) {
        unsigned seen = 0;
        const Result result = check(
            [&seen](Program& program) {
                struct Own {
                    Object* object;
                    bool got_it;
                };
                auto& own = program.make<Own>();
                own.object = &program.make<Object>();
                program.spawn([&own] { free_object(own.object); });
                program.spawn([&own] { own.got_it = make_object() == own.object; });
                program.finish([&own, &seen] { seen |= own.got_it ? 2u : 1u; });
            },
            {.model = model, .reuse = SFC_REUSE_LIFO});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 2u);
        EXPECT_EQ(seen, 3u);
    }
}

TEST(Reuse, is_refused_under_weak) {
    const Result result = check([](Program&) {}, {.model = Model::weak, .reuse = SFC_REUSE_LIFO});
    EXPECT_EQ(result.verdict, Verdict::wrong);
    EXPECT_NE(result.message.find("reuse"), std::string::npos) << result.message;
}

TEST(FreedMemory, is_poisoned) {
    const Result result = check([](Program& program) {
        auto& object = program.make<Object>();
        program.spawn([&object] {
            free_object(&object);
            unsigned char byte = 0;
            __builtin_memcpy(&byte, &object, 1);
            require(byte == 0xdb, "no poison");
        });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
}

}  // namespace
}  // namespace surefoot::checker
