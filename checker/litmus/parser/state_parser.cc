#include "litmus/parser/state_parser.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace surefoot::litmus {
namespace {

/// "P1" or "1". @return 1
std::optional<unsigned> process_number(const Token& token) {
    std::string_view digits = token.text;
    if (token.kind == Token::Kind::word) {
        if (!digits.starts_with("P")) return std::nullopt;
        digits.remove_prefix(1);
    } else if (token.kind != Token::Kind::number) {
        return std::nullopt;
    }
    if (digits.empty() || digits.size() > 4) return std::nullopt;
    unsigned number = 0;
    for (const char c : digits) {
        if (c < '0' || c > '9') return std::nullopt;
        number = number * 10 + static_cast<unsigned>(c - '0');
    }
    return number;
}

// --- the initial state
// -------------------------------------------------------------------------------

class InitialState {
  public:
    InitialState(Cursor& cursor, Variables& variables) : cursor_(cursor), variables_(variables) {}

    std::vector<InitialRegister> parse() {
        while (!cursor_.peek().is("}")) {
            if (cursor_.accept(";")) continue;
            parse_item();
            if (!cursor_.accept(";") && !cursor_.peek().is("}")) cursor_.fail_here("';' or '}'");
        }
        cursor_.take();
        return std::move(registers_);
    }

  private:
    void parse_item() {
        std::optional<ParsedType> type;
        const bool is_register = cursor_.peek_second().is(":");
        if (!is_register &&
            (at_type(cursor_) || cursor_.peek_second().kind == Token::Kind::number)) {
            type = parse_type(cursor_);
        } else {
            while (cursor_.accept("*")) {
            }
        }
        if (cursor_.peek_second().is(":")) return parse_register();
        const bool bracketed = cursor_.accept("[");
        const Token name = cursor_.expect_word("a shared variable or a register like 0:r1");
        if (bracketed) cursor_.expect("]");
        if (cursor_.peek().is("[")) {
            Cursor::fail(cursor_.peek().place, "arrays are not part of the language");
        }
        const unsigned variable = variables_.named(name);
        if (type)
            variables_.declare(variable, type->is_pointer ? VariableKind::word : type->kind,
                               name.place);
        if (!cursor_.accept("=")) return;
        if (type && !type->is_pointer && type->kind != VariableKind::word) {
            Cursor::fail(name.place, std::string(name.text) + " is a lock: it has no value");
        }
        if (!initialized_.insert({std::nullopt, name.text}).second) {
            Cursor::fail(name.place, std::string(name.text) + " has an initial value already");
        }
        const Constant value = parse_value();
        variables_[variable].initial = value;
    }

    void parse_register() {
        const Token number = cursor_.take();
        const auto process = process_number(number);
        if (!process) Cursor::fail(number.place, "expected a process before ':'");
        cursor_.expect(":");
        const Token name = cursor_.expect_word("the name of a register");
        if (!initialized_.insert({process, name.text}).second) {
            Cursor::fail(name.place, std::string(name.text) + " has an initial value already");
        }
        const Constant value = cursor_.accept("=") ? parse_value() : Constant{};
        registers_.push_back({*process, name, value});
    }

    Constant parse_value() {
        if (cursor_.accept("(")) {
            const Constant inner = parse_value();
            cursor_.expect(")");
            return inner;
        }
        if (cursor_.peek().kind == Token::Kind::number || cursor_.peek().is("-")) {
            return {cursor_.expect_signed_number(), 0};
        }
        cursor_.accept("&");
        const Token name = cursor_.expect_word("a number or the name of a shared variable");
        if (name.is("NULL")) return {};
        if (name.is("ATOMIC_INIT") || name.is("ATOMIC64_INIT") || name.is("ATOMIC_LONG_INIT")) {
            return parse_value();
        }
        return {0, variables_.named(name) + 1};
    }

    Cursor& cursor_;
    Variables& variables_;
    std::vector<InitialRegister> registers_;
    std::set<std::pair<std::optional<unsigned>, std::string_view>> initialized_;
};

// --- the condition
// -------------------------------------------------------------------------------------

class FinalState {
  public:
    FinalState(Cursor& cursor, Variables& variables, Test& test)
        : cursor_(cursor), variables_(variables), test_(test) {}

    void parse() {
        for (;;) {
            if (cursor_.accept("locations")) {
                parse_locations();
            } else if (cursor_.accept("filter")) {
                test_.filter = parse_implied(0);
            } else {
                break;
            }
        }
        parse_condition();
        cursor_.accept(";");
        if (cursor_.peek().kind != Token::Kind::end) cursor_.fail_here("the end of the file");
    }

  private:
    using Kind = Proposition::Kind;

    void parse_condition() {
        if (cursor_.accept("exists")) {
            test_.quantifier = Quantifier::exists;
        } else if (cursor_.accept("~") || cursor_.accept("not")) {
            cursor_.expect("exists");
            test_.quantifier = Quantifier::not_exists;
        } else if (cursor_.accept("forall")) {
            test_.quantifier = Quantifier::forall;
        } else if (cursor_.peek().kind == Token::Kind::end) {
            return;  // forall (true)
        } else {
            cursor_.fail_here("'exists', '~exists' or 'forall'");
        }
        test_.condition = parse_implied(0);
        collect_locations(test_.condition, test_.shown);
    }

    void parse_locations() {
        cursor_.expect("[");
        while (!cursor_.accept("]")) {
            test_.shown.push_back(parse_location());
            if (cursor_.peek().kind == Token::Kind::word) parse_type(cursor_);
            cursor_.accept("*");
            if (!cursor_.accept(";") && !cursor_.peek().is("]")) cursor_.fail_here("';' or ']'");
        }
    }

    /// Binary operators of at least this level: 0 `\/`, 1 `/\`, 2 `=>`, as herd7 ranks them.
    Proposition parse_implied(unsigned lowest) {
        const Nesting nesting(depth_, cursor_.peek().place);
        Proposition left = parse_negation();
        for (;;) {
            const Token& sign = cursor_.peek();
            if (sign.is("\\/") && lowest == 0) {
                cursor_.take();
                left = join(Kind::disjunction, std::move(left), parse_implied(1));
            } else if (sign.is("/\\") && lowest <= 1) {
                cursor_.take();
                left = join(Kind::conjunction, std::move(left), parse_implied(2));
            } else if (sign.is("=>")) {
                cursor_.take();
                left = join(Kind::implication, std::move(left), parse_implied(2));
            } else if (sign.is("&&") || sign.is("||")) {
                cursor_.fail_here("'/\\' or '\\/'");
            } else {
                return left;
            }
        }
    }

    /// A chain of one operator becomes one node: its length must not become depth.
    static Proposition join(Kind kind, Proposition left, Proposition right) {
        if (left.kind == kind && kind != Kind::implication) {
            left.parts.push_back(std::move(right));
            return left;
        }
        Proposition joined{.kind = kind};
        joined.parts.push_back(std::move(left));
        joined.parts.push_back(std::move(right));
        return joined;
    }

    static Proposition negated(Proposition proposition) {
        Proposition result{.kind = Kind::negation};
        result.parts.push_back(std::move(proposition));
        return result;
    }

    Proposition parse_negation() {
        const Nesting nesting(depth_, cursor_.peek().place);
        if (cursor_.accept("~") || cursor_.accept("not")) return negated(parse_negation());
        if (cursor_.accept("true")) return {};
        if (cursor_.accept("false")) return negated({});
        if (cursor_.accept("(")) {
            Proposition inner = parse_implied(0);
            cursor_.expect(")");
            return inner;
        }
        return parse_atom();
    }

    Proposition parse_atom() {
        Proposition atom{.kind = Kind::equal, .left = parse_location()};
        const bool differs = cursor_.accept("!=") || cursor_.accept("<>");
        if (!differs && !cursor_.accept("=") && !cursor_.accept("==")) cursor_.fail_here("'='");
        const Token& right = cursor_.peek();
        if (cursor_.peek_second().is(":") || right.is("[") || right.is("*")) {
            atom.right = parse_location();
        } else if (right.kind == Token::Kind::number || right.is("-")) {
            atom.right = Constant{cursor_.expect_signed_number(), 0};
        } else {
            cursor_.accept("&");
            const Token name = cursor_.expect_word("a value");
            atom.right = name.is("NULL") ? Constant{} : Constant{0, known_variable(name) + 1};
        }
        return differs ? negated(std::move(atom)) : atom;
    }

    /// `0:r1`, `x`, `[x]`, `*x`
    Location parse_location() {
        cursor_.accept("*");
        if (cursor_.peek_second().is(":")) return parse_register();
        const bool bracketed = cursor_.accept("[");
        const Token name = cursor_.expect_word("a register like 0:r1 or a shared variable");
        if (bracketed) cursor_.expect("]");
        const unsigned variable = known_variable(name);
        if (variables_[variable].kind.value_or(VariableKind::word) != VariableKind::word) {
            Cursor::fail(name.place, std::string(name.text) + " is a lock: it has no value");
        }
        return {std::nullopt, std::string(name.text), variable};
    }

    Location parse_register() {
        const Token number = cursor_.take();
        const auto process = process_number(number);
        if (!process || *process >= test_.processes.size()) {
            Cursor::fail(number.place, "there is no process " + std::string(number.text));
        }
        cursor_.expect(":");
        const Token name = cursor_.expect_word("the name of a register");
        const auto& registers = test_.processes[*process].registers;
        const auto at = std::find_if(registers.begin(), registers.end(),
                                     [&](const Register& r) { return r.name == name.text; });
        if (at == registers.end()) {
            Cursor::fail(name.place, "P" + std::to_string(*process) + " has no register " +
                                         std::string(name.text));
        }
        return {*process, at->name, at->slot};
    }

    unsigned known_variable(const Token& name) {
        if (const auto variable = variables_.find(name.text)) return *variable;
        Cursor::fail(name.place, "there is no shared variable " + std::string(name.text));
    }

    Cursor& cursor_;
    Variables& variables_;
    Test& test_;
    unsigned depth_ = 0;
};

}  // namespace

std::vector<InitialRegister> parse_initial_state(Cursor& cursor, Variables& variables) {
    return InitialState(cursor, variables).parse();
}

void parse_final_state(Cursor& cursor, Variables& variables, Test& test) {
    FinalState(cursor, variables, test).parse();
}

void collect_locations(const Proposition& proposition, std::vector<Location>& into) {
    if (proposition.kind == Proposition::Kind::equal) {
        into.push_back(proposition.left);
        if (const auto* right = std::get_if<Location>(&proposition.right)) into.push_back(*right);
    }
    for (const Proposition& part : proposition.parts)
        collect_locations(part, into);
}

}  // namespace surefoot::litmus
