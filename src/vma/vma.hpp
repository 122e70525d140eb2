#pragma once

// Layer 3: what did the program ask to have mapped where? VMAs, the RCU-readable tree, the mmap
// lock, the per-VMA lock, split and merge. Knows no page-table entry.

#include "vma/area.hpp"
#include "vma/backing.hpp"
#include "vma/change.hpp"
#include "vma/space.hpp"
#include "vma/tree/tree.hpp"
#include "vma/vma_flags.hpp"
