// surefoot litmus: the Linux kernel's C litmus tests, with herd7's answers.

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "commands.hpp"
#include "linux/linux.hpp"
#include "litmus/litmus.hpp"

namespace surefoot::tools {
namespace {

using linux_abi::print_failure;

constexpr int kDone = 0, kIncomplete = 3;

struct LitmusArguments {
    std::vector<std::string> files;
    std::string model = "weak";
    unsigned jobs = 1;
    bool json = false;
    bool quiet = false;
};

constexpr const char* kEraseLine = "\r\033[K";

/// Shown on a terminal alone, and erased at the end of a search.
void show_progress(const sfc_progress* progress, void* /*context*/) {
    fmt::print(stderr, "{}{} executions of about {:.3g}, {:.0f} s left", kEraseLine,
               progress->executions, progress->estimate, progress->seconds_left);
}

std::optional<checker::Model> model_named(const std::string& name) {
    if (name == "sc") return checker::Model::sc;
    if (name == "tso") return checker::Model::tso;
    if (name == "weak") return checker::Model::weak;
    return std::nullopt;
}

/// @return the file's text; nothing, and errno, if it cannot be read
std::optional<std::string> read_file(const std::string& file) {
    const std::string name = file == "-" ? "/dev/stdin" : file;
    struct stat status{};
    if (stat(name.c_str(), &status) != 0) return std::nullopt;
    if (S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return std::nullopt;
    }
    std::ifstream in(name, std::ios::binary);
    if (!in) return std::nullopt;
    return std::string{std::istreambuf_iterator<char>(in), {}};
}

int refuse(const std::string& file, const litmus::Error& error) {
    const auto [line, column] = error.place;
    print_failure(line == 0 ? file : fmt::format("{}:{}:{}", file, line, column), error.what);
    return kExitRefused;
}

int run_file(const std::string& file, checker::Model model, const LitmusArguments& arguments) {
    const auto text = read_file(file);
    if (!text) {
        const std::string hint = errno == EISDIR ? fmt::format(": give {}/*.litmus", file) : "";
        print_failure(file, std::strerror(errno) + hint);
        return kExitRefused;
    }
    const auto test = litmus::parse(*text);
    if (!test) return refuse(file, test.error());
    const bool shows = !arguments.quiet && isatty(STDERR_FILENO) != 0;
    const auto outcome =
        litmus::run(*test, model, {arguments.jobs, shows ? show_progress : nullptr});
    if (shows) fmt::print(stderr, "{}", kEraseLine);
    if (!outcome) return refuse(file, outcome.error());
    if (arguments.json) {
        fmt::print("{}\n", litmus::to_json(file, *test, *outcome));
    } else if (arguments.quiet) {
        fmt::print("{}\n", litmus::observation_line(*test, *outcome));
    } else {
        fmt::print("{}\n\n", litmus::to_text(*test, *outcome));
    }
    if (outcome->blocked != 0) {
        print_failure(file, fmt::format("deadlock: in {} of {} executions a process waits for ever",
                                        outcome->blocked, outcome->blocked + outcome->complete));
    }
    if (outcome->exhausted) return kDone;
    print_failure(file,
                  "the search is incomplete: an execution is longer than the checker follows");
    return kIncomplete;
}

int run_litmus(const LitmusArguments& arguments) {
    const auto model = model_named(arguments.model);
    if (!model) {
        print_failure("--model=" + arguments.model, "not one of sc, tso, weak");
        return kExitRefused;
    }
    if (arguments.files.empty()) {
        print_failure("litmus", "no file is given (surefoot litmus --help)");
        return kExitRefused;
    }
    int status = kDone;
    for (const std::string& file : arguments.files) {
        const int one = run_file(file, *model, arguments);
        // What was refused outweighs what is incomplete.
        if (status != kExitRefused && one != kDone) status = one;
    }
    if (std::fflush(stdout) != 0) {
        print_failure("standard output", std::strerror(errno));
        return kExitRefused;
    }
    return status;
}

}  // namespace

std::function<int()> add_litmus(CLI::App& app, const std::vector<std::string>& rest) {
    auto arguments = std::make_shared<LitmusArguments>();
    CLI::App& litmus = *app.add_subcommand(
        "litmus", "Run the Linux kernel's C litmus tests and print what herd7 prints");
    litmus.footer(
        "Exit status: 0: done, whatever the answer; 2: something was refused; 3: incomplete.");
    litmus.add_option("files", arguments->files, "litmus tests; - is standard input")
        ->type_name("FILE");
    litmus
        .add_option("--model", arguments->model,
                    "sc, tso (x86) or weak (default: close to the kernel's own model)")
        ->type_name("NAME");
    litmus.add_option("--jobs", arguments->jobs, "processes that share the search (default: 1)")
        ->type_name("N")
        ->check(CLI::Range(1U, 64U));
    CLI::Option* const json =
        litmus.add_flag("--json", arguments->json, "one JSON object a test, on a line of its own");
    json->disable_flag_override();
    litmus.add_flag("--quiet", arguments->quiet, "the Observation lines only")
        ->disable_flag_override()
        ->excludes(json);
    return [arguments, rest] {
        if (!rest.empty()) {
            arguments->files.insert(arguments->files.end(), rest.begin() + 1, rest.end());
        }
        return run_litmus(*arguments);
    };
}

}  // namespace surefoot::tools
