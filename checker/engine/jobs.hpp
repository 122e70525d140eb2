#pragma once

// A search spread over processes. One that finds a job free starts another process, a fork of
// itself, which explores a part of what is left, tells what it counted, and ends.

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/tally.hpp"

namespace surefoot::checker::engine {

class Jobs {
  public:
    /// Throws std::runtime_error when there are no pipes to be had.
    Jobs(unsigned count, Tally& tally);
    ~Jobs();
    Jobs(const Jobs&) = delete;
    Jobs& operator=(const Jobs&) = delete;

    /// Takes a free job, if there is one.
    bool take();
    void give_back() const;
    /// In a new process with the job taken: explores `part`, and ends. `depth` is what wait() asks
    /// for, `share` the part's of the whole search. Throws std::runtime_error when there is no
    /// process to be had.
    void start(std::uint32_t depth, double share, const std::function<void()>& part);
    /// Whether this process is such a part.
    bool is_part() const { return up_ >= 0; }

    /// From a part to the process that started it.
    void tell(std::string_view message) const;
    /// What to do with such a message, in that process.
    void on_message(std::function<void(std::string_view)> listener) {
        listener_ = std::move(listener);
    }
    /// Hears what there is to hear.
    void listen();
    /// Until every part of that depth, or of a greater one, has ended.
    void wait(std::uint32_t depth);

  private:
    struct Part {
        pid_t process;
        int from;  // pipe
        std::uint32_t depth;
        double share;
    };

    [[noreturn]] void be_part(int to, double share, const std::function<void()>& explore);
    bool any(std::uint32_t depth) const;
    void hear(int milliseconds, int other = -1);
    bool hear_from(const Part& part);

    Tally& tally_;
    int free_[2] = {-1, -1};  // a pipe with a byte for each free job
    int up_ = -1;             // to the process that started this one
    std::vector<Part> parts_;
    std::function<void(std::string_view)> listener_;
};

}  // namespace surefoot::checker::engine
