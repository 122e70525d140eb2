#pragma once

// The memory operations of an address space, with Linux's semantics and errors.
//
// Unless a line says otherwise: arguments are in bytes and page-aligned where Linux asks it, no
// lock is held on entry or return, the operation takes the mmap lock or a VMA lock itself, and a
// failed call leaves the address space as it was.

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "base/base.hpp"
#include "mm/mm_struct.hpp"
#include "mm/uapi.hpp"

namespace surefoot::inline SF_BUILD::mm {

struct MmapRequest {
    VirtAddr addr;
    std::uint64_t length = 0;
    std::uint32_t prot = 0;
    std::uint32_t flags = 0;
    /// What stands behind the mapping; null exactly for anonymous memory. The mapping takes a
    /// reference of its own.
    vma::Backing* backing = nullptr;
    /// In bytes.
    std::uint64_t offset = 0;
    /// false: what stands behind it was opened for reading only, so that a shared mapping can
    /// never become writable.
    bool may_write = true;
};

/// mmap(2). File-backed MAP_SHARED is ENODEV until there is a page cache.
Result<VirtAddr> mmap(Mm& mm, const MmapRequest& request);

/// munmap(2). Downgrades the mmap lock while it zaps and frees.
Result<void> munmap(Mm& mm, VirtAddr start, std::uint64_t length);

struct MremapRequest {
    VirtAddr addr;
    std::uint64_t old_length = 0;
    std::uint64_t new_length = 0;
    std::uint32_t flags = 0;
    /// With MREMAP_FIXED; with MREMAP_DONTUNMAP alone a hint.
    VirtAddr new_addr;
};

/// mremap(2). A range of several VMAs can be shrunk, or moved to a given place as it is (as Linux
/// does since 6.17); else EFAULT. A failure in the middle of such a move leaves it there.
Result<VirtAddr> mremap(Mm& mm, const MremapRequest& request);

/// mprotect(2). What lies before a hole has been changed when ENOMEM is returned.
Result<void> mprotect(Mm& mm, VirtAddr start, std::uint64_t length, std::uint32_t prot);

/// brk(2): returns the new break, or the current one if the request can't be met.
VirtAddr brk(Mm& mm, VirtAddr request);

/// madvise(2). What lies around a hole has been processed when ENOMEM is returned.
Result<void> madvise(Mm& mm, VirtAddr start, std::uint64_t length, int advice);

/// mincore(2): one byte a page in `vec`, bit 0 = resident.
Result<void> mincore(Mm& mm, VirtAddr start, std::uint64_t length, std::span<std::byte> vec);

/// mlock2(2); mlock(2) is `flags` 0. @param privileged  CAP_IPC_LOCK
Result<void> mlock(Mm& mm, VirtAddr start, std::uint64_t length, std::uint32_t flags);
Result<void> munlock(Mm& mm, VirtAddr start, std::uint64_t length);
Result<void> mlockall(Mm& mm, std::uint32_t flags);
Result<void> munlockall(Mm& mm);

enum class Access : std::uint8_t { read, write, exec };

enum class FaultResult : std::uint8_t {
    /// The access can be repeated (it may fault again).
    handled,
    /// No VMA there: SIGSEGV, SEGV_MAPERR.
    maperr,
    /// The VMA forbids it: SIGSEGV, SEGV_ACCERR.
    accerr,
    /// Beyond the end of the file: SIGBUS, BUS_ADRERR.
    bus,
    /// No frame or table could be had.
    oom,
};

/// A page fault of the guest at `va` (any byte). Takes the VMA lock, or else the mmap lock; sets
/// accessed, and dirty for a write. (Linux: handle_mm_fault and its callers.)
FaultResult handle_fault(Mm& mm, VirtAddr va, Access access);

/// Copies between the guest's memory and ours through the arena; faults pages in as needed.
/// @return bytes copied; less than asked where the rest is not accessible
std::size_t copy_from_user(Mm& mm, std::span<std::byte> to, VirtAddr from);
std::size_t copy_to_user(Mm& mm, VirtAddr to, std::span<const std::byte> from);

/// A NUL-terminated string. Fails with fault, or nametoolong when `max` bytes hold no NUL.
Result<std::string> strncpy_from_user(Mm& mm, VirtAddr from, std::size_t max);

/// Reads one object; nothing if any byte of it is not accessible.
template <class T>
Result<T> get_user(Mm& mm, VirtAddr from) {
    T value;
    const auto bytes = std::as_writable_bytes(std::span(&value, 1));
    if (copy_from_user(mm, bytes, from) != sizeof value) return Errno::fault;
    return value;
}

template <class T>
Result<void> put_user(Mm& mm, VirtAddr to, const T& value) {
    const auto bytes = std::as_bytes(std::span(&value, 1));
    if (copy_to_user(mm, to, bytes) != sizeof value) return Errno::fault;
    return {};
}

/// Guest memory that is held for direct access, e.g. by a host read(2) straight into the frames.
/// Keeps a reference on each frame; what the guest maps there may change meanwhile.
class UserPages {
  public:
    UserPages(Mm& mm, Access access) : mm_(mm), access_(access) {}
    UserPages(const UserPages&) = delete;
    UserPages& operator=(const UserPages&) = delete;
    ~UserPages() { release(); }

    static constexpr std::size_t kMaxPages = 256;
    struct Piece {
        std::byte* data;
        std::size_t size;
    };

    /// Faults in and references up to `length` bytes more.
    /// @return fewer than asked (possibly none) where the rest is not accessible, or kMaxPages are
    ///         held
    std::size_t add(VirtAddr start, std::uint64_t length);
    void release();

    std::size_t bytes() const { return bytes_; }
    /// In the order they were added; contiguous frames are merged into one piece.
    std::span<const Piece> pieces() const { return {pieces_.data(), nr_pieces_}; }

  private:
    void hold(arch::pte_t entry, std::byte* at, std::size_t n);

    Mm& mm_;
    const Access access_;
    std::size_t bytes_ = 0;
    std::size_t nr_pages_ = 0;
    std::size_t nr_frames_ = 0;
    std::size_t nr_pieces_ = 0;
    // Not initialised: this is made for every read and write of a guest.
    std::array<std::uint32_t, kMaxPages> frames_;
    std::array<Piece, kMaxPages> pieces_;
};

/// An aligned 32-bit word of guest memory, accessed while its entry is stable (PTL held) and
/// without faulting: `again` means "call fault_in and retry", so that it can be called under a
/// futex bucket's lock.
Result<std::uint32_t> load_user_word(Mm& mm, VirtAddr va);
/// @return the value before; it was replaced if it equalled `expected`
Result<std::uint32_t> cmpxchg_user_word(Mm& mm, VirtAddr va, std::uint32_t expected,
                                        std::uint32_t desired);
/// Makes the page of `va` present for `access`. Fails with fault (or nomem).
Result<void> fault_in(Mm& mm, VirtAddr va, Access access);

/// Identity of a futex word, as Linux keys it: private memory by (mm, address), shared memory by
/// (backing object, page index, offset). Never by frame.
struct FutexKey {
    const void* object = nullptr;
    std::uint64_t index = 0;
    std::uint32_t offset = 0;
    friend bool operator==(const FutexKey&, const FutexKey&) = default;
};
/// @param shared  false: FUTEX_PRIVATE_FLAG, no look-up. Fails with fault.
Result<FutexKey> futex_key(Mm& mm, VirtAddr va, bool shared);

/// A VMA as /proc/PID/maps and smaps show it. Sizes in bytes.
struct VmaStats {
    VaRange range;
    vma::VmaFlags flags;
    std::uint64_t pgoff = 0;
    const vma::Backing* backing = nullptr;
    std::uint64_t rss = 0;
    std::uint64_t anonymous = 0;
    std::uint64_t private_clean = 0;
    std::uint64_t private_dirty = 0;
    std::uint64_t shared_clean = 0;
    std::uint64_t shared_dirty = 0;
    std::uint64_t referenced = 0;
    std::uint64_t locked = 0;
};
/// Calls `visit` for each VMA in address order, under the mmap read lock (it must not call back).
/// @param pages  false: only range, flags, pgoff and backing are filled in (maps)
void for_each_vma(Mm& mm, bool pages, const std::function<void(const VmaStats&)>& visit);

/// Whole-structure check: tables, entries, counts and VMAs agree. The address space is quiescent.
/// @return an empty string, or the first inconsistency in words. (Modelled on Linux's
/// page_table_check and validate_mm.)
std::string check_mm(Mm& mm);

}  // namespace surefoot::inline SF_BUILD::mm
