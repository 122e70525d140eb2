// surefoot bench: the benchmarks are a program of their own, beside this one.

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "commands.hpp"
#include "linux/linux.hpp"

namespace surefoot::tools {
namespace {

/// Replaces this process. @return the exit status if that fails
int become_bench(const std::vector<std::string>& arguments) {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    const std::string program = (self.parent_path() / "surefoot-bench").string();
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const std::string& word : arguments)
        argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    execv(program.c_str(), argv.data());
    const std::string why = errno == ENOENT ? "not built (make bench builds it in build/bench/bin)"
                                            : std::strerror(errno);
    linux_abi::print_failure("bench: " + program, why);
    return linux_abi::kExitFailure;
}

}  // namespace

std::function<int()> add_bench(CLI::App& app) {
    CLI::App* bench = app.add_subcommand(
        "bench", "Measure against the machine's limits and the host kernel (make bench builds it)");
    // Its options are that program's business.
    bench->prefix_command();
    bench->set_help_flag();
    return [bench] { return become_bench(bench->remaining()); };
}

}  // namespace surefoot::tools
