#pragma once

#include "sync/rules.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Every rule holds.
template <Rule>
consteval bool holds() {
    return true;
}

}  // namespace surefoot::inline SF_BUILD::sync
