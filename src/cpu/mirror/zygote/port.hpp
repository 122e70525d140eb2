#pragma once

// The protocol's port in the stub: compiler atomics on shared words, futexes, and the host
// mappings of the guest range.

#include <linux/errno.h>
#include <linux/futex.h>
#include <linux/mman.h>

#include <cstdint>

#include "cpu/mirror/layout.hpp"
#include "cpu/mirror/protocol/stub_side.hpp"
#include "cpu/mirror/zygote/syscalls.hpp"

namespace surefoot::zygote {

struct StubPort {
    enum class Order : int {
        relaxed = __ATOMIC_RELAXED,
        acquire = __ATOMIC_ACQUIRE,
        release = __ATOMIC_RELEASE,
        acq_rel = __ATOMIC_ACQ_REL,
        seq_cst = __ATOMIC_SEQ_CST,
    };

    /// The same size and bytes as the server's `sync::Atomic<T>`.
    template <class T>
    class alignas(sizeof(T)) Atomic {
    public:
        T load(Order order) const { return __atomic_load_n(&value_, static_cast<int>(order)); }
        void store(T value, Order order) {
            __atomic_store_n(&value_, value, static_cast<int>(order));
        }
        T exchange(T value, Order order) {
            return __atomic_exchange_n(&value_, value, static_cast<int>(order));
        }
        bool compare_exchange(T& expected, T desired, Order, Order) {
            // acq_rel whatever was asked for: on x86 it is the same instruction.
            return __atomic_compare_exchange_n(&value_, &expected, desired, false,
                                               __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
        }
        T fetch_and(T bits, Order order) {
            return __atomic_fetch_and(&value_, bits, static_cast<int>(order));
        }
        T fetch_add(T n, Order order) {
            return __atomic_fetch_add(&value_, n, static_cast<int>(order));
        }

    private:
        T value_;
    };

    template <class T>
    class Shared {
    public:
        const T& get() const { return value_; }
        void set(T value) { value_ = value; }

    private:
        T value_;
    };

    static void wait(Atomic<std::uint32_t>& word, std::uint32_t seen) {
        call(__NR_futex, address(&word), FUTEX_WAIT, seen);
    }
    static void wake(Atomic<std::uint32_t>& word) {
        call(__NR_futex, address(&word), FUTEX_WAKE, 0x7fffffff);
    }

    static VaRange guest_range() {
        return {VirtAddr(cpu::mirror::kGuestBegin), VirtAddr(cpu::mirror::kGuestEnd)};
    }
    std::uint64_t load_entry(PhysAddr pa) const {
        if (pa.raw() >= arena_bytes || pa.raw() % sizeof(std::uint64_t) != 0) return 0;
        const auto* entry =
            reinterpret_cast<const std::uint64_t*>(cpu::mirror::kArenaBase + pa.raw());
        // Acquire: pairs with the release of whoever installs a table under this entry.
        return __atomic_load_n(entry, __ATOMIC_ACQUIRE);
    }
    cpu::mirror::MapResult host_map(VirtAddr va, std::uint64_t bytes, PhysAddr pa, bool write,
                                    bool exec) const {
        using cpu::mirror::MapResult;
        if (pa.raw() >= arena_bytes || bytes > arena_bytes - pa.raw()) return MapResult::refused;
        const long rights = PROT_READ | (write ? PROT_WRITE : 0) | (exec ? PROT_EXEC : 0);
        const long result = call(__NR_mmap, static_cast<long>(va.raw()), static_cast<long>(bytes),
                                 rights, MAP_SHARED | MAP_FIXED | MAP_POPULATE,
                                 cpu::mirror::kZygoteArena, static_cast<long>(pa.raw()));
        if (result == -ENOMEM) return MapResult::no_memory;
        return result < 0 ? MapResult::refused : MapResult::mapped;
    }
    static bool host_unmap(VirtAddr va, std::uint64_t bytes) {
        return call(__NR_munmap, static_cast<long>(va.raw()), static_cast<long>(bytes)) == 0;
    }

    std::uint64_t arena_bytes;
};

using Slot = cpu::mirror::SlotWords<StubPort>;
using Space = cpu::mirror::SpaceWords<StubPort>;
using StubSide = cpu::mirror::StubSide<StubPort, arch::Format>;

}  // namespace surefoot::zygote
