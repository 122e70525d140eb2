#include "cpu/kvm/machine/area.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace surefoot::inline SF_BUILD::cpu::kvm {

namespace {

/// Accessed and dirty are set: KVM has nothing to write here.
constexpr std::uint64_t kSupervisor =
    Format::kPresent | Format::kWrite | Format::kAccessed | Format::kDirty;
constexpr unsigned char kHalt = 0xf4;

constexpr bool callable_by_guest(unsigned vector) { return vector == 3 || vector == 4; }

}  // namespace

Result<Area> Area::create(PhysAddr pa, std::uint64_t arena_bytes) noexcept {
    void* const start = ::mmap(nullptr, kAreaBytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (start == MAP_FAILED) return static_cast<Errno>(errno);
    Area area(pa, static_cast<std::byte*>(start));
    area.write_code();
    area.write_tables(arena_bytes);
    return area;
}

Area::~Area() {
    if (start_ != nullptr) ::munmap(start_, kAreaBytes);
}

std::uint64_t Area::root_entry() const { return pa(AreaPage::kPud).raw() | kSupervisor; }

void Area::write_code() {
    const std::span<const unsigned char> code = code_of_stubs();
    std::memcpy(page(AreaPage::kStubs), code.data(), code.size());
    std::memcpy(page(AreaPage::kGdt), kGdt, sizeof kGdt);
    std::byte* const stubs = page(AreaPage::kVectorStubs);
    auto* const gates = reinterpret_cast<Gate*>(page(AreaPage::kIdt));
    for (unsigned vector = 0; vector < kVectors; ++vector) {
        stubs[vector * kVectorStride] = std::byte{kHalt};
        gates[vector] = make_gate(area_va(AreaPage::kVectorStubs) + vector * kVectorStride,
                                  callable_by_guest(vector) ? 3 : 0);
    }
}

void Area::write_tables(std::uint64_t arena_bytes) {
    words(AreaPage::kServiceRoot)[kLastEntry] = root_entry();
    std::uint64_t* const pud = words(AreaPage::kPud);
    for (std::uint64_t at = 0; at < arena_bytes; at += kHuge) {
        const std::uint64_t table = AreaPage::kArenaPmds + at / kGiant;
        pud[at / kGiant] = pa(table).raw() | kSupervisor;
        words(table)[at % kGiant / kHuge] =
            at | kSupervisor | Format::kHuge | Format::kNoExec;
    }
    pud[kLastEntry] = pa(AreaPage::kAreaPmd).raw() | kSupervisor;
    std::uint64_t* const pmd = words(AreaPage::kAreaPmd);
    pmd[0] = pa(AreaPage::kAreaPte).raw() | kSupervisor;
    for (std::uint64_t at = kHuge; at < kAreaBytes; at += kHuge) {
        pmd[at / kHuge] = (pa(0) + at).raw() | kSupervisor | Format::kHuge | Format::kNoExec;
    }
    std::uint64_t* const pte = words(AreaPage::kAreaPte);
    for (std::uint64_t n = 0; n < AreaPage::kMapped; ++n) {
        const bool code = n == AreaPage::kVectorStubs || n == AreaPage::kStubs;
        pte[n] = pa(n).raw() | (code ? kSupervisor & ~Format::kWrite
                                     : kSupervisor | Format::kNoExec);
    }
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
