#include "engine/search/search.hpp"

#include <stdexcept>

#include "engine/search/bounded.hpp"
#include "engine/search/dpor.hpp"
#include "engine/search/replay.hpp"
#include "engine/search/sampling.hpp"

namespace surefoot::checker::engine {

std::unique_ptr<Search> make_search(const sfc_options& options, Jobs& jobs) {
    if (options.replay != nullptr) return std::make_unique<Replay>(options.replay);
    switch (options.strategy) {
        case SFC_EXHAUSTIVE:
            return std::make_unique<Dpor>(
                jobs, options.shuffle ? std::optional(options.seed) : std::nullopt);
        case SFC_BOUNDED:
            return std::make_unique<Bounded>(options.bound);
        case SFC_RANDOM:
        case SFC_PCT:
        case SFC_POS:
            return std::make_unique<Sampling>(options.strategy, options.bound, options.runs,
                                              options.seed);
    }
    throw std::invalid_argument("there is no such search strategy");
}

}  // namespace surefoot::checker::engine
