# SPDX-License-Identifier: Apache-2.0
# SHMBUS_SANITIZE: builds everything with the sanitizers it names; the first finding ends the program.
# With clang: gcc has no ThreadSanitizer that takes atomic_thread_fence(), and no list of what to ignore.

if(SHMBUS_SANITIZE)
    if(NOT CMAKE_C_COMPILER_ID STREQUAL "Clang")
        message(FATAL_ERROR "SHMBUS_SANITIZE needs clang, not ${CMAKE_C_COMPILER}: -DCMAKE_C_COMPILER=clang")
    endif()
    add_compile_options(-fsanitize=${SHMBUS_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer
        -fsanitize-ignorelist=${CMAKE_CURRENT_LIST_DIR}/sanitize.ignore)
    add_link_options(-fsanitize=${SHMBUS_SANITIZE})
endif()
