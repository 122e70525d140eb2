// A tiny emulator on Surefoot: two guest CPUs, each with a software TLB, count in guest memory,
// while the host takes pages of the same space away.
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <iostream>
#include <mutex>
#include <surefoot/surefoot.hpp>
#include <thread>

constexpr std::uint64_t kPage = 4096, kPages = 64;

struct Entry {
    std::uint64_t page = ~0ULL;
    std::byte* bytes = nullptr;
};

/// For stores alone: it holds pages that are writable and dirty.
struct Cpu {
    std::mutex lock;  // the TLB is filled, used and emptied under it: that acknowledges
    std::array<Entry, 32> tlb;

    /// From the cache, or from the tables; null: a fault is due.
    std::byte* find(const surefoot::Space& space, std::byte* arena, std::uint64_t va) {
        Entry& entry = tlb[va / kPage % tlb.size()];
        if (entry.page != va / kPage) {
            const auto found = space.translate(va - va % kPage);
            if (!found || !found->writable || !found->dirty) return nullptr;
            entry = {va / kPage, arena + found->physical};
        }
        return entry.bytes + va % kPage;
    }
};

struct Guest {
    std::array<Cpu, 2> cpus;
    std::byte* arena = nullptr;

    static void invalidate(void* context, const surefoot::Invalidation& what) {
        for (Cpu& cpu : static_cast<Guest*>(context)->cpus) {
            const std::lock_guard held(cpu.lock);
            for (Entry& entry : cpu.tlb) {
                const std::uint64_t va = entry.page * kPage;
                for (std::size_t i = 0; i < what.nr_ranges; ++i)
                    if (what.ranges[i].start <= va && va < what.ranges[i].end) entry = {};
            }
        }
    }

    /// The guest increments the word at `va`. A fault is taken without the TLB's lock.
    surefoot::Fault count(surefoot::Space& space, Cpu& cpu, std::uint64_t va) {
        auto result = surefoot::Fault::handled;
        while (result == surefoot::Fault::handled) {
            {
                const std::lock_guard held(cpu.lock);
                if (std::byte* at = cpu.find(space, arena, va)) {
                    ++*reinterpret_cast<std::uint32_t*>(at);
                    return result;
                }
            }
            result = space.fault(va, surefoot::Access::write);
        }
        return result;
    }
};

int main() {
    Guest guest;
    auto machine = surefoot::Machine::create({.memory_bytes = 16 << 20});
    auto space = machine->create_space({.invalidate = guest.invalidate, .invalidate_context = &guest});
    guest.arena = machine->arena().base;
    // Each CPU counts in pages of its own, and scribbles over pages that the host discards.
    const std::uint64_t at = *space->mmap({.length = 4 * kPages * kPage,
                                           .prot = PROT_READ | PROT_WRITE,
                                           .flags = MAP_PRIVATE | MAP_ANONYMOUS});
    const std::uint64_t scratch = at + 2 * kPages * kPage;
    std::atomic<int> running = 2;
    const auto run = [&](unsigned n) {
        for (std::uint64_t i = 0; i < 1000 * kPages; ++i) {
            const std::uint64_t page = (n * kPages + i % kPages) * kPage;
            guest.count(*space, guest.cpus[n], at + page);
            if (i % 7 == 0) guest.count(*space, guest.cpus[n], scratch + page);
        }
        --running;
    };
    std::thread one(run, 0), two(run, 1);
    while (running != 0) (void)space->madvise(scratch, 2 * kPages * kPage, MADV_DONTNEED);
    one.join(), two.join();
    std::uint64_t sum = 0;
    for (std::uint32_t page = 0, word = 0; page < 2 * kPages; ++page, sum += word)
        (void)space->read(&word, sizeof word, at + page * kPage);
    (void)space->mprotect(at, kPage, PROT_READ);
    const bool accerr = guest.count(*space, guest.cpus[0], at) == surefoot::Fault::accerr;
    (void)space->munmap(at, kPage);
    const bool maperr = guest.count(*space, guest.cpus[0], at) == surefoot::Fault::maperr;
    std::cout << "sum " << sum << (accerr && maperr ? "\nfaults as on Linux" : "\nwrong faults")
              << "\ncheck " << (space->check()->empty() ? "ok" : "failed") << '\n';
}
