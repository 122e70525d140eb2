#include "engine/machine/state.hpp"

#include <algorithm>

namespace surefoot::checker::engine {

ExecutionState& ExecutionState::operator=(const ExecutionState& other) {
    depth_ = other.depth_;
    std::copy_n(other.last_, kMaxProcs, last_);
    std::copy_n(other.proc_info_, kMaxProcs, proc_info_);
    active_ = other.active_;
    made_ = other.made_;
    current_ = other.current_;
    root_ = other.root_;
    resumes_ = other.resumes_;
    std::copy_n(other.tasks_, std::max(task_count_, other.task_count_), tasks_);
    task_count_ = other.task_count_;
    spawned_ = other.spawned_;
    setup_children_ = other.setup_children_;
    std::copy_n(other.cpus_, std::max(cpus_end_, other.cpus_end_), cpus_);
    cpus_end_ = other.cpus_end_;
    tickets_ = other.tickets_;
    graces_ = other.graces_;
    next_grace_ = other.next_grace_;
    last_spawn_ = other.last_spawn_;
    senders_ = other.senders_;
    std::copy_n(other.sent_at_, kMaxProcs, sent_at_);
    windows_ = other.windows_;
    names_ = other.names_;
    notes_ = other.notes_;
    failure_ = other.failure_;
    last_pc_ = other.last_pc_;
    hook_ = other.hook_;
    hook_context_ = other.hook_context_;
    return *this;
}

}  // namespace surefoot::checker::engine
