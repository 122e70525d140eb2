#pragma once

// The protocol's port in the server.

#include "cpu/mirror/protocol/words.hpp"
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

    void wait(Atomic<std::uint32_t>& word, std::uint32_t seen) {
        sync::futex_wait(word, seen, sync::FutexScope::any_process);
    }
    void wake(Atomic<std::uint32_t>& word) {
        sync::futex_wake_all(&word, sync::FutexScope::any_process);
    }
};

using Slot = SlotWords<NativePort>;
using SpaceControl = SpaceWords<NativePort>;

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
