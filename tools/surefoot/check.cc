// surefoot check, list, explain: surefoot-check does them. The checked build is a program of its
// own, since no executable holds both builds.

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "commands.hpp"
#include "linux/linux.hpp"

namespace surefoot::tools {
namespace {

/// Beside this program (a build tree's bin), or installed.
std::filesystem::path find_program() {
    const auto folder = std::filesystem::read_symlink("/proc/self/exe").parent_path();
    for (const char* place : {"surefoot-check", "../libexec/surefoot/surefoot-check"}) {
        if (access((folder / place).c_str(), X_OK) == 0) return folder / place;
    }
    return {};
}

}  // namespace

void add_check(CLI::App& app) {
    constexpr std::array kCommands = {
        std::array{"check", "Explore scenarios over Surefoot's own code in every order"},
        std::array{"list", "List scenarios, rules or models"},
        std::array{"explain", "Explain a rule or a scenario"}};
    for (const auto& [name, text] : kCommands)
        app.add_subcommand(name, text)->set_help_flag();
}

bool is_check(const std::string& command) {
    return command == "check" || command == "list" || command == "explain";
}

int run_check(char** argv) {
    const auto program = find_program();
    if (program.empty()) {
        linux_abi::print_failure("surefoot-check", "is not beside surefoot, nor installed");
        return kExitRefused;
    }
    execv(program.c_str(), argv);
    linux_abi::print_failure(program.string(), std::strerror(errno));
    return kExitRefused;
}

}  // namespace surefoot::tools
