// What each rule is needed for: the scenario that breaks without it, and how.

#include <array>

#include "scenario.hpp"

namespace surefoot::scenarios {
namespace {

using checker::Model;
using sync::Rule;

template <class... Rules>
sync::RuleSet without(Rules... rules) {
    sync::RuleSet off;
    (off.set(static_cast<std::size_t>(rules)), ...);
    return off;
}

const std::array kCases = {
    Case{without(Rule::map_lock_rechecks_pmd), "mm/fault-dontneed", Model::sc,
         "0 pages of kind 0 are mapped, 1 are counted"},
    Case{without(Rule::fault_rechecks_none), "mm/fault-fault", Model::sc,
         "2 pages of kind 0 are mapped, 3 are counted"},
    Case{without(Rule::table_install_rechecks_none), "mm/first-faults", Model::sc,
         "2 tables are linked, 96 bytes are counted"},
    Case{without(Rule::anon_vma_set_once), "mm/first-faults", Model::sc, "an anon_vma is lost"},
    Case{without(Rule::vma_read_rechecks_sequence), "mm/fault-mprotect", Model::sc,
         "0x0 is writable against its VMA"},
    Case{without(Rule::vma_write_waits_for_readers), "mm/fault-munmap", Model::sc,
         "(before & ~kExcludeReaders) != 0"},
    Case{without(Rule::tables_wait_for_grace_period), "mm/fault-dontneed", Model::sc,
         "use after free of"},
    Case{without(Rule::flush_before_free), "tlb/access-dontneed", Model::sc, "use after free of"},
    Case{without(Rule::flush_before_free), "tlb/access-mprotect", Model::sc,
         "a page was written after it was write-protected"},
    Case{without(Rule::concurrent_gathers_flush_all), "tlb/two-dontneeds", Model::sc,
         "a page is there after MADV_DONTNEED"},
};

}  // namespace

std::span<const Case> cases() { return kCases; }

}  // namespace surefoot::scenarios
