#pragma once

// Small programs as text. CPUs are separated by '|'. Wx1 stores 1 to x, Rx loads x, Ux increments
// x, F is a full fence, B smp_rmb(); .acq and .rel are orders, .dep an address dependency on the
// load before. After Rx?2 the CPU goes on only if it read 2. [ and ] are a read-side section, G
// waits for a grace period.
//
// There is one page-table entry. P2 makes it lead to frame 2, P0 not present; T loads through it, S
// stores, and each finds a frame, or 0: a fault; D loads its dirty bit. I is invlpg, A drops all of
// the TLB, X is a shootdown of every CPU, N one of another page and one of another address space.

#include <algorithm>
#include <cstdint>
#include <cstring>
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
    int goes_on;   // what a load has to read, or -1
    bool depends;  // on the load before
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
        Operation operation{word[0], 0, 0, 0, SFC_RELAXED, -1, false};
        if (word[0] == 'P')
            operation.value = word[1] - '0';
        else if (word.size() > 1)
            operation.word = word[1] - 'w';
        if (word[0] == 'W') operation.value = word[2] - '0';
        if (word.find(".acq") != word.npos) operation.order = SFC_ACQUIRE;
        if (word.find(".rel") != word.npos) operation.order = SFC_RELEASE;
        operation.depends = word.find(".dep") != word.npos;
        if (const auto at = word.find('?'); at != word.npos) operation.goes_on = word[at + 1] - '0';
        if (std::strchr("RTSD", word[0]) != nullptr) operation.slot = program.loads++;
        program.cpus.back().push_back(operation);
    }
    return program;
}

inline constexpr std::uint64_t kPresent = 1, kWritable = 2, kAccessed = 32, kDirty = 64;
inline constexpr sfc_entry_format kFormat{kPresent, kWritable, kAccessed, kDirty};
inline constexpr std::uint64_t kVa = 0x400000, kPage = 0x1000;

/// The entry that leads to that frame.
constexpr std::uint64_t entry_of(int frame) {
    return frame == 0 ? 0
                      : static_cast<std::uint64_t>(frame) << 12 | kPresent | kWritable | kAccessed;
}

struct State {
    Word<int> words[kWords];
    Word<std::uint64_t> entry;
    int loads[16];
    std::uint32_t cpus;
};

inline int translate(State& state, sfc_translate access) {
    const std::uint64_t used =
        sfc_translate_entry(1, kVa, &state.entry, access, true, &kFormat, nullptr);
    return (used & kPresent) != 0 ? static_cast<int>(used >> 12) : 0;
}

inline void drop(void*) { sfc_tlb_invalidate(1, kVa, kVa + kPage, nullptr); }
inline void drop_others(void*) {
    sfc_tlb_invalidate(1, kVa + kPage, kVa + 2 * kPage, nullptr);
    sfc_tlb_invalidate(2, kVa, kVa + kPage, nullptr);
}
inline void shoot_down(State& state, void (*drop_here)(void*)) {
    drop_here(nullptr);
    sfc_ipi_wait(sfc_ipi(state.cpus, drop_here, nullptr, nullptr), nullptr);
}

inline void run(const Operation& operation, State& state) {
    Word<int>& word = state.words[operation.word];
    switch (operation.kind) {
        case 'W':
            return word.store(operation.value, operation.order);
        case 'R':
            if (operation.depends) sfc_address_depends(sfc_last_load());
            state.loads[operation.slot] = word.load(operation.order);
            return;
        case 'P':
            return state.entry.store(entry_of(operation.value));
        case 'T':
            state.loads[operation.slot] = translate(state, SFC_TLB_LOAD);
            return;
        case 'S':
            state.loads[operation.slot] = translate(state, SFC_TLB_STORE);
            return;
        case 'D':
            state.loads[operation.slot] = (state.entry.load() & kDirty) != 0;
            return;
        case 'I':
            return drop(nullptr);
        case 'A':
            return sfc_tlb_invalidate(1, 0, ~std::uint64_t{0}, nullptr);
        case 'X':
            return shoot_down(state, drop);
        case 'N':
            return shoot_down(state, drop_others);
        case 'B':
            return sfc_fence(SFC_RMB, nullptr);
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
inline programs::Body body(const Text& text, std::set<std::string>* seen = nullptr,
                           std::uint64_t entry = 0) {
    return [&text, seen, entry](Program& program) {
        State& state = program.make<State>();
        state.entry.store(entry);
        state.cpus = (1U << text.cpus.size()) - 1;
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
