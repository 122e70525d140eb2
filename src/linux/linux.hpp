#pragma once

// Layer 8: the Linux personality: programs, system calls, signals, /proc.

#include "linux/runner.hpp"
