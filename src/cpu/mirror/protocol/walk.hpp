#pragma once

// A processor's walk of the tables, and what a translation lookaside buffer may keep of it.

#include "arch/arch.hpp"
#include "base/base.hpp"
#include "cpu/mirror/protocol/words.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

enum class WalkResult : std::uint8_t {
    translated,
    not_present,
    denied,
    /// The entry allows the access, but the processor would have to set A or D.
    not_young,
    not_dirty,
};

/// A leaf as one walk found it.
struct Leaf {
    arch::PtLevel level = arch::PtLevel::pte;
    /// The page that holds the address walked for.
    PhysAddr page;
    /// The table that the leaf lies in.
    PhysAddr table;
    bool writable = false;  // by every level, and dirty: a host mapping may be writable
    bool executable = false;
};

struct Walk {
    WalkResult result = WalkResult::not_present;
    Leaf leaf;
};

/// Permissions as they add up on the way down.
struct Rights {
    bool user = true;
    bool write = true;
    bool exec = true;
};

template <class Format>
constexpr Rights restrict_rights(Rights r, std::uint64_t raw) {
    return {.user = r.user && (raw & Format::kUser) != 0,
            .write = r.write && (raw & Format::kWrite) != 0,
            .exec = r.exec && (raw & Format::kNoExec) == 0};
}

template <class Format>
constexpr WalkResult judge(std::uint64_t raw, Rights rights, Access access) {
    const bool allowed = rights.user && (access != Access::write || rights.write) &&
                         (access != Access::fetch || rights.exec);
    if (!allowed) return WalkResult::denied;
    if ((raw & Format::kAccessed) == 0) return WalkResult::not_young;
    if (access == Access::write && (raw & Format::kDirty) == 0) return WalkResult::not_dirty;
    return WalkResult::translated;
}

/// Loads of entries are atomic; the tables change meanwhile.
/// Locks: F held, so that no table is freed and no result outlives a shootdown.
template <class Format, class Port>
Walk walk_tables(const Format& format, Port& port, PhysAddr root, VirtAddr va, Access access) {
    Rights rights;
    PhysAddr table = root;
    for (arch::PtLevel level = format.top();; level = arch::below(level)) {
        const std::uint64_t raw =
            port.load_entry(table + format.index(va, level) * sizeof(std::uint64_t));
        if ((raw & Format::kPresent) == 0) return {};
        rights = restrict_rights<Format>(rights, raw);
        const PhysAddr frame(raw & Format::kFrameMask);
        const bool leaf = level == arch::PtLevel::pte || (raw & Format::kHuge) != 0;
        if (!leaf) {
            table = frame;
            continue;
        }
        const std::uint64_t inside = va.raw() & (format.span(level) - 1);
        return {.result = judge<Format>(raw, rights, access),
                .leaf = {.level = level,
                         .page = frame + align_down(inside, Format::kPageSize),
                         .table = table,
                         .writable = rights.write && (raw & Format::kDirty) != 0,
                         .executable = rights.exec}};
    }
}

/// The error code that a processor pushes. An entry without A counts as not present, as on a
/// processor that leaves A and D to software: Linux refuses a read fault on a present entry.
constexpr std::uint32_t fault_code(WalkResult result, Access access) {
    constexpr std::uint32_t kPresent = 1, kWrite = 2, kUser = 4, kFetch = 16;
    std::uint32_t code = kUser;
    if (access == Access::write) code |= kWrite;
    if (access == Access::fetch) code |= kFetch;
    if (result == WalkResult::denied || result == WalkResult::not_dirty) code |= kPresent;
    return code;
}

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
