#include "litmus/cpu.hpp"

#include <bit>
#include <limits>
#include <new>
#include <utility>

namespace surefoot::litmus {
namespace {

/// Arithmetic wraps, as the kernel's does (-fno-strict-overflow).
std::int64_t wrapped(std::uint64_t value) { return std::bit_cast<std::int64_t>(value); }

std::int64_t compute(Op op, std::int64_t a, std::int64_t b) {
    const auto ua = std::bit_cast<std::uint64_t>(a);
    const auto ub = std::bit_cast<std::uint64_t>(b);
    switch (op) {
        case Op::copy:
            return a;
        case Op::negate:
            return wrapped(-ua);
        case Op::complement:
            return ~a;
        case Op::logical_not:
            return a == 0;
        case Op::add:
            return wrapped(ua + ub);
        case Op::subtract:
            return wrapped(ua - ub);
        case Op::multiply:
            return wrapped(ua * ub);
        case Op::divide:
            return b == -1 ? wrapped(-ua) : a / b;
        case Op::remainder:
            return b == -1 ? 0 : a % b;
        case Op::bit_and:
            return a & b;
        case Op::bit_or:
            return a | b;
        case Op::bit_xor:
            return a ^ b;
        case Op::shift_left:
            return wrapped(ua << ub);
        case Op::shift_right:
            return a >> b;
        case Op::equal:
            return a == b;
        case Op::not_equal:
            return a != b;
        case Op::less:
            return a < b;
        case Op::less_equal:
            return a <= b;
        case Op::greater:
            return a > b;
        default:
            return a >= b;
    }
}

template <class T>
T* arena_array(std::size_t count) {
    T* const array = static_cast<T*>(sfc_alloc(sizeof(T) * (count + 1), alignof(T), nullptr));
    for (std::size_t i = 0; i < count; ++i)
        new (array + i) T{};
    return array;
}

std::string_view name_of(VariableKind kind) {
    switch (kind) {
        case VariableKind::spinlock:
            return "a spinlock_t";
        case VariableKind::srcu:
            return "a struct srcu_struct";
        default:
            return "a word";
    }
}

}  // namespace

std::optional<unsigned> World::variable_at(std::int64_t wanted) const {
    for (unsigned i = 0; i < test->variables.size(); ++i) {
        if (address(i) == wanted) return i;
    }
    return std::nullopt;
}

Cpu& Cpu::make(World& world, unsigned number) {
    Cpu& cpu = *new (sfc_alloc(sizeof(Cpu), alignof(Cpu), nullptr)) Cpu{};
    const Process& process = world.test->processes[number];
    cpu.world_ = &world;
    cpu.process_ = &process;
    cpu.number_ = number;
    cpu.slots_ = arena_array<Known>(process.slots.size());
    for (std::size_t i = 0; i < process.slots.size(); ++i)
        cpu.slots_[i].value = world.value(process.slots[i]);
    cpu.stored_ = arena_array<Stored>(world.test->variables.size());
    cpu.held_ = arena_array<unsigned>(world.test->variables.size());
    return cpu;
}

void Cpu::run() {
    const auto& code = process_->code;
    for (std::size_t at = 0; at < code.size();) {
        const Instruction& instruction = code[at++];
        switch (instruction.op) {
            case Op::jump:
                at = instruction.target;
                break;
            case Op::jump_if_zero:
                branched_on_ |= slots_[instruction.a].loads;
                if (slots_[instruction.a].value == 0) at = instruction.target;
                break;
            case Op::load:
            case Op::store:
            case Op::plain_load:
            case Op::plain_store:
            case Op::rmw:
            case Op::compare_exchange:
            case Op::add_unless:
                access(instruction);
                break;
            case Op::fence:
            case Op::before_atomic:
            case Op::after_atomic:
            case Op::after_spinlock:
            case Op::after_unlock_lock:
            case Op::compiler_barrier:
                fence(instruction);
                break;
            case Op::lock:
            case Op::unlock:
            case Op::try_lock:
            case Op::is_locked:
                lock(instruction);
                break;
            case Op::rcu_read_lock:
            case Op::rcu_read_unlock:
            case Op::synchronize_rcu:
            case Op::srcu_read_lock:
            case Op::srcu_read_unlock:
            case Op::synchronize_srcu:
                read_side(instruction);
                break;
            default:
                evaluate(instruction);
        }
    }
    if (rcu_nesting_ != 0) refuse(code.back(), "this process ends inside rcu_read_lock()");
}

void Cpu::evaluate(const Instruction& instruction) {
    const Known& a = slots_[instruction.a];
    const Known& b = slots_[instruction.b];
    const Op op = instruction.op;
    if ((op == Op::divide || op == Op::remainder) && b.value == 0) {
        refuse(instruction, "division by zero");
    }
    if ((op == Op::shift_left || op == Op::shift_right) && (b.value < 0 || b.value > 63)) {
        refuse(instruction, "a shift by {}", b.value);
    }
    const bool unary = op <= Op::logical_not;
    slots_[instruction.result] = {compute(op, a.value, b.value), a.loads | (unary ? 0 : b.loads)};
}

// --- memory
// ------------------------------------------------------------------------------------------

unsigned Cpu::pointee(const Instruction& instruction, VariableKind kind) {
    const Known& pointer = slots_[instruction.a];
    const auto variable = world_->variable_at(pointer.value);
    if (!variable) {
        refuse(instruction, "P{} uses {} as an address", number_, pointer.value);
    }
    const Variable& found = world_->test->variables[*variable];
    const VariableKind actual = found.kind.value_or(VariableKind::word);
    if (actual != kind) {
        refuse(instruction, "{} is {}, not {}", found.name, name_of(actual), name_of(kind));
    }
    depends(pointer.loads);
    return *variable;
}

/// The next access comes after these loads.
void Cpu::depends(Loads loads) const {
    for (; loads != 0; loads &= loads - 1)
        sfc_address_depends(tokens_[std::countr_zero(loads)]);
}

/// A load of what this process itself stored carries on what the stored value was computed from.
void Cpu::loaded(const Instruction& instruction, unsigned variable, std::int64_t value) {
    const unsigned number = loads_++;
    tokens_[number] = sfc_last_load();
    Loads from = Loads{1} << number;
    const Stored& own = stored_[variable];
    if (own.any && own.known.value == value) from |= own.known.loads;
    slots_[instruction.result] = {value, from};
}

void Cpu::stored(const Instruction& instruction, unsigned variable) {
    const Known& value = slots_[instruction.b];
    stored_[variable] = {{value.value, value.loads | slots_[instruction.a].loads}, true};
}

/// A plain access races as one; its value then comes as a marked one's does.
void Cpu::announce_plain(const Instruction& instruction, const void* word) const {
    if (!world_->announces_plain) return;
    if (instruction.op == Op::plain_load)
        sfc_plain_read(word, sizeof(std::int64_t), &instruction);
    else if (instruction.op == Op::plain_store)
        sfc_plain_write(word, sizeof(std::int64_t), &instruction);
    else
        return;
    depends(slots_[instruction.a].loads);  // the next access is still this one
}

void Cpu::access(const Instruction& instruction) {
    const unsigned variable = pointee(instruction, VariableKind::word);
    void* const at = word(variable);
    announce_plain(instruction, at);
    const auto operand = std::bit_cast<std::uint64_t>(slots_[instruction.b].value);
    switch (instruction.op) {
        case Op::plain_load:
        case Op::load:
            return loaded(
                instruction, variable,
                wrapped(sfc_load(at, sizeof(std::int64_t), instruction.order, &instruction)));
        case Op::plain_store:
        case Op::store:
            depends(slots_[instruction.b].loads | branched_on_);
            sfc_store(at, sizeof(std::int64_t), operand, instruction.order, &instruction);
            return stored(instruction, variable);
        default:
            break;
    }
    if (fence_before_next_atomic_) sfc_fence(SFC_MB, &instruction);
    fence_before_next_atomic_ = false;
    did_atomic_ = true;
    depends(slots_[instruction.b].loads | slots_[instruction.c].loads | branched_on_);
    loaded(instruction, variable, read_modify_write(instruction, at));
    if (instruction.op == Op::add_unless) {
        Known& result = slots_[instruction.result];
        result.value = result.value != slots_[instruction.c].value;
    }
}

std::int64_t Cpu::read_modify_write(const Instruction& instruction, void* word) {
    const auto b = std::bit_cast<std::uint64_t>(slots_[instruction.b].value);
    const auto c = std::bit_cast<std::uint64_t>(slots_[instruction.c].value);
    constexpr unsigned size = sizeof(std::int64_t);
    switch (instruction.op) {
        case Op::rmw:
            return wrapped(
                sfc_rmw(word, size, instruction.rmw, b, instruction.order, &instruction));
        case Op::compare_exchange:
            // A failed one orders nothing.
            return wrapped(sfc_cas(word, size, b, c, instruction.order, SFC_RELAXED, &instruction));
        default:
            return add_unless(instruction, word);
    }
}

std::int64_t Cpu::add_unless(const Instruction& instruction, void* word) {
    auto* const unless = static_cast<Unless*>(sfc_alloc(sizeof(Unless), alignof(Unless), nullptr));
    *unless = {slots_[instruction.b].value, slots_[instruction.c].value};
    const auto change = [](std::uint64_t before, void* context) {
        const auto& [addend, forbidden] = *static_cast<const Unless*>(context);
        return wrapped(before) == forbidden ? before
                                            : before + std::bit_cast<std::uint64_t>(addend);
    };
    return wrapped(
        sfc_rmw_call(word, sizeof(std::int64_t), change, unless, instruction.order, &instruction));
}

void Cpu::fence(const Instruction& instruction) {
    switch (instruction.op) {
        case Op::fence:
            return sfc_fence(instruction.fence, &instruction);
        case Op::before_atomic:
            fence_before_next_atomic_ = true;
            return;
        case Op::after_atomic:
            if (did_atomic_) sfc_fence(SFC_MB, &instruction);
            return;
        case Op::after_spinlock:
        case Op::after_unlock_lock:
            if (did_lock_) sfc_fence(SFC_MB, &instruction);
            return;
        default:
            return;  // barrier() is for compilers
    }
}

// --- locks and RCU
// -------------------------------------------------------------------------------------

void Cpu::lock(const Instruction& instruction) {
    const unsigned variable = pointee(instruction, VariableKind::spinlock);
    void* const at = word(variable);
    bool value = false;
    switch (instruction.op) {
        case Op::lock:
            sfc_lock(at, SFC_LOCK_SPIN, &instruction);
            held_[variable] = 1;
            did_lock_ = true;
            return;
        case Op::unlock:
            if (held_[variable] == 0) {
                refuse(instruction, "P{} unlocks what it has not locked", number_);
            }
            held_[variable] = 0;
            return sfc_unlock(at, SFC_LOCK_SPIN, &instruction);
        case Op::try_lock:
            value = sfc_trylock(at, SFC_LOCK_SPIN, &instruction);
            held_[variable] |= value ? 1 : 0;
            did_lock_ |= value;
            break;
        default:
            value = sfc_is_locked(at, true, &instruction);
    }
    slots_[instruction.result] = {value, 0};
}

void Cpu::read_side(const Instruction& instruction) {
    switch (instruction.op) {
        case Op::rcu_read_lock:
            ++rcu_nesting_;
            return sfc_rcu_read_lock(nullptr, &instruction);
        case Op::rcu_read_unlock:
            if (rcu_nesting_ == 0) {
                refuse(instruction, "rcu_read_unlock() without rcu_read_lock()");
            }
            --rcu_nesting_;
            return sfc_rcu_read_unlock(nullptr, &instruction);
        case Op::synchronize_rcu:
            return sfc_synchronize_rcu(nullptr, &instruction);
        default:
            break;
    }
    const unsigned variable = pointee(instruction, VariableKind::srcu);
    const void* const domain = word(variable);
    switch (instruction.op) {
        case Op::srcu_read_lock:
            ++held_[variable];
            slots_[instruction.result] = {};  // which counter: the same one always
            return sfc_rcu_read_lock(domain, &instruction);
        case Op::srcu_read_unlock:
            if (held_[variable] == 0 || slots_[instruction.b].value != 0) {
                refuse(instruction, "srcu_read_unlock() without its srcu_read_lock()");
            }
            --held_[variable];
            return sfc_rcu_read_unlock(domain, &instruction);
        default:
            return sfc_synchronize_rcu(domain, &instruction);
    }
}

}  // namespace surefoot::litmus
