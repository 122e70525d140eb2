#pragma once

// Reading the headers of an ELF executable. Pure: bytes in, a description or a reason out, so that
// it can be fuzzed. Nothing here trusts a field of the file.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// One PT_LOAD. Addresses are as linked; sizes are in bytes.
struct ElfSegment {
    std::uint64_t va = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t file_offset = 0;
    std::uint64_t file_bytes = 0;
    /// PROT_READ, PROT_WRITE, PROT_EXEC.
    std::uint32_t prot = 0;

    std::uint64_t end() const { return va + memory_bytes; }
};

/// An executable for x86-64 that needs no program interpreter.
struct ElfImage {
    /// ET_DYN: static-pie, to be loaded anywhere.
    bool position_independent = false;
    std::uint64_t entry = 0;
    /// Where the program headers are in memory; 0 if no segment holds them.
    std::uint64_t phdr_va = 0;
    std::uint16_t phdr_count = 0;
    /// PT_GNU_STACK asks for an executable stack (or is missing, which means the same).
    bool executable_stack = true;
    /// Largest p_align of a segment, a power of two, at least a page.
    std::uint64_t alignment = 0;
    /// Ascending, no two in one page, at least one.
    std::vector<ElfSegment> segments;

    /// Page-aligned, as linked.
    std::uint64_t start() const;
    std::uint64_t end() const;
};

/// The image, or why there is none.
struct ElfParse {
    std::optional<ElfImage> image;
    std::string_view reason;
    /// The file is well formed but asks for a program interpreter.
    bool dynamically_linked = false;
};

/// Where a file says its program headers are; null with a reason for what is no such file.
struct ElfHeader {
    std::optional<std::uint64_t> phdr_offset;
    std::size_t phdr_bytes = 0;
    std::string_view reason;
};

inline constexpr std::size_t kElfHeaderBytes = 64;

/// @param head        the first bytes of the file, kElfHeaderBytes if it has as many
/// @param file_bytes  length of the whole file
ElfHeader parse_elf_header(std::span<const std::byte> head, std::uint64_t file_bytes);

/// @param phdrs  the bytes that parse_elf_header named
ElfParse parse_elf(std::span<const std::byte> head, std::span<const std::byte> phdrs,
                   std::uint64_t file_bytes);

/// Both steps for a file that is in memory.
ElfParse parse_elf(std::span<const std::byte> file);

}  // namespace surefoot::inline SF_BUILD::linux_abi
