# Installs COMPONENT of BUILD into WORK, builds SOURCE there against it, and compares what PROGRAM prints.
cmake_policy(VERSION 3.25)

function(must)
    execute_process(COMMAND ${ARGN} RESULT_VARIABLE status OUTPUT_VARIABLE text ERROR_VARIABLE text)
    if(NOT status EQUAL 0)
        list(JOIN ARGN " " line)
        message(FATAL_ERROR "${line}\nfailed (${status}):\n${text}")
    endif()
endfunction()

file(REMOVE_RECURSE "${WORK}")
must("${CMAKE_COMMAND}" --install "${BUILD}" --prefix "${WORK}/prefix" --component "${COMPONENT}")
must("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}/build" -G Ninja
    -D "CMAKE_PREFIX_PATH=${WORK}/prefix" -D "CMAKE_BUILD_TYPE=${CONFIG}"
    -D "CMAKE_C_COMPILER=${CC}" -D "CMAKE_CXX_COMPILER=${CXX}"
    -D "CMAKE_C_FLAGS=${FLAGS}" -D "CMAKE_CXX_FLAGS=${FLAGS}" --no-warn-unused-cli)
must("${CMAKE_COMMAND}" --build "${WORK}/build")

execute_process(COMMAND ${LAUNCHER} "${WORK}/build/${PROGRAM}" RESULT_VARIABLE status
    OUTPUT_VARIABLE printed ERROR_VARIABLE errors)
file(READ "${EXPECTED}" expected)
if(NOT status EQUAL 0 OR NOT printed STREQUAL expected)
    message(FATAL_ERROR "${PROGRAM} (${status}) printed:\n${printed}${errors}expected:\n${expected}")
endif()
