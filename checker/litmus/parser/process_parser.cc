#include "litmus/parser/process_parser.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace surefoot::litmus {
namespace {

constexpr std::array<std::string_view, 9> kRefused{"while",  "for",      "do",     "switch", "goto",
                                                   "return", "continue", "sizeof", "asm"};

struct BinaryOperator {
    std::string_view sign;
    unsigned level;  // C's precedence, 1 binds least
    Op op;
};

constexpr std::array kBinary{
    BinaryOperator{"||", 1, Op::jump},          BinaryOperator{"&&", 2, Op::jump_if_zero},
    BinaryOperator{"|", 3, Op::bit_or},         BinaryOperator{"^", 4, Op::bit_xor},
    BinaryOperator{"&", 5, Op::bit_and},        BinaryOperator{"==", 6, Op::equal},
    BinaryOperator{"!=", 6, Op::not_equal},     BinaryOperator{"<", 7, Op::less},
    BinaryOperator{"<=", 7, Op::less_equal},    BinaryOperator{">", 7, Op::greater},
    BinaryOperator{">=", 7, Op::greater_equal}, BinaryOperator{"<<", 8, Op::shift_left},
    BinaryOperator{">>", 8, Op::shift_right},   BinaryOperator{"+", 9, Op::add},
    BinaryOperator{"-", 9, Op::subtract},       BinaryOperator{"*", 10, Op::multiply},
    BinaryOperator{"/", 10, Op::divide},        BinaryOperator{"%", 10, Op::remainder},
};

const BinaryOperator* find_binary(const Token& token) {
    const auto at = std::find_if(kBinary.begin(), kBinary.end(),
                                 [&](const BinaryOperator& b) { return token.is(b.sign); });
    return at == kBinary.end() ? nullptr : &*at;
}

bool reads_memory(Op op) {
    return op == Op::load || op == Op::plain_load || op == Op::rmw || op == Op::compare_exchange ||
           op == Op::add_unless;
}

}  // namespace

// --- code
// ------------------------------------------------------------------------------------------

Slot ProcessParser::new_slot(Constant initial, Place place) {
    if (process_.slots.size() == kMostSlots) {
        Cursor::fail(place, "this process is too long");
    }
    process_.slots.push_back(initial);
    return static_cast<Slot>(process_.slots.size() - 1);
}

Instruction& ProcessParser::emit(Instruction instruction) {
    if (reads_memory(instruction.op) && ++loads_ > kMostLoads) {
        Cursor::fail(instruction.place, "this process has more than 64 loads");
    }
    if (process_.code.size() == kMostInstructions) {
        Cursor::fail(instruction.place, "this process has more than " +
                                            std::to_string(kMostInstructions) + " operations");
    }
    process_.code.push_back(instruction);
    return process_.code.back();
}

Slot ProcessParser::emit(Op op, Slot a, Slot b, Place place) {
    const Slot result = number(0, place);
    emit({.op = op, .result = result, .a = a, .b = b, .place = place});
    return result;
}

std::optional<Slot> ProcessParser::find_register(std::string_view name) const {
    const auto at = std::find_if(process_.registers.begin(), process_.registers.end(),
                                 [&](const Register& r) { return r.name == name; });
    if (at == process_.registers.end()) return std::nullopt;
    return at->slot;
}

Slot ProcessParser::named_register(const Token& name) {
    if (const auto known = find_register(name.text)) return *known;
    const Slot slot = number(0, name.place);
    process_.registers.push_back({std::string(name.text), slot});
    return slot;
}

// --- statements
// --------------------------------------------------------------------------------------

Process ProcessParser::parse() {
    parse_parameters();
    if (!cursor_.peek().is("{")) cursor_.fail_here("'{'");
    cursor_.in_process(true);
    cursor_.take();
    while (!cursor_.peek().is("}"))
        parse_statement();
    cursor_.in_process(false);
    cursor_.take();
    return std::move(process_);
}

void ProcessParser::parse_parameters() {
    cursor_.expect("(");
    if (cursor_.accept(")")) return;
    if (cursor_.peek().is("void") && cursor_.peek_second().is(")")) cursor_.take();
    while (!cursor_.peek().is(")")) {
        if (!at_type(cursor_)) cursor_.fail_here("a parameter like 'int *x'");
        const Token type = cursor_.peek();
        const ParsedType parsed = parse_type(cursor_);
        const Token name = cursor_.expect_word("the name of a shared variable");
        if (!parsed.is_pointer) {
            Cursor::fail(type.place, "a parameter is a pointer to a shared variable: '" +
                                         std::string(type.text) + " *" + std::string(name.text) +
                                         "'");
        }
        if (find_register(name.text)) {
            Cursor::fail(name.place, std::string(name.text) + " is named twice");
        }
        const unsigned variable = variables_.named(name);
        variables_.declare(variable, parsed.kind, name.place);
        process_.registers.push_back(
            {std::string(name.text), new_slot({0, variable + 1}, name.place)});
        if (!cursor_.accept(",") && !cursor_.peek().is(")")) cursor_.fail_here("',' or ')'");
    }
    cursor_.take();
}

void ProcessParser::parse_block() {
    cursor_.expect("{");
    while (!cursor_.accept("}"))
        parse_statement();
}

void ProcessParser::parse_statement() {
    const Token& token = cursor_.peek();
    const Nesting nesting(depth_, token.place);
    if (std::find(kRefused.begin(), kRefused.end(), token.text) != kRefused.end()) {
        Cursor::fail(token.place, "'" + std::string(token.text) +
                                      "' is not part of the kernel's litmus language; loops are "
                                      "unrolled by hand");
    }
    if (cursor_.accept(";")) return;
    if (token.is("{")) return parse_block();
    if (token.is("if")) return parse_if();
    if (token.is("*")) return parse_store_through_pointer();
    if (at_type(cursor_)) return parse_declaration();
    if (token.is("(") || cursor_.peek_second().is("(")) return parse_call_statement();
    parse_assignment();
}

void ProcessParser::parse_if() {
    const Place place = cursor_.take().place;
    cursor_.expect("(");
    const Slot condition = parse_expression();
    cursor_.expect(")");
    const std::uint32_t past_then = here();
    emit({.op = Op::jump_if_zero, .a = condition, .place = place});
    parse_statement();
    if (cursor_.accept("else")) {
        const std::uint32_t past_else = here();
        emit({.op = Op::jump, .place = place});
        process_.code[past_then].target = here();
        parse_statement();
        process_.code[past_else].target = here();
    } else {
        process_.code[past_then].target = here();
    }
}

void ProcessParser::parse_declaration() {
    const Place place = cursor_.peek().place;
    if (parse_type(cursor_).kind != VariableKind::word) {
        Cursor::fail(place, "a lock is shared: it belongs into the initial state");
    }
    do {
        while (cursor_.accept("*")) {
        }
        const Token name = cursor_.expect_word("the name of a register");
        const Slot slot = named_register(name);
        if (cursor_.accept("=")) {
            const Slot value = parse_expression();
            emit({.op = Op::copy, .result = slot, .a = value, .place = name.place});
        }
    } while (cursor_.accept(","));
    cursor_.expect(";");
}

void ProcessParser::parse_assignment() {
    const Token name = cursor_.expect_word("a statement");
    cursor_.expect("=");
    const Slot value = parse_expression();
    emit({.op = Op::copy, .result = named_register(name), .a = value, .place = name.place});
    cursor_.expect(";");
}

void ProcessParser::parse_store_through_pointer() {
    const Place place = cursor_.peek().place;
    const Slot pointer = parse_lvalue();
    cursor_.expect("=");
    const Slot value = parse_expression();
    emit({.op = Op::plain_store, .a = pointer, .b = value, .place = place});
    cursor_.expect(";");
}

/// A call whose value nobody wants; "(void)" may say so.
void ProcessParser::parse_call_statement() {
    if (cursor_.accept("(")) {
        parse_type(cursor_);
        cursor_.expect(")");
    }
    parse_call();
    cursor_.expect(";");
}

// --- expressions
// ---------------------------------------------------------------------------------------

Slot ProcessParser::parse_expression() { return parse_binary(1); }

Slot ProcessParser::parse_binary(unsigned lowest) {
    Slot left = parse_unary();
    for (;;) {
        const Token sign = cursor_.peek();
        if (sign.is("?")) Cursor::fail(sign.place, "'?:' is not part of the language: use 'if'");
        const BinaryOperator* found = find_binary(sign);
        if (found == nullptr || found->level < lowest) return left;
        cursor_.take();
        if (found->level <= 2) {
            left = parse_short_circuit(left, sign);
        } else {
            const Slot right = parse_binary(found->level + 1);
            left = emit(found->op, left, right, sign.place);
        }
    }
}

/// `&&` and `||`: the right side is evaluated only if it decides.
Slot ProcessParser::parse_short_circuit(Slot left, const Token& sign) {
    const bool conjunction = sign.is("&&");
    const Slot zero = number(0, sign.place);
    const Slot result = emit(Op::not_equal, left, zero, sign.place);
    Slot go_on = result;
    if (!conjunction) go_on = emit(Op::logical_not, result, 0, sign.place);
    const std::uint32_t skip = here();
    emit({.op = Op::jump_if_zero, .a = go_on, .place = sign.place});
    const Slot right = parse_binary(conjunction ? 3 : 2);
    emit({.op = Op::not_equal, .result = result, .a = right, .b = zero, .place = sign.place});
    process_.code[skip].target = here();
    return result;
}

Slot ProcessParser::parse_unary() {
    const Token token = cursor_.peek();
    const Nesting nesting(depth_, token.place);
    if (token.is("*")) {
        const Slot pointer = parse_lvalue();
        return emit(Op::plain_load, pointer, 0, token.place);
    }
    if (cursor_.accept("-")) return emit(Op::negate, parse_unary(), 0, token.place);
    if (cursor_.accept("+")) return parse_unary();
    if (cursor_.accept("~")) return emit(Op::complement, parse_unary(), 0, token.place);
    if (cursor_.accept("!")) return emit(Op::logical_not, parse_unary(), 0, token.place);
    if (token.is("&")) {
        Cursor::fail(token.place,
                     "'&' takes no address here: the parameters are addresses already");
    }
    return parse_primary();
}

Slot ProcessParser::parse_primary() {
    const Token token = cursor_.peek();
    if (token.kind == Token::Kind::number) return number(cursor_.take().number, token.place);
    if (cursor_.accept("(")) {
        if (at_type(cursor_)) {  // a cast changes nothing: there is one type
            parse_type(cursor_);
            cursor_.expect(")");
            return parse_unary();
        }
        const Slot inner = parse_expression();
        cursor_.expect(")");
        return inner;
    }
    if (token.kind != Token::Kind::word) cursor_.fail_here("an expression");
    if (cursor_.peek_second().is("(")) {
        if (const auto value = parse_call()) return *value;
        Cursor::fail(token.place, std::string(token.text) + "() has no value");
    }
    cursor_.take();
    if (token.is("NULL")) return number(0, token.place);
    if (const auto slot = find_register(token.text)) return *slot;
    Cursor::fail(token.place,
                 std::string(token.text) + " is no register or parameter of this process");
}

/// `*pointer`. @return the slot of the pointer
Slot ProcessParser::parse_lvalue() {
    if (cursor_.peek().is("(") && cursor_.peek_second().is("*")) {
        cursor_.take();
        const Slot inner = parse_lvalue();
        cursor_.expect(")");
        return inner;
    }
    if (!cursor_.accept("*")) cursor_.fail_here("'*' and a pointer");
    return parse_unary();
}

// --- calls
// -----------------------------------------------------------------------------------------------

std::optional<Slot> ProcessParser::parse_call() {
    const Token name = cursor_.expect_word("a call");
    const auto primitive = find_primitive(name.text);
    if (!primitive) {
        Cursor::fail(name.place, std::string(name.text) +
                                     "(): no such primitive in the kernel's litmus language");
    }
    return emit_call(*primitive, parse_arguments(name, primitive->parameters), name.place);
}

std::vector<Slot> ProcessParser::parse_arguments(const Token& name, std::string_view parameters) {
    cursor_.expect("(");
    std::vector<Slot> arguments;
    for (const char parameter : parameters) {
        if (!arguments.empty()) cursor_.expect(",");
        arguments.push_back(parameter == 'l' ? parse_lvalue() : parse_expression());
    }
    if (!cursor_.accept(")")) {
        Cursor::fail(cursor_.peek().place,
                     std::string(name.text) + "() takes " + std::to_string(parameters.size()) +
                         (parameters.size() == 1 ? " argument" : " arguments"));
    }
    return arguments;
}

std::optional<Slot> ProcessParser::emit_call(const Primitive& primitive,
                                             std::vector<Slot> arguments, Place place) {
    // The read-modify-writes name the operand first.
    if (primitive.parameters == "vp") std::swap(arguments[0], arguments[1]);
    if (primitive.by_one) arguments.push_back(number(1, place));
    if (primitive.complemented) arguments[1] = emit(Op::complement, arguments[1], 0, place);
    arguments.resize(3);
    const Slot result = number(0, place);
    emit({.op = primitive.op,
          .order = primitive.order,
          .rmw = primitive.rmw,
          .fence = primitive.fence,
          .result = result,
          .a = arguments[0],
          .b = arguments[1],
          .c = arguments[2],
          .place = place});
    if (primitive.then_full_fence) emit({.op = Op::fence, .place = place});
    if (primitive.value == Primitive::Value::none) return std::nullopt;
    return emit_outcome(primitive, result, arguments[1], place);
}

Slot ProcessParser::emit_outcome(const Primitive& primitive, Slot before, Slot operand,
                                 Place place) {
    if (primitive.value == Primitive::Value::result) return before;
    const Op op = primitive.rmw == SFC_ADD ? Op::add : Op::subtract;
    const Slot after = emit(op, before, operand, place);
    if (primitive.value == Primitive::Value::after) return after;
    const Slot zero = number(0, place);
    const bool tests_zero = primitive.value == Primitive::Value::after_is_zero;
    return emit(tests_zero ? Op::equal : Op::less, after, zero, place);
}

}  // namespace surefoot::litmus
