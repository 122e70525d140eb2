#pragma once

// The self-test at the start: how `syscall` arrives, and what flushes.

#include "cpu/kvm/machine/machine.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

/// Sets `machine.flush` and `machine.syscall_faults`.
/// Fails with opnotsupp where guest code does not run, or nothing flushes.
Result<void> probe(Machine& machine) noexcept;

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
