#pragma once

// The system calls, as tables of the families.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "linux/abi.hpp"
#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// The six argument registers.
struct SyscallArgs {
    std::array<std::uint64_t, 6> raw{};

    std::uint64_t operator[](std::size_t i) const { return raw[i]; }
    /// As an `int` or `unsigned` parameter: the upper half is ignored.
    int as_int(std::size_t i) const { return static_cast<int>(raw[i]); }
    std::uint32_t as_u32(std::size_t i) const { return static_cast<std::uint32_t>(raw[i]); }
    VirtAddr as_address(std::size_t i) const { return VirtAddr(raw[i]); }
};

using SyscallHandler = SysResult (*)(Task& task, const SyscallArgs& args);

struct SyscallEntry {
    std::uint16_t number;
    std::string_view name;
    SyscallHandler handler;
};

std::span<const SyscallEntry> memory_syscalls();
std::span<const SyscallEntry> io_syscalls();
std::span<const SyscallEntry> file_syscalls();
std::span<const SyscallEntry> directory_syscalls();
std::span<const SyscallEntry> poll_syscalls();
std::span<const SyscallEntry> process_syscalls();
std::span<const SyscallEntry> thread_syscalls();
std::span<const SyscallEntry> signal_syscalls();
std::span<const SyscallEntry> time_syscalls();
std::span<const SyscallEntry> system_syscalls();

/// Every family.
std::span<const std::span<const SyscallEntry>> syscall_families();

/// Null if the call is not offered.
const SyscallEntry* find_syscall(std::uint64_t number);
/// Of any call that Linux has, if the host's headers know it; else its number.
std::string syscall_name(std::uint64_t number);

SysResult dispatch(Task& task, std::uint64_t number, const SyscallArgs& args);

/// The value of a Result, or its negative error number.
template <class T>
SysResult to_sys_result(const Result<T>& result) {
    return to_syscall_result(result);
}
inline SysResult fail(Errno error) { return -static_cast<SysResult>(error); }
/// What a host call returned, with errno.
SysResult host_result(long result);

}  // namespace surefoot::inline SF_BUILD::linux_abi
