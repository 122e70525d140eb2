#include "engine/machine/shadow.hpp"

#include <fmt/format.h>

namespace surefoot::checker::engine {
namespace {

std::string describe(const Access& access, const std::string& task) {
    return fmt::format("{}{} by {} ({})", access.marked ? "" : "plain ",
                       access.write ? "write" : "read", task, fmt::ptr(access.at.pc));
}

}  // namespace

std::string describe_race(const std::string& place, const Access& earlier, const std::string& first,
                          const Access& later, const std::string& second) {
    return fmt::format("data race on {}: {} and {} are not ordered", place,
                       describe(earlier, first), describe(later, second));
}

}  // namespace surefoot::checker::engine
