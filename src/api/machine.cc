#include "api/machine.hpp"

#include <new>

#include "host/linux/linux.hpp"

namespace surefoot::inline SF_BUILD::api {
namespace {

Result<std::unique_ptr<host::BackingMemory>> make_memory(std::uint64_t bytes,
                                                         const MachineOptions& options) {
    const std::uint64_t descriptors = phys::Arena::descriptor_bytes(bytes);
    if (options.memory == nullptr) {
        return host::make_memfd_memory(bytes, descriptors, options.fail_plan);
    }
    if (reinterpret_cast<std::uintptr_t>(options.memory) % arch::kPageSize != 0) {
        return Errno::inval;
    }
    return host::make_borrowed_memory({options.memory, bytes}, options.memory_fd, descriptors,
                                      options.fail_plan);
}

}  // namespace

Machine::Machine(std::unique_ptr<host::BackingMemory> memory, const MachineOptions& options)
    : memory_(std::move(memory)),
      arena_(memory_->frames(), memory_->descriptors()),
      frames_(arena_, options.fail_plan),
      system_(frames_, options.fail_plan),
      shmem_(system_) {
    system_.shared_memory = &shmem_;
}

Result<std::unique_ptr<Machine>> Machine::create(const MachineOptions& options) noexcept {
    const std::uint64_t bytes = align_down(options.memory_bytes, arch::kPageSize);
    if (bytes < kMinMemory || bytes > kMaxMemory) return Errno::inval;
    auto memory = make_memory(bytes, options);
    if (!memory) return memory.error();
    if (sync::should_fail(options.fail_plan)) return Errno::nomem;
    std::unique_ptr<Machine> machine(new (std::nothrow) Machine(std::move(*memory), options));
    if (machine == nullptr) return Errno::nomem;
    if (const auto ready = machine->system_.init(); !ready) return ready.error();
    return machine;
}

}  // namespace surefoot::inline SF_BUILD::api
