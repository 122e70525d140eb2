// surefoot run: a program on our page tables.

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "commands.hpp"
#include "linux/linux.hpp"

namespace surefoot::tools {

namespace {

using linux_abi::kExitFailure;
using linux_abi::print_failure;
using linux_abi::RunOptions;

constexpr const char* kStandardError = "-";

struct RunArguments {
    RunOptions options;
    std::string cpu = "auto";
    std::string memory = "1G";
    std::string fault_around;
    std::string report = kStandardError;
    std::string refused_value;
    CLI::App* app = nullptr;
    std::vector<std::string> rest;
};

// Known to the command-line contract, not built yet: refused by name, never ignored.
constexpr std::array kRefused{"--thp", "--khugepaged", "--ksm", "--swap", "--hugetlb", "--trace"};

/// CLI11 knows nothing of the words that a prefix command leaves.
class RunHelp : public CLI::Formatter {
  public:
    std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override {
        return "Usage: surefoot run [OPTIONS] [--] PROGRAM [ARGS...]\n";
    }
    /// CLI11 puts an empty line before the hidden options as well.
    std::string make_help(const CLI::App* app, std::string name,
                          CLI::AppFormatMode mode) const override {
        const std::string text = CLI::Formatter::make_help(app, std::move(name), mode);
        return CLI::detail::find_and_replace(text, "\n\n\n", "\n\n");
    }
    std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
        if (option->check_name("--report")) return "--report[=FILE]";
        return CLI::Formatter::make_option_name(option, is_positional);
    }
};

/// A number with K, M, G or T, or their small letters.
std::optional<std::uint64_t> parse_size(const std::string& text) {
    constexpr std::string_view kUnits = "KkMmGgTt";
    std::size_t used = 0;
    std::uint64_t value = 0;
    while (used < text.size() && text[used] >= '0' && text[used] <= '9') {
        if (__builtin_mul_overflow(value, 10U, &value)) return std::nullopt;
        if (__builtin_add_overflow(value, static_cast<unsigned>(text[used] - '0'), &value)) {
            return std::nullopt;
        }
        ++used;
    }
    if (used == 0 || text.size() > used + 1) return std::nullopt;
    if (used == text.size()) return value;
    const std::size_t unit = kUnits.find(text[used]);
    if (unit == std::string_view::npos) return std::nullopt;
    const unsigned shift = 10 * (static_cast<unsigned>(unit / 2) + 1);
    if (value > (~std::uint64_t{0} >> shift)) return std::nullopt;
    return value << shift;
}

/// A power of two up to RunOptions::kMaxFaultAround.
std::optional<std::uint32_t> parse_pages(const std::string& text) {
    const auto value = parse_size(text);
    if (!value || *value > RunOptions::kMaxFaultAround || !is_power_of_two(*value)) {
        return std::nullopt;
    }
    return static_cast<std::uint32_t>(*value);
}

int refuse(const std::string& what, const std::string& why) {
    print_failure(what, why);
    return kExitFailure;
}

int run(RunArguments& arguments) {
    RunOptions& options = arguments.options;
    for (const char* name : kRefused) {
        if (arguments.app->count(name) != 0) return refuse(name, "not built yet");
    }
    if (arguments.cpu == "kvm") {
        options.cpu = RunOptions::Cpu::kvm;
    } else if (arguments.cpu != "auto" && arguments.cpu != "mirror") {
        return refuse("--cpu=" + arguments.cpu, "not one of auto, mirror, kvm");
    }
    const auto memory = parse_size(arguments.memory);
    if (!memory) {
        return refuse("--memory=" + arguments.memory,
                      "not a size: a whole number, with K, M, G or T for a unit");
    }
    options.memory_bytes = *memory;
    if (arguments.app->count("--fault-around") != 0) {
        const auto pages = parse_pages(arguments.fault_around);
        if (!pages) {
            return refuse("--fault-around=" + arguments.fault_around,
                          "not a power of two from 1 to 512");
        }
        options.fault_around = *pages;
    }
    for (const std::string& pair : options.environment) {
        if (pair.find('=') == std::string::npos || pair.front() == '=') {
            return refuse("--env=" + pair, "not of the form NAME=VALUE");
        }
    }
    if (arguments.report == "json") {
        return refuse("--report=json", "JSON is --json; a file of that name is --report=./json");
    }
    if (arguments.app->count("--report") != 0 || options.json) options.report = true;
    if (arguments.report != kStandardError) options.report_file = arguments.report;
    // "--" ends our options; after the program's name it is the program's.
    options.command = arguments.app->remaining();
    const bool named = !options.command.empty();
    if (named && options.command.front().starts_with('-')) {
        return refuse(options.command.front(), "unknown option (surefoot run --help)");
    }
    const auto skip = static_cast<std::ptrdiff_t>(named || arguments.rest.empty() ? 0 : 1);
    options.command.insert(options.command.end(), arguments.rest.begin() + skip,
                           arguments.rest.end());
    if (options.command.empty()) return refuse("run", "no program is given (surefoot run --help)");
    const std::string& first = options.command.front();
    if (first.empty()) return refuse("run", "the program's name is empty");
    return linux_abi::run_program(options);
}

}  // namespace

std::function<int()> add_run(CLI::App& app, const std::vector<std::string>& rest) {
    auto arguments = std::make_shared<RunArguments>();
    arguments->rest = rest;
    CLI::App& run_app =
        *app.add_subcommand("run", "Run a static x86-64 Linux program on Surefoot's page tables");
    run_app.formatter(std::make_shared<RunHelp>());
    run_app.footer(
        "What is printed at exit goes to standard error, or to the file of --report=FILE.\n"
        "Exit status: the program's; 128 + n: killed by signal n; 125: surefoot failed or was "
        "used\n"
        "wrongly; 126: not a static executable, or malformed; 127: not found.");
    arguments->app = &run_app;
    // The first word that is no option of ours begins the program's own.
    run_app.prefix_command();
    run_app
        .add_option("--cpu", arguments->cpu,
                    "mirror, kvm, or auto (default): mirror, which works everywhere")
        ->type_name("NAME");
    run_app
        .add_option("--memory", arguments->memory,
                    "physical memory: a whole number with K, M, G or T (default 1G)")
        ->type_name("SIZE");
    run_app
        .add_option("--fault-around", arguments->fault_around,
                    "pages that one write fault may populate in a sweep: a power of two, 1 for "
                    "one page\nas Linux without multi-size THP (default 64)")
        ->type_name("PAGES");
    run_app
        .add_option("--env", arguments->options.environment,
                    "add to the program's environment, or replace there; may be repeated")
        ->type_name("NAME=VALUE")
        ->expected(1)
        ->allow_extra_args(false)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    run_app
        .add_option("--chdir", arguments->options.directory,
                    "run the program in this directory; a PROGRAM with a slash is looked up there")
        ->type_name("DIRECTORY");
    // In braces: what --report alone means.
    run_app.add_flag("--report{-}", arguments->report,
                     "memory report at exit, on standard error or in a file");
    run_app.add_flag("--json", arguments->options.json, "the report as JSON (implies --report)")
        ->disable_flag_override();
    run_app.add_flag("--maps", arguments->options.maps, "print /proc/PID/maps at exit")
        ->disable_flag_override();
    run_app.add_flag("--smaps", arguments->options.smaps, "print /proc/PID/smaps at exit")
        ->disable_flag_override();
    run_app.add_flag("--vmstat", arguments->options.vmstat, "print the event counters at exit")
        ->disable_flag_override();
    run_app
        .add_flag("--verify", arguments->options.verify,
                  "check tables, counts and regions while running and at exit")
        ->disable_flag_override();
    run_app.add_flag("--quiet", arguments->options.quiet, "no line when --memory is used up")
        ->disable_flag_override();
    for (const char* name : kRefused) {
        run_app.add_option(name, arguments->refused_value, "not built yet")->group("");
    }
    return [arguments] { return run(*arguments); };
}

}  // namespace surefoot::tools
