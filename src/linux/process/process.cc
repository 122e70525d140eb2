#include "linux/process/process.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace surefoot::inline SF_BUILD::linux_abi {

Process::Process(ProcessSetup setup)
    : mm_(setup.mm),
      space_(setup.space),
      futexes_(setup.futexes),
      files_(std::move(setup.files)),
      program_(std::move(setup.program)),
      pid_(static_cast<int>(getpid())),
      done_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      verify_(setup.verify),
      inherited_blocked_(setup.signals.blocked & ~kUnblockable) {
    for (int signal = 1; signal <= kSignals; ++signal) {
        if ((setup.signals.ignored & sig_bit(signal)) == 0) continue;
        actions_[static_cast<std::size_t>(signal)].handler = kSigIgn;
    }
}

Process::~Process() {
    SF_ASSERT(threads_.empty());
    if (done_fd_ >= 0) ::close(done_fd_);
}

Result<void> Process::launch(std::unique_ptr<Task> task) {
    auto thread = std::make_unique<Thread>();
    thread->task = std::move(task);
    Task& running = *thread->task;
    // It can't end before the lock is released, so the handle is in its place by then.
    auto host = sync::Thread::start([&running] { running.run(); });
    if (!host) return host.error();
    thread->host = std::move(*host);
    threads_.push_back(std::move(thread));
    peak_ = std::max(peak_, ++live_);
    return {};
}

Result<void> Process::start(const cpu::Regs& regs) {
    auto vcpu = space_.create_vcpu();
    if (!vcpu) return vcpu.error();
    (*vcpu)->reset_fp_state();
    auto task = std::make_unique<Task>(*this, std::move(*vcpu), pid_);
    task->regs = regs;
    task->known_to_parent_ = true;
    task->signals.blocked = inherited_blocked_;
    task->name = program_.path.substr(program_.path.rfind('/') + 1);
    sync::Guard guard(lock_);
    return launch(std::move(task));
}

Result<int> Process::clone_thread(Task& parent, const ThreadRequest& request) {
    auto vcpu = space_.create_vcpu();
    if (!vcpu) return vcpu.error();
    std::vector<std::byte> fp(parent.vcpu().fp_state_size());
    parent.vcpu().save_fp_state(fp);
    if (const auto loaded = (*vcpu)->load_fp_state(fp); !loaded) return loaded.error();

    auto task = std::make_unique<Task>(*this, std::move(*vcpu), 0);
    Task& child = *task;
    child.regs = parent.regs;
    child.regs.rax = 0;
    if (request.stack != 0) child.regs.rsp = request.stack;
    if (request.flags & CLONE_SETTLS) child.regs.fs_base = request.tls;
    if (request.flags & CLONE_CHILD_CLEARTID) child.clear_child_tid = request.child_tid;
    child.signals.blocked = parent.signals.blocked;
    child.name = parent.name;
    child.birth_ = {
        .parent_tid = (request.flags & CLONE_PARENT_SETTID) ? request.parent_tid : VirtAddr(),
        .child_tid = (request.flags & CLONE_CHILD_SETTID) ? request.child_tid : VirtAddr()};
    {
        sync::Guard guard(lock_);
        if (is_exiting()) return Errno::again;
        reap_finished();
        if (const auto launched = launch(std::move(task)); !launched) return launched.error();
    }
    // Acquire: pairs with the release in Task::announce. The id is the host's, known to the new
    // thread first; it also stores it in guest memory before it runs.
    child.announced_.wait(0, sync::Order::acquire);
    sync::Guard guard(lock_);
    child.known_to_parent_ = true;
    return child.tid();
}

std::unique_ptr<cpu::Vcpu> Process::take_vcpu(Task& task) {
    sync::Guard guard(lock_);
    return std::move(task.vcpu_);
}

void Process::exit_group(ExitStatus status) {
    sync::Guard guard(lock_);
    if (is_exiting()) return;
    status_ = std::move(status);
    // Release: whoever sees it sees the status.
    exiting_.store(true, sync::Order::release);
    for (const auto& thread : threads_) {
        thread->task->set_notice(true);
        thread->task->notify();
    }
}

void Process::reap_finished() {
    const auto is_over = [](const auto& thread) {
        return thread->finished && thread->task->known_to_parent_;
    };
    for (const auto& thread : threads_) {
        if (is_over(thread)) thread->host.join();
    }
    std::erase_if(threads_, is_over);
}

void Process::on_task_end(Task& task) {
    sync::Guard guard(lock_);
    for (std::size_t i = 0; i < kSyscallNumbers; ++i) {
        counts_[i] += task.counts[i];
        refused_[i] += task.refused[i];
    }
    for (const auto& thread : threads_) {
        if (thread->task.get() == &task) thread->finished = true;
    }
    --live_;
    if (live_ != 0) return;
    if (!is_exiting()) {
        status_.code = task.exit_code_;
        exiting_.store(true, sync::Order::release);
    }
    [[maybe_unused]] const int written = eventfd_write(done_fd_, 1);
}

ExitStatus Process::wait() {
    for (;;) {
        std::vector<std::unique_ptr<Thread>> ended;
        {
            sync::Guard guard(lock_);
            ended.swap(threads_);
        }
        if (ended.empty()) break;
        for (const auto& thread : ended)
            thread->host.join();
    }
    sync::Guard guard(lock_);
    return status_;
}

void Process::sample_memory() {
    const auto rss = static_cast<std::uint64_t>(mm_.rss.total());
    const std::uint64_t table_bytes = mm_.tables.bytes();
    const std::uint32_t vmas = mm_.vmas.map_count();
    sync::Guard guard(lock_);
    peaks_.rss_pages = std::max(peaks_.rss_pages, rss);
    peaks_.table_bytes = std::max(peaks_.table_bytes, table_bytes);
    peaks_.vmas = std::max(peaks_.vmas, vmas);
}

void Process::verify() {
    if (!verify_ || nr_threads() != 1) return;
    const std::string wrong = mm::check_mm(mm_);
    if (!wrong.empty()) exit_group({.failure = "verify: " + wrong});
}

unsigned Process::nr_threads() const {
    sync::Guard guard(lock_);
    return live_;
}

unsigned Process::peak_threads() const {
    sync::Guard guard(lock_);
    return peak_;
}

bool Process::has_thread(int tid) const {
    sync::Guard guard(lock_);
    return std::ranges::any_of(threads_, [&](const auto& thread) {
        return !thread->finished && thread->task->tid() == tid;
    });
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
