// surefoot.hpp: address spaces.

#include "api/impl.hpp"
#include "api/maps.hpp"

namespace surefoot {
namespace {

constexpr std::uint64_t kMinTaskSize = 1ULL << 20;

Status to_status(const Result<void>& result) {
    if (!result) return to_error(result.error());
    return {};
}

Result<mm::MmOptions> to_mm_options(const SpaceOptions& options) {
    if (options.levels != 4 && options.levels != 5) return Errno::inval;
    const arch::Format format(options.levels);
    const std::uint64_t end = format.end().raw();
    const std::uint64_t task_size = options.task_size == 0 ? end : options.task_size;
    if (task_size % arch::kPageSize != 0) return Errno::inval;
    if (task_size < kMinTaskSize || task_size > end) return Errno::inval;
    if (!is_power_of_two(options.fault_around) || options.fault_around > format.entries()) {
        return Errno::inval;
    }
    if (options.start_brk >= task_size || options.mmap_min_addr >= task_size) return Errno::inval;
    return mm::MmOptions{.format = format,
                         .task_size = VirtAddr(task_size),
                         .limits = {.address_space = options.limits.address_space,
                                    .data = options.limits.data,
                                    .stack = options.limits.stack,
                                    .memlock = options.limits.memlock},
                         .mmap_min_addr = options.mmap_min_addr,
                         .may_lock_all = options.may_lock_all,
                         .fault_around = options.fault_around};
}

mm::Access to_access(Access access) {
    switch (access) {
        case Access::write:
            return mm::Access::write;
        case Access::execute:
            return mm::Access::exec;
        case Access::read:
            break;
    }
    return mm::Access::read;
}

Fault to_fault(mm::FaultResult result) {
    switch (result) {
        case mm::FaultResult::handled:
            return Fault::handled;
        case mm::FaultResult::maperr:
            return Fault::maperr;
        case mm::FaultResult::accerr:
            return Fault::accerr;
        case mm::FaultResult::bus:
            return Fault::bus;
        case mm::FaultResult::oom:
            return Fault::oom;
    }
    SF_UNREACHABLE("a fault result without a public name");
}

}  // namespace

Expected<Space> Machine::create_space(const SpaceOptions& options) noexcept {
    const auto wanted = to_mm_options(options);
    if (!wanted) return to_error(wanted.error());
    return without_exceptions([&]() -> Expected<Space> {
        auto mm = mm::Mm::create(impl_->machine->system(), *wanted);
        if (!mm) return to_error(mm.error());
        (*mm)->start_brk.set(VirtAddr(options.start_brk));
        (*mm)->brk.set(VirtAddr(options.start_brk));
        const api::CallbackShootdown shootdown(options.invalidate, options.invalidate_context,
                                               {VirtAddr(0), wanted->task_size});
        std::unique_ptr<Space::Impl> impl(new Space::Impl{impl_, shootdown, std::move(*mm)});
        if (options.invalidate != nullptr) impl->mm->tables.attach(&impl->shootdown);
        return Space(std::move(impl));
    });
}

Space::Space(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Space::Space(Space&&) noexcept = default;
Space& Space::operator=(Space&&) noexcept = default;
Space::~Space() = default;

Expected<std::uint64_t> Space::mmap(const MmapOptions& options) noexcept {
    const auto flags = static_cast<std::uint32_t>(options.flags);
    vma::Backing* backing = nullptr;
    if ((flags & mm::uapi::MAP_ANONYMOUS) == 0) {
        if (options.file == nullptr) return to_error(Errno::badf);
        if (options.file->impl_->machine != impl_->machine) return Error{EXDEV};
        backing = options.file->impl_->file.get();
    }
    const auto at = mm::mmap(*impl_->mm, {.addr = VirtAddr(options.address),
                                          .length = options.length,
                                          .prot = static_cast<std::uint32_t>(options.prot),
                                          .flags = flags,
                                          .backing = backing,
                                          .offset = options.offset});
    if (!at) return to_error(at.error());
    return at->raw();
}

Status Space::munmap(std::uint64_t start, std::uint64_t length) noexcept {
    return to_status(mm::munmap(*impl_->mm, VirtAddr(start), length));
}

Status Space::mprotect(std::uint64_t start, std::uint64_t length, int prot) noexcept {
    return to_status(
        mm::mprotect(*impl_->mm, VirtAddr(start), length, static_cast<std::uint32_t>(prot)));
}

Status Space::madvise(std::uint64_t start, std::uint64_t length, int advice) noexcept {
    return to_status(mm::madvise(*impl_->mm, VirtAddr(start), length, advice));
}

std::uint64_t Space::brk(std::uint64_t address) noexcept {
    // Constant since the space was made. Without a break, everything below it would be heap.
    if (impl_->mm->start_brk.get() == VirtAddr(0)) return 0;
    return mm::brk(*impl_->mm, VirtAddr(address)).raw();
}

Status Space::mincore(std::uint64_t start, std::uint64_t length, unsigned char* resident,
                      std::size_t bytes) noexcept {
    const std::uint64_t pages = length / arch::kPageSize + (length % arch::kPageSize != 0 ? 1 : 0);
    if (start % arch::kPageSize == 0 && bytes < pages) return to_error(Errno::fault);
    const std::span<unsigned char> vec(resident, bytes);
    return to_status(mm::mincore(*impl_->mm, VirtAddr(start), length, std::as_writable_bytes(vec)));
}

Status Space::mlock(std::uint64_t start, std::uint64_t length, int flags) noexcept {
    return to_status(
        mm::mlock(*impl_->mm, VirtAddr(start), length, static_cast<std::uint32_t>(flags)));
}

Status Space::munlock(std::uint64_t start, std::uint64_t length) noexcept {
    return to_status(mm::munlock(*impl_->mm, VirtAddr(start), length));
}

Status Space::mlockall(int flags) noexcept {
    return to_status(mm::mlockall(*impl_->mm, static_cast<std::uint32_t>(flags)));
}

Status Space::munlockall() noexcept { return to_status(mm::munlockall(*impl_->mm)); }

Fault Space::fault(std::uint64_t va, Access access) noexcept {
    return to_fault(mm::handle_fault(*impl_->mm, VirtAddr(va), to_access(access)));
}

std::uint64_t Space::root() const noexcept { return arch::to_phys(impl_->mm->tables.root()).raw(); }

std::optional<Translation> Space::translate(std::uint64_t va) const noexcept {
    const mm::Mm& mm = *impl_->mm;
    if (VirtAddr(va) >= mm.options.task_size) return std::nullopt;
    const sync::RcuReadGuard rcu;
    const auto found =
        pgtable::translate(mm.tables.arena(), mm.tables.root(), mm.tables.format(), VirtAddr(va));
    if (!found) return std::nullopt;
    return Translation{.physical = found->address.raw(),
                       .writable = found->bits.write,
                       .executable = found->bits.exec,
                       .accessed = found->bits.young,
                       .dirty = found->bits.dirty};
}

std::size_t Space::read(void* to, std::size_t bytes, std::uint64_t from) noexcept {
    return mm::copy_from_user(*impl_->mm, {static_cast<std::byte*>(to), bytes}, VirtAddr(from));
}

std::size_t Space::write(std::uint64_t to, const void* from, std::size_t bytes) noexcept {
    return mm::copy_to_user(*impl_->mm, VirtAddr(to), {static_cast<const std::byte*>(from), bytes});
}

Expected<std::string> Space::maps() const noexcept {
    return without_exceptions(
        [&]() -> Expected<std::string> { return api::maps_text(*impl_->mm); });
}

Expected<std::string> Space::check() noexcept {
    return without_exceptions([&]() -> Expected<std::string> { return mm::check_mm(*impl_->mm); });
}

SpaceStatistics Space::statistics() const noexcept {
    const mm::Mm& mm = *impl_->mm;
    const auto rss = [&](mm::RssKind kind) {
        return static_cast<std::uint64_t>(mm.rss.read(kind)) * arch::kPageSize;
    };
    const auto bytes = [](const sync::Atomic<std::uint64_t>& pages) {
        return pages.load(sync::Order::relaxed) * arch::kPageSize;
    };
    return {.rss_anon = rss(mm::RssKind::anon),
            .rss_file = rss(mm::RssKind::file),
            .rss_shmem = rss(mm::RssKind::shmem),
            .tables = mm.tables.bytes(),
            .total_vm = bytes(mm.total_vm),
            .locked_vm = bytes(mm.locked_vm),
            .data_vm = bytes(mm.data_vm),
            .stack_vm = bytes(mm.stack_vm),
            .nr_vmas = mm.vmas.map_count()};
}

}  // namespace surefoot
