#include "litmus/parser/lexer.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace surefoot::litmus {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_word(char c) {
    return is_digit(c) || c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// Longest first. Some are no part of the language: taken whole, the message can name them.
constexpr std::array<std::string_view, 30> kSigns{
    "<<=", ">>=", "/\\", "\\/", "=>", "==", "!=", "<>", "<=", ">=", "<<", ">>", "&&", "||", "++",
    "--",  "+=",  "-=",  "*=",  "/=", "%=", "&=", "|=", "^=", "->", "~",  "(",  ")",  "{",  "}"};
constexpr std::string_view kSingle = "[];:,=<>!+-*/%&|^?.";

}  // namespace

void Lexer::advance(std::size_t count) {
    for (; count > 0 && at_ < text_.size(); --count, ++at_) {
        if (text_[at_] == '\n') {
            ++place_.line;
            place_.column = 1;
        } else {
            ++place_.column;
        }
    }
}

void Lexer::skip_line() {
    while (at_ < text_.size() && here() != '\n')
        advance();
}

void Lexer::skip_comment(std::string_view open, std::string_view close, bool nests) {
    const Place start = place_;
    unsigned depth = 0;
    do {
        if (at_ >= text_.size()) throw SyntaxError{{start, "this comment does not end"}};
        if (starts_with(close)) {
            advance(close.size());
            --depth;
        } else if (starts_with(open) && (nests || depth == 0)) {
            advance(open.size());
            ++depth;
        } else {
            advance();
        }
    } while (depth > 0);
}

void Lexer::skip_blanks_and_comments() {
    for (;;) {
        if (is_blank(here())) {
            advance();
        } else if (starts_with("//")) {
            skip_line();
        } else if (starts_with("/*")) {
            skip_comment("/*", "*/", false);
        } else if (!c_only_ && starts_with("(*")) {
            skip_comment("(*", "*)", true);
        } else {
            return;
        }
    }
}

Token Lexer::take(Token::Kind kind, std::size_t length) {
    const Token token{kind, text_.substr(at_, length), 0, place_};
    advance(length);
    return token;
}

Token Lexer::take_number() {
    std::size_t length = 0;
    while (at_ + length < text_.size() && is_word(text_[at_ + length]))
        ++length;
    Token token = take(Token::Kind::number, length);
    std::string_view digits = token.text;
    while (!digits.empty() &&
           std::string_view("uUlL").find(digits.back()) != std::string_view::npos)
        digits.remove_suffix(1);
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
        base = 16;
        digits.remove_prefix(2);
    } else if (digits.size() > 1 && digits.front() == '0') {
        base = 8;
    }
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), token.number, base);
    if (error == std::errc::result_out_of_range) {
        throw SyntaxError{{token.place, "this number needs more than 64 bits"}};
    }
    if (error != std::errc{} || end != digits.data() + digits.size()) {
        throw SyntaxError{{token.place, "'" + std::string(token.text) + "' is no number"}};
    }
    return token;
}

Token Lexer::take_string() {
    std::size_t length = 1;
    while (at_ + length < text_.size() && text_[at_ + length] != '"' && text_[at_ + length] != '\n')
        ++length;
    if (at_ + length >= text_.size() || text_[at_ + length] != '"') {
        throw SyntaxError{{place_, "this string does not end"}};
    }
    return take(Token::Kind::string, length + 1);
}

Token Lexer::next_until_blank() {
    skip_blanks_and_comments();
    std::size_t length = 0;
    while (at_ + length < text_.size() && !is_blank(text_[at_ + length]))
        ++length;
    return take(length == 0 ? Token::Kind::end : Token::Kind::word, length);
}

Token Lexer::next() {
    skip_blanks_and_comments();
    if (at_ >= text_.size()) return {Token::Kind::end, {}, 0, place_};
    if (is_digit(here())) return take_number();
    if (here() == '"') return take_string();
    std::size_t length = 0;
    while (at_ + length < text_.size() && is_word(text_[at_ + length]))
        ++length;
    if (length > 0) return take(Token::Kind::word, length);
    const auto sign = std::find_if(kSigns.begin(), kSigns.end(),
                                   [&](std::string_view s) { return starts_with(s); });
    if (sign != kSigns.end()) return take(Token::Kind::sign, sign->size());
    if (kSingle.find(here()) != std::string_view::npos) return take(Token::Kind::sign, 1);
    throw SyntaxError{{place_, "unexpected character"}};
}

}  // namespace surefoot::litmus
