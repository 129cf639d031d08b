# SPDX-License-Identifier: Apache-2.0
# Where shmbus is refused; include/shmbus/shmbus.h says the same to who builds without CMake.

if(NOT CMAKE_SIZEOF_VOID_P EQUAL 8 OR CMAKE_C_BYTE_ORDER STREQUAL "BIG_ENDIAN")
    message(FATAL_ERROR "shmbus needs a 64-bit little-endian host: all processes share segments of such words. "
        "${CMAKE_C_COMPILER} has pointers of ${CMAKE_SIZEOF_VOID_P} bytes, ${CMAKE_C_BYTE_ORDER}.")
endif()
