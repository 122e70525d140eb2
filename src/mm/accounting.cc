#include "mm/accounting.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using vma::VmaFlag;

/// Private writable memory that is no stack. (is_data_mapping)
bool is_data(VmaFlags flags) {
    return flags.has(VmaFlag::write) && !flags.has_any(VmaFlag::shared | VmaFlag::growsdown);
}

/// The one writer holds mmap W; readers without a lock want a whole value only.
void add(sync::Atomic<std::uint64_t>& counter, std::int64_t pages) {
    counter.store(counter.load(Order::relaxed) + static_cast<std::uint64_t>(pages), Order::relaxed);
}

std::uint64_t pages_of(const sync::Atomic<std::uint64_t>& limit) {
    return limit.load(Order::relaxed) >> arch::kPageShift;
}

}  // namespace

bool may_expand(const Mm& mm, VmaFlags flags, std::uint64_t pages) {
    if (mm.total_vm.load(Order::relaxed) + pages > pages_of(mm.limits.address_space)) return false;
    if (!is_data(flags)) return true;
    return mm.data_vm.load(Order::relaxed) + pages <= pages_of(mm.limits.data);
}

bool may_lock(const Mm& mm, std::uint64_t pages) {
    if (mm.options.may_lock_all) return true;
    return mm.locked_vm.load(Order::relaxed) + pages <= pages_of(mm.limits.memlock);
}

bool may_lock_any(const Mm& mm) {
    return mm.options.may_lock_all || mm.limits.memlock.load(Order::relaxed) != 0;
}

bool is_accountable(VmaFlags flags) {
    return flags.has(VmaFlag::write) && !flags.has_any(VmaFlag::shared | VmaFlag::noreserve);
}

bool may_charge(const Mm& mm, std::uint64_t pages) {
    return pages <= mm.system.frames.nr_frames();
}

bool may_commit(const Mm& mm, VmaFlags flags, std::uint64_t pages) {
    const bool shared = flags.has(VmaFlag::shared) && !flags.has(VmaFlag::noreserve);
    return (!is_accountable(flags) && !shared) || may_charge(mm, pages);
}

void account(Mm& mm, VmaFlags flags, std::int64_t pages) {
    add(mm.total_vm, pages);
    if (flags.has(VmaFlag::growsdown)) add(mm.stack_vm, pages);
    if (is_data(flags)) add(mm.data_vm, pages);
    if (flags.has(VmaFlag::locked)) add(mm.locked_vm, pages);
}

void unaccount(Mm& mm, const vma::DetachedVmas& detached) {
    detached.for_each([&](const Vma& vma) {
        account(mm, vma.flags(), -static_cast<std::int64_t>(vma.nr_pages()));
    });
}

}  // namespace surefoot::inline SF_BUILD::mm
