#pragma once

/// The n-th operator new of this program fails, once. One thread alone allocates.
void fail_new_in(unsigned n);
/// @return whether it came
bool stop_failing_new();
