#pragma once

// What sfc_name() called pieces of memory, in one execution.

#include <cstddef>
#include <string>
#include <vector>

#include "engine/machine/step.hpp"

namespace surefoot::checker::engine {

class Names {
  public:
    void clear() { ranges_.clear(); }
    void add(Address begin, std::size_t bytes, const char* name) {
        ranges_.push_back({begin, bytes, name});
    }
    /// By the latest name, and how far behind its beginning; else the number.
    std::string of(Address address) const;

  private:
    struct Range {
        Address begin;
        std::size_t bytes;
        const char* name;
    };
    std::vector<Range> ranges_;
};

/// A place in the program's code: its function, if that is known to the dynamic linker, or the file
/// and what addr2line wants to be told. Null: nothing.
std::string text_of(const void* pc);

/// What a step that cannot be taken waits for. `who` holds the lock, or is to end.
std::string wait_of(const Op& op, const Names& names, const std::string& who);

}  // namespace surefoot::checker::engine
