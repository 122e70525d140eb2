// Row by row with the table in docs/pgtable_semantics.md: a test's name is its row's name.

#include <gtest/gtest.h>

#include <array>
#include <type_traits>
#include <vector>

#include "arch/arch.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::arch;

template <unsigned Levels>
struct X86 {
    using Format = X86_64;
    static constexpr Format kFormat{Levels};
    static constexpr unsigned kLevels = Levels;
    static constexpr unsigned kEntries = 512;
};

template <unsigned Levels, unsigned Bits>
struct ToyOf {
    using Format = Toy;
    static constexpr Format kFormat{Levels, Bits};
    static constexpr unsigned kLevels = Levels;
    static constexpr unsigned kEntries = 1U << Bits;
};

std::vector<LeafBits> all_leaf_bits() {
    std::vector<LeafBits> all;
    for (unsigned n = 0; n < 64; ++n) {
        all.push_back({.write = (n & 1) != 0,
                       .exec = (n & 2) != 0,
                       .young = (n & 4) != 0,
                       .dirty = (n & 8) != 0,
                       .special = (n & 16) != 0,
                       .prot_none = (n & 32) != 0});
    }
    return all;
}

constexpr std::array kFrames = {Pfn(0), Pfn(1), Pfn(0x1234'5678), Pfn(0xffff'fffe)};

template <class Case>
class FormatSemantics : public ::testing::Test {
  protected:
    using Bits = typename Case::Format;

    /// Calls `body` with every leaf that can be made, at each level that has leaves.
    template <class Body>
    static void for_each_leaf(Body&& body) {
        for (const LeafBits bits : all_leaf_bits()) {
            for (const Pfn pfn : kFrames) {
                body(Bits::template make_leaf<PtLevel::pte>(pfn, bits), pfn, bits);
                body(Bits::template make_leaf<PtLevel::pmd>(pfn, bits), pfn, bits);
                body(Bits::template make_leaf<PtLevel::pud>(pfn, bits), pfn, bits);
            }
        }
    }

    template <class Body>
    static void for_each_table(Body&& body) {
        for (const Pfn pfn : kFrames) {
            body(Bits::template make_table<PtLevel::pmd>(pfn), pfn);
            body(Bits::template make_table<PtLevel::pud>(pfn), pfn);
            body(Bits::template make_table<PtLevel::p4d>(pfn), pfn);
            body(Bits::template make_table<PtLevel::pgd>(pfn), pfn);
        }
    }

    static std::vector<PtLevel> levels() {
        std::vector<PtLevel> all;
        for (unsigned n = 0; n < Case::kLevels; ++n)
            all.push_back(static_cast<PtLevel>(n));
        return all;
    }
};

using Cases = ::testing::Types<X86<4>, X86<5>, ToyOf<2, 1>, ToyOf<2, 2>, ToyOf<3, 1>, ToyOf<3, 2>,
                               ToyOf<4, 1>, ToyOf<5, 2>>;
TYPED_TEST_SUITE(FormatSemantics, Cases);

TYPED_TEST(FormatSemantics, none_is_zero) {
    using F = typename TypeParam::Format;
    EXPECT_TRUE(F::is_none(pte_t{}));
    EXPECT_TRUE(F::is_none(pmd_t{}));
    EXPECT_FALSE(F::is_present(pte_t{}));
    EXPECT_FALSE(F::is_present(pmd_t{}));
    EXPECT_FALSE(F::hardware_present(pte_t{}));
}

TYPED_TEST(FormatSemantics, leaf_returns_what_was_set) {
    using F = typename TypeParam::Format;
    this->for_each_leaf([](auto entry, Pfn pfn, LeafBits bits) {
        EXPECT_EQ(F::pfn(entry), pfn);
        EXPECT_TRUE(F::leaf_bits(entry) == bits);
        EXPECT_EQ(F::is_writable(entry), bits.write);
        EXPECT_EQ(F::is_executable(entry), bits.exec);
        EXPECT_EQ(F::is_young(entry), bits.young);
        EXPECT_EQ(F::is_dirty(entry), bits.dirty);
        EXPECT_EQ(F::is_special(entry), bits.special);
        EXPECT_EQ(F::is_prot_none(entry), bits.prot_none);
    });
}

TYPED_TEST(FormatSemantics, leaf_is_made_anew_from_its_getters) {
    using F = typename TypeParam::Format;
    this->for_each_leaf([]<PtLevel L>(Entry<L> entry, Pfn, LeafBits) {
        EXPECT_EQ(F::template make_leaf<L>(F::pfn(entry), F::leaf_bits(entry)).raw, entry.raw);
    });
}

TYPED_TEST(FormatSemantics, leaf_is_neither_none_nor_table) {
    using F = typename TypeParam::Format;
    this->for_each_leaf([](auto entry, Pfn, LeafBits) {
        EXPECT_TRUE(F::is_present(entry));
        EXPECT_TRUE(F::is_leaf(entry));
        EXPECT_FALSE(F::is_table(entry));
        EXPECT_FALSE(F::is_none(entry));
    });
}

TYPED_TEST(FormatSemantics, prot_none_is_absent_to_hardware) {
    using F = typename TypeParam::Format;
    this->for_each_leaf([](auto entry, Pfn, LeafBits bits) {
        EXPECT_EQ(F::hardware_present(entry), !bits.prot_none);
        EXPECT_TRUE(F::is_present(entry));
    });
}

TYPED_TEST(FormatSemantics, table_is_neither_none_nor_leaf) {
    using F = typename TypeParam::Format;
    this->for_each_table([](auto entry, Pfn pfn) {
        EXPECT_EQ(F::pfn(entry), pfn);
        EXPECT_EQ(F::table_phys(entry), F::phys(entry));
        EXPECT_TRUE(F::is_present(entry));
        EXPECT_TRUE(F::hardware_present(entry));
        EXPECT_TRUE(F::is_table(entry));
        EXPECT_FALSE(F::is_leaf(entry));
        EXPECT_FALSE(F::is_none(entry));
        EXPECT_FALSE(F::is_prot_none(entry));
    });
}

TYPED_TEST(FormatSemantics, table_limits_nothing_and_hardware_never_changes_it) {
    using F = typename TypeParam::Format;
    this->for_each_table([](auto entry, Pfn) {
        EXPECT_TRUE(F::is_writable(entry));
        EXPECT_TRUE(F::is_executable(entry));
        EXPECT_TRUE(F::is_young(entry));
        EXPECT_TRUE(F::is_dirty(entry));
    });
}

TYPED_TEST(FormatSemantics, pte_is_never_a_table) {
    using F = typename TypeParam::Format;
    for (unsigned bit = 0; bit < 64; ++bit) {
        EXPECT_FALSE(F::is_table(pte_t{std::uint64_t{1} << bit}));
        EXPECT_FALSE(F::is_table(pte_t{F::kPresent | (std::uint64_t{1} << bit)}));
    }
}

TYPED_TEST(FormatSemantics, bits_and_frame_do_not_overlap) {
    using F = typename TypeParam::Format;
    const std::uint64_t flags[] = {F::kPresent, F::kWrite,    F::kUser,    F::kAccessed, F::kDirty,
                                   F::kHuge,    F::kProtNone, F::kSpecial, F::kNoExec};
    std::uint64_t used = F::kFrameMask;
    for (const std::uint64_t flag : flags) {
        EXPECT_TRUE(is_power_of_two(flag));
        EXPECT_EQ(used & flag, 0U);
        used |= flag;
    }
}

TYPED_TEST(FormatSemantics, geometry_root_and_entries) {
    constexpr auto f = TypeParam::kFormat;
    EXPECT_EQ(static_cast<unsigned>(f.top()) + 1, TypeParam::kLevels);
    EXPECT_EQ(f.entries(), TypeParam::kEntries);
    // A table fits its frame.
    EXPECT_LE(f.entries() * sizeof(std::uint64_t), f.kPageSize);
}

TYPED_TEST(FormatSemantics, geometry_span_is_entries_times_the_span_below) {
    constexpr auto f = TypeParam::kFormat;
    EXPECT_EQ(f.span(PtLevel::pte), f.kPageSize);
    for (const PtLevel level : this->levels()) {
        EXPECT_EQ(f.span(level), std::uint64_t{1} << f.shift(level));
        if (level != PtLevel::pte) {
            EXPECT_EQ(f.span(level), f.span(below(level)) * f.entries());
        }
    }
}

TYPED_TEST(FormatSemantics, geometry_indices_and_offset_name_the_address) {
    constexpr auto f = TypeParam::kFormat;
    const std::uint64_t last = f.end().raw() - 1;
    const std::uint64_t pattern = 0x0000'5a3c'96e7'1b4dULL % f.end().raw();
    for (const std::uint64_t raw : {std::uint64_t{0}, f.kPageSize, pattern, last}) {
        std::uint64_t sum = raw & (f.kPageSize - 1);
        for (const PtLevel level : this->levels()) {
            EXPECT_LT(f.index(VirtAddr(raw), level), f.entries());
            sum += f.index(VirtAddr(raw), level) * f.span(level);
        }
        EXPECT_EQ(sum, raw);
    }
}

TYPED_TEST(FormatSemantics, geometry_end_lies_within_the_root) {
    constexpr auto f = TypeParam::kFormat;
    EXPECT_TRUE(f.end().is_aligned(f.kPageSize));
    EXPECT_GT(f.end().raw(), 0U);
    EXPECT_LE(f.end().raw() - 1, f.entries() * f.span(f.top()) - 1);
}

TEST(X86_64Bits, are_the_processors) {
    EXPECT_EQ((X86_64::make_leaf<PtLevel::pte>(Pfn(1), {.write = true, .exec = true}).raw),
              0x1007U);
    EXPECT_EQ((X86_64::make_leaf<PtLevel::pte>(Pfn(1), {}).raw), 0x8000'0000'0000'1005U);
    EXPECT_EQ((X86_64::make_leaf<PtLevel::pmd>(Pfn(0x200), {.exec = true, .young = true}).raw),
              0x20'00a5U);
    EXPECT_EQ((X86_64::make_table<PtLevel::pmd>(Pfn(2)).raw), 0x2067U);
}

TEST(X86_64Bits, user_space_ends_where_linux_ends_it) {
    EXPECT_EQ(X86_64(4).end().raw(), 0x7fff'ffff'f000U);
    EXPECT_EQ(X86_64(5).end().raw(), 0xff'ffff'ffff'f000U);
}

// The level is part of an entry's type.
template <class A, class B>
concept Comparable = requires(A a, B b) { a == b; };
static_assert(Comparable<pte_t, pte_t>);
static_assert(!Comparable<pte_t, pmd_t>);
static_assert(!std::is_convertible_v<pmd_t, pte_t>);
static_assert(!std::is_constructible_v<pte_t, pmd_t>);
static_assert(!std::is_assignable_v<pte_t&, pmd_t>);

}  // namespace
