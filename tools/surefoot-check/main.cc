// surefoot check, list and explain: the half of the command line that holds the checked build.

#include <CLI/CLI.hpp>

#include <algorithm>
#include <exception>
#include <string>

#include "commands.hpp"

namespace {

using namespace surefoot::tools;
using surefoot::checker::Strategy;

void add_check(CLI::App& app, CheckArguments& arguments, bool& all_rules) {
    CLI::App& check = *app.add_subcommand("check", "Explore scenarios over Surefoot's own code");
    check.footer(
        "Exit status: 0: all hold, and the searches were complete; 1: a violation; 2: something "
        "was "
        "refused; 3: no violation, but a search was bounded or ran out of its budget.");
    auto& options = arguments.options;
    CLI::Option* const names =
        check.add_option("scenarios", arguments.scenarios, "names, with * and ?; none: all")
            ->type_name("GLOB");
    CLI::Option* const model =
        check.add_option("--model", arguments.model, "sc or tso (default: both)")
            ->check(CLI::IsMember({"sc", "tso"}));
    CLI::Option* const off =
        check.add_option("--off", arguments.off, "switches a rule off; may be repeated")
            ->type_name("RULE")
            ->allow_extra_args(false);
    check
        .add_option_function<unsigned>(
            "--bound",
            [&options](unsigned bound) {
                options.strategy = Strategy::bounded;
                options.bound = bound;
            },
            "at most so many preemptions")
        ->type_name("K");
    check
        .add_option_function<std::uint64_t>(
            "--random",
            [&options](std::uint64_t runs) {
                options.strategy = Strategy::random;
                options.runs = runs;
            },
            "so many executions by chance")
        ->type_name("N");
    check.add_option("--seed", options.seed, "of --random")->type_name("N");
    check.add_option("--budget", options.max_seconds, "ends a search after so many seconds")
        ->type_name("SECONDS");
    check.add_option("--jobs", options.jobs, "processes that share a search (default: 1)")
        ->type_name("N")
        ->check(CLI::Range(1U, 64U));
    check.add_option("--replay", options.replay, "follows one schedule")
        ->type_name("STRING")
        ->needs(model);
    CLI::Option* const json =
        check.add_flag("--json", arguments.json, "one JSON object a search, on a line of its own");
    check
        .add_flag("--all-rules", all_rules,
                  "every rule: on its scenario holds, off it breaks as declared")
        ->excludes(names, model, off, json);
}

int parse_and_run(int argc, char** argv) {
    CLI::App app("Explores scenarios over Surefoot's own code");
    app.name("surefoot");
    app.require_subcommand(1);
    CheckArguments arguments;
    bool all_rules = false;
    add_check(app, arguments, all_rules);
    std::string what;
    app.add_subcommand("list", "List scenarios, rules or models")
        ->add_option("what", what, "scenarios, rules or models")
        ->required()
        ->check(CLI::IsMember({"scenarios", "rules", "models"}));
    std::string name;
    app.add_subcommand("explain", "Explain a rule or a scenario")
        ->add_option("name", name, "of a rule or a scenario")
        ->required();
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& request) {
        return app.exit(request);  // --help
    } catch (const CLI::ParseError& error) {
        std::string why = error.what();
        std::ranges::replace(why, '\n', ' ');
        return refuse("usage", why);
    }
    if (app.got_subcommand("list")) return list(what);
    if (app.got_subcommand("explain")) return explain(name);
    return all_rules ? check_all_rules(arguments) : check_scenarios(arguments);
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return parse_and_run(argc, argv);
    } catch (const std::exception& error) {
        return surefoot::tools::refuse("failed", error.what());
    }
}
