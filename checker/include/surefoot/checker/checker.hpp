#pragma once

// The checker for C++ programs: typed words, locks and tasks over engine.h, and check().
//
//     Result result = checker::check([&](Program& program) {
//         auto& x = program.make<Word<int>>(0);
//         program.spawn([&] { x.fetch_add(1); });
//         program.spawn([&] { x.fetch_add(1); });
//         program.finish([&] { checker::require(x.get() == 2, "an increment was lost"); });
//     }, {.model = Model::tso});
//
// The body runs once in every execution. Nothing that a task does may allocate from the heap:
// executions that turn out redundant are left in the middle, and no destructor runs.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "surefoot/checker/engine.h"

namespace surefoot::checker {

enum class Model : std::uint8_t { sc = SFC_SC, tso = SFC_TSO, weak = SFC_WEAK };
enum class Strategy : std::uint8_t {
    exhaustive = SFC_EXHAUSTIVE,
    bounded = SFC_BOUNDED,
    random = SFC_RANDOM,
    pct = SFC_PCT,
    pos = SFC_POS,
};
enum class Verdict : std::uint8_t {
    holds = SFC_HOLDS,
    violated = SFC_VIOLATED,
    incomplete = SFC_INCOMPLETE,
    wrong = SFC_WRONG,
};

/// The fields of sfc_options by the same names.
struct Options {
    Model model = Model::sc;
    Strategy strategy = Strategy::exhaustive;
    unsigned bound = 2;
    std::uint64_t runs = 1000;
    std::uint64_t seed = 1;
    std::uint64_t max_executions = 0;
    double max_seconds = 0;
    std::uint32_t max_steps = 0;
    unsigned jobs = 1;
    std::uint32_t executions_between_parts = 0;
    bool stop_at_error = true;
    bool deadlock_is_error = true;
    bool shuffle = false;
    bool hash_traces = false;
    bool flush_is_ipi = true;
    sfc_reuse reuse = SFC_REUSE_NEVER;
    bool snapshots = false;
    std::uint32_t repeat_every = 0;
    std::string replay = {};
};

/// The fields of sfc_result by the same names.
struct Result {
    Verdict verdict = Verdict::wrong;
    std::uint64_t complete = 0;
    std::uint64_t blocked = 0;
    std::uint64_t redundant = 0;
    std::uint64_t violations = 0;
    std::uint64_t steps = 0;
    std::uint32_t max_depth = 0;
    std::uint32_t restarts = 0;
    double seconds = 0;
    double estimate = 0;
    std::uint64_t trace_hash = 0;
    std::string message;
    std::string place;
    std::string replay;
    std::string schedule;
    std::map<std::string, std::uint64_t> outcomes;
};

/// What the body of a program is given: it makes objects and tasks. The closures must be trivially
/// destructible or own nothing that matters; they live until the execution ends.
class Program {
  public:
    /// An object in the arena, at the same address in every execution.
    template <class T, class... Arguments>
    T& make(Arguments&&... arguments) {
        return *new (sfc_alloc(sizeof(T), alignof(T), nullptr))
            T(std::forward<Arguments>(arguments)...);
    }
    /// Starts a task. @return its number
    template <class Body>
    unsigned spawn(Body body, const char* name = nullptr, int cpu = SFC_ANY_CPU) {
        return sfc_spawn([](void* kept) { (*static_cast<Body*>(kept))(); }, keep(std::move(body)),
                         cpu, name);
    }
    /// Runs alone when an execution is complete and all stores are in memory.
    template <class Body>
    void finish(Body body) {
        finish_ = [](void* kept) { (*static_cast<Body*>(kept))(); };
        finish_argument_ = keep(std::move(body));
    }
    void run_finish() const {
        if (finish_ != nullptr) finish_(finish_argument_);
    }

  private:
    template <class Body>
    static void* keep(Body body) {
        return new (sfc_alloc(sizeof(Body), alignof(Body), nullptr)) Body(std::move(body));
    }
    void (*finish_)(void*) = nullptr;
    void* finish_argument_ = nullptr;
};

/// Explores the program that `body` sets up.
Result check(const std::function<void(Program&)>& body, const Options& options = {});

/// Into the program's own functions, whatever the compiler optimises: sfc_here() is then there.
#define SFC_INLINE [[gnu::always_inline]] inline

/// Ends the execution as a violation unless `condition` holds.
SFC_INLINE void require(bool condition, const char* message) {
    if (!condition) sfc_fail(message, sfc_here());
}
/// Of the execution that finish() looks at: Result::outcomes counts each.
inline void outcome(std::string_view text) { sfc_outcome(text.data(), text.size()); }
SFC_INLINE void assume(bool condition) { sfc_assume(condition, sfc_here()); }

/// A word that tasks race on.
template <class T>
    requires(std::is_trivially_copyable_v<T> && sizeof(T) <= 8)
class Word {
  public:
    constexpr Word() = default;
    constexpr explicit Word(T initial) : value_(initial) {}
    Word(const Word&) = delete;
    Word& operator=(const Word&) = delete;

    SFC_INLINE T load(sfc_order order = SFC_RELAXED) const {
        return unpack(sfc_load(&value_, sizeof(T), order, sfc_here()));
    }
    SFC_INLINE void store(T value, sfc_order order = SFC_RELAXED) {
        sfc_store(&value_, sizeof(T), pack(value), order, sfc_here());
    }
    SFC_INLINE T exchange(T value, sfc_order order = SFC_RELAXED) {
        return unpack(sfc_rmw(&value_, sizeof(T), SFC_XCHG, pack(value), order, sfc_here()));
    }
    SFC_INLINE T fetch_add(T n, sfc_order order = SFC_RELAXED) {
        return unpack(sfc_rmw(&value_, sizeof(T), SFC_ADD, pack(n), order, sfc_here()));
    }
    SFC_INLINE bool compare_exchange(T expected, T desired, sfc_order success = SFC_RELAXED,
                                     sfc_order failure = SFC_RELAXED) {
        return unpack(sfc_cas(&value_, sizeof(T), pack(expected), pack(desired), success, failure,
                              sfc_here())) == expected;
    }
    /// Blocks until the word is `value`.
    SFC_INLINE T await(T value, sfc_order order = SFC_RELAXED) const {
        return unpack(sfc_await(&value_, sizeof(T), ~std::uint64_t{0}, SFC_EQ, pack(value), order,
                                sfc_here()));
    }
    SFC_INLINE T await_not(T value, sfc_order order = SFC_RELAXED) const {
        return unpack(sfc_await(&value_, sizeof(T), ~std::uint64_t{0}, SFC_NE, pack(value), order,
                                sfc_here()));
    }
    /// The value in memory, without a step: for setup and finish.
    T get() const { return value_; }

  private:
    static std::uint64_t pack(T value) {
        std::uint64_t bits = 0;
        __builtin_memcpy(&bits, &value, sizeof value);
        return bits;
    }
    static T unpack(std::uint64_t bits) {
        T value;
        __builtin_memcpy(&value, &bits, sizeof value);
        return value;
    }
    T value_{};
};

/// Plain data that something else is meant to protect: unordered accesses are data races.
template <class T>
class Data {
  public:
    constexpr Data() = default;
    constexpr explicit Data(T initial) : value_(initial) {}
    SFC_INLINE T get() const {
        sfc_plain_read(&value_, sizeof value_, sfc_here());
        return value_;
    }
    SFC_INLINE void set(T value) {
        sfc_plain_write(&value_, sizeof value_, sfc_here());
        value_ = value;
    }

  private:
    T value_{};
};

class Mutex {
  public:
    SFC_INLINE void lock() { sfc_lock(&identity_, SFC_LOCK_SLEEP, sfc_here()); }
    SFC_INLINE bool try_lock() { return sfc_trylock(&identity_, SFC_LOCK_SLEEP, sfc_here()); }
    SFC_INLINE void unlock() { sfc_unlock(&identity_, SFC_LOCK_SLEEP, sfc_here()); }
    SFC_INLINE void lock_shared() { sfc_lock_shared(&identity_, SFC_LOCK_SLEEP, sfc_here()); }
    SFC_INLINE void unlock_shared() { sfc_unlock_shared(&identity_, SFC_LOCK_SLEEP, sfc_here()); }

  private:
    std::uint64_t identity_ = 0;  // the lock is this address; nothing is stored
};

class Spinlock {
  public:
    SFC_INLINE void lock() { sfc_lock(&identity_, SFC_LOCK_SPIN, sfc_here()); }
    SFC_INLINE bool try_lock() { return sfc_trylock(&identity_, SFC_LOCK_SPIN, sfc_here()); }
    SFC_INLINE void unlock() { sfc_unlock(&identity_, SFC_LOCK_SPIN, sfc_here()); }

  private:
    std::uint64_t identity_ = 0;
};

#undef SFC_INLINE

}  // namespace surefoot::checker
