# Links OBJECT with LIBRARY; fails unless the link fails exactly when it MIXES the builds.
execute_process(
    COMMAND ${COMPILER} ${FLAGS} ${OBJECT} ${LIBRARY} ${CHECKER}
        -lurcu-bp -lboost_context -lfmt -pthread -o ${OUTPUT}
    RESULT_VARIABLE status ERROR_VARIABLE errors)
if(NOT MIXES AND NOT status EQUAL 0)
    message(FATAL_ERROR "must link, but:\n${errors}")
elseif(MIXES AND status EQUAL 0)
    message(FATAL_ERROR "linked, although it mixes the native and the checked build")
elseif(MIXES AND NOT errors MATCHES "undefined reference to `surefoot::${BUILD}::assertion_failed")
    message(FATAL_ERROR "failed for another reason:\n${errors}")
endif()
