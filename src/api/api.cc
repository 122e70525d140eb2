// surefoot.hpp: machines and files.

#include "api/impl.hpp"

namespace surefoot {

Expected<Machine> MachineAccess::create(const api::MachineOptions& options) noexcept {
    return without_exceptions([&]() -> Expected<Machine> {
        auto made = api::Machine::create(options);
        if (!made) return to_error(made.error());
        return Machine(std::make_shared<Machine::Impl>(Machine::Impl{std::move(*made)}));
    });
}

Expected<Machine> Machine::create(const MachineOptions& options) noexcept {
    return MachineAccess::create({.memory_bytes = options.memory_bytes,
                                  .memory = static_cast<std::byte*>(options.memory),
                                  .memory_fd = options.memory_fd});
}

Machine::Machine(std::shared_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Machine::Machine(Machine&&) noexcept = default;
Machine& Machine::operator=(Machine&&) noexcept = default;
Machine::~Machine() = default;

Expected<File> Machine::create_file(const FileOptions& options) noexcept {
    if (options.read_page == nullptr) return to_error(Errno::inval);
    return without_exceptions([&]() -> Expected<File> {
        auto impl = std::make_unique<File::Impl>();
        impl->machine = impl_;
        if (sync::should_fail(impl_->machine->system().fail_plan)) return to_error(Errno::nomem);
        impl->file.reset(new api::CallbackFile(options));
        return File(std::move(impl));
    });
}

Arena Machine::arena() const noexcept {
    const api::Machine& machine = *impl_->machine;
    return {machine.arena_base(), machine.arena_bytes(), machine.arena_fd()};
}

MachineStatistics Machine::statistics() const noexcept {
    const phys::FrameAllocator& frames = impl_->machine->frames();
    return {frames.nr_frames() * arch::kPageSize, frames.in_use() * arch::kPageSize};
}

const char* Machine::counter_name(unsigned index) noexcept {
    if (index >= static_cast<unsigned>(mm::Event::kCount)) return nullptr;
    return mm::name_of(static_cast<mm::Event>(index));
}

std::uint64_t Machine::counter(unsigned index) const noexcept {
    if (index >= static_cast<unsigned>(mm::Event::kCount)) return 0;
    return impl_->machine->system().events.read(static_cast<mm::Event>(index));
}

File::File(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
File::File(File&&) noexcept = default;
File& File::operator=(File&&) noexcept = default;
File::~File() = default;

const char* version() noexcept { return SF_VERSION; }

}  // namespace surefoot
