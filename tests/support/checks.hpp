#pragma once

#include <gtest/gtest.h>

/// Whether SF_DEBUG_ASSERT and the lock validator are compiled in.
#ifdef SF_RELEASE
inline constexpr bool kDebugChecks = false;
#else
inline constexpr bool kDebugChecks = true;
#endif

/// For death tests of what only the debug assertions find.
#define SKIP_WITHOUT_DEBUG_CHECKS() \
    if (!kDebugChecks) GTEST_SKIP() << "needs debug assertions, which this preset leaves out"
