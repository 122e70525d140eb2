// A whole file: header, initial state, processes, condition.

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include "litmus/litmus.hpp"
#include "litmus/parser/process_parser.hpp"
#include "litmus/parser/state_parser.hpp"

namespace surefoot::litmus {
namespace {

/// What else herd7 reads.
constexpr std::string_view kOtherLanguages[] = {"AArch64", "ARM", "BPF",   "CPP", "JAVA",  "LISA",
                                                "MIPS",    "PPC", "RISCV", "X86", "X86_64"};

/// "C name", then what other tools left there: strings, and lines like Cycle=Fre PodWR.
std::string parse_header(Cursor& cursor) {
    const Token language = cursor.raw().next_until_blank();
    const auto& others = kOtherLanguages;
    if (std::find(std::begin(others), std::end(others), language.text) != std::end(others)) {
        Cursor::fail(language.place,
                     "a test of " + std::string(language.text) + ": only C tests are read");
    }
    if (language.text != "C") {
        Cursor::fail(language.place, "a C litmus test begins with 'C' and its name");
    }
    const Token name = cursor.raw().next_until_blank();
    if (name.kind == Token::Kind::end || name.text.starts_with("{")) {
        Cursor::fail(name.place, "the test has no name");
    }
    for (;;) {
        const Token token = cursor.raw().next();
        if (token.kind == Token::Kind::string) continue;
        if (token.is("{")) return std::string(name.text);
        if (token.kind == Token::Kind::word && cursor.raw().next().is("=")) {
            cursor.raw().skip_line();
            continue;
        }
        Cursor::fail(token.place, "expected the initial state, '{ ... }'");
    }
}

void set_registers(Test& test, const std::vector<InitialRegister>& initial) {
    for (const auto& [process, name, value] : initial) {
        if (process >= test.processes.size()) {
            Cursor::fail(name.place, "there is no process P" + std::to_string(process));
        }
        auto& [code, slots, registers] = test.processes[process];
        const auto at = std::find_if(registers.begin(), registers.end(), [&](const Register& r) {
            return r.name == std::string_view(name.text);
        });
        if (at == registers.end()) {
            Cursor::fail(name.place, "P" + std::to_string(process) + " has no register " +
                                         std::string(name.text));
        }
        slots[at->slot] = value;
    }
}

/// As herd7 orders them: registers by process and name, then variables by name.
void sort_shown(std::vector<Location>& shown) {
    const auto key = [](const Location& l) {
        return std::tuple(!l.process, l.process.value_or(0), std::string_view(l.name));
    };
    std::sort(shown.begin(), shown.end(),
              [&](const Location& a, const Location& b) { return key(a) < key(b); });
    const auto repeated =
        std::unique(shown.begin(), shown.end(),
                    [&](const Location& a, const Location& b) { return key(a) == key(b); });
    shown.erase(repeated, shown.end());
}

/// At what follows the last process: another one that is out of order, or none at all.
void refuse_misplaced_process(Cursor& cursor, std::size_t processes) {
    const std::string_view found = cursor.peek().text;
    const bool is_process = found.size() > 1 && found[0] == 'P' &&
                            found.find_first_not_of("0123456789", 1) == std::string_view::npos;
    if (processes == 0 || is_process) {
        cursor.fail_here("process P" + std::to_string(processes));
    }
}

Test parse_test(std::string_view text) {
    Test test;
    Cursor cursor(text);
    Variables variables;
    test.name = parse_header(cursor);
    const auto initial = parse_initial_state(cursor, variables);
    while (cursor.peek().text == "P" + std::to_string(test.processes.size())) {
        const Token name = cursor.take();
        if (test.processes.size() == SFC_MAX_CPUS) {
            Cursor::fail(name.place, "more than " + std::to_string(SFC_MAX_CPUS) + " processes");
        }
        test.processes.push_back(ProcessParser(cursor, variables).parse());
    }
    refuse_misplaced_process(cursor, test.processes.size());
    set_registers(test, initial);
    parse_final_state(cursor, variables, test);
    sort_shown(test.shown);
    test.variables = variables.take();
    return test;
}

}  // namespace

tl::expected<Test, Error> parse(std::string_view text) {
    try {
        return parse_test(text);
    } catch (const SyntaxError& error) {
        return tl::unexpected(error.error);
    }
}

}  // namespace surefoot::litmus
