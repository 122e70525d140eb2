#pragma once

// One process, P0(...) { ... }, to code in one pass.

#include <string>
#include <string_view>
#include <vector>

#include "litmus/parser/cursor.hpp"
#include "litmus/parser/primitives.hpp"

namespace surefoot::litmus {

class ProcessParser {
  public:
    ProcessParser(Cursor& cursor, Variables& variables) : cursor_(cursor), variables_(variables) {}

    /// From the parameters to the closing brace.
    Process parse();

  private:
    void parse_parameters();
    void parse_block();
    void parse_statement();
    void parse_if();
    void parse_declaration();
    void parse_assignment();
    void parse_store_through_pointer();
    void parse_call_statement();

    Slot parse_expression();
    Slot parse_binary(unsigned lowest);
    Slot parse_short_circuit(Slot left, const Token& sign);
    Slot parse_unary();
    Slot parse_primary();
    Slot parse_lvalue();
    std::vector<Slot> parse_arguments(const Token& name, std::string_view parameters);
    /// @return the slot of its value; nothing if it has none
    std::optional<Slot> parse_call();
    std::optional<Slot> emit_call(const Primitive& primitive, std::vector<Slot> arguments,
                                  Place place);
    Slot emit_outcome(const Primitive& primitive, Slot before, Slot operand, Place place);

    Slot new_slot(Constant initial, Place place);
    Slot number(std::int64_t value, Place place) { return new_slot({value, 0}, place); }
    std::optional<Slot> find_register(std::string_view name) const;
    Slot named_register(const Token& name);
    Slot emit(Op op, Slot a, Slot b, Place place);
    Instruction& emit(Instruction instruction);
    std::uint32_t here() const { return static_cast<std::uint32_t>(process_.code.size()); }

    Cursor& cursor_;
    Variables& variables_;
    Process process_;
    unsigned depth_ = 0;
    unsigned loads_ = 0;
};

}  // namespace surefoot::litmus
