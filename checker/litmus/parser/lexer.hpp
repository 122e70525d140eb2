#pragma once

// Characters to tokens. Outside of processes comments are OCaml's as well as C's; inside, "(*x"
// is C.

#include <cstdint>
#include <string_view>

#include "litmus/program.hpp"

namespace surefoot::litmus {

struct Token {
    enum class Kind : std::uint8_t { end, word, number, string, sign };
    Kind kind = Kind::end;
    std::string_view text;
    std::int64_t number = 0;
    Place place;

    bool is(std::string_view other) const {
        return (kind == Kind::word || kind == Kind::sign) && text == other;
    }
};

/// What a lexer or parser gives up with; parse() catches it.
struct SyntaxError {
    Error error;
};

class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) {}

    Token next();
    /// The text up to a blank: the test's name has characters of its own.
    Token next_until_blank();
    void skip_line();
    void c_comments_only(bool only) { c_only_ = only; }

  private:
    bool starts_with(std::string_view sign) const { return text_.substr(at_).starts_with(sign); }
    char here() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    void advance(std::size_t count = 1);
    void skip_blanks_and_comments();
    void skip_comment(std::string_view open, std::string_view close, bool nests);
    Token take(Token::Kind kind, std::size_t length);
    Token take_number();
    Token take_string();

    std::string_view text_;
    std::size_t at_ = 0;
    Place place_;
    bool c_only_ = false;
};

}  // namespace surefoot::litmus
