#pragma once

#include <ctime>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

constexpr bool is_valid_time(const timespec& time) {
    return time.tv_sec >= 0 && time.tv_nsec >= 0 && time.tv_nsec < 1'000'000'000;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
