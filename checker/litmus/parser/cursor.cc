#include "litmus/parser/cursor.hpp"

#include <algorithm>
#include <array>

namespace surefoot::litmus {

const Token& Cursor::peek() {
    if (!first_) first_ = lexer_.next();
    return *first_;
}

const Token& Cursor::peek_second() {
    peek();
    if (!second_) second_ = lexer_.next();
    return *second_;
}

Token Cursor::take() {
    const Token token = peek();
    first_ = second_;
    second_.reset();
    return token;
}

bool Cursor::accept(std::string_view text) {
    if (!peek().is(text)) return false;
    take();
    return true;
}

Token Cursor::expect(std::string_view text) {
    if (!peek().is(text)) fail_here("'" + std::string(text) + "'");
    return take();
}

Token Cursor::expect_word(std::string_view what) {
    if (peek().kind != Token::Kind::word) fail_here(std::string(what));
    return take();
}

Token Cursor::expect_number(std::string_view what) {
    if (peek().kind != Token::Kind::number) fail_here(std::string(what));
    return take();
}

std::int64_t Cursor::expect_signed_number() {
    const bool negative = accept("-");
    const std::int64_t number = expect_number("a number").number;
    return negative ? -number : number;
}

void Cursor::fail_here(const std::string& wanted) {
    const Token& token = peek();
    const std::string found =
        token.kind == Token::Kind::end ? "the file ends" : "'" + std::string(token.text) + "'";
    fail(token.place, "expected " + wanted + ", but found " + found);
}

void Cursor::fail(Place place, std::string what) { throw SyntaxError{{place, std::move(what)}}; }

// --- types ---------------------------------------------------------------------------------------

namespace {

constexpr std::array<std::string_view, 8> kQualifiers{"const", "volatile", "static",   "register",
                                                      "__rcu", "__user",   "__percpu", "_Atomic"};
constexpr std::array<std::string_view, 8> kBuiltIn{"int",   "long", "unsigned", "signed",
                                                   "short", "char", "void",     "bool"};
constexpr std::array<std::string_view, 8> kShort{"u8", "u16", "u32", "u64",
                                                 "s8", "s16", "s32", "s64"};

template <std::size_t n>
bool among(const std::array<std::string_view, n>& words, const Token& token) {
    return token.kind == Token::Kind::word &&
           std::find(words.begin(), words.end(), token.text) != words.end();
}

void skip_qualifiers(Cursor& cursor) {
    while (among(kQualifiers, cursor.peek()))
        cursor.take();
}

}  // namespace

bool at_type(Cursor& cursor) {
    const Token& token = cursor.peek();
    if (token.kind != Token::Kind::word) return false;
    if (among(kQualifiers, token) || among(kBuiltIn, token) || among(kShort, token)) return true;
    if (token.is("struct") || token.is("union")) return true;
    const Token& second = cursor.peek_second();
    return second.kind == Token::Kind::word || (token.text.ends_with("_t") && second.is("*"));
}

ParsedType parse_type(Cursor& cursor) {
    skip_qualifiers(cursor);
    ParsedType type;
    if (cursor.accept("struct") || cursor.accept("union")) {
        if (cursor.expect_word("the name of a structure").text == "srcu_struct") {
            type.kind = VariableKind::srcu;
        }
    } else if (among(kBuiltIn, cursor.peek())) {
        while (among(kBuiltIn, cursor.peek()))
            cursor.take();
    } else {
        const Token name = cursor.expect_word("a type");
        if (name.text == "spinlock_t" || name.text == "raw_spinlock_t") {
            type.kind = VariableKind::spinlock;
        } else if (name.text == "rwlock_t" || name.text == "seqlock_t" ||
                   name.text == "seqcount_t") {
            Cursor::fail(name.place,
                         std::string(name.text) + ": not part of the kernel's litmus language");
        }
    }
    skip_qualifiers(cursor);
    while (cursor.accept("*")) {
        type.is_pointer = true;
        skip_qualifiers(cursor);
    }
    return type;
}

// --- shared variables
// ------------------------------------------------------------------------------

std::optional<unsigned> Variables::find(std::string_view name) const {
    const auto at = std::find_if(all_.begin(), all_.end(),
                                 [&](const Variable& variable) { return variable.name == name; });
    if (at == all_.end()) return std::nullopt;
    return static_cast<unsigned>(at - all_.begin());
}

unsigned Variables::named(const Token& name) {
    if (const auto known = find(name.text)) return *known;
    if (all_.size() == kMostVariables) {
        Cursor::fail(name.place,
                     "more than " + std::to_string(kMostVariables) + " shared variables");
    }
    all_.push_back({std::string(name.text), std::nullopt, {}});
    return static_cast<unsigned>(all_.size() - 1);
}

void Variables::declare(unsigned index, VariableKind kind, Place place) {
    Variable& variable = all_[index];
    if (variable.kind && *variable.kind != kind) {
        Cursor::fail(place, variable.name + " was declared with another type before");
    }
    variable.kind = kind;
}

}  // namespace surefoot::litmus
