// The software walk of four levels.

#include <signal.h>

#include <algorithm>
#include <memory>
#include <random>

#include "harness/clock.hpp"
#include "harness/world.hpp"
#include "limits/memory.hpp"
#include "limits/radix_table.hpp"
#include "rows/rows.hpp"

namespace surefoot::bench {
namespace {

using arch::PtLevel;

/// x86-64 as it was before huge pages: a present entry above the last level is a table.
class NoHugeLeaves : public arch::X86_64 {
public:
    template <PtLevel L>
    static constexpr bool is_leaf(arch::Entry<L> e) {
        return L == PtLevel::pte && is_present(e);
    }
    template <PtLevel L>
    static constexpr bool is_table(arch::Entry<L> e) {
        return L != PtLevel::pte && hardware_present(e);
    }
};
static_assert(arch::PageTableFormat<NoHugeLeaves>);

/// Pages of an address space, visited in a random order that depends on what was found.
struct Walked {
    explicit Walked(std::uint64_t pages, std::uint64_t stride) : nr_pages(pages) {
        std::mt19937_64 random(1);
        for (std::uint64_t i = 0; i < pages; ++i) {
            const VirtAddr va(kBase + i * stride);
            world.map_at(va, 1);
            world.write_fault(va);
            radix.map(va.raw(), va.raw() + kPage, 3);
            must(radix.fault(va.raw()), "a fault");
            addresses.push_back(va);
        }
        std::shuffle(addresses.begin(), addresses.end(), random);
    }

    static constexpr std::uint64_t kBase = 1ULL << 40;
    std::uint64_t nr_pages;
    World world;
    RadixTable radix{pages_needed};
    std::vector<VirtAddr> addresses;
    static constexpr std::size_t pages_needed = 4096;
};

template <class Format>
[[gnu::noinline]] std::uint64_t walk_once(const phys::Arena& arena, Pfn root, VirtAddr va) {
    const auto found = pgtable::translate(arena, root, Format(), va);
    return found ? found->address.raw() : 0;
}

/// Each walk's address waits for the result before: latency, as the limit has it.
template <class Walk>
void walk_all(const Walked& w, std::uint64_t n, Walk&& walk) {
    std::uint64_t wait = 0;
    std::size_t at = 0;
    for (std::uint64_t i = 0; i < n; ++i) {
        // Always 0, which the processor can't know.
        wait = walk(w.addresses[at] + wait) & 1;
        at = at + 1 == w.addresses.size() ? 0 : at + 1;
    }
    keep(wait);
}

Row walk_row(const char* name, const char* what, std::uint64_t pages, std::uint64_t stride,
             std::size_t ring_bytes) {
    Row row{.name = name, .unit = "ns", .what = what, .target = Target{Target::Kind::ratio, 1.5}};
    row.make = [=](const Scale& scale) {
        auto w = std::make_shared<Walked>(pages, stride);
        // The upper tables stay in L1 in both rows; where the last one lies is what differs.
        auto upper = std::make_shared<PointerRing>(2048);
        auto last = std::make_shared<PointerRing>(ring_bytes);
        const std::uint64_t n = scale.operations(20'000);
        std::vector<Case> cases;
        cases.push_back({Column::surefoot, [=] {
            return timed(n, [&](std::uint64_t ops) {
                const sync::RcuReadGuard rcu;
                auto& tables = w->world.mm().tables;
                walk_all(*w, ops, [&](VirtAddr va) {
                    const auto found =
                        pgtable::translate(tables.arena(), tables.root(), tables.format(), va);
                    return found ? found->address.raw() : 0;
                });
            });
        }});
        cases.push_back({Column::limit, [=] {
            return timed(n, [&](std::uint64_t ops) {
                std::uint64_t wait = 0;
                for (std::uint64_t i = 0; i < ops; ++i) wait = last->chase(1, upper->chase(3, wait));
            });
        }});
        cases.push_back({Column::radix, [=] {
            return timed(n, [&](std::uint64_t ops) {
                walk_all(*w, ops, [&](VirtAddr va) {
                    return reinterpret_cast<std::uint64_t>(w->radix.walk(va.raw()));
                });
            });
        }});
        return cases;
    };
    return row;
}

// Counting by the processor's trap flag: exact, and needs neither a counter nor a disassembler.

sig_atomic_t volatile steps;

template <class Body>
unsigned count_instructions(Body&& body) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_handler = [](int) { steps = steps + 1; };
    sigaction(SIGTRAP, &action, &before);
    steps = 0;
    // Past the red zone: the compiler may keep values below the stack pointer.
    asm volatile("sub $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; add $128, %%rsp" ::: "cc", "memory");
    body();
    asm volatile("sub $128, %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; add $128, %%rsp" ::: "cc", "memory");
    sigaction(SIGTRAP, &before, nullptr);
    return static_cast<unsigned>(steps);
}

template <class Format>
Case counting(Column column, std::shared_ptr<Walked> w) {
    return {column, [w = std::move(w)] {
        auto& tables = w->world.mm().tables;
        const auto& arena = tables.arena();
        const VirtAddr va = w->addresses.front();
        const unsigned nothing = count_instructions([] {});
        const unsigned walk =
            count_instructions([&] { keep(walk_once<Format>(arena, tables.root(), va)); });
        const double n = walk - nothing;
        return Reading{n, n};
    }};
}

Row instructions_row() {
    Row row{.name = "walk.instructions",
            .unit = "insn",
            .what = "instructions of a walk; the limit is a format without huge leaves",
            .target = Target{Target::Kind::ratio, 1.0},
            .rounds = 3};
    row.make = [](const Scale&) {
        auto w = std::make_shared<Walked>(1, kPage);
        return std::vector<Case>{counting<arch::X86_64>(Column::surefoot, w),
                                 counting<NoHugeLeaves>(Column::limit, w)};
    };
    return row;
}

}  // namespace

void add_walk_rows(std::vector<Row>& rows) {
    rows.push_back(walk_row("walk.l1", "walk of 4 levels, tables in L1; limit: 4 dependent loads", 8,
                            kPage, 2048));
    // Every entry of the last level on a line of its own: 256 KiB of them.
    rows.push_back(walk_row("walk.l2",
                            "walk of 4 levels, last table in L2; limit: 3 loads in L1, 1 in L2",
                            4096, 8 * kPage, 256 << 10));
    rows.push_back(instructions_row());
}

}  // namespace surefoot::bench
