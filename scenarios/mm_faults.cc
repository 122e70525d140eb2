// Page faults against each other, and against what takes pages and tables away.

#include <array>

#include "scenarios.hpp"
#include "space.hpp"

namespace surefoot::scenarios {
namespace {

using mm::Access;
using mm::FaultResult;

/// Two levels of two entries: four pages, two PTE tables.
const arch::Format kSmall(2, 1);

/// Pages 0 and 1 share a VMA and a PTE table; page 1 is there, so that table and anon_vma exist.
Space& half_faulted(checker::Program& program, unsigned cpus = 2) {
    Space& space = program.make<Space>(kSmall, 2, cpus);
    space.fault(Space::page(1), Access::write, FaultResult::handled);
    return space;
}

void fault_fault(checker::Program& program) {
    Space& space = half_faulted(program);
    for (const char* name : {"fault A", "fault B"}) {
        program.spawn(
            [&space] { space.fault(Space::page(0), Access::write, FaultResult::handled); }, name);
    }
    program.finish([&space] { space.require_sound(2); });
}

/// Tables and anon_vma are missing.
void first_faults(checker::Program& program, arch::Format format) {
    Space& space = program.make<Space>(format, 2);
    for (unsigned i = 0; i < 2; ++i) {
        program.spawn(
            [&space, i] { space.fault(Space::page(i), Access::write, FaultResult::handled); },
            i == 0 ? "fault A" : "fault B");
    }
    program.finish([&space] { space.require_sound(2); });
}

/// Writes to page 0, which may be unmapped meanwhile.
void spawn_fault_or_none(checker::Program& program, Space& space, const char* name) {
    program.spawn(
        [&space] {
            const FaultResult result = handle_fault(space.mm(), Space::page(0), Access::write);
            SF_ASSERT(result == FaultResult::handled || result == FaultResult::maperr);
        },
        name);
}

void spawn_munmap(checker::Program& program, Space& space) {
    program.spawn([&space] { space.munmap(Space::page(0), 2); }, "munmap");
    program.finish([&space] { space.require_sound(0); });
}

void fault_munmap(checker::Program& program) {
    Space& space = half_faulted(program);
    spawn_fault_or_none(program, space, "fault");
    spawn_munmap(program, space);
}

void first_fault_munmap(checker::Program& program) {
    Space& space = program.make<Space>(kSmall, 2);
    spawn_fault_or_none(program, space, "fault");
    spawn_munmap(program, space);
}

void two_faults_munmap(checker::Program& program) {
    Space& space = half_faulted(program, 3);
    spawn_fault_or_none(program, space, "fault A");
    spawn_fault_or_none(program, space, "fault B");
    spawn_munmap(program, space);
}

void fault_mprotect(checker::Program& program) {
    Space& space = half_faulted(program);
    program.spawn(
        [&space] {
            const FaultResult result = handle_fault(space.mm(), Space::page(0), Access::write);
            SF_ASSERT(result == FaultResult::handled || result == FaultResult::accerr);
        },
        "fault");
    program.spawn([&space] { space.write_protect(Space::page(0), 2); }, "mprotect");
    program.finish([&space] { space.require_sound(space.resident()); });
}

void fault_dontneed(checker::Program& program) {
    Space& space = half_faulted(program);
    program.spawn([&space] { space.fault(Space::page(0), Access::write, FaultResult::handled); },
                  "fault");
    program.spawn([&space] { space.dontneed(Space::page(0), 2); }, "dontneed");
    // The page came before, and is gone with the table, or after.
    program.finish([&space] { space.require_sound(space.resident()); });
}

constexpr std::array kScenarios = {
    Scenario{"mm/fault-fault", "two CPUs fault the same page", fault_fault},
    Scenario{"mm/first-faults", "two CPUs fault neighbouring pages of an untouched VMA",
             [](checker::Program& program) { first_faults(program, kSmall); }},
    Scenario{"mm/first-faults-deep", "the same with three levels of tables",
             [](checker::Program& program) { first_faults(program, arch::Format(3, 1)); }},
    Scenario{"mm/fault-munmap", "a page is faulted while its VMA is unmapped", fault_munmap},
    Scenario{"mm/first-fault-munmap", "the same where the first table is yet to be made",
             first_fault_munmap},
    Scenario{"mm/two-faults-munmap", "two CPUs fault a page while its VMA is unmapped",
             two_faults_munmap},
    Scenario{"mm/fault-mprotect",
             "a page is written for the first time while its VMA is made read-only",
             fault_mprotect},
    Scenario{"mm/fault-dontneed", "a page is faulted while its table is emptied and reclaimed",
             fault_dontneed},
};

}  // namespace

std::span<const Scenario> mm_scenarios() { return kScenarios; }

}  // namespace surefoot::scenarios
