#include "engine/memory/access.hpp"

#include <fmt/format.h>

namespace surefoot::checker::engine {
namespace {

std::string describe(const Access& access, const std::string& task) {
    const char* const what = access.marked() ? name_of(access.kind)
                             : access.write  ? "plain write"
                                             : "plain read";
    return fmt::format("{} by {} ({})", what, task, text_of(access.at.pc));
}

}  // namespace

std::string Finding::message(const Names& names, const std::string& first,
                             const std::string& second) const {
    return fmt::format("{} {}: {}{} {}{}", what, names.of(address), describe(earlier, first),
                       unordered ? " and" : ", then", describe(later, second),
                       unordered ? " are not ordered" : "");
}

}  // namespace surefoot::checker::engine
