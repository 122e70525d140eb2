#pragma once

// The protocol's port in the server.

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

#include "cpu/mirror/protocol.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

struct NativePort {
    using Order = sync::Order;
    template <class T>
    using Atomic = sync::Atomic<T>;
    template <class T>
    using Shared = sync::Shared<T>;
    using Mutex = sync::SpinLock<sync::LockId::backend>;
    using Guard = sync::Guard<Mutex>;

    // Not the private kind of futex, nor sync's own wait: the other side is another process.
    void wait(Atomic<std::uint32_t>& word, std::uint32_t seen) {
        ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0);
    }
    void wake(Atomic<std::uint32_t>& word) {
        ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    }
};

using Slot = SlotWords<NativePort>;
using SpaceControl = SpaceWords<NativePort>;

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
