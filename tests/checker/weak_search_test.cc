// Whether the search of the model weak finds every graph once, with grace periods too: random
// programs, and a search that only ever adds events, in every order, and knows what it has seen.
// Both ask the same axioms; the oracle's enumerators judge those.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/weak/branches.hpp"
#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

using engine::Kind;
using engine::Op;
using engine::weak::Event;
using engine::weak::Graph;

constexpr unsigned kWords = 3;

/// Loads, stores, increments, full fences, and RCU. The word of an access is its address.
using Code = std::vector<Op>;
using Programs = std::vector<Code>;

bool is_access(const Op& op) {
    return op.kind == Kind::load || op.kind == Kind::store || op.kind == Kind::rmw;
}

class Enumerator {
  public:
    explicit Enumerator(const Programs& programs) : programs_(programs) { visit(Graph{}); }
    std::uint64_t complete() const { return complete_; }

  private:
    void visit(const Graph& graph) {
        if (!seen_.insert(key(graph)).second) return;
        bool ended = true;
        for (unsigned task = 0; task < programs_.size(); ++task) {
            const unsigned place = graph.count(task);
            if (place == programs_[task].size()) continue;
            ended = false;
            Event event;
            event.op = programs_[task][place];
            event.task = task;
            if (is_access(event.op)) event.word = static_cast<unsigned>(event.op.address);
            event.full = event.op.kind == Kind::fence || event.op.kind == Kind::grace_start;
            for (const Graph& next : engine::weak::extensions(graph, event))
                visit(next);
        }
        if (ended) ++complete_;
    }

    std::string key(const Graph& graph) const {
        std::string text;
        const auto put = [&text](const Event* event) {
            text += event != nullptr
                        ? std::to_string(event->task) + '.' + std::to_string(event->place) + ' '
                        : "- ";
        };
        for (unsigned task = 0; task < programs_.size(); ++task, text += '|')
            for (unsigned place = 0; place < graph.count(task); ++place)
                put(graph.at(task, place)->source);
        for (unsigned word = 0; word < kWords; ++word, text += '|')
            for (const Event* write : graph.writes(word))
                put(write);
        return text;
    }

    const Programs& programs_;
    std::unordered_set<std::string> seen_;
    std::uint64_t complete_ = 0;
};

class Generator {
  public:
    explicit Generator(unsigned seed) : random_(seed) {}

    Programs draw() {
        Programs programs;
        const unsigned tasks = 2 + below(2);
        unsigned left = 8;
        for (unsigned task = 0; task < tasks; ++task) {
            Code code;
            const bool reader = below(3) != 0;
            if (reader) code.push_back({.kind = Kind::rcu_lock});
            for (unsigned more = 2 + below(3); more > 0 && left > 0; --more, --left)
                code.push_back(!reader && below(3) == 0 ? Op{.kind = Kind::grace_start} : access());
            if (reader) code.push_back({.kind = Kind::rcu_unlock});
            programs.push_back(code);
        }
        programs.push_back({store(0), {.kind = Kind::grace_start}, store(1)});
        return programs;
    }

  private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
    static Op store(unsigned word) {
        return {.kind = Kind::store, .size = 8, .address = word, .a = 1};
    }
    Op access() {
        Op op = store(below(kWords));
        const unsigned kind = below(10);
        if (kind == 9) return {.kind = Kind::fence, .sub = SFC_MB};
        if (kind < 4) op.kind = Kind::load;
        if (kind == 8) op.kind = Kind::rmw, op.sub = SFC_ADD;
        if (kind == 3) op.order = SFC_ACQUIRE;
        if (kind == 7) op.order = SFC_RELEASE;
        return op;
    }

    std::mt19937 random_;
};

void run(const Code& code, std::uint64_t* words) {
    for (const Op& op : code) {
        std::uint64_t* const word = words + op.address;
        const auto order = static_cast<sfc_order>(op.order);
        switch (op.kind) {
            case Kind::load:
                sfc_load(word, 8, order, &op);
                break;
            case Kind::store:
                sfc_store(word, 8, op.a, order, &op);
                break;
            case Kind::rmw:
                sfc_rmw(word, 8, SFC_ADD, op.a, order, &op);
                break;
            case Kind::fence:
                sfc_fence(SFC_MB, &op);
                break;
            case Kind::rcu_lock:
                sfc_rcu_read_lock(nullptr, &op);
                break;
            case Kind::rcu_unlock:
                sfc_rcu_read_unlock(nullptr, &op);
                break;
            default:
                sfc_synchronize_rcu(nullptr, &op);
                break;
        }
    }
}

TEST(WeakSearch, finds_every_graph_once_with_grace_periods) {
    for (unsigned seed = 0; seed < 80; ++seed) {
        const Programs programs = Generator(seed).draw();
        const Result found = check(
            [&](Program& program) {
                struct Words {
                    std::uint64_t at[kWords];
                };
                auto& words = program.make<Words>();
                for (const Code& code : programs)
                    program.spawn([&words, &code] { run(code, words.at); });
            },
            {.model = Model::weak});
        ASSERT_EQ(found.verdict, Verdict::holds) << found.message << ", seed " << seed;
        ASSERT_EQ(found.complete, Enumerator(programs).complete()) << "seed " << seed;
    }
}

}  // namespace
}  // namespace surefoot::checker
