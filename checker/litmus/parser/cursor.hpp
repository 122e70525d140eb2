#pragma once

// A parser's place in the tokens, and what all parts of the parser share.

#include <optional>
#include <string>
#include <string_view>

#include "litmus/parser/lexer.hpp"

namespace surefoot::litmus {

class Cursor {
  public:
    explicit Cursor(std::string_view text) : lexer_(text) {}

    const Token& peek();
    const Token& peek_second();
    Token take();
    /// Takes the token if it is this one.
    bool accept(std::string_view text);
    Token expect(std::string_view text);
    Token expect_word(std::string_view what);
    Token expect_number(std::string_view what);
    std::int64_t expect_signed_number();
    [[noreturn]] void fail_here(const std::string& wanted);
    [[noreturn]] static void fail(Place place, std::string what);

    /// The lexer, for text that is no tokens. Nothing may have been peeked.
    Lexer& raw() { return lexer_; }
    /// Between the braces of a process. Nothing may have been peeked beyond the brace.
    void in_process(bool inside) { lexer_.c_comments_only(inside); }

  private:
    Lexer lexer_;
    std::optional<Token> first_, second_;
};

/// Counts how deep a recursive parser is; input must not decide how much stack we use.
class Nesting {
  public:
    Nesting(unsigned& depth, Place place) : depth_(depth) {
        if (++depth_ > kLimit) Cursor::fail(place, "nested too deeply");
    }
    ~Nesting() { --depth_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

  private:
    static constexpr unsigned kLimit = 100;
    unsigned& depth_;
};

/// Whether a declaration begins here.
bool at_type(Cursor& cursor);

struct ParsedType {
    VariableKind kind = VariableKind::word;  // of what it is, or points to
    bool is_pointer = false;
};
/// Takes a type with its stars.
ParsedType parse_type(Cursor& cursor);

/// The shared variables. One comes into being where it is first named, as in herd7.
class Variables {
  public:
    /// @return its index
    unsigned named(const Token& name);
    std::optional<unsigned> find(std::string_view name) const;
    void declare(unsigned index, VariableKind kind, Place place);
    Variable& operator[](unsigned index) { return all_[index]; }
    std::vector<Variable> take() { return std::move(all_); }

  private:
    std::vector<Variable> all_;
};

}  // namespace surefoot::litmus
