# SPDX-License-Identifier: Apache-2.0
# Warnings and machine flags of everything that is compiled here: library, command, tests, benchmark.

add_compile_options(-Wall -Wextra -Wundef -Wshadow -Wconversion)
if(SHMBUS_WERROR)
    add_compile_options(-Werror)
endif()

# One binary that uses ARMv8.1's atomic instructions where the CPU has them.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
    add_compile_options(-moutline-atomics)
endif()
