#include "engine/weak/search.hpp"

#include <utility>

#include "engine/abi.hpp"
#include "engine/jobs.hpp"
#include "engine/machine/guard.hpp"
#include "engine/machine/hash.hpp"
#include "engine/weak/machine.hpp"

namespace surefoot::checker::engine::weak {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{64} << 20;
constexpr std::uint32_t kSteps = 20000;
constexpr std::uint64_t kExecutionsBetweenParts = 100;

/// Equal for equal graphs.
std::uint64_t hash_of(const Machine& machine) {
    const Graph& graph = machine.graph();
    const auto identity = [&](const Event* event) {
        return event != nullptr ? mix(machine.identity(event->task) + event->place + 1) : 0;
    };
    std::uint64_t sum = 0;
    for (const auto& event : graph.events()) {
        std::uint64_t h = mix(identity(event.get()) + static_cast<std::uint64_t>(event->op.kind));
        if (event->op.kind == Kind::choose) h = mix(h + event->read);
        h = mix(h + identity(event->source));
        if (event->writes) h = mix(h + graph.position(event.get(), event->word));
        sum += h;
    }
    return mix(sum);
}

/// One process of a search. What is left to explore is a stack of graphs, each independent of the
/// others: another process takes the one at the bottom, which has the most before it.
class Search {
  public:
    Search(const sfc_program& program, const sfc_options& options, sfc_result& result)
        : program_(program),
          options_(options),
          memory_(options.arena_bytes != 0 ? options.arena_bytes : kArenaBytes, options.reuse),
          machine_(memory_, options.max_steps != 0 ? options.max_steps : kSteps,
                   options.stop_at_error),
          tally_(options, result),
          jobs_(options.jobs, tally_) {}

    void run() {
        const Activation active(machine_, options_.flush_is_ipi);
        for (;;) {
            std::vector<Graph> whole(1);
            explore(std::move(whole));
            jobs_.wait(0);
            if (!tally_.is_to_begin_anew()) break;
            tally_.begin_anew();
            machine_.let_sections_block();
            explored_ = 0;
        }
        tally_.close();
    }

  private:
    void explore(std::vector<Graph> left) {
        guard_.watch();
        const std::uint64_t steps_before = machine_.steps();
        const std::uint64_t between_parts = options_.executions_between_parts != 0
                                                ? options_.executions_between_parts
                                                : kExecutionsBetweenParts;
        bool goes_on = true;
        for (std::uint64_t run = 1; goes_on && !left.empty(); ++run) {
            const bool knew = machine_.sections_may_block();
            Graph next = std::move(left.back());
            left.pop_back();
            goes_on = count(machine_.run(program_, std::move(next), left));
            explored_ += machine_.graph().share();
            if (knew != machine_.sections_may_block() && goes_on)
                goes_on = tally_.stop_to_begin_anew();
            if (tally_.progress_is_due()) {
                tally_.publish(explored_);
                tally_.show_progress();
            }
            if (run % between_parts == 0) share(left);
        }
        tally_.publish(explored_);
        tally_.end(goes_on, machine_.steps() - steps_before);
    }

    void share(std::vector<Graph>& left) {
        jobs_.listen();
        if (left.size() < 2 || !jobs_.take()) return;
        const double share = left.front().share();
        jobs_.start(0, share * tally_.share(), [&] {
            left.erase(left.begin() + 1, left.end());
            left.front().set_share(1);
            explored_ = 0;
            explore(std::move(left));
        });
        explored_ += share;
        left.erase(left.begin());
    }

    /// @return false when the search is to end
    bool count(End end) {
        tally_.longest(static_cast<std::uint32_t>(machine_.graph().events().size()));
        switch (end) {
            case End::complete:
                return tally_.complete(options_.hash_traces ? hash_of(machine_) : 0,
                                       machine_.outcome());
            case End::deadlocked:
                return options_.deadlock_is_error ? tally_.violated(found()) : tally_.blocked();
            case End::blocked:
                return tally_.blocked();
            case End::dead:
                return tally_.redundant();
            case End::violated:
                return tally_.violated(found());
            case End::mistaken:
                break;
        }
        return tally_.wrong(found());
    }

    Discovery found() const {
        Discovery told{.message = machine_.message(), .pc = machine_.place()};
        if (!tally_.has_violations()) told.schedule = machine_.describe();
        return told;
    }

    const sfc_program& program_;
    const sfc_options& options_;
    Memory memory_;
    Machine machine_;
    Guard guard_{machine_};
    Tally tally_;
    Jobs jobs_;
    double explored_ = 0;  // of what this process is to explore
};

}  // namespace

void explore(const sfc_program& program, const sfc_options& options, sfc_result& result) {
    Search(program, options, result).run();
}

}  // namespace surefoot::checker::engine::weak
