# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where. pkg-config file and CMake package find everything relative to
# themselves, so that an installation may be moved.

include(CMakePackageConfigHelpers)

set(SHMBUS_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/shmbus)

install(TARGETS shmbus_static shmbus_shared EXPORT shmbusTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/shmbus
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")

install(EXPORT shmbusTargets NAMESPACE shmbus:: DESTINATION ${SHMBUS_CMAKE_DIR})
configure_package_config_file(cmake/shmbusConfig.cmake.in shmbusConfig.cmake
    INSTALL_DESTINATION ${SHMBUS_CMAKE_DIR})
write_basic_package_version_file(shmbusConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES
    ${PROJECT_BINARY_DIR}/shmbusConfig.cmake
    ${PROJECT_BINARY_DIR}/shmbusConfigVersion.cmake
    DESTINATION ${SHMBUS_CMAKE_DIR})

file(RELATIVE_PATH SHMBUS_PC_PREFIX
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/shmbus.pc.in shmbus.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/shmbus.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
