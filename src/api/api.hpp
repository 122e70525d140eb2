#pragma once

// Layer 7: composes the features and implements include/surefoot.

#include "api/machine.hpp"
