# What others build on: include/surefoot, one archive of every layer that an embedder needs, and the
# package files by which find_package(surefoot) gives surefoot::surefoot; the model checker, by
# which find_package(surefoot COMPONENTS checker) gives surefoot::checker. Either can be installed
# without the other.
#
#   cmake --install build/release --prefix DIR [--component embed|checker]
#
# Programs install themselves, where they are made.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

function(surefoot_embed_library)
    set(objects "")
    foreach(folder IN LISTS SUREFOOT_CORE ITEMS api)
        if(TARGET surefoot_${folder})
            get_target_property(type surefoot_${folder} TYPE)
            if(type STREQUAL "STATIC_LIBRARY")
                list(APPEND objects "$<TARGET_OBJECTS:surefoot_${folder}>")
            endif()
        endif()
    endforeach()
    # `surefoot` is the program.
    add_library(surefoot_embed STATIC ${objects})
    set_target_properties(surefoot_embed PROPERTIES
        LINKER_LANGUAGE CXX OUTPUT_NAME surefoot EXPORT_NAME surefoot)
    target_include_directories(surefoot_embed INTERFACE
        "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
    # A name of our own: the embedder's PkgConfig::URCU may be another flavour.
    target_link_libraries(surefoot_embed INTERFACE
        "$<INSTALL_INTERFACE:$<LINK_ONLY:PkgConfig::SUREFOOT_URCU>>"
        "$<INSTALL_INTERFACE:$<LINK_ONLY:fmt::fmt>>"
        "$<INSTALL_INTERFACE:$<LINK_ONLY:Threads::Threads>>")
endfunction()

function(surefoot_install)
    set(package "${CMAKE_INSTALL_LIBDIR}/cmake/surefoot")
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/surefoot"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT embed)
    install(TARGETS surefoot_embed EXPORT surefoot
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT embed)
    install(EXPORT surefoot FILE surefootTargets.cmake NAMESPACE surefoot::
        DESTINATION "${package}" COMPONENT embed)
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/checker/include/surefoot"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT checker)
    set_target_properties(surefoot_checker PROPERTIES EXPORT_NAME checker)
    install(TARGETS surefoot_checker EXPORT surefoot_checker
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT checker)
    install(EXPORT surefoot_checker FILE surefootCheckerTargets.cmake NAMESPACE surefoot::
        DESTINATION "${package}" COMPONENT checker)
    configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/surefootConfig.cmake.in"
        "${PROJECT_BINARY_DIR}/package/surefootConfig.cmake" INSTALL_DESTINATION "${package}")
    # Before 1.0 every minor version may change the interface.
    write_basic_package_version_file("${PROJECT_BINARY_DIR}/package/surefootConfigVersion.cmake"
        COMPATIBILITY SameMinorVersion)
    foreach(component embed checker)
        install(FILES "${PROJECT_BINARY_DIR}/package/surefootConfig.cmake"
                      "${PROJECT_BINARY_DIR}/package/surefootConfigVersion.cmake"
            DESTINATION "${package}" COMPONENT ${component})
    endforeach()
endfunction()
