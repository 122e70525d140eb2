#include "linux/futex/futex.hpp"

#include <linux/futex.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <utility>
#include <vector>

#include "linux/process/task.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

SysResult failure(Errno error) { return -static_cast<SysResult>(error); }

/// FUTEX_OP's new value, and whether the old one makes the second wake happen.
std::uint32_t apply_operation(std::uint32_t encoded, std::uint32_t old) {
    std::uint32_t argument = (encoded >> 12) & 0xfff;
    const std::uint32_t operation = (encoded >> 28) & 0xf;
    if (operation & FUTEX_OP_OPARG_SHIFT) argument = 1U << (argument & 31);
    switch (operation & 7) {
        case FUTEX_OP_SET:
            return argument;
        case FUTEX_OP_ADD:
            return old + argument;
        case FUTEX_OP_OR:
            return old | argument;
        case FUTEX_OP_ANDN:
            return old & ~argument;
        default:
            return old ^ argument;
    }
}

bool compare_operation(std::uint32_t encoded, std::uint32_t old_value) {
    // The 12-bit argument is signed.
    const auto argument = static_cast<std::int32_t>(encoded << 20) >> 20;
    const auto old = static_cast<std::int32_t>(old_value);
    switch ((encoded >> 24) & 0xf) {
        case FUTEX_OP_CMP_EQ:
            return old == argument;
        case FUTEX_OP_CMP_NE:
            return old != argument;
        case FUTEX_OP_CMP_LT:
            return old < argument;
        case FUTEX_OP_CMP_LE:
            return old <= argument;
        case FUTEX_OP_CMP_GT:
            return old > argument;
        default:
            return old >= argument;
    }
}

bool is_known_operation(std::uint32_t encoded) {
    return ((encoded >> 28) & 7) <= FUTEX_OP_XOR && ((encoded >> 24) & 0xf) <= FUTEX_OP_CMP_GE;
}

}  // namespace

/// The threads to wake once the bucket is unlocked.
class FutexTable::WakeList {
  public:
    ~WakeList() {
        for (const Parker::Wake& wake : wakes_)
            wake.now();
    }
    WakeList() = default;
    WakeList(const WakeList&) = delete;
    WakeList& operator=(const WakeList&) = delete;

    void add(Waiter& waiter) {
        // The bucket's lock is held, and the waiter takes it before it goes. Release: pairs with
        // the acquire in `wait`. First the flag, then the token: whoever takes the token sees the
        // flag.
        waiter.woken.store(true, sync::Order::release);
        wakes_.push_back(waiter.parker->post());
    }

  private:
    std::vector<Parker::Wake> wakes_;
};

/// Locks two buckets, or one twice named. The second by trying, since both are of one class.
class FutexTable::TwoBuckets {
  public:
    TwoBuckets(Bucket& a, Bucket& b) SF_CONTEXT_UNSAFE("two locks of one class") : a_(a), b_(b) {
        Bucket& low = std::less<>{}(&a, &b) ? a : b;
        Bucket& high = &low == &a ? b : a;
        low.lock.lock();
        while (&high != &low && !high.lock.try_lock())
            sync::cpu_relax();
    }
    ~TwoBuckets() SF_CONTEXT_UNSAFE("two locks of one class") {
        if (&b_ != &a_) b_.lock.unlock();
        a_.lock.unlock();
    }
    TwoBuckets(const TwoBuckets&) = delete;
    TwoBuckets& operator=(const TwoBuckets&) = delete;

  private:
    Bucket& a_;
    Bucket& b_;
};

void FutexTable::Bucket::append(Waiter& waiter) {
    waiter.previous = last;
    waiter.next = nullptr;
    (last != nullptr ? last->next : first) = &waiter;
    last = &waiter;
    waiter.bucket.store(this, sync::Order::release);
}

void FutexTable::Bucket::remove(Waiter& waiter) {
    (waiter.previous != nullptr ? waiter.previous->next : first) = waiter.next;
    (waiter.next != nullptr ? waiter.next->previous : last) = waiter.previous;
}

FutexTable::Bucket& FutexTable::bucket_of(const mm::FutexKey& key) {
    std::uint64_t hash = reinterpret_cast<std::uintptr_t>(key.object) >> 4;
    hash = (hash ^ key.index) * 0x9e37'79b9'7f4a'7c15;
    hash = (hash ^ key.offset) * 0x9e37'79b9'7f4a'7c15;
    return buckets_[hash >> 56];
}

SysResult FutexTable::enqueue(mm::Mm& mm, const FutexWait& request, Waiter& waiter) {
    Bucket& bucket = bucket_of(waiter.key);
    for (;;) {
        {
            sync::Guard guard(bucket.lock);
            const Result<std::uint32_t> value = mm::load_user_word(mm, request.address);
            if (value) {
                if (*value != request.expected) return -EAGAIN;
                bucket.append(waiter);
                return 0;
            }
            if (value.error() != Errno::again) return failure(value.error());
        }
        const Result<void> present = mm::fault_in(mm, request.address, mm::Access::read);
        if (!present) return failure(present.error());
    }
}

bool FutexTable::dequeue(Waiter& waiter) {
    for (;;) {
        // Acquire: pairs with the release in `append`; it may be requeued until its lock is held.
        Bucket* const bucket = waiter.bucket.load(sync::Order::acquire);
        sync::Guard guard(bucket->lock);
        if (waiter.bucket.load(sync::Order::relaxed) != bucket) continue;
        if (waiter.woken.load(sync::Order::relaxed)) return false;
        bucket->remove(waiter);
        return true;
    }
}

SysResult FutexTable::wait(Task& task, const FutexWait& request) {
    const auto key = mm::futex_key(task.mm(), request.address, request.shared);
    if (!key) return failure(key.error());
    Waiter waiter;
    waiter.key = *key;
    waiter.bitset = request.bitset;
    waiter.parker = &task.parker();
    if (const SysResult result = enqueue(task.mm(), request, waiter); result != 0) return result;

    for (;;) {
        // Acquire: pairs with the waker's release in WakeList::add.
        if (waiter.woken.load(sync::Order::acquire)) {
            dequeue(waiter);  // the waker is done with it once its bucket is unlocked
            return 0;
        }
        if (task.must_stop_waiting()) return dequeue(waiter) ? kErestartsys : 0;
        if (!task.park(request.deadline)) return dequeue(waiter) ? -ETIMEDOUT : 0;
    }
}

std::uint32_t FutexTable::wake_in(Bucket& bucket, const mm::FutexKey& key, std::uint32_t count,
                                  std::uint32_t bitset, WakeList& list) {
    std::uint32_t woken = 0;
    for (Waiter* waiter = bucket.first; waiter != nullptr && woken < count;) {
        Waiter* const next = waiter->next;
        if (waiter->key == key && (waiter->bitset & bitset) != 0) {
            bucket.remove(*waiter);
            list.add(*waiter);
            ++woken;
        }
        waiter = next;
    }
    return woken;
}

std::uint32_t FutexTable::move(Bucket& from, const mm::FutexKey& from_key, Bucket& to,
                               const mm::FutexKey& to_key, std::uint32_t count) {
    if (from_key == to_key) return 0;
    std::uint32_t moved = 0;
    for (Waiter* waiter = from.first; waiter != nullptr && moved < count;) {
        Waiter* const next = waiter->next;
        if (waiter->key == from_key) {
            from.remove(*waiter);
            waiter->key = to_key;
            to.append(*waiter);
            ++moved;
        }
        waiter = next;
    }
    return moved;
}

SysResult FutexTable::wake(mm::Mm& mm, VirtAddr address, bool shared, std::uint32_t count,
                           std::uint32_t bitset) {
    const auto key = mm::futex_key(mm, address, shared);
    if (!key) return failure(key.error());
    Bucket& bucket = bucket_of(*key);
    WakeList list;
    sync::Guard guard(bucket.lock);
    return wake_in(bucket, *key, count, bitset, list);
}

SysResult FutexTable::requeue(mm::Mm& mm, const FutexRequeue& request) {
    const auto from_key = mm::futex_key(mm, request.from, request.shared);
    const auto to_key = mm::futex_key(mm, request.to, request.shared);
    if (!from_key) return failure(from_key.error());
    if (!to_key) return failure(to_key.error());
    Bucket& from = bucket_of(*from_key);
    Bucket& to = bucket_of(*to_key);
    for (;;) {
        WakeList list;
        {
            TwoBuckets guard(from, to);
            bool compared = true;
            if (request.expected) {
                const auto value = mm::load_user_word(mm, request.from);
                if (!value && value.error() != Errno::again) return failure(value.error());
                if (value && *value != *request.expected) return -EAGAIN;
                compared = value.has_value();
            }
            if (compared) {
                const auto woken = wake_in(from, *from_key, request.nr_wake, ~0U, list);
                const auto moved = move(from, *from_key, to, *to_key, request.nr_requeue);
                // FUTEX_REQUEUE counts the woken only, FUTEX_CMP_REQUEUE the moved as well.
                return request.expected ? woken + moved : woken;
            }
        }
        const auto present = mm::fault_in(mm, request.from, mm::Access::read);
        if (!present) return failure(present.error());
    }
}

SysResult FutexTable::wake_op(mm::Mm& mm, const FutexWakeOp& request) {
    if (!is_known_operation(request.operation)) return -ENOSYS;
    const auto first_key = mm::futex_key(mm, request.first, request.shared);
    const auto second_key = mm::futex_key(mm, request.second, request.shared);
    if (!first_key) return failure(first_key.error());
    if (!second_key) return failure(second_key.error());
    Bucket& first = bucket_of(*first_key);
    Bucket& second = bucket_of(*second_key);
    for (;;) {
        {
            WakeList list;
            TwoBuckets guard(first, second);
            auto old = mm::load_user_word(mm, request.second);
            while (old) {
                const auto found = mm::cmpxchg_user_word(mm, request.second, *old,
                                                         apply_operation(request.operation, *old));
                if (!found || *found == *old) {
                    old = found;
                    break;
                }
                old = found;
            }
            if (old) {
                std::uint32_t woken = wake_in(first, *first_key, request.nr_first, ~0U, list);
                if (compare_operation(request.operation, *old)) {
                    woken += wake_in(second, *second_key, request.nr_second, ~0U, list);
                }
                return woken;
            }
            if (old.error() != Errno::again) return failure(old.error());
        }
        const auto present = mm::fault_in(mm, request.second, mm::Access::write);
        if (!present) return failure(present.error());
    }
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
