#include "litmus/parser/primitives.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace surefoot::litmus {
namespace {

using Value = Primitive::Value;
using Named = std::pair<std::string_view, Primitive>;

constexpr Primitive fence_of(sfc_fence_kind kind) {
    return {.op = Op::fence, .parameters = "", .fence = kind};
}

constexpr std::array kByName{
    Named{"READ_ONCE", {.op = Op::load, .parameters = "l", .value = Value::result}},
    Named{"WRITE_ONCE", {.op = Op::store, .parameters = "lv"}},
    Named{"smp_load_acquire",
          {.op = Op::load, .parameters = "p", .order = SFC_ACQUIRE, .value = Value::result}},
    Named{"smp_store_release", {.op = Op::store, .parameters = "pv", .order = SFC_RELEASE}},
    Named{"smp_store_mb", {.op = Op::store, .parameters = "lv", .then_full_fence = true}},
    // An rcu_dereference() orders by the address dependency alone.
    Named{"rcu_dereference", {.op = Op::load, .parameters = "l", .value = Value::result}},
    Named{"rcu_assign_pointer", {.op = Op::store, .parameters = "lv", .order = SFC_RELEASE}},

    Named{"smp_mb", fence_of(SFC_MB)},
    Named{"smp_rmb", fence_of(SFC_RMB)},
    Named{"smp_wmb", fence_of(SFC_WMB)},
    Named{"smp_mb__before_atomic", {.op = Op::before_atomic, .parameters = ""}},
    Named{"smp_mb__after_atomic", {.op = Op::after_atomic, .parameters = ""}},
    Named{"smp_mb__after_spinlock", {.op = Op::after_spinlock, .parameters = ""}},
    Named{"smp_mb__after_unlock_lock", {.op = Op::after_unlock_lock, .parameters = ""}},
    Named{"barrier", {.op = Op::compiler_barrier, .parameters = ""}},

    Named{"spin_lock", {.op = Op::lock, .parameters = "p"}},
    Named{"spin_unlock", {.op = Op::unlock, .parameters = "p"}},
    Named{"spin_trylock", {.op = Op::try_lock, .parameters = "p", .value = Value::result}},
    Named{"spin_is_locked", {.op = Op::is_locked, .parameters = "p", .value = Value::result}},

    Named{"rcu_read_lock", {.op = Op::rcu_read_lock, .parameters = ""}},
    Named{"rcu_read_unlock", {.op = Op::rcu_read_unlock, .parameters = ""}},
    Named{"synchronize_rcu", {.op = Op::synchronize_rcu, .parameters = ""}},
    Named{"synchronize_rcu_expedited", {.op = Op::synchronize_rcu, .parameters = ""}},
    Named{"srcu_read_lock", {.op = Op::srcu_read_lock, .parameters = "p", .value = Value::result}},
    Named{"srcu_read_unlock", {.op = Op::srcu_read_unlock, .parameters = "pv"}},
    Named{"synchronize_srcu", {.op = Op::synchronize_srcu, .parameters = "p"}},
    Named{"synchronize_srcu_expedited", {.op = Op::synchronize_srcu, .parameters = "p"}},
};

constexpr std::array kAtomicByName{
    Named{"read", {.op = Op::load, .parameters = "p", .value = Value::result}},
    Named{"read_acquire",
          {.op = Op::load, .parameters = "p", .order = SFC_ACQUIRE, .value = Value::result}},
    Named{"set", {.op = Op::store, .parameters = "pv"}},
    Named{"set_release", {.op = Op::store, .parameters = "pv", .order = SFC_RELEASE}},
    Named{"add_unless",
          {.op = Op::add_unless, .parameters = "pvv", .order = SFC_FULL, .value = Value::result}},
};

template <std::size_t n>
std::optional<Primitive> find(const std::array<Named, n>& names, std::string_view name) {
    const auto at = std::find_if(names.begin(), names.end(),
                                 [&](const Named& named) { return named.first == name; });
    if (at == names.end()) return std::nullopt;
    return at->second;
}

bool strip_prefix(std::string_view& name, std::string_view prefix) {
    if (!name.starts_with(prefix)) return false;
    name.remove_prefix(prefix.size());
    return true;
}

bool strip_suffix(std::string_view& name, std::string_view suffix) {
    if (!name.ends_with(suffix)) return false;
    name.remove_suffix(suffix.size());
    return true;
}

/// The order that the end of a value-returning operation's name asks for: full without one.
sfc_order strip_order(std::string_view& name) {
    if (strip_suffix(name, "_relaxed")) return SFC_RELAXED;
    if (strip_suffix(name, "_acquire")) return SFC_ACQUIRE;
    if (strip_suffix(name, "_release")) return SFC_RELEASE;
    return SFC_FULL;
}

std::optional<Primitive> find_exchange(std::string_view name) {
    const sfc_order order = strip_order(name);
    if (name == "xchg") {
        return Primitive{.op = Op::rmw, .parameters = "pv", .order = order, .value = Value::result};
    }
    if (name == "cmpxchg") {
        return Primitive{.op = Op::compare_exchange,
                         .parameters = "pvv",
                         .order = order,
                         .value = Value::result};
    }
    return std::nullopt;
}

/// add, sub, inc, dec, and, or, xor, andnot.
std::optional<Primitive> find_operation(std::string_view name) {
    Primitive found{.op = Op::rmw, .parameters = "vp"};
    if (name == "add" || name == "inc") {
        found.rmw = SFC_ADD;
    } else if (name == "sub" || name == "dec") {
        found.rmw = SFC_SUB;
    } else if (name == "and" || name == "andnot") {
        found.rmw = SFC_AND;
    } else if (name == "or") {
        found.rmw = SFC_OR;
    } else if (name == "xor") {
        found.rmw = SFC_XOR;
    } else {
        return std::nullopt;
    }
    found.by_one = name == "inc" || name == "dec";
    if (found.by_one) found.parameters = "p";
    found.complemented = name == "andnot";
    return found;
}

bool is_arithmetic(const Primitive& operation) {
    return operation.rmw == SFC_ADD || operation.rmw == SFC_SUB;
}

/// [fetch_]OPERATION[_return][_ORDER], OPERATION_and_test, add_negative.
std::optional<Primitive> find_arithmetic(std::string_view name) {
    if (const auto plain = find_operation(name)) return plain;  // no value, no order
    std::string_view tested = name;
    if (strip_suffix(tested, "_and_test")) {
        auto found = find_operation(tested);
        if (!found || !is_arithmetic(*found) || tested == "add") return std::nullopt;
        found->order = SFC_FULL;
        found->value = Value::after_is_zero;
        return found;
    }
    if (name == "add_negative") {
        auto found = find_operation("add");
        found->order = SFC_FULL;
        found->value = Value::after_is_negative;
        return found;
    }
    const sfc_order order = strip_order(name);
    const bool fetches = strip_prefix(name, "fetch_");
    if (!fetches && !strip_suffix(name, "_return")) return std::nullopt;
    auto found = find_operation(name);
    if (!found || (!fetches && !is_arithmetic(*found))) return std::nullopt;
    found->order = order;
    found->value = fetches ? Value::result : Value::after;
    return found;
}

}  // namespace

std::optional<Primitive> find_primitive(std::string_view name) {
    if (const auto found = find(kByName, name)) return found;
    if (const auto found = find_exchange(name)) return found;
    if (!strip_prefix(name, "atomic_long_") && !strip_prefix(name, "atomic64_") &&
        !strip_prefix(name, "atomic_")) {
        return std::nullopt;
    }
    if (const auto found = find(kAtomicByName, name)) return found;
    if (const auto found = find_exchange(name)) return found;
    return find_arithmetic(name);
}

}  // namespace surefoot::litmus
