#include "linux/loader/stack_image.hpp"

#include <elf.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>

namespace surefoot::linux_abi {
namespace {

/// Reads an image at guest addresses.
class Stack {
  public:
    explicit Stack(const StackImage& image) : image_(image) {}
    std::uint64_t word(std::uint64_t va) const {
        std::uint64_t value = 0;
        std::memcpy(&value, at(va), sizeof value);
        return value;
    }
    std::string string(std::uint64_t va) const { return reinterpret_cast<const char*>(at(va)); }

  private:
    const std::byte* at(std::uint64_t va) const {
        EXPECT_GE(va, image_.sp.raw());
        EXPECT_LT(va, image_.sp.raw() + image_.bytes.size());
        return image_.bytes.data() + (va - image_.sp.raw());
    }
    const StackImage& image_;
};

StackRequest request_with(std::size_t arguments) {
    StackRequest request;
    request.top = VirtAddr(0x7000'0000'0000);
    for (std::size_t i = 0; i < arguments; ++i) {
        request.arguments.push_back(std::string(i % 13, 'a' + static_cast<char>(i % 26)));
    }
    request.environment = {"A=1", "LONGER=two words"};
    request.file_name = "/bin/program";
    for (std::size_t i = 0; i < 16; ++i)
        request.random[i] = static_cast<std::byte>(i + 1);
    request.auxv = {{AT_PAGESZ, 4096}, {AT_ENTRY, 0x1234}};
    return request;
}

TEST(StackImage, holds_what_the_abi_asks_for) {
    const StackRequest request = request_with(3);
    const StackImage image = build_stack_image(request);
    EXPECT_EQ(image.sp.raw() + image.bytes.size(), request.top.raw());
    const Stack stack(image);
    std::uint64_t va = image.sp.raw();
    EXPECT_EQ(stack.word(va), 3U);
    for (const std::string& argument : request.arguments) {
        EXPECT_EQ(stack.string(stack.word(va += 8)), argument);
    }
    EXPECT_EQ(stack.word(va += 8), 0U);
    for (const std::string& variable : request.environment) {
        EXPECT_EQ(stack.string(stack.word(va += 8)), variable);
    }
    EXPECT_EQ(stack.word(va += 8), 0U);
    std::map<std::uint64_t, std::uint64_t> auxv;
    while (stack.word(va += 8) != AT_NULL) {
        const std::uint64_t type = stack.word(va);
        auxv[type] = stack.word(va += 8);
    }
    EXPECT_EQ(auxv[AT_PAGESZ], 4096U);
    EXPECT_EQ(auxv[AT_ENTRY], 0x1234U);
    EXPECT_EQ(stack.string(auxv[AT_EXECFN]), "/bin/program");
    EXPECT_EQ(stack.string(auxv[AT_PLATFORM]), "x86_64");
    EXPECT_EQ(stack.word(auxv[AT_RANDOM]), 0x0807060504030201U);
    EXPECT_EQ(auxv.count(AT_SYSINFO_EHDR), 0U);
    EXPECT_EQ(stack.word(request.top.raw() - 8), 0U);
}

TEST(StackImage, is_aligned_for_any_number_of_strings) {
    for (std::size_t n = 0; n < 40; ++n) {
        const StackImage image = build_stack_image(request_with(n));
        EXPECT_TRUE(image.sp.is_aligned(16)) << n << " arguments";
    }
}

TEST(StackImage, tells_where_the_strings_are) {
    const StackImage image = build_stack_image(request_with(3));
    EXPECT_EQ(image.arguments.bytes(), 1U + 2 + 3);  // "", "b", "cc"
    EXPECT_EQ(image.environment.bytes(), 4U + 17);
    EXPECT_EQ(image.arguments.end, image.environment.start);
}

}  // namespace
}  // namespace surefoot::linux_abi
