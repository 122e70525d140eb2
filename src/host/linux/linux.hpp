#pragma once

// The host ports on Linux; native builds only.

#include "host/linux/memfd_memory.hpp"
