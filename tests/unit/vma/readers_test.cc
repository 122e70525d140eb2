// Readers without the mmap lock, beside a writer: what they see of a change, and how the lock of
// one VMA gets along with writers, detaching and reuse.

#include <array>
#include <chrono>
#include <functional>
#include <memory>

#include "support.hpp"
#include "vma/vma_access.hpp"

namespace surefoot::inline SF_BUILD::vma::test {
namespace {

using sync::Order;

/// Runs a body on its own thread; joined at the end of the scope.
class Runner {
  public:
    explicit Runner(std::function<void()> body)
        : thread_(std::move(*sync::Thread::start(std::move(body)))) {}
    ~Runner() { join(); }
    void join() {
        if (thread_.joinable()) thread_.join();
    }

  private:
    sync::Thread thread_;
};

/// A region of many small entries that become one big entry and small ones again, without ever
/// leaving an address uncovered.
class Churn {
  public:
    static constexpr std::uint64_t kPages = 96;

    explicit Churn(unsigned keys) : tree(caches.nodes, {.node_keys = keys, .retire_batch = 4}) {
        replace(pages(0, kPages), {{pages(0, kPages), &big}});
    }

    void replace(VaRange span, std::initializer_list<TreeEntry> fresh) {
        ASSERT_TRUE(tree.prepare(span, static_cast<unsigned>(fresh.size())));
        tree.replace(span, {fresh.begin(), fresh.size()});
    }

    void to_small(std::mt19937_64& rng) {
        std::uint64_t at = 0;
        while (at < kPages) {
            const std::uint64_t n = std::min(1 + rng() % 3, kPages - at);
            const TreeEntry one{pages(at, at + n), &small_of(page(at))};
            if (at + n == kPages) {
                replace(pages(at, kPages), {one});
            } else {
                replace(pages(at, kPages), {one, {pages(at + n, kPages), &big}});
            }
            at += n;
        }
    }
    void to_big() { replace(pages(0, kPages), {{pages(0, kPages), &big}}); }

    Vma& small_of(VirtAddr start) { return small[start.raw() / kPage]; }
    bool torn(VirtAddr va, const TreeEntry& seen) {
        if (seen.vma == nullptr || !seen.range.contains(va)) return true;
        return seen.vma != &big && seen.vma != &small_of(seen.range.start);
    }

    VmaCaches caches;
    std::array<Vma, kPages> small;
    Vma big;
    VmaTree tree;
};

class TreeReaders : public ::testing::TestWithParam<unsigned> {};

TEST_P(TreeReaders, see_every_replacement_as_one_step) {
    std::mt19937_64 rng(seed());
    Churn churn(GetParam());
    sync::Atomic<bool> stop(false);
    sync::Atomic<std::uint64_t> torn(0);
    sync::Atomic<std::uint64_t> looked(0);
    const auto read = [&](std::uint64_t from) {
        std::mt19937_64 mine(from);
        while (!stop.load(Order::relaxed)) {
            const VirtAddr va(mine() % (Churn::kPages * kPage));
            const sync::RcuReadGuard rcu;
            if (churn.torn(va, churn.tree.lookup(va))) torn.fetch_add(1, Order::relaxed);
            const TreeEntry found = churn.tree.find(va);
            if (churn.torn(va, found)) torn.fetch_add(1, Order::relaxed);
            looked.fetch_add(1, Order::relaxed);
        }
    };
    {
        Runner a([&] { read(1); });
        Runner b([&] { read(2); });
        while (looked.load(Order::relaxed) == 0)
            sync::cpu_relax();
        for (int round = 0; round < 400; ++round) {
            churn.to_small(rng);
            churn.to_big();
        }
        stop.store(true, Order::relaxed);
    }
    EXPECT_EQ(torn.load(Order::relaxed), 0U);
    EXPECT_EQ(churn.tree.check(), "");
}

INSTANTIATE_TEST_SUITE_P(keys, TreeReaders, ::testing::Values(3U, 15U));

TEST(VmaLock, fails_while_write_locked_and_works_afterwards) {
    Fixture f;
    Vma& vma = f.map(pages(10, 20));
    f.map(pages(30, 40));
    EXPECT_EQ(VmaReadGuard(f.space, page(5)).outcome(), VmaReadOutcome::none);
    EXPECT_EQ(VmaReadGuard(f.space, page(20)).outcome(), VmaReadOutcome::none);
    {
        MmapWriteGuard mmap(f.space);
        EXPECT_TRUE(VmaReadGuard(f.space, page(10)));  // mmap W alone does not exclude it
        vma_start_write(mmap, vma);
        EXPECT_TRUE(vma.is_write_locked());
        EXPECT_EQ(VmaReadGuard(f.space, page(10)).outcome(), VmaReadOutcome::write_locked);
        EXPECT_TRUE(VmaReadGuard(f.space, page(30)));
        mmap.downgrade();
        EXPECT_FALSE(vma.is_write_locked());
        EXPECT_TRUE(VmaReadGuard(f.space, page(10)));
    }
    const VmaReadGuard guard(f.space, page(19));
    ASSERT_TRUE(guard);
    EXPECT_EQ(&guard.vma(), &vma);
    EXPECT_EQ(guard.outcome(), VmaReadOutcome::locked);
    EXPECT_EQ(guard.misses(), 0U);
    const VmaReadGuard second(f.space, page(19));
    EXPECT_TRUE(second);
}

TEST(VmaLock, writer_waits_for_readers_and_keeps_new_ones_out) {
    Fixture f;
    Vma& vma = f.map(pages(10, 20));
    sync::Atomic<bool> locked(false);
    auto reader = std::make_unique<VmaReadGuard>(f.space, page(10));
    ASSERT_TRUE(*reader);
    Runner writer([&] {
        MmapWriteGuard mmap(f.space);
        vma_start_write(mmap, vma);
        locked.store(true, Order::release);  // pairs with the acquire loads below
    });
    while (VmaReadGuard(f.space, page(10)).outcome() != VmaReadOutcome::excluded) {
        sync::cpu_relax();
    }
    EXPECT_FALSE(locked.load(Order::acquire));
    reader.reset();
    writer.join();
    EXPECT_TRUE(locked.load(Order::acquire));
    EXPECT_TRUE(VmaReadGuard(f.space, page(10)));
}

TEST(VmaLock, mmap_read_becomes_vma_read) {
    Fixture f;
    Vma& vma = f.map(pages(10, 20));
    MmapReadGuard mmap(f.space);
    auto reader = std::make_unique<VmaReadGuard>(mmap, *mmap.lookup(page(15)));
    mmap.drop();
    ASSERT_TRUE(*reader);
    sync::Atomic<bool> locked(false);
    Runner writer([&] {
        MmapWriteGuard write(f.space);
        vma_start_write(write, vma);
        locked.store(true, Order::release);  // pairs with the acquire load below
    });
    while (VmaReadGuard(f.space, page(10)).outcome() != VmaReadOutcome::excluded) {
        sync::cpu_relax();
    }
    EXPECT_FALSE(MmapTryReadGuard(f.space));
    EXPECT_FALSE(locked.load(Order::acquire));
    reader.reset();
}

TEST(VmaLock, detaching_waits_for_a_reader_that_comes_late) {
    Fixture f;
    Vma& vma = f.map(pages(10, 20));
    sync::Atomic<int> step(0);
    Runner writer([&] {
        MmapWriteGuard mmap(f.space);
        vma_start_write(mmap, vma);
        step.store(1, Order::release);  // pairs with the acquire below
        while (step.load(Order::acquire) == 1)
            sync::cpu_relax();
        Result<VmaChange> change = prepare_erase(mmap, pages(10, 20));
        ASSERT_TRUE(change.has_value());
        Committed done = commit(mmap, std::move(*change));
        step.store(3, Order::release);  // pairs with the acquire below
        f.space.free_detached(std::move(done.detached));
    });
    while (step.load(Order::acquire) == 0)
        sync::cpu_relax();
    // A reader between the count and the comparison of sequences.
    ASSERT_EQ(VmaAccess::raise(vma), VmaAccess::Raised::yes);
    step.store(2, Order::release);  // pairs with the acquire in the writer
    while (VmaAccess::raise(vma) == VmaAccess::Raised::yes) {
        VmaAccess::lower(vma);
        sync::cpu_relax();
    }
    EXPECT_EQ(VmaAccess::raise(vma), VmaAccess::Raised::excluded);
    EXPECT_EQ(step.load(Order::acquire), 2);
    VmaAccess::lower(vma);
    writer.join();
    EXPECT_EQ(VmaAccess::raise(vma), VmaAccess::Raised::detached);
    EXPECT_EQ(f.maps(), "");
}

/// Puts `vma` into the tree as a late look-up would still find it.
void plant(VmaSpace& space, VaRange range, Vma* vma) {
    VmaTree& tree = VmaAccess::tree(space);
    const TreeEntry entry{range, vma};
    ASSERT_TRUE(tree.prepare(range, 1));
    tree.replace(range, {&entry, vma == nullptr ? 0U : 1U});
}

TEST(VmaLock, reuse_is_detected) {
    Fixture mine;
    Fixture other;
    Vma& foreign = other.map(pages(10, 20));
    Vma& moved = mine.map(pages(40, 50));
    plant(mine.space, pages(10, 20), &foreign);
    EXPECT_EQ(VmaReadGuard(mine.space, page(10)).outcome(), VmaReadOutcome::foreign);
    plant(mine.space, pages(10, 20), &moved);
    EXPECT_EQ(VmaReadGuard(mine.space, page(10)).outcome(), VmaReadOutcome::moved);
    plant(mine.space, pages(10, 20), nullptr);
    EXPECT_EQ(mine.maps(), "40-50 rw 40");
}

TEST(VmaLock, a_detached_vma_means_look_again) {
    Fixture f;
    Vma& good = f.map(pages(40, 50));
    auto detached = std::make_unique<Vma>();
    sync::Atomic<std::uint32_t> misses(0);
    // Until the reader came while the detached one could be found.
    while (misses.load(Order::relaxed) == 0) {
        plant(f.space, pages(40, 50), detached.get());
        sync::Atomic<bool> started(false);
        Runner reader([&] {
            started.store(true, Order::release);  // pairs with the acquire below
            const VmaReadGuard guard(f.space, page(40));
            EXPECT_TRUE(guard);
            misses.store(guard.misses(), Order::relaxed);
        });
        while (!started.load(Order::acquire))
            sync::cpu_relax();
        for (int i = 0; i < 1000; ++i)
            sync::cpu_relax();
        plant(f.space, pages(40, 50), &good);
    }
    EXPECT_TRUE(VmaReadGuard(f.space, page(40)));
    sync::rcu_synchronize();
}

TEST(VmaLock, a_writer_between_peek_and_count_is_noticed) {
    Fixture f;
    Vma& vma = f.map(pages(10, 20));
    {
        // The steps of a reader, by hand.
        EXPECT_NE(VmaAccess::lock_seq(vma), f.space.mm_lock_seq());
        MmapWriteGuard mmap(f.space);
        vma_start_write(mmap, vma);
        EXPECT_EQ(VmaAccess::raise(vma), VmaAccess::Raised::yes);
        EXPECT_EQ(VmaAccess::lock_seq(vma), VmaAccess::mm_lock_seq_acquire(f.space));
        VmaAccess::lower(vma);
    }
    sync::Atomic<bool> stop(false);
    Runner writer([&] {
        while (!stop.load(Order::relaxed)) {
            MmapWriteGuard mmap(f.space);
            vma_start_write(mmap, vma);
        }
    });
    std::array<std::uint64_t, kVmaReadOutcomes> seen{};
    std::uint64_t& raced = seen[static_cast<std::size_t>(VmaReadOutcome::raced_writer)];
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    while (raced == 0 && std::chrono::steady_clock::now() < until) {
        for (int i = 0; i < 1000; ++i) {
            const VmaReadGuard guard(f.space, page(10));
            ++seen[static_cast<std::size_t>(guard.outcome())];
        }
    }
    stop.store(true, Order::relaxed);
    writer.join();
    EXPECT_EQ(seen[static_cast<std::size_t>(VmaReadOutcome::none)], 0U);
    EXPECT_EQ(seen[static_cast<std::size_t>(VmaReadOutcome::foreign)], 0U);
    if (raced == 0) GTEST_SKIP() << "the host never ran the writer inside the window";
}

/// A fixed mapping replaces another one again and again; a second space keeps reusing the objects.
TEST(VmaLock, holders_see_a_consistent_vma_while_mappings_are_replaced) {
    Fixture f;
    f.map(pages(0, 100));
    VmaSpace other(f.caches, {});
    sync::Atomic<bool> stop(false);
    sync::Atomic<std::uint64_t> wrong(0);
    sync::Atomic<std::uint64_t> locked(0);
    const auto check = [&](VirtAddr va, const VmaReadGuard& guard) {
        if (guard.outcome() == VmaReadOutcome::none) return false;
        if (!guard) return true;
        locked.fetch_add(1, Order::relaxed);
        const Vma& vma = guard.vma();
        if (vma.space() != &f.space || !vma.contains(va)) return false;
        const bool inner = vma.start() == page(40);
        return vma.pgoff() == anonymous_pgoff(vma.start()) &&
               (inner ? vma.has(VmaFlag::dontcopy) == (vma.end() == page(60)) : true);
    };
    const auto read = [&](std::uint64_t from) {
        std::mt19937_64 mine(from);
        while (!stop.load(Order::relaxed)) {
            const VirtAddr va(mine() % (100 * kPage));
            if (!check(va, VmaReadGuard(f.space, va))) wrong.fetch_add(1, Order::relaxed);
        }
    };
    const auto churn_other = [&] {
        while (!stop.load(Order::relaxed)) {
            MmapWriteGuard mmap(other);
            Result<VmaChange> change =
                prepare_insert(mmap, {.range = pages(40, 60), .flags = kRo, .pgoff = 7});
            ASSERT_TRUE(change.has_value());
            Committed done = commit(mmap, std::move(*change));
            other.free_detached(std::move(done.detached));
            other.free_detached(detach_all(mmap));
        }
    };
    {
        Runner a([&] { read(1); });
        Runner b(churn_other);
        while (locked.load(Order::relaxed) == 0)
            sync::cpu_relax();
        for (int round = 0; round < 3000; ++round) {
            const VmaFlags flags = round % 2 == 0 ? kRw | VmaFlag::dontcopy : kRw;
            MmapWriteGuard mmap(f.space);
            for (const std::uint64_t at : {40U, 60U}) {
                Vma& vma = *mmap.lookup(page(at));
                if (vma.start() == page(at)) continue;
                commit(mmap, std::move(*prepare_split(mmap, vma, page(at))));
            }
            Result<VmaChange> change = prepare_insert(
                mmap, {.range = pages(40, 60), .flags = flags, .pgoff = anonymous_pgoff(page(40))});
            ASSERT_TRUE(change.has_value());
            Committed done = commit(mmap, std::move(*change));
            f.space.free_detached(std::move(done.detached));
        }
        stop.store(true, Order::relaxed);
    }
    EXPECT_EQ(wrong.load(Order::relaxed), 0U);
    EXPECT_EQ(f.maps(), "0-100 rw 0");
}

TEST(Revalidate, repeats_every_check) {
    Fixture f;
    Vma& vma = f.map(pages(10, 20));
    VmaKey key;
    {
        MmapReadGuard mmap(f.space);
        key = mmap.key_of(vma, pages(12, 16));
        EXPECT_EQ(mmap.revalidate(key).vma, &vma);
    }
    const auto outcome = [&] { return MmapReadGuard(f.space).revalidate(key).outcome; };
    const auto modify = [&](VaRange range, VmaFlags flags) {
        MmapWriteGuard mmap(f.space);
        commit(mmap, std::move(*prepare_modify(mmap, *mmap.lookup(range.start), range, flags)));
    };
    modify(pages(14, 20), kRo);
    EXPECT_EQ(outcome(), Revalidation::shrunk);
    modify(pages(10, 14), kRo);
    EXPECT_EQ(outcome(), Revalidation::flags_changed);
    modify(pages(10, 20), kRw);
    EXPECT_EQ(outcome(), Revalidation::same);
    f.fault(vma);
    EXPECT_EQ(outcome(), Revalidation::anon_vma_changed);
    {
        MmapWriteGuard mmap(f.space);
        Result<VmaChange> change =
            prepare_insert(mmap, {.range = pages(10, 20), .flags = kRw, .pgoff = 3});
        f.space.free_detached(commit(mmap, std::move(*change)).detached);
    }
    EXPECT_EQ(outcome(), Revalidation::backing_changed);
    {
        MmapWriteGuard mmap(f.space);
        f.space.free_detached(detach_all(mmap));
    }
    EXPECT_EQ(outcome(), Revalidation::gone);
}

}  // namespace
}  // namespace surefoot::inline SF_BUILD::vma::test
