# The warnings, as an explicit list so that a new compiler cannot change it behind our back.
# Every one is an error. What is off has its reason here.

set(SUREFOOT_WARNINGS
    -Werror
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wold-style-cast
    -Wcast-qual
    -Wcast-align
    -Wnon-virtual-dtor
    -Woverloaded-virtual
    -Wextra-semi
    -Wimplicit-fallthrough
    -Wvla)

# Not on: -Wconversion. Integer promotion makes every `uint8_t + 1` a finding; the mistake that
# matters, losing the top half of an address, is found by -Wshorten-64-to-32 below, and the strong
# types of src/base keep addresses, frame numbers and sizes apart in the first place.

if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND SUREFOOT_WARNINGS
        -Wduplicated-cond
        -Wlogical-op
        # g++ 12 reports overlapping copies inside std::string that do not exist (GCC bug 105651).
        -Wno-restrict)
else()
    list(APPEND SUREFOOT_WARNINGS -Wshorten-64-to-32)
endif()

# The locking annotations are checked by clang only, and the lock order only by the beta checks.
option(SUREFOOT_THREAD_SAFETY "Check the locking annotations (clang 19)" OFF)
if(SUREFOOT_THREAD_SAFETY)
    if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "SUREFOOT_THREAD_SAFETY needs clang++; use the preset 'tsa'")
    endif()
    list(APPEND SUREFOOT_WARNINGS -Wthread-safety -Wthread-safety-beta)
endif()
