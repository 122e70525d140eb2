#pragma once

// Fast user-space locks: waiters hashed by key into buckets. The value of the word is compared
// under the bucket's lock while its entry is stable, so that no wake-up is lost.

#include <array>
#include <cstdint>
#include <optional>

#include "linux/abi.hpp"
#include "linux/process/parker.hpp"
#include "mm/mm.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

class Task;

struct FutexWait {
    VirtAddr address;
    bool shared = false;
    std::uint32_t expected = 0;
    std::uint32_t bitset = ~0U;
    std::optional<Deadline> deadline;
};

struct FutexRequeue {
    VirtAddr from;
    VirtAddr to;
    bool shared = false;
    std::uint32_t nr_wake = 0;
    std::uint32_t nr_requeue = 0;
    /// FUTEX_CMP_REQUEUE.
    std::optional<std::uint32_t> expected;
};

struct FutexWakeOp {
    VirtAddr first;
    VirtAddr second;
    bool shared = false;
    std::uint32_t nr_first = 0;
    std::uint32_t nr_second = 0;
    /// FUTEX_OP(...)
    std::uint32_t operation = 0;
};

class FutexTable {
  public:
    FutexTable() = default;
    FutexTable(const FutexTable&) = delete;
    FutexTable& operator=(const FutexTable&) = delete;

    /// @return 0, -EAGAIN, -ETIMEDOUT, -EFAULT or kErestartsys
    SysResult wait(Task& task, const FutexWait& request);
    /// @return the number of threads woken, or -EFAULT
    SysResult wake(mm::Mm& mm, VirtAddr address, bool shared, std::uint32_t count,
                   std::uint32_t bitset);
    SysResult requeue(mm::Mm& mm, const FutexRequeue& request);
    SysResult wake_op(mm::Mm& mm, const FutexWakeOp& request);

  private:
    struct Bucket;
    /// On the stack of the waiting thread, linked into its bucket.
    struct Waiter {
        mm::FutexKey key;
        std::uint32_t bitset = ~0U;
        Parker* parker = nullptr;
        /// Changes under the locks of both buckets.
        sync::Atomic<Bucket*> bucket{nullptr};
        /// Release by the waker, under the bucket's lock; the waiter's acquire ends the wait.
        sync::Atomic<bool> woken{false};
        Waiter* previous = nullptr;
        Waiter* next = nullptr;
    };
    struct alignas(64) Bucket {
        sync::SpinLock<sync::LockId::futex_bucket> lock;
        Waiter* first = nullptr;
        Waiter* last = nullptr;
        void append(Waiter& waiter);
        void remove(Waiter& waiter);
    };
    class TwoBuckets;
    class WakeList;

    static constexpr std::size_t kBuckets = 256;

    Bucket& bucket_of(const mm::FutexKey& key);
    /// Compares and links `waiter`. @return 0, -EAGAIN or -EFAULT
    SysResult enqueue(mm::Mm& mm, const FutexWait& request, Waiter& waiter);
    /// @return false: it was woken before
    bool dequeue(Waiter& waiter);
    static std::uint32_t wake_in(Bucket& bucket, const mm::FutexKey& key, std::uint32_t count,
                                 std::uint32_t bitset, WakeList& list);
    static std::uint32_t move(Bucket& from, const mm::FutexKey& from_key, Bucket& to,
                              const mm::FutexKey& to_key, std::uint32_t count);

    std::array<Bucket, kBuckets> buckets_;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
