#pragma once

// Puts an executable file and the first stack into an empty address space.

#include <array>
#include <string>
#include <vector>

#include "base/base.hpp"
#include "cpu/cpu.hpp"
#include "linux/loader/elf_image.hpp"
#include "mm/mm.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// An executable that was found and looked at, not yet mapped.
struct Executable {
    int fd = -1;
    /// Absolute, without symbolic links.
    std::string path;
    ElfImage image;
};

/// Why a program can't be run, in the words and with the status of a shell.
struct LoadFailure {
    int status = 0;  // 126 or 127; 0: none
    std::string reason;
};

/// Opens `path` and reads its headers. The caller closes `executable.fd`.
LoadFailure open_executable(const std::string& path, Executable& executable);

struct StartRequest {
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    /// The path as it was given: AT_EXECFN.
    std::string file_name;
    std::array<std::byte, 16> random{};
};

struct LoadedProgram {
    cpu::Regs regs{};
    VaRange stack;
};

/// Fails: nomem, toobig for arguments that do not fit the stack, or what the file's pages give.
Result<LoadedProgram> load_program(mm::Mm& mm, const Executable& executable,
                                   const StartRequest& request);

}  // namespace surefoot::inline SF_BUILD::linux_abi
