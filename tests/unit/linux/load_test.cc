#include "linux/loader/load.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "api/api.hpp"

namespace surefoot::linux_abi {
namespace {

class Load : public ::testing::Test {
protected:
    static constexpr std::uint64_t kStackLimit = 1ULL << 20;

    void SetUp() override {
        auto created = api::Machine::create({.memory_bytes = 16ULL << 20});
        ASSERT_TRUE(created);
        machine_ = std::move(*created);
    }

    using Strings = std::vector<std::string>;

    /// Loads a program of one zero page.
    Result<LoadedProgram> load(Strings arguments, Strings environment) {
        mm::MmOptions options;
        options.task_size = VirtAddr(1ULL << 46);
        options.limits.stack = kStackLimit;
        auto mm = mm::Mm::create(machine_->system(), options);
        EXPECT_TRUE(mm);
        ElfSegment zeros;
        zeros.va = 0x40'0000;
        zeros.memory_bytes = arch::kPageSize;
        Executable program;
        program.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        program.image.segments = {zeros};
        StartRequest request;
        request.arguments = std::move(arguments);
        request.environment = std::move(environment);
        auto loaded = load_program(**mm, program, request);
        ::close(program.fd);
        return loaded;
    }

private:
    std::unique_ptr<api::Machine> machine_;
};

TEST_F(Load, arguments_and_environment_may_fill_a_quarter_of_the_stack) {
    // What else lies there is far less than a page.
    const std::string fits(kStackLimit / 4 - arch::kPageSize, 'x');
    const std::string too_long(kStackLimit / 4, 'x');
    EXPECT_TRUE(load({fits}, {}));
    EXPECT_EQ(load({too_long}, {}).error(), Errno::toobig);
    EXPECT_TRUE(load({}, {fits}));
    EXPECT_EQ(load({}, {too_long}).error(), Errno::toobig);
}

}  // namespace
}  // namespace surefoot::linux_abi
