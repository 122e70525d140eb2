// The command line. One file a subcommand; the work is in the libraries.

#include <algorithm>
#include <exception>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "commands.hpp"
#include "linux/linux.hpp"

namespace {

/// Looks for `--option=` without a value: CLI11 would take the next word for it.
/// @return it, or nothing
std::string find_missing_value(const CLI::App& app, std::span<const std::string> words) {
    if (words.size() < 2) return {};
    const auto commands =
        app.get_subcommands([&](const CLI::App* c) { return c->check_name(words[1]); });
    if (commands.empty()) return {};
    const CLI::App& command = *commands.front();
    for (std::size_t i = 2; i < words.size(); ++i) {
        const std::size_t equals = words[i].find('=');
        const CLI::Option* option = nullptr;
        if (words[i].starts_with('-')) {
            option = command.get_option_no_throw(words[i].substr(0, equals));
        }
        // The words of another program may begin here.
        if (option == nullptr && command.get_prefix_command()) return {};
        if (option == nullptr) continue;
        if (equals == words[i].size() - 1) return words[i];
        if (equals == std::string::npos && option->get_items_expected_min() > 0) ++i;
    }
    return {};
}

/// @return the exit status
int refuse(const CLI::App& app, const std::string& what, const std::string& why) {
    surefoot::linux_abi::print_failure(what, why);
    return app.got_subcommand("litmus") ? surefoot::tools::kExitRefused
                                        : surefoot::linux_abi::kExitFailure;
}

int parse_and_run(int argc, char** argv) {
    CLI::App app("Linux's page-table subsystem: runs programs on page tables of its own");
    app.name("surefoot");
    app.set_version_flag("--version", "surefoot " SUREFOOT_VERSION);
    app.require_subcommand(1);
    // CLI11 hands what follows "--" to the main command: it is cut off before.
    const std::vector<std::string> words(argv, argv + argc);
    const auto mark = std::find(words.begin(), words.end(), "--");
    const std::vector<std::string> rest(mark, words.end());
    const std::function<int()> run = surefoot::tools::add_run(app, rest);
    const std::function<int()> bench = surefoot::tools::add_bench(app);
    const std::function<int()> litmus = surefoot::tools::add_litmus(app, rest);
    try {
        app.parse(static_cast<int>(mark - words.begin()), argv);
    } catch (const CLI::Success& request) {
        return app.exit(request);  // --help and --version
    } catch (const CLI::ParseError& error) {
        if (app.get_subcommands().empty() && mark - words.begin() > 1) {
            const bool is_option = words[1].starts_with('-');
            surefoot::linux_abi::print_failure(words[1], is_option
                                                             ? "unknown option (surefoot --help)"
                                                             : "unknown command (surefoot --help)");
            return surefoot::linux_abi::kExitFailure;
        }
        std::string why = error.what();
        for (char& c : why) {
            if (c == '\n') c = ' ';
        }
        return refuse(app, "usage", why + " (surefoot --help)");
    }
    const std::string incomplete = find_missing_value(app, std::span(words.begin(), mark));
    if (!incomplete.empty()) return refuse(app, incomplete, "no value is given");
    if (app.got_subcommand("litmus")) return litmus();
    return app.got_subcommand("bench") ? bench() : run();
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& error) {
        surefoot::linux_abi::print_failure("failed", error.what());
        return surefoot::linux_abi::kExitFailure;
    }
}
