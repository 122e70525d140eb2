#include "engine/memory/names.hpp"

#include <fmt/format.h>

namespace surefoot::checker::engine {

std::string Names::of(Address address) const {
    for (std::size_t i = ranges_.size(); i-- > 0;) {
        const auto& [begin, bytes, name] = ranges_[i];
        if (address - begin >= bytes) continue;
        return address == begin ? name : fmt::format("{}+{}", name, address - begin);
    }
    return fmt::format("{:#x}", address);
}

}  // namespace surefoot::checker::engine
