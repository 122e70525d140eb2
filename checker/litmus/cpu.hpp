#pragma once

// One process of a test on one CPU of the checker. Lives in the engine's arena; what it does while
// it runs allocates nothing outside of it.

#include <cstdint>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "litmus/program.hpp"
#include "surefoot/checker/engine.h"

namespace surefoot::litmus {

/// What the processes of one execution share.
struct World {
    const Test* test = nullptr;
    std::int64_t* words = nullptr;  // one a variable: its value, and the identity of a lock
    bool announces_plain = false;   // so that data races are found
    std::optional<Error> refused;   // what ended the execution

    std::int64_t address(unsigned variable) const {
        return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(words + variable));
    }
    std::int64_t value(Constant constant) const {
        return constant.address_of == 0 ? constant.number : address(constant.address_of - 1);
    }
    std::optional<unsigned> variable_at(std::int64_t address) const;
};

/// A set of the loads of a process, by their order: what a value was computed from.
using Loads = std::uint64_t;

class Cpu {
  public:
    /// Made in the arena.
    static Cpu& make(World& world, unsigned number);

    void run();
    std::int64_t slot(unsigned index) const { return slots_[index].value; }

  private:
    struct Known {
        std::int64_t value;
        Loads loads;
    };
    /// What this process last stored to a variable, if anything.
    struct Stored {
        Known known;
        bool any;
    };
    /// For atomic_add_unless().
    struct Unless {
        std::int64_t addend, forbidden;
    };

    void evaluate(const Instruction& instruction);
    void access(const Instruction& instruction);
    void fence(const Instruction& instruction);
    void lock(const Instruction& instruction);
    void read_side(const Instruction& instruction);

    std::int64_t read_modify_write(const Instruction& instruction, void* word);
    std::int64_t add_unless(const Instruction& instruction, void* word);
    void loaded(const Instruction& instruction, unsigned variable, std::int64_t value);
    void stored(const Instruction& instruction, unsigned variable);
    void announce_plain(const Instruction& instruction, const void* word) const;
    /// The variable whose address slot `a` holds.
    unsigned pointee(const Instruction& instruction, VariableKind kind);
    void depends(Loads loads) const;
    void* word(unsigned variable) const { return world_->words + variable; }
    /// Ends the execution. Nothing on this stack is destroyed: the text is made in here, so that
    /// the caller holds none.
    template <class... Values>
    [[noreturn]] void refuse(const Instruction& instruction,
                             fmt::format_string<const Values&...> what, const Values&... values) {
        world_->refused = Error{instruction.place, fmt::format(what, values...)};
        sfc_fail(world_->refused->what.c_str(), &instruction);
        __builtin_unreachable();  // the execution has ended
    }

    World* world_;
    const Process* process_;
    unsigned number_;
    Known* slots_;
    Stored* stored_;  // one a variable
    unsigned* held_;  // locks taken, or sections of an SRCU domain entered
    sfc_token tokens_[kMostLoads];
    unsigned loads_;
    Loads branched_on_;  // every store from here on depends on them
    unsigned rcu_nesting_;
    bool fence_before_next_atomic_;
    bool did_atomic_;
    bool did_lock_;
};

}  // namespace surefoot::litmus
