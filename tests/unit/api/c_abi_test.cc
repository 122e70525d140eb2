// The C ABI: option structs of other versions, error numbers, texts.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "surefoot/surefoot.h"

namespace {

constexpr std::uint64_t kPage = 4096;

/// As `T options = {.size = sizeof options}` in C.
template <class T>
T sized() {
    T options{};
    options.size = sizeof options;
    return options;
}

/// What a caller of a later version hands over.
struct LaterOptions {
    sf_machine_options known;
    std::uint64_t later;
};

int create(const sf_machine_options* options) {
    sf_machine* machine = nullptr;
    const int error = sf_machine_create(options, &machine);
    EXPECT_EQ(machine != nullptr, error == 0);
    sf_machine_destroy(machine);
    return error;
}

TEST(OptionStructs, without_options_everything_is_default) { EXPECT_EQ(create(nullptr), 0); }

TEST(OptionStructs, the_size_decides_what_is_read) {
    auto options = sized<sf_machine_options>();
    options.memory_bytes = 1 << 20;
    EXPECT_EQ(create(&options), 0);
    options.size = 0;
    EXPECT_EQ(create(&options), -EINVAL);
    options.size = sizeof options.size - 1;
    EXPECT_EQ(create(&options), -EINVAL);
    options.memory_bytes = 1;
    options.size = sizeof options.size;
    EXPECT_EQ(create(&options), 0) << "what lies beyond is not read";
    options.size = sizeof options;
    EXPECT_EQ(create(&options), -EINVAL);
}

TEST(OptionStructs, an_unknown_field_must_be_zero) {
    LaterOptions options{};
    options.known.size = sizeof options;
    options.known.memory_bytes = 1 << 20;
    EXPECT_EQ(create(&options.known), 0);
    options.later = 1;
    EXPECT_EQ(create(&options.known), -E2BIG);
    options.later = 0;
    options.known.reserved = 1;
    EXPECT_EQ(create(&options.known), -EINVAL);
}

class CAbiTest : public testing::Test {
  protected:
    void SetUp() override {
        auto memory = sized<sf_machine_options>();
        memory.memory_bytes = 4 << 20;
        ASSERT_EQ(sf_machine_create(&memory, &machine_), 0);
        auto options = sized<sf_space_options>();
        options.invalidate = invalidate;
        options.invalidate_context = &invalidated_;
        ASSERT_EQ(sf_space_create(machine_, &options, &space_), 0);
        at_ = sf_mmap(space_, 0, 4 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                      nullptr, 0);
        ASSERT_GT(at_, 0);
    }
    void TearDown() override {
        EXPECT_EQ(sf_check(space_, nullptr, 0), 0);
        sf_space_destroy(space_);
        sf_machine_destroy(machine_);
    }
    static void invalidate(void* context, const sf_invalidation* what) {
        EXPECT_EQ(what->size, sizeof *what);
        *static_cast<sf_range*>(context) = what->ranges[0];
    }
    std::uint64_t at() const { return static_cast<std::uint64_t>(at_); }

    sf_machine* machine_ = nullptr;
    sf_space* space_ = nullptr;
    sf_range invalidated_{};
    std::int64_t at_ = 0;
};

TEST_F(CAbiTest, errors_are_negative_error_numbers) {
    sf_space* none = nullptr;
    auto wrong = sized<sf_space_options>();
    wrong.levels = 7;
    EXPECT_EQ(sf_space_create(machine_, &wrong, &none), -EINVAL);
    EXPECT_EQ(none, nullptr);
    EXPECT_EQ(sf_mmap(space_, 0, 0, 0, MAP_PRIVATE | MAP_ANONYMOUS, nullptr, 0), -EINVAL);
    EXPECT_EQ(sf_mmap(space_, 0, kPage, 0, MAP_PRIVATE, nullptr, 0), -EBADF);
    EXPECT_EQ(sf_munmap(space_, 1, kPage), -EINVAL);
    EXPECT_EQ(sf_mprotect(space_, 1, kPage, 0), -EINVAL);
    EXPECT_EQ(sf_madvise(space_, at(), kPage, 12345), -EINVAL);
    EXPECT_EQ(sf_mlock(space_, at(), kPage, 99), -EINVAL);
    EXPECT_EQ(sf_fault(space_, at(), 3), -EINVAL);
    EXPECT_EQ(sf_fault(space_, at(), -1), -EINVAL);
}

TEST_F(CAbiTest, a_page_is_faulted_in_found_and_taken_away) {
    sf_translation found{.size = sizeof found, .physical = 0, .bits = 0};
    EXPECT_EQ(sf_translate(space_, at(), &found), -EFAULT);
    EXPECT_EQ(sf_fault(space_, at(), SF_WRITE), SF_HANDLED);
    ASSERT_EQ(sf_translate(space_, at(), &found), 0);
    EXPECT_EQ(found.bits, SF_PTE_WRITABLE | SF_PTE_DIRTY | SF_PTE_ACCESSED);
    EXPECT_EQ(sf_write(space_, at() + 1, "hello", 5), 5U);
    EXPECT_EQ(
        std::memcmp(static_cast<char*>(sf_arena_base(machine_)) + found.physical, "\0hello", 6), 0);
    unsigned char resident = 0;
    EXPECT_EQ(sf_mincore(space_, at(), 1, &resident), 0);
    EXPECT_EQ(resident, 1);
    EXPECT_EQ(sf_munmap(space_, at(), kPage), 0);
    EXPECT_EQ(invalidated_.start, at());
    EXPECT_EQ(invalidated_.end, at() + kPage);
    EXPECT_EQ(sf_fault(space_, at(), SF_READ), SF_MAPERR);
    found.size = 1;
    EXPECT_EQ(sf_translate(space_, at(), &found), -EINVAL);
}

TEST_F(CAbiTest, texts_are_cut_and_their_length_is_told) {
    std::array<char, 10> text;
    text.fill('#');
    const std::int64_t length = sf_maps(space_, text.data(), text.size());
    EXPECT_EQ(sf_maps(space_, nullptr, 0), length);
    std::string whole(static_cast<std::size_t>(length) + 1, '\0');
    EXPECT_EQ(sf_maps(space_, whole.data(), whole.size()), length);
    EXPECT_EQ(std::strlen(whole.c_str()), static_cast<std::size_t>(length));
    EXPECT_EQ(std::strlen(text.data()), 9U);
    EXPECT_EQ(whole.substr(0, 9), text.data());
}

TEST_F(CAbiTest, statistics_fill_the_struct_that_the_caller_knows) {
    EXPECT_EQ(sf_fault(space_, at(), SF_WRITE), SF_HANDLED);
    sf_space_statistics now{};
    EXPECT_EQ(sf_statistics(space_, &now), -EINVAL);
    now.size = 2 * sizeof(std::uint64_t);
    EXPECT_EQ(sf_statistics(space_, &now), 0);
    EXPECT_EQ(now.rss_anon, kPage);
    EXPECT_EQ(now.tables, 0U) << "beyond the caller's size";
    now.size = sizeof now;
    EXPECT_EQ(sf_statistics(space_, &now), 0);
    EXPECT_EQ(now.tables, 4 * kPage);
    EXPECT_EQ(now.nr_vmas, 1U);
}

TEST_F(CAbiTest, a_file_is_read_through_the_callback_and_released_once) {
    struct Context {
        unsigned reads = 0;
        unsigned releases = 0;
    } context;
    auto options = sized<sf_file_options>();
    sf_file* file = nullptr;
    EXPECT_EQ(sf_file_create(machine_, &options, &file), -EINVAL);
    options.context = &context;
    options.release = [](void* c) { ++static_cast<Context*>(c)->releases; };
    options.read_page = [](void* c, std::uint64_t, void* page) -> std::int64_t {
        ++static_cast<Context*>(c)->reads;
        std::memset(page, 'z', kPage);
        return kPage;
    };
    ASSERT_EQ(sf_file_create(machine_, &options, &file), 0);
    const std::int64_t data = sf_mmap(space_, 0, kPage, PROT_READ, MAP_PRIVATE, file, 0);
    ASSERT_GT(data, 0);
    sf_file_destroy(file);
    char byte = 0;
    EXPECT_EQ(sf_read(space_, &byte, 1, static_cast<std::uint64_t>(data)), 1U);
    EXPECT_EQ(byte, 'z');
    EXPECT_EQ(context.reads, 1U);
    EXPECT_EQ(context.releases, 0U);
    EXPECT_EQ(sf_munmap(space_, static_cast<std::uint64_t>(data), kPage), 0);
    EXPECT_EQ(context.releases, 1U);
}

}  // namespace
