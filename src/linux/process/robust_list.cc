#include "linux/process/robust_list.hpp"

#include <linux/futex.h>

#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

// Bit 0 of a list pointer marks a PI lock.
constexpr std::uint64_t kPointerMask = ~std::uint64_t{1};

/// Linux: handle_futex_death. @return false: the list is broken
bool abandon(Task& task, VirtAddr word, bool pending) {
    mm::Mm& mm = task.mm();
    for (;;) {
        const auto value = mm::get_user<std::uint32_t>(mm, word);
        if (!value) return false;
        if (pending && *value == 0) {
            // The lock was released, but its waiter perhaps not woken yet.
            task.process().futexes().wake(mm, word, true, 1, ~0U);
            return true;
        }
        if ((*value & FUTEX_TID_MASK) != static_cast<std::uint32_t>(task.tid())) return true;
        const std::uint32_t dead = (*value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        if (!mm::fault_in(mm, word, mm::Access::write)) return false;
        const auto found = mm::cmpxchg_user_word(mm, word, *value, dead);
        if (!found && found.error() != Errno::again) return false;
        if (!found || *found != *value) continue;
        if (*value & FUTEX_WAITERS) task.process().futexes().wake(mm, word, true, 1, ~0U);
        return true;
    }
}

}  // namespace

void exit_robust_list(Task& task) {
    if (task.robust_list == VirtAddr()) return;
    const auto head = mm::get_user<RobustListHead>(task.mm(), task.robust_list);
    if (!head) return;
    const auto word_of = [&](std::uint64_t entry) {
        return VirtAddr((entry & kPointerMask) + static_cast<std::uint64_t>(head->futex_offset));
    };
    std::uint64_t entry = head->next;
    for (int left = ROBUST_LIST_LIMIT; left > 0; --left) {
        if ((entry & kPointerMask) == task.robust_list.raw()) break;
        // The entry may be reused as soon as its lock is abandoned.
        const auto next = mm::get_user<std::uint64_t>(task.mm(), VirtAddr(entry & kPointerMask));
        if (entry != head->pending && !abandon(task, word_of(entry), false)) return;
        if (!next) return;
        entry = *next;
    }
    if (head->pending != 0) abandon(task, word_of(head->pending), true);
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
