#pragma once

// Layer 3: typed access to page tables: walking, mapping and locking PTE tables, installing and
// unlinking them, the gather, deferred freeing. Knows no VMA; rights come as tokens.

#include "pgtable/gather.hpp"
#include "pgtable/page_tables.hpp"
#include "pgtable/pte_map.hpp"
#include "pgtable/rights.hpp"
#include "pgtable/slot.hpp"
#include "pgtable/walk.hpp"
