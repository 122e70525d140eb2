#pragma once

// The inline namespace of this build. Every namespace of the core opens as
// `namespace surefoot::inline SF_BUILD::folder`, so that objects of the native and of the checked
// build can't be linked together by mistake.
#define SF_BUILD native
