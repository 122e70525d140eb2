// A map that is dropped at once protects nothing.
#include "pgtable/pgtable.hpp"

using namespace surefoot::pgtable;

void caller(PageTables& tables, const PmdSlot& pmd, VmaStable right) {
#ifdef CASE_bad
    PteMapLocked(tables, pmd, right);
#else
    PteMapLocked map(tables, pmd, right);
    if (!map) return;
#endif
}
