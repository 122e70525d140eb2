// A read-only map has no way to store.
#include "pgtable/pgtable.hpp"

using namespace surefoot;
using namespace surefoot::pgtable;

#ifdef CASE_bad
using Map = PteMapRcu;
#else
using Map = PteMapLocked;
#endif

void caller(Map& map, VirtAddr va, pte_t entry, MayInstall right) { map.install(va, entry, right); }
