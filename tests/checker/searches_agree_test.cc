// Random programs of locks, sections, interrupts, sleep and choices, or of TLBs: the exhaustive
// search, which follows races, counts what the bounded one does, which tries every schedule. Words
// alone are the business of oracle/.
//
// usage: checker_searches_agree_test [--model=sc|tso] [--tlb=1] [--snapshots=1] [--seed=N]
// [--count=N] [--index=N] [--order=N]
//
// With --order the exhaustive search goes by chance, with that seed.
// With --snapshots both also search with snapshots, and each execution is run again without.

#include <charconv>
#include <iostream>
#include <random>
#include <string_view>

#include "shapes.hpp"

namespace surefoot::checker {
namespace {

using programs::Int;

enum class Kind : std::uint8_t {
    load,
    store,
    add,
    await,
    choose,
    lock,  // these five hold something around what is inside
    spinlock,
    lock_shared,
    try_lock,
    rcu,
    irqs_off,
    is_locked,
    synchronize,
    call_rcu,
    interrupt,
    interrupt_and_wait,
    sleep,
    wake,
    join,
    set_entry,  // the rest with --tlb alone
    clear_entry,
    translate,
    translate_to_store,
    invalidate,
    shoot_down,
};
constexpr int kKinds = static_cast<int>(Kind::join) + 1;
constexpr const char* kNames[] = {"load",
                                  "store",
                                  "add",
                                  "await",
                                  "choose",
                                  "lock",
                                  "spinlock",
                                  "lock_shared",
                                  "try_lock",
                                  "rcu",
                                  "irqs_off",
                                  "is_locked",
                                  "synchronize",
                                  "call_rcu",
                                  "interrupt",
                                  "interrupt_and_wait",
                                  "sleep",
                                  "wake",
                                  "join",
                                  "set_entry",
                                  "clear_entry",
                                  "translate",
                                  "translate_to_store",
                                  "invalidate",
                                  "shoot_down"};
constexpr Kind kTlbKinds[] = {Kind::set_entry,  Kind::clear_entry, Kind::translate,
                              Kind::translate,  Kind::translate,   Kind::translate_to_store,
                              Kind::invalidate, Kind::shoot_down,  Kind::irqs_off,
                              Kind::load,       Kind::store};

bool holds(Kind kind) { return kind >= Kind::lock && kind <= Kind::irqs_off; }

struct Statement {
    Kind kind;
    unsigned word = 0;
    std::vector<Statement> inside = {};
};
using Task = std::vector<Statement>;

class Generator {
  public:
    Generator(std::uint64_t seed, std::uint64_t index, bool tlb) : tlb_(tlb) {
        std::seed_seq mixed{seed, index};
        random_.seed(mixed);
    }
    std::vector<Task> draw() {
        std::vector<Task> tasks(2 + below(2));
        int left = tasks.size() == 2 ? 7 : 6;
        if (tlb_) --left;
        for (int i = 0; left > 0; ++i)
            tasks[static_cast<std::size_t>(i) % tasks.size()].push_back(statement(left, true));
        return tasks;
    }

  private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    Kind kind() {
        if (tlb_) return kTlbKinds[below(std::size(kTlbKinds))];
        return static_cast<Kind>(below(below(3) == 0 ? 3 : kKinds));
    }

    Statement statement(int& left, bool may_hold) {
        Statement made{kind(), below(2)};
        const bool waits = made.kind == Kind::sleep || made.kind == Kind::synchronize ||
                           made.kind == Kind::interrupt_and_wait || made.kind == Kind::join ||
                           made.kind == Kind::shoot_down;
        if (!may_hold && (holds(made.kind) || waits)) made.kind = Kind::add;
        left -= waits || holds(made.kind) ? 2 : 1;
        if (!holds(made.kind)) return made;
        for (unsigned i = below(2) + 1; i > 0 && left > 0; --i)
            made.inside.push_back(statement(left, false));
        return made;
    }
    std::mt19937_64 random_;
    bool tlb_;
};

struct State {
    Int words[2];
    shapes::State tlb;
    Int handled, called;
    Mutex lock;
    Spinlock spinlock;
    Int queue;
};

void run(const std::vector<Statement>& statements, State& state, unsigned self);

void run_held(const Statement& statement, State& state, unsigned self) {
    switch (statement.kind) {
        case Kind::lock:
            state.lock.lock();
            run(statement.inside, state, self);
            return state.lock.unlock();
        case Kind::spinlock:
            state.spinlock.lock();
            run(statement.inside, state, self);
            return state.spinlock.unlock();
        case Kind::lock_shared:
            state.lock.lock_shared();
            run(statement.inside, state, self);
            return state.lock.unlock_shared();
        case Kind::try_lock:
            if (!state.lock.try_lock()) return;
            run(statement.inside, state, self);
            return state.lock.unlock();
        case Kind::rcu:
            sfc_rcu_read_lock(nullptr, nullptr);
            run(statement.inside, state, self);
            return sfc_rcu_read_unlock(nullptr, nullptr);
        default:
            sfc_irq_disable();
            run(statement.inside, state, self);
            return sfc_irq_enable();
    }
}

unsigned interrupt_all(State& state) {
    return sfc_ipi(
        7, [](void* of) { static_cast<State*>(of)->handled.fetch_add(1); }, &state, nullptr);
}

void run_one(const Statement& statement, State& state, unsigned self) {
    Int& word = state.words[statement.word];
    switch (statement.kind) {
        case Kind::load:
            word.load();
            return;
        case Kind::store:
            return word.store(1);
        case Kind::add:
            word.fetch_add(1);
            return;
        case Kind::await:
            word.await(1);
            return;
        case Kind::choose:
            return word.store(static_cast<int>(sfc_choose(2, nullptr)) + 2);
        case Kind::is_locked:
            sfc_is_locked(&state.lock, false, nullptr);
            return;
        case Kind::synchronize:
            return sfc_synchronize_rcu(nullptr, nullptr);
        case Kind::call_rcu:
            return sfc_call_rcu(
                nullptr, [](void* of) { static_cast<State*>(of)->called.fetch_add(1); }, &state,
                nullptr);
        case Kind::interrupt:
            interrupt_all(state);
            return;
        case Kind::interrupt_and_wait:
            return sfc_ipi_wait(interrupt_all(state), nullptr);
        case Kind::sleep:
            state.lock.lock();
            sfc_wait(&state.queue, &state.lock, nullptr);
            return state.lock.unlock();
        case Kind::wake:
            sfc_wake(&state.queue, 1, nullptr);
            return;
        case Kind::join:
            if (self != 0) sfc_join(0, nullptr);
            return;
        case Kind::set_entry:
            return state.tlb.entry.store(shapes::entry_of(static_cast<int>(statement.word) + 1));
        case Kind::clear_entry:
            return state.tlb.entry.store(0);
        case Kind::translate:
            return word.store(shapes::translate(state.tlb, SFC_TLB_LOAD));
        case Kind::translate_to_store:
            shapes::translate(state.tlb, SFC_TLB_STORE);
            return;
        case Kind::invalidate:
            return shapes::drop(nullptr);
        case Kind::shoot_down:
            return shapes::shoot_down(state.tlb, shapes::drop);
        default:
            return run_held(statement, state, self);
    }
}

void run(const std::vector<Statement>& statements, State& state, unsigned self) {
    for (const Statement& statement : statements)
        run_one(statement, state, self);
}

programs::Body body(const std::vector<Task>& tasks) {
    return [&tasks](Program& program) {
        State& state = program.make<State>();
        state.tlb.cpus = 7;
        for (unsigned i = 0; i < tasks.size(); ++i)
            program.spawn([&tasks, &state, i] { run(tasks[i], state, i); });
    };
}

struct Comparison {
    Result all, bounded;
    bool same_with_snapshots = true;
    bool equal() const {
        return all.verdict == Verdict::holds && bounded.verdict == Verdict::holds &&
               all.complete == bounded.complete && all.blocked == bounded.blocked &&
               all.redundant == 0 && same_with_snapshots;
    }
};

/// How to search.
struct How {
    Model model = Model::sc;
    bool snapshots = false;
    std::uint64_t order = 0;
};

bool same(const Result& a, const Result& b) {
    return a.verdict == b.verdict && a.complete == b.complete && a.blocked == b.blocked &&
           a.redundant == b.redundant && a.trace_hash == b.trace_hash;
}

Comparison compare(const std::vector<Task>& tasks, const How& how) {
    Options options{.model = how.model,
                    .seed = how.order,
                    .deadlock_is_error = false,
                    .shuffle = how.order != 0,
                    .hash_traces = true};
    Comparison comparison;
    const auto search = [&] {
        options.snapshots = false;
        const Result result = check(body(tasks), options);
        if (!how.snapshots) return result;
        options.snapshots = true;
        comparison.same_with_snapshots &= same(check(body(tasks), options), result);
        return result;
    };
    if (how.snapshots) options.repeat_every = 1;
    comparison.all = search();
    options.strategy = Strategy::bounded;
    options.bound = 1000;
    comparison.bounded = search();
    return comparison;
}

void print(const std::vector<Statement>& statements) {
    for (const Statement& statement : statements) {
        std::cout << ' ' << kNames[static_cast<int>(statement.kind)]
                  << (statement.word == 0 ? "(x)" : "(y)");
        if (statement.inside.empty()) continue;
        std::cout << " {";
        print(statement.inside);
        std::cout << " }";
    }
}

std::vector<std::vector<Task>> smaller(const std::vector<Task>& tasks) {
    std::vector<std::vector<Task>> result;
    for (std::size_t t = 0; t < tasks.size(); ++t) {
        for (std::size_t i = 0; i < tasks[t].size(); ++i) {
            const auto at = static_cast<std::ptrdiff_t>(i);
            result.push_back(tasks);
            result.back()[t].erase(result.back()[t].begin() + at);
            for (std::size_t k = 0; k < tasks[t][i].inside.size(); ++k) {
                result.push_back(tasks);
                auto& inside = result.back()[t][i].inside;
                inside.erase(inside.begin() + static_cast<std::ptrdiff_t>(k));
            }
        }
    }
    return result;
}

void report(std::vector<Task> tasks, const How& how, std::uint64_t index) {
    for (bool again = true; again;) {
        again = false;
        for (auto& candidate : smaller(tasks)) {
            if (compare(candidate, how).equal()) continue;
            tasks = std::move(candidate);
            again = true;
            break;
        }
    }
    const auto [all, bounded, same_with_snapshots] = compare(tasks, how);
    std::cout << "\nprogram " << index << " differs under "
              << (how.model == Model::sc ? "sc" : "tso")
              << (same_with_snapshots ? "" : ", with snapshots from without") << '\n';
    for (const Task& task : tasks) {
        std::cout << "  |";
        print(task);
        std::cout << '\n';
    }
    std::cout << "exhaustive: " << all.complete << " complete, " << all.blocked << " stuck, "
              << all.redundant << " redundant " << all.message
              << "\nbounded:    " << bounded.complete << " complete, " << bounded.blocked
              << " stuck " << bounded.message << '\n';
}

int main_of(int count, char** arguments) {
    std::uint64_t seed = 1, first = 0, programs = 300;
    bool tlb = false;
    How how;
    for (int i = 1; i < count; ++i) {
        const std::string_view argument = arguments[i];
        const std::string_view name = argument.substr(0, argument.find('='));
        const std::string_view value = argument.substr(std::min(argument.size(), name.size() + 1));
        std::uint64_t number = 0;
        std::from_chars(value.data(), value.data() + value.size(), number);
        if (name == "--model")
            how.model = value == "tso" ? Model::tso : Model::sc;
        else if (name == "--snapshots")
            how.snapshots = number != 0;
        else if (name == "--tlb")
            tlb = number != 0;
        else if (name == "--seed")
            seed = number;
        else if (name == "--order")
            how.order = number;
        else if (name == "--count")
            programs = number;
        else if (name == "--index")
            first = number, programs = 1;
        else
            return std::cerr << "unknown argument: " << argument << '\n', 2;
    }
    unsigned differences = 0;
    std::uint64_t executions = 0;
    for (std::uint64_t index = first; index < first + programs && differences < 3; ++index) {
        const std::vector<Task> tasks = Generator(seed, index, tlb).draw();
        const Comparison comparison = compare(tasks, how);
        executions += comparison.bounded.complete + comparison.bounded.blocked;
        if (comparison.equal()) continue;
        ++differences;
        report(tasks, how, index);
    }
    std::cout << programs << " programs, " << executions << " executions, " << differences
              << " differences\n";
    return differences == 0 ? 0 : 1;
}

}  // namespace
}  // namespace surefoot::checker

int main(int count, char** arguments) { return surefoot::checker::main_of(count, arguments); }
