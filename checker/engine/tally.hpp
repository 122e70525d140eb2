#pragma once

// What a search has found so far, alone or as one of several processes: counts, outcomes, the first
// violation, how much is left, and whether to go on.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "surefoot/checker/engine.h"

namespace surefoot::checker::engine {

/// A violation, or what is wrong with the program.
struct Discovery {
    std::string message;
    const void* pc = nullptr;
    std::string replay = {};
    std::string schedule = {};
};

class Tally {
  public:
    /// Throws std::runtime_error when there is no memory to share.
    Tally(const sfc_options& options, sfc_result& result);
    ~Tally();
    Tally(const Tally&) = delete;
    Tally& operator=(const Tally&) = delete;

    /// Each of these is told of one execution. @return false when the search is to end
    bool complete(std::uint64_t hash, const std::string& outcome);
    bool blocked();
    bool redundant();
    bool violated(const Discovery& found);
    bool wrong(const Discovery& found);
    /// Of an execution that counts nowhere.
    bool goes_on();
    void longest(std::uint32_t depth) { result_.max_depth = std::max(result_.max_depth, depth); }
    bool has_violations() const { return result_.violations != 0; }

    /// What was found asks for a search that begins anew. All processes stop; false.
    bool stop_to_begin_anew();
    bool is_to_begin_anew() const { return shared_->begin_anew; }
    /// All others have ended.
    void begin_anew();

    /// Whether it is time to publish().
    bool progress_is_due() const;
    /// `explored`: the part of this process's share that was explored, from 0 to 1.
    void publish(double explored);
    /// Tells the caller how far all processes are, now and then.
    void show_progress();

    /// This process has nothing left to do. @param covered  it saw all that it was to see
    void end(bool covered, std::uint64_t steps);
    /// Fills in the result.
    void close();

    // --- several processes ---------------------------------------------------------------------

    /// A new process begins here, with `share` of the whole.
    void begin_part(double share);
    /// That part of the whole went to another process.
    void give_part(double share) { given_ += share; }
    /// What was counted, for add_part() in the process that gave the part.
    std::string part() const;
    void add_part(std::string_view part, double share);
    double share() const { return share_; }

  private:
    /// Of one process, for all to read.
    struct Progress {
        std::atomic<bool> used;
        std::atomic<std::uint64_t> executions;
        std::atomic<double> explored;
    };
    static constexpr unsigned kProcesses = 256;
    struct Shared {
        std::atomic<bool> stop;
        std::atomic<bool> begin_anew;
        std::atomic<std::uint64_t> runs;  // counted only where they are limited
        Progress progress[kProcesses];
    };

    struct SoFar {
        std::uint64_t executions;
        double explored;
    };
    struct Flags {
        bool is_wrong, is_cut;
    };

    double seconds() const;
    std::uint64_t executions() const { return result_.complete + result_.blocked; }
    void claim_progress();
    void forget();
    void tell(const Discovery& found);
    SoFar so_far() const;

    const sfc_options& options_;
    sfc_result& result_;
    Shared* shared_;
    Progress* progress_;  // its place in `shared_`; null when there were too many processes
    double share_ = 1;    // of the whole search
    double given_ = 0;    // of that, to other processes
    std::map<std::string, std::uint64_t> outcomes_;
    double start_;
    double last_progress_;
    std::uint64_t runs_ = 0;
    bool is_part_ = false;  // of another process's search
    bool is_wrong_ = false;
    bool is_cut_ = false;  // some process did not see all
};

}  // namespace surefoot::checker::engine
