#include "api/maps.hpp"

#include <array>
#include <cinttypes>
#include <cstdio>

namespace surefoot::inline SF_BUILD::api {
namespace {

/// Column at which Linux lets names begin.
constexpr std::size_t kNameColumn = 73;

bool is_heap(const mm::Mm& mm, const mm::VmaStats& vma) {
    return vma.range.start < mm.brk.get() && mm.start_brk.get() < vma.range.end;
}

std::string_view name_of(const mm::Mm& mm, const mm::VmaStats& vma) {
    if (vma.backing != nullptr) return vma.backing->name();
    if (vma.flags.has(vma::VmaFlag::growsdown)) return "[stack]";
    return is_heap(mm, vma) ? "[heap]" : "";
}

/// The columns before the name, padded by the caller.
std::string columns_of(const mm::VmaStats& vma) {
    const auto letter = [&](vma::VmaFlag flag, char yes) {
        return vma.flags.has(flag) ? yes : '-';
    };
    const bool mapped = vma.backing != nullptr;
    const vma::BackingId id = mapped ? vma.backing->id() : vma::BackingId{};
    std::array<char, 160> text;
    const int length = std::snprintf(
        text.data(), text.size(),
        "%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %02" PRIx32 ":%02" PRIx32 " %" PRIu64,
        vma.range.start.raw(), vma.range.end.raw(), letter(vma::VmaFlag::read, 'r'),
        letter(vma::VmaFlag::write, 'w'), letter(vma::VmaFlag::exec, 'x'),
        vma.flags.has(vma::VmaFlag::mayshare) ? 's' : 'p',
        mapped ? vma.pgoff << arch::kPageShift : 0, id.dev_major, id.dev_minor, id.inode);
    return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

std::string maps_text(mm::Mm& mm) {
    std::string text;
    mm::for_each_vma(mm, false, [&](const mm::VmaStats& vma) {
        std::string line = columns_of(vma) + ' ';
        const std::string_view name = name_of(mm, vma);
        if (!name.empty() && line.size() < kNameColumn) line.resize(kNameColumn, ' ');
        text.append(line).append(name) += '\n';
    });
    return text;
}

}  // namespace surefoot::inline SF_BUILD::api
