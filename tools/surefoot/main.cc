// The command line. One file a subcommand; the work is in the libraries.

#include <algorithm>
#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "linux/linux.hpp"

namespace {

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
        surefoot::linux_abi::print_failure("usage", why + " (surefoot --help)");
        return app.got_subcommand("litmus") ? surefoot::tools::kExitRefused
                                            : surefoot::linux_abi::kExitFailure;
    }
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
