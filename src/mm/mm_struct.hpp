#pragma once

// An address space: VMAs and page tables together (Linux: struct mm_struct).

#include <cstdint>
#include <memory>

#include "host/host.hpp"
#include "mm/rights.hpp"
#include "mm/system.hpp"

namespace surefoot::inline SF_BUILD::mm {

using sync::Order;
using vma::Vma;
using vma::VmaFlags;

/// Resource limits, in bytes; Linux's RLIMIT_*. ~0 is "unlimited".
struct Limits {
    std::uint64_t address_space = ~0ULL;
    std::uint64_t data = ~0ULL;
    std::uint64_t stack = 8ULL << 20;
    std::uint64_t memlock = 8ULL << 20;
};

struct MmOptions {
    arch::Format format{};
    /// First address past the guest's range.
    VirtAddr task_size;
    Limits limits{};
    /// Linux's sysctl vm.mmap_min_addr and vm.max_map_count.
    std::uint64_t mmap_min_addr = 16 * arch::kPageSize;
    std::uint32_t max_map_count = 65530;
    /// CAP_IPC_LOCK: mlock is not limited.
    bool may_lock_all = false;
    /// Pages that the first write to private anonymous memory may populate at once: a power of two,
    /// at most those of a PTE table. 1: as Linux without multi-size THP.
    std::uint32_t fault_around = 1;
};

/// Kinds of resident pages, as /proc/PID/status counts them.
enum class RssKind : std::uint8_t { anon, file, shmem, kCount };

/// Resident pages by kind, split by thread slot: two threads that fault write no shared line.
class RssCounters {
public:
    void add(RssKind kind, std::int64_t pages) {
        counters_.add(static_cast<std::size_t>(kind), pages);
    }
    std::int64_t read(RssKind kind) const {
        return counters_.read(static_cast<std::size_t>(kind));
    }
    std::int64_t total() const {
        return read(RssKind::anon) + read(RssKind::file) + read(RssKind::shmem);
    }

private:
    sync::SlotCounters<std::int64_t, static_cast<std::size_t>(RssKind::kCount)> counters_;
};

class Mm;
/// Ends the address space: zaps, frees its tables, waits for a grace period, frees it. The CPU
/// back end's space is destroyed before (or was never attached).
struct MmDeleter {
    void operator()(Mm* mm) const noexcept;
};
using MmPtr = std::unique_ptr<Mm, MmDeleter>;

class Mm : public sync::SharedObject {
public:
    /// An empty address space. Fails: nomem.
    static Result<MmPtr> create(System& system, const MmOptions& options);

    System& system;
    const MmOptions options;
    vma::VmaSpace vmas;
    pgtable::PageTables tables;
    RssCounters rss;

    /// Where top-down searches start (Linux: mm->mmap_base).
    const VirtAddr mmap_base;
    /// Set by the loader before the first guest instruction, then under mmap W.
    sync::Shared<VirtAddr> start_brk;
    sync::Shared<VirtAddr> brk;

    // Pages, changed under mmap W (Linux: total_vm, locked_vm, data_vm, stack_vm). Atomic for
    // reports that hold no lock.
    sync::Atomic<std::uint64_t> total_vm{0};
    sync::Atomic<std::uint64_t> locked_vm{0};
    sync::Atomic<std::uint64_t> data_vm{0};
    sync::Atomic<std::uint64_t> stack_vm{0};
    /// Flags of future mappings (mlockall). Under mmap W.
    sync::Shared<VmaFlags> def_flags;

    /// RLIMIT_* may be changed while threads run.
    struct LiveLimits {
        sync::Atomic<std::uint64_t> address_space;
        sync::Atomic<std::uint64_t> data;
        sync::Atomic<std::uint64_t> stack;
        sync::Atomic<std::uint64_t> memlock;
    } limits;

    void count(Event event, std::uint64_t n = 1) { system.events.count(event, n); }

private:
    friend struct MmDeleter;
    Mm(System& system, const MmOptions& options);
    void exit_mmap() noexcept;
};

/// How a frame counts.
RssKind rss_kind(const phys::Frame& frame);

}  // namespace surefoot::inline SF_BUILD::mm
