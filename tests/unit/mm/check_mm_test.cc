// check_mm names what is wrong: a sound address space with one thing damaged at a time.

#include "support.hpp"

namespace surefoot::testing {
namespace {

using namespace mm::uapi;
using arch::Format;
using arch::PtLevel;
using mm::FaultResult;
using sync::Order;

/// Stores another value for as long as it lives.
template <class T>
class Damage {
public:
    Damage(sync::Atomic<T>& word, T value) : word_(word), sound_(word.load(Order::relaxed)) {
        word_.store(value, Order::relaxed);
    }
    ~Damage() { word_.store(sound_, Order::relaxed); }
    Damage(const Damage&) = delete;
    Damage& operator=(const Damage&) = delete;

private:
    sync::Atomic<T>& word_;
    const T sound_;
};

class CheckMm : public MmTest {
protected:
    static constexpr std::uint32_t kFixed = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    static constexpr VirtAddr kAt{1ULL << 40};

    void SetUp() override {
        MmTest::SetUp();
        ASSERT_TRUE(map(2, PROT_READ | PROT_WRITE, kFixed, kAt.raw()));
        ASSERT_EQ(tlb.store(kAt, 1), FaultResult::handled);
        ASSERT_EQ(mm::check_mm(space()), "");
    }

    sync::Atomic<std::uint64_t>& pmd_word() {
        const vma::MmapReadGuard mmap(space().vmas);
        const auto pmd = pgtable::find_pmd(space().tables, kAt, mm::VmaStable(mmap));
        const auto table = static_cast<std::uint32_t>(&pmd->table_frame() -
                                                      &space().tables.frame(Pfn(0)));
        return system().arena().entry_word(Pfn(table), Format::index(kAt, PtLevel::pmd));
    }
    Pfn pte_table() { return Format::pfn(arch::pmd_t{pmd_word().load(Order::relaxed)}); }
    /// The word that maps the `page`-th page.
    sync::Atomic<std::uint64_t>& pte_word(std::uint64_t page) {
        return system().arena().entry_word(
            pte_table(), Format::index(kAt + page * kPage, PtLevel::pte));
    }
    arch::pte_t pte() { return {pte_word(0).load(Order::relaxed)}; }
    phys::Frame& frame() { return space().tables.frame(Format::pfn(pte())); }

    void expect_found(const std::string& what) {
        const std::string said = mm::check_mm(space());
        EXPECT_NE(said.find(what), std::string::npos) << "it said: '" << said << "'";
    }
};

TEST_F(CheckMm, pages_that_vmas_span) {
    const Damage damage(space().total_vm, std::uint64_t{3});
    expect_found("VMAs span 2 pages, total_vm is 3");
}

TEST_F(CheckMm, pages_that_are_locked) {
    ASSERT_TRUE(mm::mlock(space(), kAt, kPage, 0));
    const Damage damage(space().locked_vm, std::uint64_t{0});
    expect_found("1 pages are locked, locked_vm is 0");
}

TEST_F(CheckMm, resident_pages) {
    for (const auto kind : {mm::RssKind::anon, mm::RssKind::file, mm::RssKind::shmem}) {
        space().rss.add(kind, 1);
        expect_found("pages of kind " + std::to_string(static_cast<int>(kind)) + " are mapped");
        space().rss.add(kind, -1);
    }
}

TEST_F(CheckMm, tables_that_are_linked) {
    const Damage damage(pmd_word(), std::uint64_t{0});
    expect_found("tables are linked");
}

TEST_F(CheckMm, frame_that_is_no_table) {
    const Damage damage(space().tables.frame(pte_table()).flags, 0U);
    expect_found("is linked as a table and is none");
}

TEST_F(CheckMm, entry_that_is_neither_table_nor_none) {
    const std::uint64_t huge = pmd_word().load(Order::relaxed) | Format::kHuge;
    const Damage damage(pmd_word(), huge);
    expect_found("bad entry");
}

TEST_F(CheckMm, page_outside_every_vma) {
    const Damage damage(pte_word(2), pte().raw);
    expect_found("is mapped outside every VMA");
}

TEST_F(CheckMm, rights_that_the_vma_does_not_give) {
    const std::uint64_t writable = pte().raw;
    {
        const Damage damage(pte_word(0), writable & ~Format::kNoExec);
        expect_found("is executable against its VMA");
    }
    ASSERT_TRUE(mm::mprotect(space(), kAt, kPage, PROT_READ));
    {
        const Damage damage(pte_word(0), writable);
        expect_found("is writable against its VMA");
    }
    const std::uint64_t readable = pte().raw;
    ASSERT_TRUE(mm::mprotect(space(), kAt, kPage, PROT_NONE));
    const Damage damage(pte_word(0), readable);
    expect_found("is accessible against its VMA");
}

TEST_F(CheckMm, writable_zero_page) {
    std::uint8_t byte = 1;
    ASSERT_EQ(tlb.load(kAt + kPage, byte), FaultResult::handled);
    const std::uint64_t writable = pte_word(1).load(Order::relaxed) | Format::kWrite;
    const Damage damage(pte_word(1), writable);
    expect_found("the zero page is mapped writable");
}

TEST_F(CheckMm, page_mapped_once_more_than_counted) {
    space().rss.add(mm::RssKind::anon, 1);
    {
        const Damage damage(pte_word(1), pte().raw);
        expect_found(": 2 mappings, mapcount 1");
    }
    space().rss.add(mm::RssKind::anon, -1);
}

TEST_F(CheckMm, more_mappings_counted_than_references) {
    const Damage damage(frame().mapcount, 2U);
    expect_found(": refcount 1 below mapcount 2");
}

TEST_F(CheckMm, entry_to_a_frame_that_was_freed) {
    const Pfn freed = system().frames.alloc(phys::Fill::none);
    ASSERT_TRUE(freed);
    system().frames.put(freed);
    const arch::pte_t stale =
        Format::make_leaf<PtLevel::pte>(freed, Format::leaf_bits(pte()));
    const Damage damage(pte_word(0), stale.raw);
    expect_found(": 1 mappings, mapcount 0");
}

}  // namespace
}  // namespace surefoot::testing
