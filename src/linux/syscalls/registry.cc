#include "linux/syscalls/registry.hpp"

#include <array>
#include <cerrno>

#include "linux/syscalls/names.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

using Index = std::array<const SyscallEntry*, kSyscallNumbers>;

Index build_index() {
    Index index{};
    for (const auto family : syscall_families()) {
        for (const SyscallEntry& entry : family)
            index[entry.number] = &entry;
    }
    return index;
}

}  // namespace

std::span<const std::span<const SyscallEntry>> syscall_families() {
    static const std::array kFamilies{memory_syscalls(),    io_syscalls(),     file_syscalls(),
                                      directory_syscalls(), poll_syscalls(),   process_syscalls(),
                                      thread_syscalls(),    signal_syscalls(), time_syscalls(),
                                      system_syscalls()};
    return kFamilies;
}

const SyscallEntry* find_syscall(std::uint64_t number) {
    static const auto kIndex = build_index();
    return number < kSyscallNumbers ? kIndex[number] : nullptr;
}

std::string syscall_name(std::uint64_t number) {
    if (const SyscallEntry* entry = find_syscall(number)) return std::string(entry->name);
    const std::string_view known = host_syscall_name(number);
    return known.empty() ? "number " + std::to_string(number) : std::string(known);
}

SysResult host_result(long result) { return result < 0 ? -errno : result; }

SysResult dispatch(Task& task, std::uint64_t number, const SyscallArgs& args) {
    const SyscallEntry* const entry = find_syscall(number);
    return entry != nullptr ? entry->handler(task, args) : -ENOSYS;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
