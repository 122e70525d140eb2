// surefoot-bench: prints the table of the performance targets. `surefoot bench` starts it.

#include <fmt/format.h>
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>

#include "harness/report.hpp"
#include "rows/rows.hpp"

namespace {

using namespace surefoot::bench;

struct Options {
    std::vector<std::string> names;
    std::string against;
    std::string json;
    bool quiet = false;
    bool list = false;
    bool smoke = false;
};

volatile std::sig_atomic_t interrupted = 0;

/// A name chooses the row, or all rows whose names begin with it and a dot.
bool chosen_by(const Row& row, const std::string& name) {
    return row.name == name || row.name.starts_with(name + ".");
}

/// @return the first name that chooses nothing
const std::string* unknown_name(const std::vector<Row>& rows, const Options& options) {
    for (const std::string& name : options.names) {
        const bool known = std::any_of(rows.begin(), rows.end(),
                                       [&](const Row& row) { return chosen_by(row, name); });
        if (!known) return &name;
    }
    return nullptr;
}

bool is_chosen(const Row& row, const Options& options) {
    return options.names.empty() ||
           std::any_of(options.names.begin(), options.names.end(),
                       [&](const std::string& name) { return chosen_by(row, name); });
}

void print(const std::string& text) {
    std::fputs(text.c_str(), stdout);
    std::fflush(stdout);
}

void complain(const std::string& text) {
    std::fputs(("surefoot: bench: " + text + "\n").c_str(), stderr);
}

/// @return false when an interrupt ended it early
bool run(const std::vector<Row>& rows, const Options& options, std::vector<Measured>& all) {
    const bool on_terminal = !options.quiet && isatty(STDERR_FILENO) != 0;
    if (!options.quiet) print(table_head());
    for (const Row& row : rows) {
        if (!is_chosen(row, options)) continue;
        if (interrupted != 0) return false;
        if (on_terminal) std::fputs(("\r" + row.name + " ...\033[K\r").c_str(), stderr);
        all.push_back(measure(row, {.smoke = options.smoke}, true));
        if (!options.quiet) print(table_line(all.back()));
    }
    return true;
}

int write_json(const std::string& path, const std::vector<Measured>& all) {
    if (path == "-") {
        print(to_json(all));
        return 0;
    }
    std::ofstream file(path);
    file << to_json(all);
    file.close();
    if (file) return 0;
    complain(path + ": can't be written");
    return 1;
}

int bench(const Options& options) {
    const std::vector<Row> rows = all_rows();
    if (options.list) {
        for (const Row& row : rows) print(fmt::format("{:<24} {}\n", row.name, row.what));
        return 0;
    }
    if (const std::string* name = unknown_name(rows, options)) {
        complain(*name + ": no such benchmark (--list names them)");
        return 125;
    }
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = 1; };
    sigaction(SIGINT, &action, nullptr);
    std::vector<Measured> all;
    const bool whole = run(rows, options, all);
    if (!options.json.empty()) {
        if (const int status = write_json(options.json, all); status != 0) return status;
    }
    return whole ? 0 : 130;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{"Measures Surefoot against the machine's limits and the host kernel.",
                 "surefoot bench"};
    app.add_option("NAME", options.names, "Rows, or groups of rows, by name; none: all");
    app.add_option("--against", options.against, "The comparison (default: linux)")
        ->check(CLI::IsMember({"linux"}));
    app.add_option("--json", options.json, "Also write all figures to this file ('-': stdout)");
    app.add_flag("--quiet", options.quiet, "No table");
    app.add_flag("--list", options.list, "Name the rows and end");
    app.add_flag("--smoke", options.smoke, "One tiny round of each: works, tells nothing of speed");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        complain(error.what());
        return 125;
    }
    return bench(options);
}
