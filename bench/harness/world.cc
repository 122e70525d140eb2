#include "harness/world.hpp"

#include <cstdio>
#include <cstdlib>

namespace surefoot::bench {

void give_up(std::string_view what) {
    std::fprintf(stderr, "surefoot: bench: %.*s: failed\n", static_cast<int>(what.size()),
                 what.data());
    std::exit(1);
}

World::World(std::uint64_t memory_bytes, std::uint32_t fault_around) {
    auto machine = api::Machine::create({.memory_bytes = memory_bytes});
    must(machine.has_value(), "a machine");
    machine_ = std::move(*machine);
    auto mm = mm::Mm::create(machine_->system(), {.task_size = VirtAddr(1ULL << 46),
                                                  .fault_around = fault_around});
    must(mm.has_value(), "an address space");
    mm_ = std::move(*mm);
}

VirtAddr World::map(std::uint64_t pages) { return map_with(VirtAddr(0), pages, 0); }

VirtAddr World::map_at(VirtAddr at, std::uint64_t pages) {
    return map_with(at, pages, mm::uapi::MAP_FIXED);
}

VirtAddr World::map_unreserved(std::uint64_t pages) {
    return map_with(VirtAddr(0), pages, mm::uapi::MAP_NORESERVE);
}

VirtAddr World::map_with(VirtAddr at, std::uint64_t pages, std::uint32_t flags) {
    using namespace mm::uapi;
    const auto mapped = mm::mmap(*mm_, {.addr = at,
                                        .length = pages * kPage,
                                        .prot = PROT_READ | PROT_WRITE,
                                        .flags = MAP_PRIVATE | MAP_ANONYMOUS | flags});
    must(mapped.has_value(), "mmap");
    return *mapped;
}

void World::unmap(VirtAddr at, std::uint64_t pages) {
    must(mm::munmap(*mm_, at, pages * kPage).has_value(), "munmap");
}

void World::discard(VirtAddr at, std::uint64_t pages) {
    must(mm::madvise(*mm_, at, pages * kPage, mm::uapi::MADV_DONTNEED).has_value(), "madvise");
}

}  // namespace surefoot::bench
