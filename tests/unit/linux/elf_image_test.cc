#include "linux/loader/elf_image.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace surefoot::linux_abi {
namespace {

/// A small program in memory: two segments of one page and PT_GNU_STACK.
struct File {
    Elf64_Ehdr header{};
    std::vector<Elf64_Phdr> phdrs;
    std::size_t size = 0x2000;

    File() {
        std::memcpy(header.e_ident, ELFMAG, SELFMAG);
        header.e_ident[EI_CLASS] = ELFCLASS64;
        header.e_ident[EI_DATA] = ELFDATA2LSB;
        header.e_ident[EI_VERSION] = EV_CURRENT;
        header.e_type = ET_EXEC;
        header.e_machine = EM_X86_64;
        header.e_entry = 0x400100;
        header.e_phoff = sizeof header;
        header.e_phentsize = sizeof(Elf64_Phdr);
        phdrs.push_back({PT_LOAD, PF_R | PF_X, 0, 0x400000, 0, 0x1000, 0x1000, 0x1000});
        phdrs.push_back({PT_LOAD, PF_R | PF_W, 0x1000, 0x401000, 0, 0x800, 0x3000, 0x1000});
        phdrs.push_back({PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16});
        header.e_phnum = static_cast<Elf64_Half>(phdrs.size());
    }

    std::vector<std::byte> bytes() const {
        std::vector<std::byte> result(size);
        const auto put = [&](std::size_t at, const void* data, std::size_t n) {
            for (std::size_t i = 0; i < n && at + i < size; ++i) {
                result[at + i] = static_cast<const std::byte*>(data)[i];
            }
        };
        put(0, &header, sizeof header);
        put(sizeof header, phdrs.data(), phdrs.size() * sizeof(Elf64_Phdr));
        return result;
    }
};

TEST(ElfImage, describes_a_good_file) {
    const ElfParse parsed = parse_elf(File().bytes());
    ASSERT_TRUE(parsed.image) << parsed.reason;
    const ElfImage& image = *parsed.image;
    EXPECT_FALSE(image.position_independent);
    EXPECT_EQ(image.entry, 0x400100U);
    EXPECT_EQ(image.phdr_va, 0x400040U);
    EXPECT_EQ(image.phdr_count, 3);
    EXPECT_FALSE(image.executable_stack);
    EXPECT_EQ(image.start(), 0x400000U);
    EXPECT_EQ(image.end(), 0x404000U);
    ASSERT_EQ(image.segments.size(), 2U);
    EXPECT_EQ(image.segments[0].prot, 5U);
    EXPECT_EQ(image.segments[1].prot, 3U);
    EXPECT_EQ(image.segments[1].memory_bytes, 0x3000U);
}

TEST(ElfImage, says_that_an_interpreter_is_asked_for) {
    File file;
    file.phdrs[2].p_type = PT_INTERP;
    const ElfParse parsed = parse_elf(file.bytes());
    EXPECT_FALSE(parsed.image);
    EXPECT_TRUE(parsed.dynamically_linked);
    EXPECT_EQ(parsed.reason, "dynamically linked");
}

TEST(ElfImage, no_stack_header_means_an_executable_stack) {
    File file;
    file.phdrs.pop_back();
    file.header.e_phnum = 2;
    const ElfParse parsed = parse_elf(file.bytes());
    ASSERT_TRUE(parsed.image) << parsed.reason;
    EXPECT_TRUE(parsed.image->executable_stack);
}

struct BadCase {
    std::string name;
    std::function<void(File&)> spoil;
    std::string reason;
};

class BadElf : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadElf, is_refused_with_a_reason) {
    File file;
    GetParam().spoil(file);
    const ElfParse parsed = parse_elf(file.bytes());
    EXPECT_FALSE(parsed.image);
    EXPECT_EQ(parsed.reason, GetParam().reason);
}

const BadCase kBadCases[] = {
    {"empty", [](File& f) { f.size = 0; }, "not an ELF file"},
    {"magic", [](File& f) { f.header.e_ident[1] = 'X'; }, "not an ELF file"},
    {"class32", [](File& f) { f.header.e_ident[EI_CLASS] = ELFCLASS32; }, "not a 64-bit ELF file"},
    {"big_endian", [](File& f) { f.header.e_ident[EI_DATA] = ELFDATA2MSB; },
     "not a little-endian ELF file"},
    {"version", [](File& f) { f.header.e_ident[EI_VERSION] = 9; }, "unknown ELF version"},
    {"machine", [](File& f) { f.header.e_machine = EM_AARCH64; }, "not for x86-64"},
    {"type", [](File& f) { f.header.e_type = ET_REL; }, "not an executable ELF file"},
    {"short_header", [](File& f) { f.size = 40; }, "truncated ELF header"},
    {"phentsize", [](File& f) { f.header.e_phentsize = 32; }, "program headers of the wrong size"},
    {"no_phdrs", [](File& f) { f.header.e_phnum = 0; }, "no program headers"},
    {"many_phdrs", [](File& f) { f.header.e_phnum = 2000; }, "too many program headers"},
    {"phoff", [](File& f) { f.header.e_phoff = ~0ULL - 7; },
     "program headers past the end of the file"},
    {"truncated", [](File& f) { f.size = 0x1100; },
     "segment past the end of the file (truncated?)"},
    {"offset_wraps", [](File& f) { f.phdrs[1].p_offset = ~0ULL & ~0xfffULL; },
     "segment past the end of the file (truncated?)"},
    {"file_above_memory", [](File& f) { f.phdrs[1].p_memsz = 0x10; },
     "segment is larger in the file than in memory"},
    {"huge", [](File& f) { f.phdrs[1].p_memsz = 1ULL << 62; }, "segment outside the address space"},
    {"va_wraps", [](File& f) { f.phdrs[1].p_vaddr = ~0ULL & ~0xfffULL; },
     "segment outside the address space"},
    {"skewed", [](File& f) { f.phdrs[1].p_vaddr += 8; },
     "segment address and offset differ within a page"},
    {"alignment", [](File& f) { f.phdrs[1].p_align = 4097; },
     "segment alignment is not a power of two"},
    {"huge_alignment", [](File& f) { f.phdrs[1].p_align = 1ULL << 40; },
     "segment alignment above 1 GiB"},
    {"overlap", [](File& f) { f.phdrs[0].p_memsz = 0x1001; }, "segments overlap"},
    {"order", [](File& f) { std::swap(f.phdrs[0], f.phdrs[1]); },
     "segments are not in ascending order"},
    {"no_load", [](File& f) { f.phdrs[0].p_type = f.phdrs[1].p_type = PT_NOTE; },
     "nothing to load"},
    {"entry_outside", [](File& f) { f.header.e_entry = 0x10; },
     "the entry point is in no executable segment"},
    {"entry_in_data", [](File& f) { f.header.e_entry = 0x401010; },
     "the entry point is in no executable segment"},
};

INSTANTIATE_TEST_SUITE_P(ElfImage, BadElf, ::testing::ValuesIn(kBadCases),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace surefoot::linux_abi
