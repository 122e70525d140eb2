// Any bytes as an executable: either a reason, or an image that keeps its promises.

#include <cstddef>
#include <cstdint>
#include <span>

#include "linux/loader/elf_image.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto file = std::as_bytes(std::span(data, size));
    const surefoot::linux_abi::ElfParse parsed = surefoot::linux_abi::parse_elf(file);
    SF_ASSERT(parsed.image.has_value() == parsed.reason.empty());
    if (!parsed.image) return 0;
    std::uint64_t end = 0;
    for (const auto& segment : parsed.image->segments) {
        SF_ASSERT(segment.va >= end);
        SF_ASSERT(segment.memory_bytes >= segment.file_bytes);
        SF_ASSERT(segment.file_offset + segment.file_bytes <= size);
        end = segment.end();
        SF_ASSERT(end > segment.va);
        SF_ASSERT(end <= std::uint64_t{1} << 47);
    }
    SF_ASSERT(parsed.image->start() < parsed.image->end());
    return 0;
}
