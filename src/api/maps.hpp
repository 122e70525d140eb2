#pragma once

#include <string>

#include "mm/mm.hpp"

namespace surefoot::inline SF_BUILD::api {

/// The text of /proc/PID/maps. Throws std::bad_alloc. Locks: takes mmap R. (show_map)
std::string maps_text(mm::Mm& mm);

}  // namespace surefoot::inline SF_BUILD::api
