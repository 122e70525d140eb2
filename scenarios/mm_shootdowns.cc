// The guest's own accesses, through TLBs, against what takes pages away or rights.

#include <array>

#include "processor.hpp"
#include "scenarios.hpp"
#include "space.hpp"

namespace surefoot::scenarios {
namespace {

using mm::Access;
using mm::FaultResult;

const arch::Format kSmall(2, 1);

/// Two pages that hold 7, and two CPUs that run the address space.
struct Guest {
    Space space{kSmall, 2};
    Processors cpus{space.mm(), 2};

    Guest() {
        for (unsigned i = 0; i < 2; ++i) {
            const std::uint64_t seven = 7;
            const auto bytes = std::as_bytes(std::span(&seven, 1));
            SF_ASSERT(mm::copy_to_user(space.mm(), Space::page(i), bytes) == bytes.size());
        }
        space.mm().tables.attach(&cpus);
    }
};

void access_dontneed(checker::Program& program) {
    Guest& guest = program.make<Guest>();
    program.spawn([&guest] { guest.cpus.load(Space::page(0)); }, "guest");
    program.spawn([&guest] { guest.space.dontneed(Space::page(0), 2); }, "dontneed");
    program.finish([&guest] { guest.space.require_sound(0); });
}

void access_mprotect(checker::Program& program) {
    Guest& guest = program.make<Guest>();
    program.spawn([&guest] { guest.cpus.store(Space::page(0), 8); }, "guest");
    program.spawn(
        [&guest] {
            guest.space.write_protect(Space::page(0), 2);
            const auto before = guest.cpus.load(Space::page(0));
            const auto after = guest.cpus.load(Space::page(0));
            checker::require(before == after, "a page was written after it was write-protected");
        },
        "mprotect");
    program.finish([&guest] { guest.space.require_sound(2); });
}

void two_dontneeds(checker::Program& program) {
    Guest& guest = program.make<Guest>();
    program.spawn([&guest] { guest.space.dontneed(Space::page(0), 1); }, "dontneed A");
    program.spawn(
        [&guest] {
            guest.space.dontneed(Space::page(0), 1);
            const auto value = guest.cpus.load(Space::page(0));
            checker::require(!value, "a page is there after MADV_DONTNEED");
        },
        "dontneed B");
    program.finish([&guest] { guest.space.require_sound(1); });
}

constexpr std::array kScenarios = {
    Scenario{"tlb/access-dontneed", "the guest reads a page while it is taken away",
             access_dontneed},
    Scenario{"tlb/access-mprotect", "the guest writes to a page while it is made read-only",
             access_mprotect},
    Scenario{"tlb/two-dontneeds", "two CPUs take the same page away", two_dontneeds},
};

}  // namespace

std::span<const Scenario> shootdown_scenarios() { return kScenarios; }

}  // namespace surefoot::scenarios
