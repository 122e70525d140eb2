#pragma once

// A machine with one address space, and the operations that rows repeat. Apart from the host's
// headers: sys/mman.h defines as macros what mm/uapi.hpp defines as constants.

#include <memory>

#include "api/api.hpp"
#include "harness/fail.hpp"

namespace surefoot::bench {

static_assert(kPage == arch::kPageSize);

class World {
public:
    explicit World(std::uint64_t memory_bytes = 256ULL << 20, std::uint32_t fault_around = 1);

    mm::Mm& mm() { return *mm_; }
    api::Machine& machine() { return *machine_; }

    /// Private anonymous read-write memory.
    VirtAddr map(std::uint64_t pages);
    /// The same at a fixed address.
    VirtAddr map_at(VirtAddr at, std::uint64_t pages);
    /// More than the machine has (MAP_NORESERVE).
    VirtAddr map_unreserved(std::uint64_t pages);
    void unmap(VirtAddr at, std::uint64_t pages);
    void write_fault(VirtAddr at) {
        must(mm::handle_fault(mm(), at, mm::Access::write) == mm::FaultResult::handled, "fault");
    }
    void touch(VirtAddr at, std::uint64_t pages) {
        for (std::uint64_t i = 0; i < pages; ++i) write_fault(at + i * kPage);
    }
    void discard(VirtAddr at, std::uint64_t pages);

private:
    VirtAddr map_with(VirtAddr at, std::uint64_t pages, std::uint32_t flags);

    std::unique_ptr<api::Machine> machine_;
    mm::MmPtr mm_;
};

}  // namespace surefoot::bench
