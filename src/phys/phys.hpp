#pragma once

// Layer 2: frames, their descriptors, and the allocator. Its memory is handed in.

#include "phys/arena.hpp"
#include "phys/frame.hpp"
#include "phys/frame_allocator.hpp"
