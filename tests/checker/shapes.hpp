#pragma once

// Small programs as text. CPUs are separated by '|'. Wx1 stores 1 to x, Rx loads x, Ux increments
// x, F is a full fence; .acq and .rel are orders. After Rx?2 the CPU goes on only if it read 2.
// [ and ] are a read-side section, G waits for a grace period.

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "programs.hpp"

namespace surefoot::checker::shapes {

inline constexpr int kWords = 4;   // w, x, y, z
inline constexpr int kNotRun = 9;  // what a load that was left out read

struct Operation {
    char kind;
    int word;
    int value;
    int slot;  // of a load
    sfc_order order;
    int goes_on;  // what a load has to read, or -1
};

struct Text {
    std::vector<std::vector<Operation>> cpus;
    int loads = 0;
};

inline Text parse(const std::string& text) {
    Text program;
    program.cpus.emplace_back();
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        if (word == "|") {
            program.cpus.emplace_back();
            continue;
        }
        Operation operation{word[0], 0, 0, 0, SFC_RELAXED, -1};
        if (word.size() > 1) operation.word = word[1] - 'w';
        if (word[0] == 'W') operation.value = word[2] - '0';
        if (word.find(".acq") != word.npos) operation.order = SFC_ACQUIRE;
        if (word.find(".rel") != word.npos) operation.order = SFC_RELEASE;
        if (const auto at = word.find('?'); at != word.npos) operation.goes_on = word[at + 1] - '0';
        if (word[0] == 'R') operation.slot = program.loads++;
        program.cpus.back().push_back(operation);
    }
    return program;
}

struct State {
    Word<int> words[kWords];
    int loads[16];
};

inline void run(const Operation& operation, State& state) {
    Word<int>& word = state.words[operation.word];
    switch (operation.kind) {
        case 'W':
            return word.store(operation.value, operation.order);
        case 'R':
            state.loads[operation.slot] = word.load(operation.order);
            return;
        case 'U':
            word.fetch_add(1);
            return;
        case '[':
            return sfc_rcu_read_lock(nullptr, nullptr);
        case ']':
            return sfc_rcu_read_unlock(nullptr, nullptr);
        case 'G':
            return sfc_synchronize_rcu(nullptr, nullptr);
        default:
            return sfc_fence(SFC_MB, nullptr);
    }
}

/// What the loads read, in the order of the text, and the last value of each word.
inline std::string outcome_of(const Text& text, const State& state) {
    std::string line;
    for (int i = 0; i < text.loads; ++i)
        line += std::to_string(state.loads[i]) + " ";
    for (int i = 0; i < kWords; ++i)
        line +=
            std::string(1, static_cast<char>('w' + i)) + std::to_string(state.words[i].get()) + " ";
    return line;
}

/// `text` and `seen` live as long as the body; each execution adds its outcome to `seen`.
inline programs::Body body(const Text& text, std::set<std::string>* seen = nullptr) {
    return [&text, seen](Program& program) {
        State& state = program.make<State>();
        std::fill(std::begin(state.loads), std::end(state.loads), kNotRun);
        for (const auto& cpu : text.cpus) {
            program.spawn([&state, &cpu] {
                bool goes_on = true;
                for (const Operation& operation : cpu) {
                    if (!goes_on && operation.kind != ']') continue;
                    run(operation, state);
                    if (operation.goes_on >= 0)
                        goes_on = state.loads[operation.slot] == operation.goes_on;
                }
            });
        }
        program.finish([&state, &text, seen] {
            if (seen != nullptr) seen->insert(outcome_of(text, state));
        });
    };
}

}  // namespace surefoot::checker::shapes
