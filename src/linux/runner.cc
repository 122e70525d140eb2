#include "linux/runner.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "api/api.hpp"
#include "linux/files/file_handle.hpp"
#include "linux/files/proc_files.hpp"
#include "linux/host_signals.hpp"
#include "linux/loader/load.hpp"
#include "linux/report.hpp"
#include "linux/signals/frame.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

/// @return whether everything was written; errno says why not
bool write_all(int fd, const std::string& text) {
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t n = write(fd, text.data() + done, text.size() - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += static_cast<std::size_t>(n);
    }
    return true;
}

/// Descriptors of ours must not get the numbers 0 to 2, if the caller left these closed: what is
/// said on standard error would go into the arena. The guest's table does not have them.
void occupy_standard_descriptors() {
    int fd = -1;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) ::close(fd);
}

std::string what_errno_says(Errno error) { return std::strerror(static_cast<int>(error)); }

/// As a shell looks for a command. @return empty: not found
std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* const variable = std::getenv("PATH");
    std::string path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
    for (std::size_t start = 0; start <= path.size();) {
        const std::size_t end = std::min(path.find(':', start), path.size());
        std::string directory = path.substr(start, end - start);
        if (directory.empty()) directory = ".";
        const std::string candidate = directory + "/" + name;
        if (access(candidate.c_str(), X_OK) == 0) return candidate;
        start = end + 1;
    }
    return {};
}

std::vector<std::string> make_environment(const std::vector<std::string>& overrides) {
    std::vector<std::string> result;
    for (char** entry = environ; *entry != nullptr; ++entry)
        result.emplace_back(*entry);
    for (const std::string& pair : overrides) {
        const std::string name = pair.substr(0, pair.find('=') + 1);
        std::erase_if(result, [&](const std::string& e) { return e.starts_with(name); });
        result.push_back(pair);
    }
    return result;
}

/// RLIMIT_NOFILE of the guest; the server needs descriptors of its own beside.
std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
    const std::uint64_t guest = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return guest;
}

/// Of the server's threads. Not RLIMIT_STACK: that is meant for the guest.
constexpr std::size_t kThreadStackBytes = std::size_t{8} << 20;

/// Raises a soft limit as far as may be, for a while.
class RaisedLimit {
  public:
    explicit RaisedLimit(__rlimit_resource resource) : resource_(resource) {
        if (getrlimit(resource, &before_) != 0) return;
        const rlimit raised{before_.rlim_max, before_.rlim_max};
        raised_ = setrlimit(resource, &raised) == 0;
    }
    ~RaisedLimit() {
        if (raised_) setrlimit(resource_, &before_);
    }
    RaisedLimit(const RaisedLimit&) = delete;
    RaisedLimit& operator=(const RaisedLimit&) = delete;

  private:
    __rlimit_resource resource_;
    rlimit before_{};
    bool raised_ = false;
};

mm::Limits host_limits() {
    const auto soft = [](__rlimit_resource resource) {
        rlimit limit{};
        return getrlimit(resource, &limit) == 0 ? limit.rlim_cur : RLIM_INFINITY;
    };
    return {.address_space = soft(RLIMIT_AS),
            .data = soft(RLIMIT_DATA),
            .stack = soft(RLIMIT_STACK),
            .memlock = soft(RLIMIT_MEMLOCK)};
}

/// CAP_IPC_LOCK, which the superuser may lack.
bool may_lock_all() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2] = {};
    if (::syscall(SYS_capget, &header, data) != 0) return false;
    return (data[0].effective & (1U << CAP_IPC_LOCK)) != 0;
}

class Run {
  public:
    explicit Run(const RunOptions& options) : options_(options) {}

    int run() {
        if (const int status = prepare(); status != 0) return status;
        if (const int status = build(); status != 0) return status;
        const int status = execute();
        return tear_down(status);
    }

  private:
    static constexpr const char* kTooLarge = "more than can be mapped";
    static constexpr const char* kNoZygote =
        "not found: looked for beside surefoot, from there in ../libexec/surefoot and ../bin, and "
        "where SUREFOOT_ZYGOTE says";

    int fail(const std::string& what, const std::string& why) {
        print_failure(what, why);
        return kExitFailure;
    }

    /// What depends on the caller's environment, before anything is made.
    int prepare() {
        files_ = std::make_unique<FdTable>(raise_descriptor_limit());
        inherit_descriptors(*files_);
        occupy_standard_descriptors();
        if (!options_.report_file.empty()) {
            output_ = FileHandle(
                open(options_.report_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
        } else {
            output_ = FileHandle(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3));
        }
        if (output_.get() < 0 && !options_.report_file.empty()) {
            return fail(options_.report_file, std::strerror(errno));
        }
        if (!options_.directory.empty() && chdir(options_.directory.c_str()) != 0) {
            return fail(options_.directory, std::strerror(errno));
        }
        return open_program();
    }

    int open_program() {
        const std::string& name = options_.command.front();
        path_ = find_program(name);
        if (path_.empty()) {
            print_failure(name, "not found");
            return 127;
        }
        const LoadFailure failure = open_executable(path_, executable_);
        file_ = FileHandle(executable_.fd);
        if (failure.status == 0) return 0;
        print_failure(name, failure.reason);
        return failure.status;
    }

    int build() {
        if (!host_signals_.take_over() || !install_notice_handler()) {
            return fail("signals", std::strerror(errno));
        }
        if (!sync::set_thread_stack_bytes(kThreadStackBytes)) return fail("threads", "no stacks");
        // The limit is for the guest's files; ours that hold memory are files, too.
        const RaisedLimit limit(RLIMIT_FSIZE);
        auto machine = api::Machine::create({.memory_bytes = options_.memory_bytes});
        if (!machine) {
            if (options_.memory_bytes > api::Machine::kMaxMemory)
                return fail("--memory", kTooLarge);
            // The host refuses a reservation as out of memory; nothing of the guest's is used yet.
            if (machine.error() == Errno::nomem) return too_large();
            if (machine.error() == Errno{EFBIG}) {
                return fail("--memory", "more than RLIMIT_FSIZE (ulimit -f) allows");
            }
            if (machine.error() == Errno::inval) {
                return fail("--memory", "too small to run anything");
            }
            return fail("--memory", what_errno_says(machine.error()));
        }
        machine_ = std::move(*machine);
        auto backend = make_backend();
        if (!backend) return backend_failed(backend.error());
        backend_ = std::move(*backend);
        return build_space();
    }

    int too_large() {
        rlimit limit{};
        if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
            return fail("--memory", kTooLarge);
        }
        return fail("limit on the address space",
                    fmt::format("{} KiB (ulimit -v) have no room for {} KiB of --memory",
                                limit.rlim_cur / 1024, options_.memory_bytes / 1024));
    }

    Result<std::unique_ptr<cpu::CpuBackend>> make_backend() {
        if (options_.cpu == RunOptions::Cpu::kvm) {
            return cpu::make_kvm({.arena = {machine_->arena_base(), machine_->arena_bytes()}});
        }
        return cpu::make_mirror({.arena_fd = machine_->arena_fd(),
                                 .arena_bytes = machine_->arena_bytes(),
                                 .fault_around = options_.fault_around});
    }

    int backend_failed(Errno error) {
        if (options_.cpu != RunOptions::Cpu::kvm) {
            if (error == Errno::inval) return too_large();
            if (error == Errno::noent) return fail("surefoot-zygote", kNoZygote);
            return fail("mirror", what_errno_says(error));
        }
        if (error == Errno::nodev) return fail("--cpu=kvm", "this machine has no /dev/kvm");
        if (error == Errno::acces) return fail("--cpu=kvm", "/dev/kvm: Permission denied");
        if (error == Errno::opnotsupp) {
            return fail("--cpu=kvm", "this KVM lacks what is needed");
        }
        return fail("--cpu=kvm", what_errno_says(error));
    }

    int build_space() {
        auto mm = mm::Mm::create(machine_->system(), {.task_size = backend_->guest_end(),
                                                      .limits = host_limits(),
                                                      .may_lock_all = may_lock_all(),
                                                      .fault_around = options_.fault_around});
        if (!mm) return fail("--memory", "too small to run anything");
        mm_ = std::move(*mm);
        auto space = backend_->create_space(arch::to_phys(mm_->tables.root()));
        if (!space) return fail(std::string(backend_->name()), what_errno_says(space.error()));
        space_ = std::move(*space);
        mm_->tables.attach(space_.get());
        return 0;
    }

    int execute() {
        StartRequest start{.arguments = options_.command,
                           .environment = make_environment(options_.environment),
                           .file_name = path_};
        [[maybe_unused]] const auto got = getrandom(start.random.data(), start.random.size(), 0);
        const auto loaded = load_program(*mm_, executable_, start);
        if (!loaded) return load_failed(loaded.error());
        process_ = std::make_unique<Process>(
            ProcessSetup{.mm = *mm_,
                         .space = *space_,
                         .futexes = futexes_,
                         .files = std::move(files_),
                         .program = {.path = executable_.path,
                                     .arguments = std::move(start.arguments),
                                     .environment = std::move(start.environment),
                                     .stack = loaded->stack},
                         .signals = host_signals_.inherited(),
                         .verify = options_.verify});
        const auto begin = std::chrono::steady_clock::now();
        if (const auto started = process_->start(loaded->regs); !started) {
            return fail(std::string(backend_->name()), what_errno_says(started.error()));
        }
        host_signals_.forward_until_done(*process_);
        const ExitStatus status = process_->wait();
        const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
        return conclude(status, time.count());
    }

    int load_failed(Errno error) {
        if (error == Errno::nomem) return fail("--memory", "too small to load the program");
        print_failure(options_.command.front(), what_errno_says(error));
        return 126;
    }

    /// Prints what was asked for, while the address space is still there.
    int conclude(const ExitStatus& status, double seconds) {
        int result = status.shell_status();
        if (!status.failure.empty()) print_failure(options_.command.front(), status.failure);
        if (status.out_of_memory && !options_.quiet) {
            print_failure(options_.command.front(), "killed: --memory is used up");
        }
        RunReport report = make_report(*process_, *backend_, status);
        report.seconds = seconds;
        std::string text;
        if (options_.maps) text += format_maps(*process_);
        if (options_.smaps) text += format_smaps(*process_);
        if (options_.vmstat) text += vmstat_text(report);
        if (options_.report) text += options_.json ? report_json(report) : report_text(report);
        if (!write_all(output_.get(), text)) {
            const bool named = !options_.report_file.empty();
            result = fail(named ? options_.report_file : "standard error", std::strerror(errno));
        }
        if (options_.verify) {
            const std::string wrong = mm::check_mm(*mm_);
            if (!wrong.empty()) result = fail("verify", wrong);
        }
        return result;
    }

    /// Innermost last. The machine asserts that every frame, table and object has come back.
    int tear_down(int status) {
        process_.reset();
        mm_->tables.attach(nullptr);
        space_.reset();
        mm_.reset();
        backend_.reset();
        machine_.reset();
        return status;
    }

    const RunOptions& options_;
    FileHandle output_;
    FileHandle file_;
    std::string path_;
    Executable executable_;
    std::unique_ptr<FdTable> files_;
    HostSignals host_signals_;
    FutexTable futexes_;
    std::unique_ptr<api::Machine> machine_;
    std::unique_ptr<cpu::CpuBackend> backend_;
    mm::MmPtr mm_;
    std::unique_ptr<cpu::Space> space_;
    std::unique_ptr<Process> process_;
};

}  // namespace

void print_failure(const std::string& what, const std::string& why) {
    [[maybe_unused]] const bool said =
        write_all(STDERR_FILENO, fmt::format("surefoot: {}: {}\n", what, why));
}

int run_program(const RunOptions& options) { return Run(options).run(); }

}  // namespace surefoot::inline SF_BUILD::linux_abi
