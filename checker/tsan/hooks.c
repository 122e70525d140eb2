/* What code compiled with -fsanitize=thread calls before it touches memory, handed to the checker.
 * A program links this instead of the sanitizer's own library: its volatile and atomic accesses are
 * then marked ones, all others plain data. Outside of a search the calls do nothing but what the
 * program asked for. */
#include <stdbool.h>
#include <stdint.h>

#include "surefoot/checker/engine.h"

#define PC __builtin_return_address(0)

void __tsan_init(void);
void __tsan_init(void) {}
void __tsan_func_entry(void* caller);
void __tsan_func_entry(void* caller) { (void)caller; }
void __tsan_func_exit(void);
void __tsan_func_exit(void) {}

/* --- plain and volatile accesses ----------------------------------------------------------------
 */

#define PLAIN(name, bytes, call)       \
    void __tsan_##name(void* address); \
    void __tsan_##name(void* address) { call(address, bytes, PC); }
#define VOLATILE(name, bytes, kind)    \
    void __tsan_##name(void* address); \
    void __tsan_##name(void* address) { sfc_announce(address, bytes, kind, PC); }
#define ACCESSES(bytes)                                              \
    PLAIN(read##bytes, bytes, sfc_plain_read)                        \
    PLAIN(write##bytes, bytes, sfc_plain_write)                      \
    PLAIN(unaligned_read##bytes, bytes, sfc_plain_read)              \
    PLAIN(unaligned_write##bytes, bytes, sfc_plain_write)            \
    VOLATILE(read_write##bytes, bytes, SFC_COMPOUND)                 \
    VOLATILE(unaligned_read_write##bytes, bytes, SFC_COMPOUND)       \
    VOLATILE(volatile_read##bytes, bytes, SFC_READ_MARKED)           \
    VOLATILE(volatile_write##bytes, bytes, SFC_WRITE_MARKED)         \
    VOLATILE(unaligned_volatile_read##bytes, bytes, SFC_READ_MARKED) \
    VOLATILE(unaligned_volatile_write##bytes, bytes, SFC_WRITE_MARKED)

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

PLAIN(vptr_read, sizeof(void*), sfc_plain_read)
void __tsan_vptr_update(void* address, void* value);
void __tsan_vptr_update(void* address, void* value) {
    (void)value;
    sfc_plain_write(address, sizeof(void*), PC);
}
void __tsan_read_range(void* address, unsigned long bytes);
void __tsan_read_range(void* address, unsigned long bytes) { sfc_plain_read(address, bytes, PC); }
void __tsan_write_range(void* address, unsigned long bytes);
void __tsan_write_range(void* address, unsigned long bytes) { sfc_plain_write(address, bytes, PC); }

/* clang calls these instead of the library's. */
void* __tsan_memcpy(void* to, const void* from, unsigned long bytes);
void* __tsan_memcpy(void* to, const void* from, unsigned long bytes) {
    sfc_plain_read(from, bytes, PC);
    sfc_plain_write(to, bytes, PC);
    return __builtin_memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, unsigned long bytes);
void* __tsan_memmove(void* to, const void* from, unsigned long bytes) {
    sfc_plain_read(from, bytes, PC);
    sfc_plain_write(to, bytes, PC);
    return __builtin_memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int byte, unsigned long bytes);
void* __tsan_memset(void* to, int byte, unsigned long bytes) {
    sfc_plain_write(to, bytes, PC);
    return __builtin_memset(to, byte, bytes);
}

/* --- atomic operations --------------------------------------------------------------------------
 */

static sfc_order order_of(int order) {
    switch (order) {
        case __ATOMIC_RELAXED:
            return SFC_RELAXED;
        case __ATOMIC_RELEASE:
            return SFC_RELEASE;
        case __ATOMIC_ACQ_REL:
            return SFC_ACQ_REL;
        case __ATOMIC_SEQ_CST:
            return SFC_FULL;
        default:
            return SFC_ACQUIRE;
    }
}

/* A load needs no fence of its own: the stores before it have theirs. */
static sfc_order load_order(int order) {
    return order == __ATOMIC_RELAXED ? SFC_RELAXED : SFC_ACQUIRE;
}

#define READ_MODIFY_WRITE(bits, name, call, native)                                                \
    uint##bits##_t __tsan_atomic##bits##_##name(void* address, uint##bits##_t operand, int order); \
    uint##bits##_t __tsan_atomic##bits##_##name(void* address, uint##bits##_t operand,             \
                                                int order) {                                       \
        if (!sfc_running()) return native((uint##bits##_t*)address, operand, __ATOMIC_SEQ_CST);    \
        return (uint##bits##_t)call(address, bits / 8, operand, order_of(order), PC);              \
    }
#define XCHG(address, size, operand, order, pc) sfc_rmw(address, size, SFC_XCHG, operand, order, pc)
#define ADD(address, size, operand, order, pc) sfc_rmw(address, size, SFC_ADD, operand, order, pc)
#define SUB(address, size, operand, order, pc) sfc_rmw(address, size, SFC_SUB, operand, order, pc)
#define AND(address, size, operand, order, pc) sfc_rmw(address, size, SFC_AND, operand, order, pc)
#define OR(address, size, operand, order, pc) sfc_rmw(address, size, SFC_OR, operand, order, pc)
#define XOR(address, size, operand, order, pc) sfc_rmw(address, size, SFC_XOR, operand, order, pc)

#define COMPARE_EXCHANGE(bits, name)                                                               \
    int __tsan_atomic##bits##_compare_exchange_##name(                                             \
        void* address, uint##bits##_t* expected, uint##bits##_t desired, int order, int failure);  \
    int __tsan_atomic##bits##_compare_exchange_##name(                                             \
        void* address, uint##bits##_t* expected, uint##bits##_t desired, int order, int failure) { \
        if (!sfc_running())                                                                        \
            return __atomic_compare_exchange_n((uint##bits##_t*)address, expected, desired, false, \
                                               __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                \
        const uint##bits##_t found = (uint##bits##_t)sfc_cas(                                      \
            address, bits / 8, *expected, desired, order_of(order), load_order(failure), PC);      \
        const bool same = found == *expected;                                                      \
        *expected = found;                                                                         \
        return same;                                                                               \
    }

#define ATOMICS(bits)                                                                   \
    uint##bits##_t __tsan_atomic##bits##_load(const void* address, int order);          \
    uint##bits##_t __tsan_atomic##bits##_load(const void* address, int order) {         \
        if (!sfc_running())                                                             \
            return __atomic_load_n((const uint##bits##_t*)address, __ATOMIC_SEQ_CST);   \
        return (uint##bits##_t)sfc_load(address, bits / 8, load_order(order), PC);      \
    }                                                                                   \
    void __tsan_atomic##bits##_store(void* address, uint##bits##_t value, int order);   \
    void __tsan_atomic##bits##_store(void* address, uint##bits##_t value, int order) {  \
        if (!sfc_running())                                                             \
            return __atomic_store_n((uint##bits##_t*)address, value, __ATOMIC_SEQ_CST); \
        sfc_store(address, bits / 8, value, order_of(order), PC);                       \
    }                                                                                   \
    READ_MODIFY_WRITE(bits, exchange, XCHG, __atomic_exchange_n)                        \
    READ_MODIFY_WRITE(bits, fetch_add, ADD, __atomic_fetch_add)                         \
    READ_MODIFY_WRITE(bits, fetch_sub, SUB, __atomic_fetch_sub)                         \
    READ_MODIFY_WRITE(bits, fetch_and, AND, __atomic_fetch_and)                         \
    READ_MODIFY_WRITE(bits, fetch_or, OR, __atomic_fetch_or)                            \
    READ_MODIFY_WRITE(bits, fetch_xor, XOR, __atomic_fetch_xor)                         \
    COMPARE_EXCHANGE(bits, strong)                                                      \
    COMPARE_EXCHANGE(bits, weak)

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order) {
    if (!sfc_running() || order == __ATOMIC_RELAXED) return;
    sfc_fence(order == __ATOMIC_SEQ_CST   ? SFC_MB
              : order == __ATOMIC_RELEASE ? SFC_FENCE_RELEASE
                                          : SFC_FENCE_ACQUIRE,
              PC);
    if (order == __ATOMIC_ACQ_REL) sfc_fence(SFC_FENCE_RELEASE, PC);
}
void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order) { (void)order; }
