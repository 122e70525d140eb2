// surefoot.h: the C ABI, over surefoot.hpp.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>

#include "surefoot/surefoot.h"
#include "surefoot/surefoot.hpp"

struct sf_machine {
    surefoot::Machine machine;
};

struct sf_file {
    surefoot::File file;
};

struct sf_space {
    sf_invalidate_fn invalidate = nullptr;
    void* context = nullptr;
    std::optional<surefoot::Space> space;
};

namespace surefoot {
namespace {

/// Takes in a struct of any version; what the caller's lacks stays 0. (Linux:
/// copy_struct_from_user)
/// @param from  may be null: everything is 0
template <class T>
int take_options(const T* from, T& to) {
    if (from == nullptr) return 0;
    const std::size_t theirs = from->size;
    if (theirs < sizeof theirs) return -EINVAL;
    const auto* const bytes = reinterpret_cast<const unsigned char*>(from);
    if (theirs > sizeof to) {
        const auto unknown = [](unsigned char byte) { return byte != 0; };
        if (std::any_of(bytes + sizeof to, bytes + theirs, unknown)) return -E2BIG;
    }
    std::memcpy(&to, from, std::min(theirs, sizeof to));
    return 0;
}

int to_int(const Status& status) { return -status.error().number; }

/// As snprintf: cut to size, ended by a NUL; the whole length.
std::int64_t put_text(std::string_view text, char* out, std::size_t bytes) {
    if (bytes > 0) {
        const std::size_t n = std::min(text.size(), bytes - 1);
        text.copy(out, n);
        out[n] = '\0';
    }
    return static_cast<std::int64_t>(text.size());
}

std::int64_t put_text(Expected<std::string> text, char* out, std::size_t bytes) {
    if (!text) return -text.error().number;
    return put_text(std::string_view(*text), out, bytes);
}

std::uint64_t or_default(std::uint64_t value, std::uint64_t when_zero) {
    return value == 0 ? when_zero : value;
}

SpaceOptions to_options(const sf_space_options& from) {
    SpaceOptions to;
    if (from.levels != 0) to.levels = from.levels;
    to.task_size = from.task_size;
    to.start_brk = from.start_brk;
    to.mmap_min_addr = or_default(from.mmap_min_addr, to.mmap_min_addr);
    to.limits.address_space = or_default(from.limit_address_space, to.limits.address_space);
    to.limits.data = or_default(from.limit_data, to.limits.data);
    to.limits.stack = or_default(from.limit_stack, to.limits.stack);
    to.limits.memlock = or_default(from.limit_memlock, to.limits.memlock);
    to.may_lock_all = from.may_lock_all != 0;
    if (from.fault_around != 0) to.fault_around = from.fault_around;
    return to;
}

/// Hands an invalidation on to a C function. @param context  the sf_space
void invalidate_by_c(void* context, const Invalidation& what) {
    constexpr std::size_t kBatch = 16;
    const auto& space = *static_cast<const sf_space*>(context);
    std::uint32_t flags = 0;
    if (what.tables_freed) flags |= SF_INVALIDATE_TABLES;
    if (what.all) flags |= SF_INVALIDATE_ALL;
    std::size_t done = 0;
    do {
        const std::size_t n = std::min(what.nr_ranges - done, kBatch);
        std::array<sf_range, kBatch> ranges;
        std::transform(what.ranges + done, what.ranges + done + n, ranges.begin(),
                       [](const Range& range) { return sf_range{range.start, range.end}; });
        const sf_invalidation told{sizeof told, ranges.data(), n, flags};
        space.invalidate(space.context, &told);
        done += n;
    } while (done < what.nr_ranges);
}

Expected<File> make_file(Machine& machine, const sf_file_options& options) noexcept {
    try {
        return machine.create_file({.read_page = options.read_page,
                                    .release = options.release,
                                    .context = options.context,
                                    .name = options.name == nullptr ? "" : options.name,
                                    .inode = options.inode});
    } catch (const std::bad_alloc&) {
        return Error{ENOMEM};
    }
}

}  // namespace
}  // namespace surefoot

using namespace surefoot;

int sf_machine_create(const sf_machine_options* options, sf_machine** out) {
    sf_machine_options given{};
    if (const int error = take_options(options, given)) return error;
    if (given.reserved != 0) return -EINVAL;
    MachineOptions wanted;
    wanted.memory_bytes = or_default(given.memory_bytes, wanted.memory_bytes);
    wanted.memory = given.memory;
    wanted.memory_fd = given.memory == nullptr ? -1 : given.memory_fd;
    auto made = Machine::create(wanted);
    if (!made) return -made.error().number;
    auto* const handle = new (std::nothrow) sf_machine{std::move(*made)};
    if (handle == nullptr) return -ENOMEM;
    *out = handle;
    return 0;
}

void sf_machine_destroy(sf_machine* machine) { delete machine; }

void* sf_arena_base(const sf_machine* machine) { return machine->machine.arena().base; }
std::uint64_t sf_arena_size(const sf_machine* machine) { return machine->machine.arena().size; }
int sf_arena_fd(const sf_machine* machine) { return machine->machine.arena().fd; }
std::uint64_t sf_memory_used(const sf_machine* machine) {
    return machine->machine.statistics().used;
}

const char* sf_counter_name(unsigned index) { return Machine::counter_name(index); }
std::uint64_t sf_counter(const sf_machine* machine, unsigned index) {
    return machine->machine.counter(index);
}

int sf_space_create(sf_machine* machine, const sf_space_options* options, sf_space** out) {
    sf_space_options given{};
    if (const int error = take_options(options, given)) return error;
    if (given.reserved != 0) return -EINVAL;
    std::unique_ptr<sf_space> handle(new (std::nothrow) sf_space);
    if (handle == nullptr) return -ENOMEM;
    SpaceOptions wanted = to_options(given);
    if (given.invalidate != nullptr) {
        handle->invalidate = given.invalidate;
        handle->context = given.invalidate_context;
        wanted.invalidate = invalidate_by_c;
        wanted.invalidate_context = handle.get();
    }
    auto made = machine->machine.create_space(wanted);
    if (!made) return -made.error().number;
    handle->space.emplace(std::move(*made));
    *out = handle.release();
    return 0;
}

void sf_space_destroy(sf_space* space) { delete space; }

int sf_file_create(sf_machine* machine, const sf_file_options* options, sf_file** out) {
    sf_file_options given{};
    if (const int error = take_options(options, given)) return error;
    // Room for the handle first: a file that is made and dropped would call `release`.
    void* const room = ::operator new(sizeof(sf_file), std::nothrow);
    if (room == nullptr) return -ENOMEM;
    auto made = make_file(machine->machine, given);
    if (!made) {
        ::operator delete(room);
        return -made.error().number;
    }
    *out = new (room) sf_file{std::move(*made)};
    return 0;
}

void sf_file_destroy(sf_file* file) { delete file; }

std::int64_t sf_mmap(sf_space* space, std::uint64_t address, std::uint64_t length, int prot,
                     int flags, const sf_file* file, std::uint64_t offset) {
    auto at = space->space->mmap({.address = address,
                                  .length = length,
                                  .prot = prot,
                                  .flags = flags,
                                  .file = file == nullptr ? nullptr : &file->file,
                                  .offset = offset});
    if (!at) return -at.error().number;
    return static_cast<std::int64_t>(*at);
}

int sf_munmap(sf_space* space, std::uint64_t start, std::uint64_t length) {
    return to_int(space->space->munmap(start, length));
}

int sf_mprotect(sf_space* space, std::uint64_t start, std::uint64_t length, int prot) {
    return to_int(space->space->mprotect(start, length, prot));
}

int sf_madvise(sf_space* space, std::uint64_t start, std::uint64_t length, int advice) {
    return to_int(space->space->madvise(start, length, advice));
}

std::uint64_t sf_brk(sf_space* space, std::uint64_t address) { return space->space->brk(address); }

int sf_mincore(sf_space* space, std::uint64_t start, std::uint64_t length,
               unsigned char* resident) {
    // As mincore(2): the caller vouches for a byte a page.
    const std::uint64_t pages = length / 4096 + (length % 4096 != 0 ? 1 : 0);
    return to_int(space->space->mincore(start, length, resident, pages));
}

int sf_mlock(sf_space* space, std::uint64_t start, std::uint64_t length, int flags) {
    return to_int(space->space->mlock(start, length, flags));
}

int sf_munlock(sf_space* space, std::uint64_t start, std::uint64_t length) {
    return to_int(space->space->munlock(start, length));
}

int sf_mlockall(sf_space* space, int flags) { return to_int(space->space->mlockall(flags)); }
int sf_munlockall(sf_space* space) { return to_int(space->space->munlockall()); }

static_assert(static_cast<int>(Access::write) == SF_WRITE);
static_assert(static_cast<int>(Access::execute) == SF_EXECUTE);
static_assert(static_cast<int>(Fault::accerr) == SF_ACCERR);
static_assert(static_cast<int>(Fault::oom) == SF_OOM);

int sf_fault(sf_space* space, std::uint64_t va, int access) {
    if (access < SF_READ || access > SF_EXECUTE) return -EINVAL;
    return static_cast<int>(space->space->fault(va, static_cast<Access>(access)));
}

std::uint64_t sf_root(const sf_space* space) { return space->space->root(); }

int sf_translate(const sf_space* space, std::uint64_t va, sf_translation* out) {
    if (out->size != sizeof *out) return -EINVAL;
    const auto found = space->space->translate(va);
    if (!found) return -EFAULT;
    out->physical = found->physical;
    out->bits = (found->writable ? SF_PTE_WRITABLE : 0) |
                (found->executable ? SF_PTE_EXECUTABLE : 0) |
                (found->accessed ? SF_PTE_ACCESSED : 0) | (found->dirty ? SF_PTE_DIRTY : 0);
    return 0;
}

std::size_t sf_read(sf_space* space, void* to, std::size_t bytes, std::uint64_t from) {
    return space->space->read(to, bytes, from);
}

std::size_t sf_write(sf_space* space, std::uint64_t to, const void* from, std::size_t bytes) {
    return space->space->write(to, from, bytes);
}

int sf_statistics(const sf_space* space, sf_space_statistics* out) {
    const std::size_t theirs = out->size;
    if (theirs < sizeof theirs) return -EINVAL;
    const SpaceStatistics now = space->space->statistics();
    const sf_space_statistics full{.size = theirs,
                                   .rss_anon = now.rss_anon,
                                   .rss_file = now.rss_file,
                                   .rss_shmem = now.rss_shmem,
                                   .tables = now.tables,
                                   .total_vm = now.total_vm,
                                   .locked_vm = now.locked_vm,
                                   .data_vm = now.data_vm,
                                   .stack_vm = now.stack_vm,
                                   .nr_vmas = now.nr_vmas};
    std::memcpy(out, &full, std::min(theirs, sizeof full));
    return 0;
}

std::int64_t sf_maps(const sf_space* space, char* text, std::size_t bytes) {
    return put_text(space->space->maps(), text, bytes);
}

std::int64_t sf_check(sf_space* space, char* text, std::size_t bytes) {
    return put_text(space->space->check(), text, bytes);
}

const char* sf_version(void) { return version(); }
