#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <tuple>

#include "litmus/litmus.hpp"

namespace surefoot::litmus {

inline std::string read_file(const std::filesystem::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

inline std::filesystem::path program(const std::string& name) {
    return std::filesystem::path(LITMUS_DIR) / "programs" / (name + ".litmus");
}

inline std::string describe(const std::string& where, const Error& error) {
    return where + ":" + std::to_string(error.place.line) + ":" +
           std::to_string(error.place.column) + ": " + error.what;
}

/// Parses and runs; a refusal fails the test.
inline std::tuple<Test, Outcome> run_file(const std::filesystem::path& path, checker::Model model) {
    auto test = parse(read_file(path));
    if (!test) {
        ADD_FAILURE() << describe(path, test.error());
        return {};
    }
    auto outcome = run(*test, model);
    if (!outcome) {
        ADD_FAILURE() << describe(path, outcome.error());
        return {};
    }
    return {std::move(*test), std::move(*outcome)};
}

}  // namespace surefoot::litmus
