#pragma once

// Layer 2: ports to the outside. Implementations are in host/linux and host/sim.

#include "host/memory.hpp"
#include "host/tlb.hpp"
