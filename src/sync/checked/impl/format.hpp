#pragma once

#include "arch/toy.hpp"

namespace surefoot::inline SF_BUILD::arch {

/// The entry format of this build; a scenario chooses levels and entries a table.
using Format = Toy;

}  // namespace surefoot::inline SF_BUILD::arch
