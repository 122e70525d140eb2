#pragma once

// Layer 5: what needs VMAs and tables together: the memory operations, faults, access to guest
// memory; and which guards prove which right.

#include "mm/events.hpp"
#include "mm/mm_struct.hpp"
#include "mm/operations.hpp"
#include "mm/rights.hpp"
#include "mm/system.hpp"
#include "mm/uapi.hpp"
