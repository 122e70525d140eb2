#pragma once

// The kernel's primitives by name: what a call of one does.

#include <optional>
#include <string_view>

#include "litmus/program.hpp"

namespace surefoot::litmus {

struct Primitive {
    Op op;
    /// Its parameters, a letter each:
    ///   l  an lvalue, `*pointer`: the pointer is passed    p  a pointer    v  a value
    std::string_view parameters;
    sfc_order order = SFC_RELAXED;
    sfc_rmw_op rmw = SFC_XCHG;
    sfc_fence_kind fence = SFC_MB;

    /// What the call's value is, from the word's value before.
    enum class Value : std::uint8_t { none, result, after, after_is_zero, after_is_negative };
    Value value = Value::none;
    bool by_one = false;           // inc, dec: the operand is 1
    bool complemented = false;     // andnot
    bool then_full_fence = false;  // smp_store_mb
};

std::optional<Primitive> find_primitive(std::string_view name);

}  // namespace surefoot::litmus
