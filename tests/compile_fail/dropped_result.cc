// A Result may not be dropped.
#include "base/base.hpp"

surefoot::Result<void> may_fail();

void caller() {
#ifdef CASE_bad
    may_fail();
#else
    if (!may_fail()) return;
#endif
}
