#include "cpu/mirror/mirror.hpp"

#include "cpu/mirror/monitor.hpp"
#include "cpu/mirror/space.hpp"
#include "cpu/mirror/stub_process.hpp"

namespace surefoot::inline SF_BUILD::cpu {

namespace mirror {
namespace {

class MirrorBackend final : public CpuBackend {
public:
    MirrorBackend(const MirrorOptions& options, std::unique_ptr<Zygote> zygote)
        : shared_(options, std::move(zygote)) {}

    Result<void> start() noexcept {
        Result<std::unique_ptr<Monitor>> monitor =
            Monitor::start([this] { shared_.fill_pool(); }, shared_.options.fail);
        if (!monitor) return monitor.error();
        monitor_ = std::move(*monitor);
        shared_.monitor = monitor_.get();
        return {};
    }

    std::string_view name() const noexcept override { return "mirror"; }

    Result<std::unique_ptr<Space>> create_space(PhysAddr root) noexcept override {
        Result<std::unique_ptr<StubProcess>> stub = shared_.take_stub();
        if (!stub) return stub.error();
        auto space = std::make_unique<MirrorSpace>(shared_, std::move(*stub), root);
        if (Result<void> ready = space->prepare(); !ready) return ready.error();
        return space;
    }

    VirtAddr guest_end() const noexcept override { return VirtAddr(kGuestEnd); }
    BackendCounters counters() const noexcept override { return shared_.counters(); }

private:
    Shared shared_;
    std::unique_ptr<Monitor> monitor_;  // its thread uses `shared_`: it goes first
};

}  // namespace
}  // namespace mirror

Result<std::unique_ptr<CpuBackend>> make_mirror(MirrorOptions options) noexcept {
    using namespace mirror;
    const bool good = options.arena_fd >= 0 && options.arena_bytes > 0 &&
                      options.arena_bytes <= kArenaMax && options.arena_bytes % 4096 == 0 &&
                      is_power_of_two(options.fill_around) &&
                      is_power_of_two(options.fault_around) &&
                      (options.levels == 4 || options.levels == 5);
    if (!good) return Errno::inval;
    Result<std::string> path = find_zygote(options.zygote_path);
    if (!path) return path.error();
    Result<std::unique_ptr<Zygote>> zygote = Zygote::start({.path = *path,
                                                            .arena_fd = options.arena_fd,
                                                            .arena_bytes = options.arena_bytes,
                                                            .fail = options.fail});
    if (!zygote) return zygote.error();
    auto backend = std::make_unique<MirrorBackend>(options, std::move(*zygote));
    if (Result<void> started = backend->start(); !started) return started.error();
    return backend;
}

}  // namespace surefoot::inline SF_BUILD::cpu
