// The command line. One file a subcommand; the work is in the libraries.

#include <algorithm>
#include <exception>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "commands.hpp"
#include "linux/linux.hpp"

namespace {

struct Misuse {
    std::string what;
    std::string why;
};

/// Looks for what CLI11 would accept, or refuse in words of its own: `--option=`, for which it
/// takes the next word, an option without its value or given twice, a flag with a value.
std::optional<Misuse> find_misuse(const CLI::App& command, std::span<const std::string> words) {
    std::set<const CLI::Option*> seen;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::size_t equals = words[i].find('=');
        const std::string name = words[i].substr(0, equals);
        const CLI::Option* option = nullptr;
        if (name.starts_with('-')) option = command.get_option_no_throw(name);
        // The words of another program may begin here.
        if (option == nullptr && command.get_prefix_command()) return std::nullopt;
        if (option == nullptr && name.starts_with('-') && name != "-") return Misuse{name, "unknown option"};
        if (option == nullptr) continue;
        if (equals == words[i].size() - 1) return Misuse{words[i], "no value is given"};
        if (equals != std::string::npos && option->get_disable_flag_override()) {
            return Misuse{words[i], name + " takes no value"};
        }
        const bool once = option->get_multi_option_policy() == CLI::MultiOptionPolicy::Throw;
        if (!seen.insert(option).second && once) return Misuse{name, "given more than once"};
        if (equals != std::string::npos || option->get_items_expected_min() == 0) continue;
        if (++i == words.size()) return Misuse{name, "no value is given"};
    }
    return std::nullopt;
}

/// @param command  the subcommand's name, or nothing
/// @return the exit status
int refuse(const std::string& command, const Misuse& misuse) {
    const std::string help =
        command.empty() ? "surefoot --help" : "surefoot " + command + " --help";
    surefoot::linux_abi::print_failure(misuse.what, misuse.why + " (" + help + ")");
    return command == "litmus" ? surefoot::tools::kExitRefused : surefoot::linux_abi::kExitFailure;
}

/// `help` and `help COMMAND` are `--help` and `COMMAND --help`.
std::vector<std::string> without_help_command(std::vector<std::string> words) {
    if (words.size() > 1 && words[1] == "help") {
        words.erase(words.begin() + 1);
        words.emplace_back("--help");
    }
    return words;
}

/// @param words  ours, without the program's name
std::optional<int> parse(CLI::App& app, std::vector<std::string> words) {
    std::string command;
    for (const CLI::App* known : app.get_subcommands([](CLI::App*) { return true; })) {
        if (!words.empty() && known->check_name(words[0])) command = words[0];
    }
    if (!command.empty()) {
        const auto misuse = find_misuse(*app.get_subcommand(command), std::span(words).subspan(1));
        if (misuse) return refuse(command, *misuse);
    } else if (!words.empty() && app.get_option_no_throw(words[0]) == nullptr) {
        const bool is_option = words[0].starts_with('-');
        return refuse("", {words[0], is_option ? "unknown option" : "unknown command"});
    }
    try {
        std::ranges::reverse(words);  // as CLI11 wants them
        app.parse(std::move(words));
    } catch (const CLI::Success& request) {
        return app.exit(request);  // --help and --version
    } catch (const CLI::ParseError& error) {
        std::string why = error.what();
        std::ranges::replace(why, '\n', ' ');
        return refuse(command, {"usage", why});
    }
    return std::nullopt;
}

int parse_and_run(int argc, char** argv) {
    CLI::App app("Linux's page-table subsystem: runs programs on page tables of its own");
    app.name("surefoot");
    app.set_version_flag("--version", "surefoot " SUREFOOT_VERSION);
    app.require_subcommand(1);
    // CLI11 hands what follows "--" to the main command: it is cut off before.
    const std::vector<std::string> words =
        without_help_command(std::vector<std::string>(argv, argv + argc));
    if (words.size() > 1 && surefoot::tools::is_check(words[1])) {
        return surefoot::tools::run_check(argv);
    }
    const auto mark = std::find(words.begin(), words.end(), "--");
    const std::vector<std::string> rest(mark, words.end());
    const std::function<int()> run = surefoot::tools::add_run(app, rest);
    const std::function<int()> bench = surefoot::tools::add_bench(app);
    const std::function<int()> litmus = surefoot::tools::add_litmus(app, rest);
    surefoot::tools::add_check(app);
    if (const auto status = parse(app, std::vector<std::string>(words.begin() + 1, mark))) {
        return *status;
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
