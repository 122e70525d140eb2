#pragma once

// The inline namespace of this build; see the native header of the same name.
#define SF_BUILD checked
