#pragma once

// What records were before they changed, so that they can become it again.

#include <cstddef>
#include <vector>

namespace surefoot::checker::engine {

/// Nothing is kept before the first mark.
template <class Record>
class Journal {
  public:
    void note(Record& record) {
        if (is_kept_) entries_.push_back({&record, record});
    }
    std::size_t mark() {
        is_kept_ = true;
        return entries_.size();
    }
    void undo(std::size_t mark) {
        for (; entries_.size() > mark; entries_.pop_back())
            *entries_.back().record = entries_.back().before;
    }

  private:
    struct Entry {
        Record* record;
        Record before;
    };
    std::vector<Entry> entries_;
    bool is_kept_ = false;
};

}  // namespace surefoot::checker::engine
