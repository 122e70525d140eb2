#pragma once

// Surefoot for an embedder: address spaces with Linux's semantics, whose page tables are real
// x86-64 page tables in an arena of frames. The C ABI is surefoot.h.
//
// Threads: every function may be called from any thread at any time, on the same machine and the
//   same space, unless its comment says otherwise. No lock is held on return.
// Errors: no exception crosses this header. An Expected holds a value or a Linux error number. A
//   failed call leaves the address space as it was unless its comment says otherwise; ENOMEM may
//   come from every call that returns an Expected, and every such call may be repeated.
// Callbacks are given at creation, and must not throw.
// Units: addresses and lengths are bytes; a page has 4096. prot, flags and advice are the numbers
//   of <sys/mman.h> on x86-64 Linux.
// State: all of it belongs to the objects below. Process-wide are only liburcu's list of reader
//   threads, the C++ library's table of waiting threads, and a counter that numbers threads.
// A handle that was moved from may only be assigned to or destroyed.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace surefoot {

/// A Linux error number, positive: ENOMEM, EINVAL, ...
struct Error {
    int number = 0;
    friend constexpr bool operator==(Error, Error) = default;
};

/// A value or an Error. Taking the value that is not there ends the program.
template <class T>
class [[nodiscard]] Expected {
  public:
    Expected(T value) noexcept : value_(std::move(value)) {}
    Expected(Error error) noexcept : error_(error) {}

    explicit operator bool() const noexcept { return value_.has_value(); }
    /// Error{0} if there is a value.
    Error error() const noexcept { return error_; }

    T& operator*() & noexcept { return get(); }
    T&& operator*() && noexcept { return std::move(get()); }
    T* operator->() noexcept { return &get(); }

  private:
    T& get() noexcept {
        if (!value_) std::abort();
        return *value_;
    }
    std::optional<T> value_;
    Error error_;
};

/// Success, or an Error.
template <>
class [[nodiscard]] Expected<void> {
  public:
    Expected() noexcept = default;
    Expected(Error error) noexcept : error_(error) {}

    explicit operator bool() const noexcept { return error_.number == 0; }
    Error error() const noexcept { return error_; }

  private:
    Error error_;
};
using Status = Expected<void>;

/// [start, end) of an address space.
struct Range {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
};

/// What a space's tables no longer say.
struct Invalidation {
    /// Where leaf entries were cleared, or permit less now.
    const Range* ranges = nullptr;
    std::size_t nr_ranges = 0;
    /// Tables were unlinked as well: drop cached pointers to tables too. A table's frame stays
    /// untouched until the call has returned.
    bool tables_freed = false;
    /// Everything cached of this space is to go; `ranges` then is the whole space.
    bool all = false;
};

/// Removes stale translations from whatever caches them. Its return is the acknowledgement:
/// frames are reused from then on, so nobody may still use an old translation.
/// Locks: the library may hold page-table locks, the mmap lock and an RCU read section. The
/// function may block, but must not call the library for any space of that machine, nor wait for a
/// thread that is inside such a call. The one exception is Space::translate.
/// Called on the thread that changes the tables, by several at once if several change them.
using Invalidate = void (*)(void* context, const Invalidation& what);

struct MachineOptions {
    /// Size of the arena; rounded down to whole pages, at least 64 KiB. The host's memory is used
    /// as frames are touched.
    std::uint64_t memory_bytes = 1ULL << 30;
    /// Null: a memfd of the library. Otherwise the caller's, page-aligned and zeroed, and alone the
    /// library's until the machine and all its spaces and files are destroyed.
    void* memory = nullptr;
    /// With `memory`: what Arena::fd shows, or -1. Stays the caller's, and open.
    int memory_fd = -1;
};

/// The frames: byte n is physical address n, as page-table entries name it.
struct Arena {
    std::byte* base = nullptr;
    std::uint64_t size = 0;
    /// -1 if other processes can't map it.
    int fd = -1;
};

/// Bytes.
struct MachineStatistics {
    std::uint64_t memory = 0;
    /// Frames in use: pages, tables, the zero page. A table that was unlinked counts until its
    /// grace period is over.
    std::uint64_t used = 0;
};

/// Linux's RLIMIT_*, in bytes; ~0 is "unlimited".
struct Limits {
    std::uint64_t address_space = ~0ULL;
    std::uint64_t data = ~0ULL;
    std::uint64_t stack = 8ULL << 20;
    std::uint64_t memlock = 8ULL << 20;
};

struct SpaceOptions {
    /// Of page tables: 4 or 5.
    unsigned levels = 4;
    /// First address past the space, page-aligned, at least 1 MiB; 0: the end of the lower half.
    /// (TASK_SIZE)
    std::uint64_t task_size = 0;
    /// Where the break starts; 0: there is none, brk returns 0.
    std::uint64_t start_brk = 0;
    /// Linux's sysctl vm.mmap_min_addr.
    std::uint64_t mmap_min_addr = 1ULL << 16;
    Limits limits = {};
    /// mlock is not limited. (CAP_IPC_LOCK)
    bool may_lock_all = false;
    /// Pages that the first write to private anonymous memory may populate at once, where as many
    /// lie populated in front of it: a power of two, 1 to 512. 1: as Linux without multi-size THP.
    std::uint32_t fault_around = 1;
    /// Null: nothing caches translations.
    Invalidate invalidate = nullptr;
    void* invalidate_context = nullptr;
};

/// A file that private mappings show.
struct FileOptions {
    /// Fills `page` (4096 bytes) with page `index` of the file. The rest of a short page is zeroed.
    /// @return bytes filled, or a negative error number; past the end -ENXIO (SIGBUS)
    /// Locks: a VMA lock or the mmap lock is held; it may block, and must not call the library for
    /// a space that maps the file. By several threads at once.
    std::int64_t (*read_page)(void* context, std::uint64_t index, void* page) = nullptr;
    /// Nothing reads the file any more: handle and mappings are gone. May be null; the locks of
    /// read_page, and the same rules.
    void (*release)(void* context) = nullptr;
    void* context = nullptr;
    /// As maps() shows it.
    std::string name = {};
    std::uint64_t inode = 0;
};

enum class Access : std::uint8_t { read, write, execute };

/// What a fault came to.
enum class Fault : std::uint8_t {
    handled,  ///< the access can be repeated (and may fault again)
    maperr,   ///< nothing is mapped there: SIGSEGV, SEGV_MAPERR
    accerr,   ///< the mapping forbids it: SIGSEGV, SEGV_ACCERR
    bus,      ///< past the end of the file, or it could not be read: SIGBUS
    oom,      ///< no frame or table could be had
};

/// Where a virtual address leads, as a processor would find it.
struct Translation {
    /// Offset into the arena of that very byte.
    std::uint64_t physical = 0;
    bool writable = false;
    bool executable = false;
    bool accessed = false;
    /// A cache must not let a write through before this is set: fault(va, Access::write) sets it.
    bool dirty = false;
};

/// Bytes, but for the counts.
struct SpaceStatistics {
    std::uint64_t rss_anon = 0;
    std::uint64_t rss_file = 0;
    std::uint64_t rss_shmem = 0;
    /// Page tables, the root included.
    std::uint64_t tables = 0;
    // Mapped, as /proc/PID/status has it: VmSize, VmLck, VmData, VmStk.
    std::uint64_t total_vm = 0;
    std::uint64_t locked_vm = 0;
    std::uint64_t data_vm = 0;
    std::uint64_t stack_vm = 0;
    std::uint64_t nr_vmas = 0;
};

class Machine;

/// Shared by its handle and by every mapping of it.
class File {
  public:
    File(File&&) noexcept;
    File& operator=(File&&) noexcept;
    /// Mappings stay, and keep the file.
    ~File();

    struct Impl;

  private:
    friend class Machine;
    friend class Space;
    explicit File(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

struct MmapOptions {
    /// A hint, or with MAP_FIXED the place.
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    int prot = 0;
    /// MAP_*
    int flags = 0;
    /// Of the same machine. Null with MAP_ANONYMOUS.
    const File* file = nullptr;
    /// Into the file; page-aligned.
    std::uint64_t offset = 0;
};

/// One address space (Linux: struct mm_struct). Keeps its machine alive.
class Space {
  public:
    Space(Space&&) noexcept;
    Space& operator=(Space&&) noexcept;
    /// Unmaps everything, which the invalidate callback still hears of (the handle is not
    /// to be used any more, even there), and waits for an RCU grace period. No other call on the
    /// space is running.
    ~Space();

    /// mmap(2); the new mapping's address. MAP_SHARED of a file is ENODEV.
    /// Fails: EINVAL, ENOMEM, EEXIST, EPERM, EAGAIN, EOVERFLOW, EOPNOTSUPP, ENODEV, EBADF (no file,
    /// not anonymous), EXDEV (another machine's file).
    Expected<std::uint64_t> mmap(const MmapOptions& options) noexcept;
    /// munmap(2). Fails: EINVAL, ENOMEM.
    Status munmap(std::uint64_t start, std::uint64_t length) noexcept;
    /// mprotect(2). Fails: EINVAL, EACCES, ENOMEM; what lies before a hole is changed then.
    Status mprotect(std::uint64_t start, std::uint64_t length, int prot) noexcept;
    /// madvise(2). Fails: EINVAL (also for advice that is not built), ENOMEM (what lies around a
    /// hole was processed), EFAULT, EAGAIN.
    Status madvise(std::uint64_t start, std::uint64_t length, int advice) noexcept;
    /// brk(2): the new break, or the current one if it stays.
    std::uint64_t brk(std::uint64_t address) noexcept;
    /// mincore(2): one byte a page, bit 0 is "resident".
    /// @param bytes  size of `resident`. Fails: EINVAL, ENOMEM for a hole, EFAULT if it is too
    /// small.
    Status mincore(std::uint64_t start, std::uint64_t length, unsigned char* resident,
                   std::size_t bytes) noexcept;
    /// mlock2(2); `flags` 0 or MLOCK_ONFAULT. Fails: EINVAL, EPERM, ENOMEM (what lies before a
    /// hole stays locked), EAGAIN.
    Status mlock(std::uint64_t start, std::uint64_t length, int flags = 0) noexcept;
    Status munlock(std::uint64_t start, std::uint64_t length) noexcept;
    /// mlockall(2). Fails: EINVAL, EPERM, ENOMEM.
    Status mlockall(int flags) noexcept;
    Status munlockall() noexcept;

    /// Resolves a page fault at `va` (any byte), as handle_mm_fault. Sets accessed, and dirty for a
    /// write. Locks: takes a VMA lock or the mmap lock, and page-table locks.
    Fault fault(std::uint64_t va, Access access) noexcept;

    /// Physical address of the root table: what a processor's CR3 would hold. For the space's life.
    /// Whoever walks the tables: loads each entry once, atomically; stores nothing; and keeps the
    /// invalidate callback waiting meanwhile, so that no table goes away.
    std::uint64_t root() const noexcept;
    /// The walk in software; nothing if no entry is present. Never faults; takes no lock but an
    /// RCU read section, so that it can be called under a lock that the invalidate callback takes:
    /// that is how a cache is filled without keeping what was just invalidated.
    std::optional<Translation> translate(std::uint64_t va) const noexcept;

    /// Copies guest memory, faulting pages in. Not atomic against other writers.
    /// @return bytes copied: fewer where the rest is not accessible or memory ran out
    std::size_t read(void* to, std::size_t bytes, std::uint64_t from) noexcept;
    std::size_t write(std::uint64_t to, const void* from, std::size_t bytes) noexcept;

    /// The text of /proc/PID/maps. Takes the mmap lock for reading.
    Expected<std::string> maps() const noexcept;
    /// Compares tables, entries, counts and mappings with each other. No other call on the space
    /// is running. @return an empty text, or the first inconsistency in words
    Expected<std::string> check() noexcept;
    /// Exact when no other call is running.
    SpaceStatistics statistics() const noexcept;

    struct Impl;

  private:
    friend class Machine;
    explicit Space(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

/// Physical memory, and what the address spaces in it share. Any number may live in a process.
class Machine {
  public:
    /// Fails: EINVAL for sizes or memory that are no use, ENOMEM, EMFILE, ENFILE; nothing is left.
    static Expected<Machine> create(const MachineOptions& options = {}) noexcept;
    Machine(Machine&&) noexcept;
    Machine& operator=(Machine&&) noexcept;
    /// The memory goes with the last of machine, spaces and files.
    ~Machine();

    /// Fails: EINVAL, ENOMEM.
    Expected<Space> create_space(const SpaceOptions& options = {}) noexcept;
    /// Fails: EINVAL without read_page, ENOMEM (`release` is not called then).
    Expected<File> create_file(const FileOptions& options) noexcept;

    Arena arena() const noexcept;
    MachineStatistics statistics() const noexcept;
    /// Name of event counter `index`, as in /proc/vmstat where Linux has it; null past the last.
    static const char* counter_name(unsigned index) noexcept;
    /// Its count over all spaces; 0 past the last.
    std::uint64_t counter(unsigned index) const noexcept;

    struct Impl;

  private:
    friend struct MachineAccess;
    explicit Machine(std::shared_ptr<Impl> impl) noexcept;
    std::shared_ptr<Impl> impl_;
};

/// "major.minor.patch"
const char* version() noexcept;

}  // namespace surefoot
