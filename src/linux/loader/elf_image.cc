#include "linux/loader/elf_image.hpp"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "mm/mm.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

constexpr std::uint64_t kPage = 4096;
// Linux refuses more than fit 64 KiB.
constexpr std::size_t kMaxPhdrBytes = 65536;
// Every x86-64 user address is below this.
constexpr std::uint64_t kAddressLimit = std::uint64_t{1} << 47;

template <class T>
T read_at(std::span<const std::byte> bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

std::string_view complaint_about_ident(const Elf64_Ehdr& header) {
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return "not an ELF file";
    if (header.e_ident[EI_CLASS] != ELFCLASS64) return "not a 64-bit ELF file";
    if (header.e_ident[EI_DATA] != ELFDATA2LSB) return "not a little-endian ELF file";
    if (header.e_ident[EI_VERSION] != EV_CURRENT) return "unknown ELF version";
    if (header.e_machine != EM_X86_64) return "not for x86-64";
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN) return "not an executable ELF file";
    return {};
}

std::string_view complaint_about_header(const Elf64_Ehdr& header, std::uint64_t file_bytes) {
    if (const auto why = complaint_about_ident(header); !why.empty()) return why;
    if (header.e_phentsize != sizeof(Elf64_Phdr)) return "program headers of the wrong size";
    if (header.e_phnum == 0) return "no program headers";
    const std::size_t bytes = std::size_t{header.e_phnum} * sizeof(Elf64_Phdr);
    if (bytes > kMaxPhdrBytes) return "too many program headers";
    if (header.e_phoff > file_bytes || file_bytes - header.e_phoff < bytes) {
        return "program headers past the end of the file";
    }
    return {};
}

std::string_view complaint_about_segment(const Elf64_Phdr& phdr, std::uint64_t file_bytes) {
    if (phdr.p_align > 1 && !is_power_of_two(phdr.p_align)) {
        return "segment alignment is not a power of two";
    }
    if (phdr.p_vaddr % kPage != phdr.p_offset % kPage) {
        return "segment address and offset differ within a page";
    }
    if (phdr.p_filesz > phdr.p_memsz) return "segment is larger in the file than in memory";
    if (phdr.p_offset > file_bytes || file_bytes - phdr.p_offset < phdr.p_filesz) {
        return "segment past the end of the file (truncated?)";
    }
    if (phdr.p_vaddr >= kAddressLimit || phdr.p_memsz > kAddressLimit - phdr.p_vaddr) {
        return "segment outside the address space";
    }
    return {};
}

ElfSegment to_segment(const Elf64_Phdr& phdr) {
    std::uint32_t prot = 0;
    if (phdr.p_flags & PF_R) prot |= mm::uapi::PROT_READ;
    if (phdr.p_flags & PF_W) prot |= mm::uapi::PROT_WRITE;
    if (phdr.p_flags & PF_X) prot |= mm::uapi::PROT_EXEC;
    return {.va = phdr.p_vaddr,
            .memory_bytes = phdr.p_memsz,
            .file_offset = phdr.p_offset,
            .file_bytes = phdr.p_filesz,
            .prot = prot};
}

/// Adds a PT_LOAD to the image. @return a complaint, or nothing
std::string_view add_segment(ElfImage& image, const Elf64_Phdr& phdr, std::uint64_t file_bytes) {
    if (const auto why = complaint_about_segment(phdr, file_bytes); !why.empty()) return why;
    if (phdr.p_memsz == 0) return {};
    const ElfSegment next = to_segment(phdr);
    if (!image.segments.empty()) {
        const std::uint64_t end = image.segments.back().end();
        if (next.va < image.segments.back().va) return "segments are not in ascending order";
        if (align_down(next.va, kPage) < align_up(end, kPage)) return "segments overlap";
    }
    image.alignment = std::max(image.alignment, std::max<std::uint64_t>(phdr.p_align, kPage));
    image.segments.push_back(next);
    return {};
}

/// The address of the program headers, if a segment has them.
std::uint64_t find_phdrs(const ElfImage& image, std::uint64_t offset, std::size_t bytes) {
    for (const ElfSegment& segment : image.segments) {
        if (offset < segment.file_offset) continue;
        const std::uint64_t into = offset - segment.file_offset;
        if (into <= segment.file_bytes && segment.file_bytes - into >= bytes) {
            return segment.va + into;
        }
    }
    return 0;
}

std::string_view complaint_about_image(const ElfImage& image) {
    if (image.segments.empty()) return "nothing to load";
    const bool entry_is_code = std::ranges::any_of(image.segments, [&](const ElfSegment& s) {
        return s.va <= image.entry && image.entry < s.end() && (s.prot & mm::uapi::PROT_EXEC);
    });
    if (!entry_is_code) return "the entry point is in no executable segment";
    if (image.alignment > (std::uint64_t{1} << 30)) return "segment alignment above 1 GiB";
    return {};
}

}  // namespace

std::uint64_t ElfImage::start() const { return align_down(segments.front().va, kPage); }
std::uint64_t ElfImage::end() const { return align_up(segments.back().end(), kPage); }

ElfHeader parse_elf_header(std::span<const std::byte> head, std::uint64_t file_bytes) {
    ElfHeader result;
    if (head.size() < SELFMAG) {
        result.reason = "not an ELF file";
        return result;
    }
    Elf64_Ehdr header{};
    std::memcpy(&header, head.data(), std::min(head.size(), sizeof header));
    result.reason = complaint_about_ident(header);
    if (result.reason.empty() && head.size() < sizeof header)
        result.reason = "truncated ELF header";
    if (result.reason.empty()) result.reason = complaint_about_header(header, file_bytes);
    if (!result.reason.empty()) return result;
    result.phdr_offset = header.e_phoff;
    result.phdr_bytes = std::size_t{header.e_phnum} * sizeof(Elf64_Phdr);
    return result;
}

ElfParse parse_elf(std::span<const std::byte> head, std::span<const std::byte> phdrs,
                   std::uint64_t file_bytes) {
    ElfParse result;
    const ElfHeader where = parse_elf_header(head, file_bytes);
    result.reason = where.reason;
    if (!where.phdr_offset) return result;
    if (phdrs.size() < where.phdr_bytes) {
        result.reason = "truncated program headers";
        return result;
    }
    const auto header = read_at<Elf64_Ehdr>(head, 0);
    ElfImage image{.position_independent = header.e_type == ET_DYN,
                   .entry = header.e_entry,
                   .phdr_va = 0,
                   .phdr_count = header.e_phnum,
                   .executable_stack = true,
                   .alignment = kPage,
                   .segments = {}};
    for (std::size_t i = 0; i < header.e_phnum; ++i) {
        const auto phdr = read_at<Elf64_Phdr>(phdrs, i * sizeof(Elf64_Phdr));
        if (phdr.p_type == PT_INTERP) result.dynamically_linked = true;
        if (phdr.p_type == PT_GNU_STACK) image.executable_stack = (phdr.p_flags & PF_X) != 0;
        if (phdr.p_type != PT_LOAD) continue;
        result.reason = add_segment(image, phdr, file_bytes);
        if (!result.reason.empty()) return result;
    }
    image.phdr_va = find_phdrs(image, header.e_phoff, where.phdr_bytes);
    result.reason = complaint_about_image(image);
    if (result.reason.empty() && result.dynamically_linked) result.reason = "dynamically linked";
    if (result.reason.empty()) result.image = std::move(image);
    return result;
}

ElfParse parse_elf(std::span<const std::byte> file) {
    const auto head = file.first(std::min(file.size(), kElfHeaderBytes));
    const ElfHeader header = parse_elf_header(head, file.size());
    if (!header.phdr_offset) return {.image = {}, .reason = header.reason};
    return parse_elf(head, file.subspan(*header.phdr_offset, header.phdr_bytes), file.size());
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
