#pragma once

// The first contents of a new program's stack, as the x86-64 ABI and Linux lay it out:
//
//   top   8 zero bytes, file name, environment strings, argument strings, platform, random bytes
//         (alignment)
//         auxiliary vector, ends with AT_NULL
//         environment pointers, ends with 0
//         argument pointers, ends with 0
//   sp -> argument count                                                          16-byte aligned

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

struct StackRequest {
    /// End of the stack; page-aligned.
    VirtAddr top;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    /// AT_EXECFN.
    std::string file_name;
    std::string platform = "x86_64";
    std::array<std::byte, 16> random{};
    /// Entries in order, without AT_RANDOM, AT_EXECFN, AT_PLATFORM and AT_NULL, which point into
    /// the stack and are added.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> auxv;
};

struct StackImage {
    /// What goes to [sp, top).
    std::vector<std::byte> bytes;
    VirtAddr sp;
    /// Where the strings are, for /proc/PID/cmdline and environ.
    VaRange arguments;
    VaRange environment;
};

StackImage build_stack_image(const StackRequest& request);

}  // namespace surefoot::inline SF_BUILD::linux_abi
