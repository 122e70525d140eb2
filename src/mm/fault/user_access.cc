// Our own access to a guest's memory: through the tables and the arena, never through a back
// end's mappings.

#include <algorithm>
#include <cstring>

#include "mm/fault/fault.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using arch::Format;
using arch::pte_t;
using pgtable::PteMapLocked;

/// Sets accessed, and dirty for a write, as a processor would.
pte_t touch(PteMapLocked& map, VirtAddr va, Access access) {
    return map.modify(va, [&](pte_t seen) {
        arch::LeafBits bits = Format::leaf_bits(seen);
        bits.young = true;
        bits.dirty |= access == Access::write;
        return Format::make_leaf<arch::PtLevel::pte>(Format::pfn(seen), bits);
    });
}

enum class Attempt : std::uint8_t { done, absent };

/// Calls `use(pte_t)` with the PTL held if the page of `va` allows `access` right now.
template <class Use>
Attempt try_use(Mm& mm, VirtAddr va, Access access, VmaStable right, Use& use) {
    const auto pmd = pgtable::find_pmd(mm.tables, va, right);
    if (!pmd) return Attempt::absent;
    PteMapLocked map(mm.tables, *pmd, right);
    if (!map || !entry_permits(map.load(va), access)) return Attempt::absent;
    use(touch(map, va, access));
    return Attempt::done;
}

template <class Use>
Attempt try_use_locked(Mm& mm, VirtAddr va, Access access, Use& use) {
    {
        vma::VmaReadGuard guard(mm.vmas, va);
        if (guard) {
            if (!permits(guard.vma().flags(), access)) return Attempt::absent;
            return try_use(mm, va, access, VmaStable(guard), use);
        }
    }
    vma::MmapReadGuard mmap(mm.vmas);
    const Vma* vma = mmap.lookup(va);
    if (vma == nullptr || !permits(vma->flags(), access)) return Attempt::absent;
    return try_use(mm, va, access, VmaStable(mmap), use);
}

/// The same, faulting the page in until the access succeeds or is not allowed.
template <class Use>
Result<void> use_page(Mm& mm, VirtAddr va, Access access, Use&& use) {
    if (va >= mm.options.task_size) return Errno::fault;
    const VirtAddr page = va.align_down(arch::kPageSize);
    while (try_use_locked(mm, page, access, use) == Attempt::absent) {
        switch (handle_fault(mm, va, access)) {
            case FaultResult::handled:
                break;
            case FaultResult::oom:
                return Errno::nomem;
            case FaultResult::maperr:
            case FaultResult::accerr:
            case FaultResult::bus:
                return Errno::fault;
        }
    }
    return {};
}

std::byte* byte_of(const Mm& mm, pte_t entry, VirtAddr va) {
    return mm.system.arena().address(Format::pfn(entry)) + va.raw() % arch::kPageSize;
}

/// Calls `copy(byte*, done, n)` page by page. @return bytes done
template <class Copy>
std::size_t copy_pages(Mm& mm, VirtAddr start, std::size_t bytes, Access access, Copy&& copy) {
    std::size_t done = 0;
    while (done < bytes) {
        const VirtAddr va = start + done;
        if (va < start) break;
        const std::size_t room = arch::kPageSize - va.raw() % arch::kPageSize;
        const std::size_t n = std::min(room, bytes - done);
        const auto used =
            use_page(mm, va, access, [&](pte_t entry) { copy(byte_of(mm, entry, va), done, n); });
        if (!used) break;
        done += n;
    }
    return done;
}

}  // namespace

std::size_t copy_from_user(Mm& mm, std::span<std::byte> to, VirtAddr from) {
    return copy_pages(mm, from, to.size(), Access::read,
                      [&](const std::byte* page, std::size_t done, std::size_t n) {
                          sync::copy_racy(to.data() + done, page, n);
                      });
}

std::size_t copy_to_user(Mm& mm, VirtAddr to, std::span<const std::byte> from) {
    return copy_pages(mm, to, from.size(), Access::write,
                      [&](std::byte* page, std::size_t done, std::size_t n) {
                          sync::copy_racy(page, from.data() + done, n);
                      });
}

Result<std::string> strncpy_from_user(Mm& mm, VirtAddr from, std::size_t max) {
    std::string text;
    while (text.size() < max) {
        const VirtAddr va = from + text.size();
        const std::size_t room = arch::kPageSize - va.raw() % arch::kPageSize;
        const std::size_t n = std::min(room, max - text.size());
        const std::size_t before = text.size();
        text.resize(before + n);
        if (copy_from_user(mm, std::as_writable_bytes(std::span(text).subspan(before)), va) != n) {
            return Errno::fault;
        }
        if (const auto nul = text.find('\0', before); nul != std::string::npos) {
            text.resize(nul);
            return text;
        }
    }
    return Errno::nametoolong;
}

std::size_t UserPages::add(VirtAddr start, std::uint64_t length) {
    std::size_t done = 0;
    while (done < length && nr_pages_ < kMaxPages) {
        const VirtAddr va = start + done;
        const std::size_t room = arch::kPageSize - va.raw() % arch::kPageSize;
        const std::size_t n = std::min<std::uint64_t>(room, length - done);
        const auto used = use_page(mm_, va, access_,
                                   [&](pte_t entry) { hold(entry, byte_of(mm_, entry, va), n); });
        if (!used) break;
        done += n;
    }
    bytes_ += done;
    return done;
}

void UserPages::hold(pte_t entry, std::byte* at, std::size_t n) {
    ++nr_pages_;
    if (!Format::is_special(entry)) {
        const Pfn pfn = Format::pfn(entry);
        mm_.tables.frame(pfn).refcount.inc();
        frames_[nr_frames_++] = pfn.raw();
    }
    if (nr_pieces_ > 0) {
        Piece& last = pieces_[nr_pieces_ - 1];
        if (last.data + last.size == at) {
            last.size += n;
            return;
        }
    }
    pieces_[nr_pieces_++] = {at, n};
}

void UserPages::release() {
    mm_.system.frames.put_all({frames_.data(), nr_frames_});
    bytes_ = nr_pages_ = nr_frames_ = nr_pieces_ = 0;
}

namespace {

sync::Atomic<std::uint32_t>& user_word(const Mm& mm, pte_t entry, VirtAddr va) {
    return *reinterpret_cast<sync::Atomic<std::uint32_t>*>(byte_of(mm, entry, va));
}

/// One attempt on an aligned word, without faulting.
template <class Use>
Result<std::uint32_t> use_word(Mm& mm, VirtAddr va, Access access, Use&& use) {
    if (!va.is_aligned(sizeof(std::uint32_t))) return Errno::inval;
    if (va >= mm.options.task_size) return Errno::fault;
    std::uint32_t value = 0;
    auto read = [&](pte_t entry) { value = use(user_word(mm, entry, va)); };
    // A VMA lock is taken by try and no sleeping lock: the caller may hold a futex bucket.
    vma::VmaReadGuard guard(mm.vmas, va);
    if (!guard || !permits(guard.vma().flags(), access)) return Errno::again;
    const VirtAddr page = va.align_down(arch::kPageSize);
    if (try_use(mm, page, access, VmaStable(guard), read) == Attempt::absent) return Errno::again;
    return value;
}

}  // namespace

Result<std::uint32_t> load_user_word(Mm& mm, VirtAddr va) {
    return use_word(mm, va, Access::read, [](auto& word) { return word.load(Order::seq_cst); });
}

Result<std::uint32_t> cmpxchg_user_word(Mm& mm, VirtAddr va, std::uint32_t expected,
                                        std::uint32_t desired) {
    return use_word(mm, va, Access::write, [&](auto& word) {
        std::uint32_t seen = expected;
        word.compare_exchange(seen, desired, Order::seq_cst, Order::seq_cst);
        return seen;
    });
}

Result<void> fault_in(Mm& mm, VirtAddr va, Access access) {
    return use_page(mm, va, access, [](pte_t) {});
}

Result<FutexKey> futex_key(Mm& mm, VirtAddr va, bool shared) {
    if (!va.is_aligned(sizeof(std::uint32_t))) return Errno::inval;
    if (va >= mm.options.task_size) return Errno::fault;
    const auto offset = static_cast<std::uint32_t>(va.raw() % arch::kPageSize);
    const FutexKey by_address{&mm, va.raw() >> arch::kPageShift, offset};
    if (!shared) return by_address;
    vma::MmapReadGuard mmap(mm.vmas);
    const Vma* vma = mmap.lookup(va);
    if (vma == nullptr) return Errno::fault;
    if (!vma->has(vma::VmaFlag::shared)) return by_address;
    return FutexKey{vma->backing(), vma->page_index(va), offset};
}

}  // namespace surefoot::inline SF_BUILD::mm
