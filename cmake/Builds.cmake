# How everything is compiled. The presets only set the variables of this file.
#
#   surefoot_native    carried by every native library and what links it
#   surefoot_checked   carried by every library of the checked build and what links it
#
# The two never meet in one executable: src/sync/{native,checked}/impl name different inline
# namespaces, so that mixing their objects fails at link.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON) # so that an embedder may link us into a shared object
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)   # clang-tidy reads it

set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release)
endif()
# No -DNDEBUG: the project's own assertions decide for themselves (SF_RELEASE below).
set(CMAKE_CXX_FLAGS_DEBUG "-O1 -g")
# Without SLP vectorisation: it loads two words at once that were just stored one by one, which waits
# for the stores. It made mmap and munmap a tenth slower.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1 -fno-tree-slp-vectorize")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")

find_program(SUREFOOT_CCACHE ccache)
mark_as_advanced(SUREFOOT_CCACHE)
if(SUREFOOT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER "${SUREFOOT_CCACHE}")
    set(CMAKE_CXX_COMPILER_LAUNCHER "${SUREFOOT_CCACHE}")
endif()

# SF_RELEASE=1 leaves out the lock validator and SF_DEBUG_ASSERT. It is defined for native code of
# a release build only, and not defined at all elsewhere: the checked build always asserts.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
    set(release_default ON)
else()
    set(release_default OFF)
endif()
option(SUREFOOT_RELEASE "No lock validator, no debug assertions in native code" ${release_default})

set(SUREFOOT_SANITIZE "" CACHE STRING "Value of -fsanitize=, empty for none")

add_library(surefoot_native INTERFACE)
add_library(surefoot_checked INTERFACE)
target_include_directories(surefoot_native INTERFACE
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/src/sync/native")
target_include_directories(surefoot_checked INTERFACE
    "${PROJECT_SOURCE_DIR}/src" "${PROJECT_SOURCE_DIR}/src/sync/checked")

if(SUREFOOT_RELEASE)
    target_compile_definitions(surefoot_native INTERFACE SF_RELEASE=1)
endif()

# A search runs the checked code millions of times: it is optimised under every preset.
target_compile_options(surefoot_checked INTERFACE -O2)

if(SUREFOOT_SANITIZE)
    set(sanitize "-fsanitize=${SUREFOOT_SANITIZE}" -fno-omit-frame-pointer)
    if(SUREFOOT_SANITIZE MATCHES "undefined")
        list(APPEND sanitize -fno-sanitize-recover=all)
    endif()
    if(SUREFOOT_SANITIZE MATCHES "fuzzer")
        # Libraries are instrumented; only the fuzz targets themselves get libFuzzer's main.
        string(REPLACE "fuzzer" "fuzzer-no-link" sanitize "${sanitize}")
    endif()
    target_compile_options(surefoot_native INTERFACE ${sanitize})
    target_link_options(surefoot_native INTERFACE ${sanitize})
    # The checked build runs on one thread and switches fibers, of which ThreadSanitizer knows
    # nothing; it is built under the tsan preset all the same, without instrumentation.
    if(NOT SUREFOOT_SANITIZE MATCHES "thread")
        target_compile_options(surefoot_checked INTERFACE ${sanitize})
        target_link_options(surefoot_checked INTERFACE ${sanitize})
    endif()
endif()

# Warnings are for our own targets and must not reach an embedder's code.
add_library(surefoot_warnings INTERFACE)
target_compile_options(surefoot_warnings INTERFACE "$<$<COMPILE_LANGUAGE:CXX>:${SUREFOOT_WARNINGS}>")
