#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

namespace surefoot::tools {

/// Of the commands that explore: wrong usage, or something that they cannot do.
constexpr int kExitRefused = 2;

/// @param rest  "--" and what follows it, or nothing
/// Each adds its subcommand; the returned function does it and gives the exit status.
std::function<int()> add_run(CLI::App& app, const std::vector<std::string>& rest);
std::function<int()> add_litmus(CLI::App& app, const std::vector<std::string>& rest);
std::function<int()> add_bench(CLI::App& app);

/// What another program does: named here for --help alone.
void add_check(CLI::App& app);
bool is_check(const std::string& command);
/// Becomes that program; returns only if there is none.
int run_check(char** argv);

}  // namespace surefoot::tools
