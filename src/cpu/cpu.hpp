#pragma once

// Layer 7: guest CPU back ends.

#include "cpu/backend.hpp"
#include "cpu/kvm/kvm.hpp"
#include "cpu/mirror/mirror.hpp"
