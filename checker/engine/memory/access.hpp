#pragma once

// One access to memory, as far as others may conflict with it, and what can be wrong with two.

#include <cstdint>
#include <optional>
#include <string>

#include "engine/machine/step.hpp"
#include "engine/memory/memory.hpp"
#include "engine/memory/names.hpp"

namespace surefoot::checker::engine {

struct Access {
    Point at;
    std::uint8_t bytes = 0xff;  ///< Which ones of an 8-byte granule.
    bool write = false;
    Kind kind = Kind::none;   ///< Of a marked one.
    std::uint64_t found = 0;  ///< What the granule held, where a model asks for it.

    bool marked() const { return kind != Kind::none; }
    bool conflicts_with(const Access& other) const {
        return (bytes & other.bytes) != 0 && (write || other.write) &&
               !(marked() && other.marked());
    }
    /// Whether whoever races with the other one races with this one or has raced already, given
    /// that this one comes later and races with nothing.
    bool stands_for(const Access& other) const {
        const bool as_strong = (write || !other.write) && (!marked() || other.marked());
        const bool known = at.proc == other.at.proc || (write && !marked());
        return (other.bytes & ~bytes) == 0 && as_strong && known;
    }
};

/// Two accesses that should not be so.
struct Finding {
    const char* what;
    Address address;
    Access earlier, later;
    bool unordered = true;

    /// `first` and `second` are the tasks.
    std::string message(const Names& names, const std::string& first,
                        const std::string& second) const;
};

inline Finding race(Address granule, const Access& earlier, const Access& later) {
    const auto first = static_cast<unsigned>(__builtin_ctz(earlier.bytes & later.bytes));
    return {"data race on", granule + first, earlier, later};
}

/// What is wrong with an access to memory that was given out or freed by then. `knows` tells
/// whether a point is known to come before the access.
template <class Knows>
std::optional<Finding> misuse(Memory& memory, Address address, const Access& access,
                              const Knows& knows) {
    const Block* const block = memory.watched() ? memory.find(address) : nullptr;
    if (block == nullptr) return std::nullopt;
    const Access made{.at = block->made, .write = true, .kind = Kind::allocate};
    const Access freed{.at = block->freed, .write = true, .kind = Kind::free_memory};
    if (block->is_free) return Finding{"use after free of", address, freed, access, false};
    if (block->made_in_setup || knows(block->made)) return std::nullopt;
    return Finding{block->generation == 0 ? "use before publication of" : "use after free of",
                   address, made, access};
}

}  // namespace surefoot::checker::engine
