// The same random memory calls, made by a program on this machine's kernel and by an address space
// in this process; everything that a program can see of them is compared.

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "support/seed.hpp"
#include "twin_port.hpp"

namespace surefoot::testing {
namespace {

std::string run_on_the_kernel(const memops_options& o) {
    std::ostringstream command;
    command << QUIET_EXEC " " MEMOPS " " << o.seed << " " << o.operations
            << (o.remap ? "" : " --no-remap") << (o.residency ? "" : " --no-residency")
            << " --no-files --from " << o.from << " --to " << o.to << (o.maps ? " --maps" : "")
            << " --require " << o.require;
    FILE* pipe = popen(command.str().c_str(), "r");
    std::string output;
    char buffer[65536];
    for (std::size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) output.append(buffer, n);
    pclose(pipe);
    return output;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

/// Index of the first line that differs; the size of the shorter one if one ends early.
std::size_t first_difference(const std::vector<std::string>& a, const std::vector<std::string>& b) {
    std::size_t i = 0;
    while (i < a.size() && i < b.size() && a[i] == b[i]) ++i;
    return i;
}

/// The number in "digest N ...", or in "N operation...".
std::uint64_t operation_of(const std::string& line) {
    const std::size_t space = line.rfind("digest ", 0) == 0 ? 7 : 0;
    return std::strtoull(line.c_str() + space, nullptr, 10);
}

std::string excerpt(const std::vector<std::string>& lines, std::size_t around) {
    std::string text;
    const std::size_t from = around < 4 ? 0 : around - 4;
    for (std::size_t i = from; i < lines.size() && i < around + 3; ++i) {
        text += (i == around ? "> " : "  ") + lines[i] + "\n";
    }
    return text;
}

/// Runs the window before a differing digest again, operation by operation.
std::string explain(memops_options o, std::uint32_t fault_around, std::uint64_t end) {
    o.to = end;
    o.from = end < 256 ? 0 : end - 256;
    o.maps = 1;
    o.require = 0;
    const auto kernel = lines_of(run_on_the_kernel(o));
    const auto twin = lines_of(run_twin(o, fault_around).output);
    const std::size_t at = first_difference(kernel, twin);
    std::string text = "replay with SUREFOOT_SEED=" + std::to_string(o.seed) + "\n";
    std::size_t operation = at;
    while (operation > 0 && (kernel[operation - 1].empty() || kernel[operation - 1][0] == ' ')) {
        --operation;
    }
    if (operation > 0) text += "operation: " + kernel[operation - 1] + "\n";
    return text + "kernel:\n" + excerpt(kernel, at) + "ours:\n" + excerpt(twin, at);
}

void expect_the_same(const memops_options& o, std::uint32_t fault_around) {
    const auto kernel = lines_of(run_on_the_kernel(o));
    const TwinRun run = run_twin(o, fault_around);
    EXPECT_EQ(run.inconsistency, "");
    EXPECT_EQ(run.pages_around > 0, fault_around > 1);
    const auto twin = lines_of(run.output);
    const std::size_t at = first_difference(kernel, twin);
    if (at == kernel.size() && at == twin.size()) {
        EXPECT_EQ(run.status, 0) << "an operation or its refusal was met too seldom:\n"
                                 << run.output.substr(run.output.find("variant"));
        return;
    }
    const std::uint64_t end = at < kernel.size() ? operation_of(kernel[at]) : o.operations;
    ADD_FAILURE() << explain(o, fault_around, end);
}

std::uint64_t operations() {
    const char* given = std::getenv("MEMOPS_OPERATIONS");
    return given == nullptr ? 200'000 : std::strtoull(given, nullptr, 10);
}

/// The parameter: pages that a fault may populate.
using MemopsTwin = ::testing::TestWithParam<std::uint32_t>;

TEST_P(MemopsTwin, behaves_as_the_kernel_does) {
    memops_options o{};
    o.seed = test_seed() & 0xffffffff;
    o.operations = operations();
    o.residency = GetParam() == 1;
    o.remap = std::system(MEMOPS " probe-remap") == 0;
    if (!o.remap) std::puts("mremap is not compared: this kernel's is older than Linux 6.17");
    o.require = o.operations >= 200'000 ? 100 : 0;
    expect_the_same(o, GetParam());
}

INSTANTIATE_TEST_SUITE_P(FaultAround, MemopsTwin, ::testing::Values(1, 64));

}  // namespace
}  // namespace surefoot::testing
