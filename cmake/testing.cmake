# SPDX-License-Identifier: Apache-2.0
# What the tests of all folders share.

set(SHMBUS_TEST_TIME_FACTOR 1 CACHE STRING "Multiplies every test's time limit: for emulators and slow machines")

# shmbus_set_tests_properties(TEST... PROPERTIES ...): set_tests_properties() with TIMEOUT in this machine's time.
function(shmbus_set_tests_properties)
    set(call "")
    set(before "")
    math(EXPR last "${ARGC} - 1")
    foreach(i RANGE ${last}) # one by one: arguments may be lists
        set(argument "${ARGV${i}}")
        if(before STREQUAL "TIMEOUT")
            math(EXPR argument "${argument} * ${SHMBUS_TEST_TIME_FACTOR}")
        endif()
        string(APPEND call " [==[${argument}]==]")
        set(before "${argument}")
    endforeach()
    cmake_language(EVAL CODE "set_tests_properties(${call})")
endfunction()

# In front of a test's command: it starts programs that were built, which for another machine's takes the kernel's help.
if(CMAKE_CROSSCOMPILING)
    set(SHMBUS_STARTS bash ${CMAKE_CURRENT_LIST_DIR}/../tests/arm64/needs_exec.sh $<TARGET_FILE:facilities>)
else()
    set(SHMBUS_STARTS "")
endif()
