// mmap(2), munmap(2), brk(2) (protocol 4.19, 7.1).

#include "mm/accounting.hpp"
#include "mm/map/layout.hpp"
#include "mm/operations.hpp"
#include "mm/fault/populate.hpp"
#include "mm/map/region.hpp"
#include "mm/map/zap.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using namespace uapi;
using vma::MmapWriteGuard;
using vma::VmaFlag;

/// All MAP_* bits that MAP_SHARED_VALIDATE accepts for a file.
constexpr std::uint32_t kKnownMapFlags =
    MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | MAP_DENYWRITE |
    MAP_EXECUTABLE | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK |
    MAP_HUGETLB | MAP_FIXED_NOREPLACE;

/// Linux's MAX_LFS_FILESIZE.
constexpr std::uint64_t kMaxFileBytes = ~0ULL >> 1;

VmaFlags flags_of(std::uint32_t prot, std::uint32_t map_flags) {
    VmaFlags flags = vma::kVmaMayAccess;
    if ((prot & PROT_READ) != 0) flags = flags | VmaFlag::read;
    if ((prot & PROT_WRITE) != 0) flags = flags | VmaFlag::write;
    if ((prot & PROT_EXEC) != 0) flags = flags | VmaFlag::exec;
    if ((map_flags & MAP_GROWSDOWN) != 0) flags = flags | VmaFlag::growsdown;
    if ((map_flags & MAP_LOCKED) != 0) flags = flags | VmaFlag::locked;
    // Linux keeps huge pages out of thread stacks; the flag keeps such a region from merging.
    if ((map_flags & MAP_STACK) != 0) flags = flags | VmaFlag::nohugepage;
    if ((map_flags & MAP_NORESERVE) != 0) flags = flags | VmaFlag::noreserve;
    return flags;
}

/// The sharing of a new mapping: flags to add, or why it can't be.
Result<VmaFlags> sharing_of(const MmapRequest& request, VmaFlags flags) {
    const std::uint32_t type = request.flags & MAP_TYPE;
    const bool anonymous = request.backing == nullptr;
    // The offset means nothing for anonymous memory.
    const std::uint64_t length = page_align(request.length);
    if (!anonymous && (length > kMaxFileBytes || request.offset > kMaxFileBytes - length)) {
        return Errno::overflow;
    }
    if (!anonymous && type == MAP_SHARED_VALIDATE &&
        (request.flags & ~kKnownMapFlags) != 0) {
        return Errno::opnotsupp;
    }
    const bool shared = type == MAP_SHARED || (!anonymous && type == MAP_SHARED_VALIDATE);
    if (shared) {
        // A shared file needs the page cache.
        if (!anonymous) return Errno::nodev;
        if (flags.has(VmaFlag::growsdown)) return Errno::inval;
        return VmaFlag::shared | VmaFlag::mayshare;
    }
    if (type != MAP_PRIVATE) return Errno::inval;
    if (!anonymous && flags.has(VmaFlag::growsdown)) return Errno::inval;
    return VmaFlags{};
}

/// A reference that is dropped at the end of the scope.
class BackingRef {
public:
    explicit BackingRef(vma::Backing* backing) : backing_(backing) {}
    ~BackingRef() {
        if (backing_ != nullptr) backing_->put();
    }
    BackingRef(const BackingRef&) = delete;
    BackingRef& operator=(const BackingRef&) = delete;

private:
    vma::Backing* backing_;
};

struct Placed {
    VaRange range;
    VmaFlags flags;
};

/// The checks of do_mmap in its order: where the mapping goes and with which flags.
Result<Placed> place(Mm& mm, const MmapWriteGuard& mmap, const MmapRequest& request) {
    std::uint32_t map_flags = request.flags;
    if ((map_flags & MAP_FIXED_NOREPLACE) != 0) map_flags |= MAP_FIXED;
    VirtAddr addr = request.addr;
    if ((map_flags & MAP_FIXED) == 0) {
        addr = addr.align_down(arch::kPageSize);
        if (addr.raw() != 0 && addr.raw() < mm.options.mmap_min_addr) {
            addr = VirtAddr(page_align(mm.options.mmap_min_addr));
        }
    }
    const std::uint64_t length = page_align(request.length);
    if (length == 0) return Errno::nomem;
    if (mm.vmas.map_count() > mm.options.max_map_count) return Errno::nomem;

    VmaFlags flags = flags_of(request.prot, map_flags) | mm.def_flags.get();
    const bool is_private = request.backing == nullptr && (map_flags & MAP_SHARED) == 0;
    const auto found = get_unmapped_area(mm, mmap,
                                         {.addr = addr,
                                          .length = length,
                                          .flags = map_flags,
                                          .private_anonymous = is_private});
    if (!found) return found.error();
    const VaRange range{*found, *found + length};
    if ((map_flags & MAP_FIXED_NOREPLACE) != 0 && mmap.find_intersection(range) != nullptr) {
        return Errno::exist;
    }
    if ((map_flags & MAP_LOCKED) != 0 && !may_lock_any(mm)) return Errno::perm;
    if (flags.has(VmaFlag::locked) && !may_lock(mm, length >> arch::kPageShift)) {
        return Errno::again;
    }
    const auto sharing = sharing_of(request, flags);
    if (!sharing) return sharing.error();
    flags = flags | *sharing;
    if (flags.has(VmaFlag::shared) && !request.may_write) flags = flags.without(VmaFlag::maywrite);
    return Placed{range, flags};
}

}  // namespace

Result<VirtAddr> mmap(Mm& mm, const MmapRequest& request) {
    if (request.offset % arch::kPageSize != 0) return Errno::inval;
    if (request.length == 0) return Errno::inval;
    // As Linux where no huge page is reserved, and for a file that is not on hugetlbfs.
    if ((request.flags & MAP_HUGETLB) != 0) {
        return request.backing == nullptr ? Errno::nomem : Errno::inval;
    }
    bool populate = (request.flags & (MAP_POPULATE | MAP_NONBLOCK)) == MAP_POPULATE;
    VaRange range;
    {
        MmapWriteGuard mmap(mm.vmas);
        const auto placed = place(mm, mmap, request);
        if (!placed) return placed.error();
        range = placed->range;
        vma::NewMapping region{.range = range,
                               .flags = placed->flags,
                               .pgoff = request.offset >> arch::kPageShift,
                               .backing = request.backing};
        vma::Backing* shmem = nullptr;
        if (request.backing == nullptr) {
            region.pgoff = vma::anonymous_pgoff(range.start);
            if (region.flags.has(VmaFlag::shared)) {
                if (mm.system.shared_memory == nullptr) return Errno::nodev;
                const auto object = mm.system.shared_memory->create(range.bytes());
                if (!object) return object.error();
                region.pgoff = 0;
                region.backing = shmem = *object;
            }
        }
        const BackingRef dropped(shmem);
        if (const auto mapped = map_region(mm, mmap, region); !mapped) return mapped.error();
        populate |= region.flags.has(VmaFlag::locked) && !region.flags.has(VmaFlag::lockonfault);
    }
    if (populate) populate_ignoring_errors(mm, range);
    return range.start;
}

Result<void> munmap(Mm& mm, VirtAddr start, std::uint64_t length) {
    const std::uint64_t task_size = mm.options.task_size.raw();
    if (!start.is_aligned(arch::kPageSize)) return Errno::inval;
    if (start.raw() > task_size || length > task_size - start.raw()) return Errno::inval;
    const VaRange range{start, start + page_align(length)};
    if (range.empty()) return Errno::inval;

    MmapWriteGuard mmap(mm.vmas);
    Vma* first = mmap.find_intersection(range);
    if (first == nullptr) return {};
    auto detached = detach_range(mm, mmap, range, first);
    if (!detached) return detached.error();
    // Nobody can reach the range any more: faults elsewhere go on while it is zapped. Floor and
    // ceiling stay right because no writer gets in before the gather is finished (C39).
    mmap.downgrade();
    unmap_detached(mm, std::move(*detached), VmaStable(mmap));
    return {};
}

namespace {

/// Unmaps [new end, old end); the guest's break has been lowered by then.
bool shrink_brk(Mm& mm, MmapWriteGuard& mmap, VaRange range, VirtAddr request) {
    // Nothing is left of the heap there: Linux refuses.
    Vma* first = mmap.find_intersection(range);
    if (first == nullptr) return false;
    auto detached = detach_range(mm, mmap, range, first);
    if (!detached) return false;
    mm.brk.set(request);
    mmap.downgrade();
    unmap_detached(mm, std::move(*detached), VmaStable(mmap));
    return true;
}

/// Maps [old end, new end), or a neighbour grows. (check_brk_limits, do_brk_flags)
bool grow_brk(Mm& mm, const MmapWriteGuard& mmap, VaRange range, VmaFlags flags) {
    if (flags.has(VmaFlag::locked) && !may_lock(mm, range.bytes() >> arch::kPageShift)) {
        return false;
    }
    const AreaRequest area{.addr = range.start, .length = range.bytes(), .flags = MAP_FIXED};
    if (!get_unmapped_area(mm, mmap, area)) return false;
    // One page beyond it stays free, and the guard gap of a stack.
    if (!is_free(mm, mmap, range.start, range.bytes() + arch::kPageSize)) return false;
    if (mm.vmas.map_count() > mm.options.max_map_count) return false;
    vma::NewMapping region{
        .range = range, .flags = flags, .pgoff = vma::anonymous_pgoff(range.start)};
    return map_region(mm, mmap, region).has_value();
}

}  // namespace

VirtAddr brk(Mm& mm, VirtAddr request) {
    MmapWriteGuard mmap(mm.vmas);
    const VirtAddr current = mm.brk.get();
    const VirtAddr base = mm.start_brk.get();
    if (request < base) return current;
    if (request - base > mm.limits.data.load(Order::relaxed)) return current;
    const VirtAddr old_end = current.align_up(arch::kPageSize);
    const VirtAddr new_end = request.align_up(arch::kPageSize);
    if (new_end < request) return current;

    if (new_end < old_end) {
        return shrink_brk(mm, mmap, {new_end, old_end}, request) ? request : current;
    }
    if (new_end > old_end) {
        const VaRange range{old_end, new_end};
        const VmaFlags flags = flags_of(PROT_READ | PROT_WRITE, 0) | mm.def_flags.get();
        if (!grow_brk(mm, mmap, range, flags)) return current;
        mm.brk.set(request);
        mmap.drop();
        if (flags.has(VmaFlag::locked)) populate_ignoring_errors(mm, range);
        return request;
    }
    mm.brk.set(request);
    return request;
}

}  // namespace surefoot::inline SF_BUILD::mm
