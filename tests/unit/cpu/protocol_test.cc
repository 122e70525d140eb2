// The stub's half of the protocol over a host made of a map, with the toy format: what compiles
// here compiles for any port and any geometry.

#include <gmock/gmock.h>

#include <cerrno>
#include <map>
#include <vector>

#include "arch/arch.hpp"
#include "cpu/mirror/protocol/server_side.hpp"
#include "cpu/mirror/protocol/stub_side.hpp"
#include "sync/sync.hpp"

namespace surefoot::cpu::mirror {
namespace {

using arch::Toy;
using testing::ElementsAre;
using testing::SizeIs;

constexpr std::uint64_t kPage = Toy::kPageSize;

/// One process that is server and stub in turn: a wait that could block is a failure.
struct SimPort {
    using Order = sync::Order;
    template <class T>
    using Atomic = sync::Atomic<T>;
    template <class T>
    using Shared = sync::Shared<T>;
    using Mutex = sync::SpinLock<sync::LockId::backend>;
    using Guard = sync::Guard<Mutex>;

    struct Mapping {
        std::uint64_t pa;
        bool write, exec;
    };

    void wait(Atomic<std::uint32_t>&, std::uint32_t) {
        if (on_wait) return on_wait();
        SF_UNREACHABLE("one thread waits for itself");
    }
    void wake(Atomic<std::uint32_t>&) {}
    VaRange guest_range() const { return {VirtAddr(kPage), VirtAddr(64 * kPage)}; }
    std::uint64_t load_entry(PhysAddr pa) const {
        const auto found = memory.find(pa.raw());
        return found == memory.end() ? 0 : found->second;
    }
    MapResult host_map(VirtAddr va, std::uint64_t bytes, PhysAddr pa, bool write, bool exec) {
        if (pa.raw() >= kArena) return MapResult::refused;
        if (mapped.size() >= limit) return MapResult::no_memory;
        ++calls;
        for (std::uint64_t i = 0; i < bytes; i += kPage) {
            mapped[va.raw() + i] = {pa.raw() + i, write, exec};
        }
        return MapResult::mapped;
    }
    bool host_unmap(VirtAddr va, std::uint64_t bytes) {
        if (refuse_small_unmap && bytes < guest_range().bytes()) return false;
        mapped.erase(mapped.lower_bound(va.raw()), mapped.lower_bound(va.raw() + bytes));
        ++unmaps;
        return true;
    }

    static constexpr std::uint64_t kArena = 1024 * kPage;
    std::map<std::uint64_t, std::uint64_t> memory;
    std::map<std::uint64_t, Mapping> mapped;
    std::size_t limit = 1000;
    bool refuse_small_unmap = false;
    int calls = 0;
    int unmaps = 0;
    std::function<void()> on_wait;
};

class Protocol : public testing::Test {
protected:
    // Three levels of four entries: 64 pages.
    Protocol() {
        space.fill_around.set(1);
        space.fault_around.set(1);
        space.root.store(kPage, sync::Order::relaxed);
        slot.state.store(kServerOwns, sync::Order::relaxed);
    }
    void map(VirtAddr va, std::uint64_t page, arch::LeafBits bits) {
        std::uint64_t table = kPage;
        for (arch::PtLevel level = format.top(); level != arch::PtLevel::pte;
             level = arch::below(level)) {
            std::uint64_t& e = port.memory[table + format.index(va, level) * 8];
            if (e == 0) {
                e = Toy::make_table<arch::PtLevel::pmd>(
                        Pfn(static_cast<std::uint32_t>(next_table++)))
                        .raw;
            }
            table = e & Toy::kFrameMask;
        }
        port.memory[table + format.index(va, arch::PtLevel::pte) * 8] =
            Toy::make_leaf<arch::PtLevel::pte>(Pfn(static_cast<std::uint32_t>(page)), bits).raw;
    }
    static constexpr arch::LeafBits kAll{.write = true, .exec = true, .young = true,
                                         .dirty = true, .special = false, .prot_none = false};
    static VirtAddr page(std::uint64_t n) { return VirtAddr(n * kPage); }
    std::vector<std::uint64_t> mapped_pages() const {
        std::vector<std::uint64_t> pages;
        for (const auto& [va, mapping] : port.mapped) pages.push_back(va / kPage);
        return pages;
    }

    Toy format{3, 2};
    SimPort port;
    // The control memory of a real stub is zeroed, and larger than a stack frame wants.
    std::unique_ptr<SpaceWords<SimPort>> words = std::make_unique<SpaceWords<SimPort>>();
    SpaceWords<SimPort>& space = *words;
    SlotWords<SimPort> slot{};
    StubSide<SimPort, Toy> stub{port, space, format};
    ServerSide<SimPort> server{port, space, true};
    std::uint64_t next_table = 2;
};

TEST_F(Protocol, fill_maps_what_the_tables_say) {
    map(page(5), 100, kAll);
    EXPECT_EQ(stub.fill(page(5) + 3, Access::read).kind, Fill::Kind::mapped);
    EXPECT_THAT(mapped_pages(), ElementsAre(5));
    EXPECT_EQ(port.mapped[5 * kPage].pa, 100 * kPage);
    EXPECT_TRUE(port.mapped[5 * kPage].write);
    EXPECT_TRUE(port.mapped[5 * kPage].exec);
}

TEST_F(Protocol, fault_codes_follow_entry_and_access) {
    struct {
        arch::LeafBits bits;
        Access access;
        std::uint32_t code;
    } const rows[] = {
        {{.write = true, .exec = true, .young = false, .dirty = true}, Access::read, 4},
        {{.write = true, .exec = true, .young = false, .dirty = true}, Access::write, 6},
        {{.write = true, .exec = true, .young = true, .dirty = false}, Access::write, 7},
        {{.write = false, .exec = true, .young = true, .dirty = false}, Access::write, 7},
        {{.write = true, .exec = false, .young = true, .dirty = true}, Access::fetch, 21},
        {{.write = true, .exec = true, .young = true, .dirty = true, .special = false,
          .prot_none = true},
         Access::read, 4},
    };
    for (const auto& row : rows) {
        map(page(9), 50, row.bits);
        const Fill fill = stub.fill(page(9), row.access);
        EXPECT_EQ(fill.kind, Fill::Kind::fault);
        EXPECT_EQ(fill.code, row.code);
    }
    EXPECT_EQ(stub.fill(page(10), Access::read).code, 4U);
    EXPECT_EQ(stub.fill(page(0), Access::read).kind, Fill::Kind::fault) << "below the range";
    EXPECT_EQ(stub.fill(page(64), Access::read).kind, Fill::Kind::fault) << "past the range";
    EXPECT_THAT(port.mapped, SizeIs(0));
}

TEST_F(Protocol, fill_around_stays_in_the_table_and_the_window) {
    space.fill_around.set(16);
    for (std::uint64_t n = 1; n < 16; ++n) map(page(n), 200 + n, kAll);
    EXPECT_EQ(stub.fill(page(6), Access::write).kind, Fill::Kind::mapped);
    EXPECT_THAT(mapped_pages(), ElementsAre(4, 5, 6, 7)) << "a table has four entries";
    space.fill_around.set(2);
    EXPECT_EQ(stub.fill(page(9), Access::write).kind, Fill::Kind::mapped);
    EXPECT_THAT(mapped_pages(), ElementsAre(4, 5, 6, 7, 8, 9));
    EXPECT_EQ(port.mapped[8 * kPage].pa, 208 * kPage);
}

TEST_F(Protocol, fill_after_a_fault_maps_from_the_page_to_the_end_of_the_window) {
    space.fault_around.set(4);
    for (std::uint64_t n = 4; n < 16; ++n) map(page(n), 200 + n, kAll);
    EXPECT_EQ(stub.fill_resolved(page(5) + 3, Access::write).kind, Fill::Kind::mapped);
    EXPECT_THAT(mapped_pages(), ElementsAre(5, 6, 7));
    space.fault_around.set(1);
    EXPECT_EQ(stub.fill_resolved(page(9), Access::write).kind, Fill::Kind::mapped);
    EXPECT_THAT(mapped_pages(), ElementsAre(5, 6, 7, 9));
    space.fault_around.set(3);
    EXPECT_EQ(stub.fill_resolved(page(12), Access::write).kind, Fill::Kind::mapped);
    EXPECT_THAT(mapped_pages(), ElementsAre(5, 6, 7, 9, 12)) << "a guest wrote nonsense";
}

TEST_F(Protocol, huge_leaf_is_mapped_in_pieces_of_the_window) {
    space.fill_around.set(2);
    map(page(0), 0, kAll);  // makes the tables above
    std::uint64_t& top = port.memory[kPage];
    const std::uint64_t pmd = top & Toy::kFrameMask;
    port.memory[pmd + 8] = Toy::make_leaf<arch::PtLevel::pmd>(Pfn(300), kAll).raw;
    EXPECT_EQ(stub.fill(page(6), Access::read).kind, Fill::Kind::mapped);
    EXPECT_THAT(mapped_pages(), ElementsAre(6, 7));
    EXPECT_EQ(port.mapped[6 * kPage].pa, 302 * kPage);
}

TEST_F(Protocol, full_host_evicts_the_region_that_was_filled_first) {
    port.limit = 4;
    for (std::uint64_t n : {5, 9, 13, 14}) {
        map(page(n), 100 + n, kAll);
        EXPECT_EQ(stub.fill(page(n), Access::read).kind, Fill::Kind::mapped);
    }
    map(page(20), 120, kAll);
    EXPECT_EQ(stub.fill(page(20), Access::read).kind, Fill::Kind::mapped);
    EXPECT_THAT(mapped_pages(), ElementsAre(9, 13, 14, 20));
}

TEST_F(Protocol, host_that_allows_nothing_refuses_the_fill) {
    port.limit = 0;
    map(page(5), 100, kAll);
    EXPECT_EQ(stub.fill(page(5), Access::read).kind, Fill::Kind::refused);
    port.limit = 10;
    map(page(5), SimPort::kArena / kPage, kAll);
    EXPECT_EQ(stub.fill(page(5), Access::read).kind, Fill::Kind::refused);
}

TEST_F(Protocol, lazy_shootdowns_wait_for_the_next_entry) {
    for (std::uint64_t n : {5, 9, 13}) {
        map(page(n), 100 + n, kAll);
        stub.fill(page(n), Access::read);
    }
    ASSERT_TRUE(server.attach(slot));
    hand_over(port, slot.state, kServerOwns);
    const VaRange a{page(5), page(6)};
    const VaRange b{page(9), page(10)};
    EXPECT_EQ(server.invalidate({&a, 1}, false), Shootdown::lazy);
    EXPECT_EQ(server.invalidate({&b, 1}, false), Shootdown::lazy);
    EXPECT_THAT(port.mapped, SizeIs(3));
    EXPECT_TRUE(server.enter(slot));
    stub.catch_up();
    EXPECT_THAT(mapped_pages(), ElementsAre(13));
    EXPECT_EQ(port.unmaps, 2);
    stub.catch_up();
    EXPECT_EQ(port.unmaps, 2) << "executed once";

    // The list starts anew once it was executed.
    hand_over(port, slot.state, kServerOwns);
    const VaRange c{page(13), page(14)};
    EXPECT_EQ(server.invalidate({&c, 1}, false), Shootdown::lazy);
    server.enter(slot);
    stub.catch_up();
    EXPECT_THAT(port.mapped, SizeIs(0));
    EXPECT_EQ(port.unmaps, 3);
}

TEST_F(Protocol, running_thread_makes_a_shootdown_active) {
    map(page(5), 100, kAll);
    stub.fill(page(5), Access::read);
    ASSERT_TRUE(server.attach(slot));
    // Waiting for the agent: here the agent's turn comes at once.
    port.on_wait = [this] {
        stub.unmap_for_server();
        hand_over(port, space.agent_state, kServerOwns);
    };
    const VaRange range{page(5), page(6)};
    EXPECT_EQ(server.invalidate({&range, 1}, false), Shootdown::active);
    EXPECT_THAT(port.mapped, SizeIs(0));
}

TEST_F(Protocol, dead_stub_needs_no_shootdown_and_runs_nothing) {
    ASSERT_TRUE(server.attach(slot));
    server.mark_dead();
    EXPECT_EQ(slot.state.load(sync::Order::relaxed), kServerOwns);
    EXPECT_EQ(server.invalidate({}, true), Shootdown::dead);
    EXPECT_FALSE(server.enter(slot));
    EXPECT_FALSE(server.attach(slot));
}

TEST_F(Protocol, agent_that_died_before_it_was_called_is_not_waited_for) {
    server.mark_dead();
    port.on_wait = [this] {
        ADD_FAILURE() << "nobody is there to answer";
        hand_over(port, space.agent_state, kServerOwns);
    };
    EXPECT_EQ(server.clone_thread(0), ESRCH);
}

TEST_F(Protocol, commands_reach_nothing_but_the_guest) {
    // What the stub itself lives in, below and above the guest's range.
    port.mapped[0] = port.mapped[64 * kPage] = {0, true, true};
    map(page(5), 100, kAll);
    stub.fill(page(5), Access::read);
    space.agent_list.add({page(0), page(100)});
    space.agent_list.add({page(200), page(300)});
    stub.unmap_for_server();
    EXPECT_THAT(mapped_pages(), ElementsAre(0, 64));
    EXPECT_EQ(port.unmaps, 1);
    space.agent_list.add_all();
    stub.unmap_for_server();
    EXPECT_THAT(mapped_pages(), ElementsAre(0, 64));
}

TEST_F(Protocol, unmap_that_the_host_refuses_drops_everything) {
    for (std::uint64_t n : {5, 9}) {
        map(page(n), 100 + n, kAll);
        stub.fill(page(n), Access::read);
    }
    port.refuse_small_unmap = true;
    space.agent_list.add({page(5), page(6)});
    stub.unmap_for_server();
    EXPECT_THAT(port.mapped, SizeIs(0));
}

TEST(UnmapList, joins_neighbours_and_overflows_to_everything) {
    UnmapList<SimPort> list{};
    for (std::uint64_t n = 0; n < 100; ++n) {
        list.add({VirtAddr(n * kPage), VirtAddr((n + 1) * kPage)});
    }
    EXPECT_EQ(list.count.get(), 1U);
    EXPECT_EQ(list.ranges[0].get().end, VirtAddr(100 * kPage));
    for (std::uint64_t n = 0; n < kMaxRanges - 1; ++n) {
        list.add({VirtAddr((200 + 2 * n) * kPage), VirtAddr((201 + 2 * n) * kPage)});
    }
    EXPECT_EQ(list.count.get(), kMaxRanges);
    EXPECT_EQ(list.all.get(), 0U);
    list.add({VirtAddr(1000 * kPage), VirtAddr(1001 * kPage)});
    EXPECT_EQ(list.all.get(), 1U);
    list.clear();
    EXPECT_EQ(list.count.get() + list.all.get(), 0U);
}

}  // namespace
}  // namespace surefoot::cpu::mirror
