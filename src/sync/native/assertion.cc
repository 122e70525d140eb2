#include <cstdio>
#include <cstdlib>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "surefoot: assertion failed: %s (%s:%d)\n", expression, file, line);
    std::abort();
}

}  // namespace surefoot::inline SF_BUILD
