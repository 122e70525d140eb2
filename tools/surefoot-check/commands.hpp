#pragma once

#include <string>
#include <vector>

#include "scenario.hpp"

namespace surefoot::tools {

enum ExitStatus : int {
    kHolds = 0,
    kViolation = 1,
    kRefused = 2,     ///< Usage, or a scenario is wrong.
    kIncomplete = 3,  ///< No violation, but the search did not end.
};

struct CheckArguments {
    std::vector<std::string> scenarios;  // globs; none: all
    std::vector<std::string> off;
    std::string model;  // empty: sc and tso
    checker::Options options;
    bool json = false;
};

int check_scenarios(const CheckArguments& arguments);
int check_all_rules(const CheckArguments& arguments);
int list(const std::string& what);
int explain(const std::string& name);

/// `surefoot: WHAT: WHY`. @return kRefused
int refuse(const std::string& what, const std::string& why);

}  // namespace surefoot::tools
