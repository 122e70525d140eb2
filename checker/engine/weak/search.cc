#include "engine/weak/search.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "engine/abi.hpp"
#include "engine/weak/machine.hpp"

namespace surefoot::checker::engine::weak {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{64} << 20;
constexpr std::uint32_t kSteps = 20000;

using Clock = std::chrono::steady_clock;

/// Equal for equal graphs.
std::uint64_t hash_of(const Graph& graph) {
    const auto mix = [](std::uint64_t h) {
        h = (h ^ (h >> 31)) * 0x7fb5d329728ea185ULL;
        h = (h ^ (h >> 27)) * 0x81dadef4bc2dd44dULL;
        return h ^ (h >> 33);
    };
    const auto identity = [&](const Event* event) {
        return event != nullptr ? mix((std::uint64_t{event->task} << 32) + event->place + 1) : 0;
    };
    std::uint64_t sum = 0;
    for (const auto& event : graph.events()) {
        std::uint64_t h = mix(identity(event.get()) + static_cast<std::uint64_t>(event->op.kind));
        h = mix(h + event->read);
        h = mix(h + event->written);
        h = mix(h + identity(event->source));
        if (event->writes) h = mix(h + graph.position(event.get(), event->word));
        sum += h;
    }
    return mix(sum);
}

class Search {
  public:
    Search(const sfc_program& program, const sfc_options& options, sfc_result& result)
        : program_(program),
          options_(options),
          result_(result),
          memory_(options.arena_bytes != 0 ? options.arena_bytes : kArenaBytes, options.reuse),
          machine_(memory_, options.max_steps != 0 ? options.max_steps : kSteps,
                   options.stop_at_error) {}

    void run() {
        set_active_machine(&machine_);
        set_flush_is_ipi(options_.flush_is_ipi);
        result_.verdict = SFC_HOLDS;
        std::vector<Graph> left(1);
        bool goes_on = true;
        while (goes_on && !left.empty()) {
            const bool knew = machine_.sections_may_block();
            Graph next = std::move(left.back());
            left.pop_back();
            goes_on = count(machine_.run(program_, std::move(next), left));
            if (knew != machine_.sections_may_block() && goes_on) begin_anew(left);
        }
        set_active_machine(nullptr);
        result_.seconds = seconds();
        result_.steps = machine_.steps();
        if (result_.verdict == SFC_WRONG) return;
        result_.verdict = result_.violations != 0 ? SFC_VIOLATED
                          : goes_on               ? SFC_HOLDS
                                                  : SFC_INCOMPLETE;
    }

  private:
    void begin_anew(std::vector<Graph>& left) {
        left.assign(1, Graph{});
        result_ = sfc_result{};
        result_.verdict = SFC_HOLDS;
        result_.restarts = 1;
    }

    /// @return false when the search is to end
    bool count(End end) {
        const auto events = static_cast<std::uint32_t>(machine_.graph().events().size());
        result_.max_depth = std::max(result_.max_depth, events);
        switch (end) {
            case End::complete:
                ++result_.complete;
                if (options_.hash_traces) result_.trace_hash += hash_of(machine_.graph());
                break;
            case End::deadlocked:
                if (options_.deadlock_is_error) return violation();
                ++result_.blocked;
                break;
            case End::blocked:
                ++result_.blocked;
                break;
            case End::dead:
                ++result_.redundant;
                break;
            case End::violated:
                return violation();
            case End::mistaken:
                result_.verdict = SFC_WRONG;
                tell();
                return false;
        }
        return within_limits();
    }

    bool violation() {
        if (result_.violations++ == 0) tell();
        return !options_.stop_at_error && within_limits();
    }

    void tell() {
        std::snprintf(result_.message, sizeof result_.message, "%s", machine_.message().c_str());
        if (machine_.place() != nullptr)
            std::snprintf(result_.place, sizeof result_.place, "%p", machine_.place());
    }

    bool within_limits() const {
        const std::uint64_t runs = result_.complete + result_.blocked;
        if (options_.max_executions != 0 && runs >= options_.max_executions) return false;
        return options_.max_seconds <= 0 || seconds() <= options_.max_seconds;
    }

    double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

    const sfc_program& program_;
    const sfc_options& options_;
    sfc_result& result_;
    Memory memory_;
    Machine machine_;
    Clock::time_point start_ = Clock::now();
};

}  // namespace

void explore(const sfc_program& program, const sfc_options& options, sfc_result& result) {
    Search(program, options, result).run();
}

}  // namespace surefoot::checker::engine::weak
