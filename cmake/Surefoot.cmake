# One call makes a folder a library of both builds:
#
#   surefoot_layer(<folder>
#       SOURCES a.cc b.cc            the same list for both builds; may be empty (headers only)
#       HEADERS c.hpp                listed for editors only
#       DEPENDS base sync            other folders: surefoot_base or surefoot_base_checked
#       LINK fmt::fmt                outside libraries (cmake/Dependencies.cmake)
#       NATIVE_ONLY                  no checked variant (cpu, linux, ...)
#       NATIVE_SOURCES n.cc          ) for src/sync and src/host alone: the seam itself has one
#       CHECKED_SOURCES k.cc         ) implementation a build
#       NATIVE_LINK lib  CHECKED_LINK lib)
#
# makes surefoot_<folder> and surefoot_<folder>_checked.
#
#   surefoot_test(<name> SOURCES t.cc [LINK mm fmt::fmt] [LABELS unit] [CHECKED | CHECKED_ONLY]
#                 [NO_GTEST] [ARGS ...])
#
# makes the GoogleTest program <name> and one CTest entry; LINK takes folder names as DEPENDS does.
# CHECKED makes <name>_checked from the same sources against the checked libraries as well,
# CHECKED_ONLY makes that one alone. A test that hangs is ended by the test presets' time limit, which
# is one for all: how long a test takes is the load's business.

# Lowest layer first; scripts/tidy.py holds the numbers and checks the edges.
set(SUREFOOT_LAYERS
    base arch sync phys host pgtable vma rmap mm
    thp hugetlb ksm swap uffd pagecache
    api cpu linux)

# What an embedder's program cannot do without: everything below the API.
set(SUREFOOT_CORE
    base arch sync phys host pgtable vma rmap mm thp hugetlb ksm swap uffd pagecache)

function(surefoot_add_folder folder)
    if(EXISTS "${PROJECT_SOURCE_DIR}/${folder}/CMakeLists.txt")
        add_subdirectory("${PROJECT_SOURCE_DIR}/${folder}" "${PROJECT_BINARY_DIR}/${folder}")
    endif()
endfunction()

# Adds every direct subfolder that has a CMakeLists.txt.
function(surefoot_add_subfolders)
    file(GLOB lists CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/*/CMakeLists.txt")
    foreach(list IN LISTS lists)
        get_filename_component(folder "${list}" DIRECTORY)
        add_subdirectory("${folder}")
    endforeach()
endfunction()

# Folder names (and surefoot_<folder>, surefoot_core) to the targets of one build.
function(surefoot_map_names out suffix)
    set(mapped "")
    foreach(name IN LISTS ARGN)
        string(REGEX REPLACE "^surefoot_" "" plain "${name}")
        if(plain IN_LIST SUREFOOT_LAYERS OR plain STREQUAL "core")
            list(APPEND mapped "surefoot_${plain}${suffix}")
            set_property(GLOBAL APPEND PROPERTY SUREFOOT_WANTED "surefoot_${plain}${suffix}")
        else()
            list(APPEND mapped "${name}")
        endif()
    endforeach()
    set(${out} "${mapped}" PARENT_SCOPE)
endfunction()

function(surefoot_make_library target build links)
    if(ARGN)
        add_library(${target} STATIC ${ARGN})
        target_link_libraries(${target} PUBLIC ${build} ${links} PRIVATE surefoot_warnings)
    else()
        add_library(${target} INTERFACE)
        target_link_libraries(${target} INTERFACE ${build} ${links})
    endif()
endfunction()

function(surefoot_layer folder)
    cmake_parse_arguments(PARSE_ARGV 1 arg "NATIVE_ONLY" ""
        "SOURCES;HEADERS;DEPENDS;LINK;NATIVE_SOURCES;CHECKED_SOURCES;NATIVE_LINK;CHECKED_LINK")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "surefoot_layer(${folder}): unknown: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT folder IN_LIST SUREFOOT_LAYERS)
        message(FATAL_ERROR "surefoot_layer(${folder}): not a folder of SUREFOOT_LAYERS")
    endif()
    if((arg_NATIVE_SOURCES OR arg_CHECKED_SOURCES) AND NOT folder MATCHES "^(sync|host)$")
        message(FATAL_ERROR "surefoot_layer(${folder}): both builds have the same sources")
    endif()

    surefoot_map_names(links "" ${arg_DEPENDS} ${arg_LINK} ${arg_NATIVE_LINK})
    surefoot_make_library(surefoot_${folder} surefoot_native "${links}"
        ${arg_SOURCES} ${arg_NATIVE_SOURCES})
    if(NOT arg_NATIVE_ONLY)
        surefoot_map_names(links "_checked" ${arg_DEPENDS} ${arg_LINK} ${arg_CHECKED_LINK})
        surefoot_make_library(surefoot_${folder}_checked surefoot_checked "${links}"
            ${arg_SOURCES} ${arg_CHECKED_SOURCES})
    endif()
    if(arg_HEADERS)
        target_sources(surefoot_${folder} PRIVATE ${arg_HEADERS})
    endif()
endfunction()

# surefoot_core and surefoot_core_checked: whatever of the core exists so far.
function(surefoot_core_targets)
    foreach(suffix "" "_checked")
        add_library(surefoot_core${suffix} INTERFACE)
        foreach(folder IN LISTS SUREFOOT_CORE)
            if(TARGET surefoot_${folder}${suffix})
                target_link_libraries(surefoot_core${suffix} INTERFACE
                    surefoot_${folder}${suffix})
            endif()
        endforeach()
    endforeach()
    cmake_language(DEFER DIRECTORY "${PROJECT_SOURCE_DIR}" CALL surefoot_check_names)
endfunction()

# CMake takes an unknown name for a library of the system and says so only at link: say it now.
function(surefoot_check_names)
    get_property(wanted GLOBAL PROPERTY SUREFOOT_WANTED)
    list(REMOVE_DUPLICATES wanted)
    foreach(target IN LISTS wanted)
        if(NOT TARGET ${target})
            message(SEND_ERROR "${target} is wanted, but its folder does not make it")
        endif()
    endforeach()
endfunction()

function(surefoot_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "CHECKED;CHECKED_ONLY;NO_GTEST" "" "SOURCES;LINK;LABELS;ARGS")
    if(arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "surefoot_test(${name}): unknown: ${arg_UNPARSED_ARGUMENTS}")
    endif()
    if(NOT arg_LABELS)
        set(arg_LABELS unit)
    endif()
    set(suffixes native)
    if(arg_CHECKED)
        list(APPEND suffixes checked)
    elseif(arg_CHECKED_ONLY)
        set(suffixes checked)
    endif()

    foreach(build IN LISTS suffixes)
        set(suffix "")
        set(labels ${arg_LABELS})
        if(build STREQUAL "checked")
            set(suffix "_checked")
            list(APPEND labels checked)
        endif()
        set(target ${name}${suffix})
        surefoot_map_names(links "${suffix}" ${arg_LINK})
        add_executable(${target} ${arg_SOURCES})
        target_link_libraries(${target} PRIVATE
            ${links} surefoot_${build} surefoot_warnings Threads::Threads)
        if(NOT arg_NO_GTEST)
            # A checked test needs a main that runs each test on one checked CPU, once it exists.
            set(main GTest::gtest_main)
            if(build STREQUAL "checked" AND TARGET surefoot_checked_test_main)
                set(main surefoot_checked_test_main)
            endif()
            target_link_libraries(${target} PRIVATE GTest::gmock GTest::gtest ${main})
        endif()
        set_target_properties(${target} PROPERTIES
            RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")

        # One entry a program: starting a process for every test case costs more than the cases.
        set(launcher "")
        if(build STREQUAL "native" AND SUREFOOT_SANITIZE MATCHES "thread")
            # ThreadSanitizer of g++ 12 cannot place its shadow under 32 bits of randomisation.
            set(launcher setarch --addr-no-randomize)
        endif()
        add_test(NAME ${target} COMMAND ${launcher} $<TARGET_FILE:${target}> ${arg_ARGS})
        set_tests_properties(${target} PROPERTIES LABELS "${labels}")
    endforeach()
endfunction()

# surefoot_bench(<name> SOURCES b.cc [LINK mm]): a Google Benchmark program bench_<name>, which
# 'make bench' runs.
function(surefoot_bench name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LINK")
    surefoot_map_names(links "" ${arg_LINK})
    add_executable(bench_${name} ${arg_SOURCES})
    target_link_libraries(bench_${name} PRIVATE
        ${links} surefoot_native surefoot_warnings benchmark::benchmark_main)
    set_target_properties(bench_${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bench")
endfunction()
