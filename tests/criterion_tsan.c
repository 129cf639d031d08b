/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lets Criterion's tests run under ThreadSanitizer on x86-64; part of the test programs in that build only.
 *
 * Criterion maps its arenas at addresses that it draws with rand_r(): 2^45 + (draw & 0x3fffff) * 2^24. Most of
 * those are ThreadSanitizer's, which refuses them: "Could not initialize inheritable arena". This rand_r()
 * takes the place of libc's, and draws only such that lie in the range that ThreadSanitizer leaves to programs
 * in the middle of the address space, 0x550000000000 to 0x568000000000.
 */
#include <stdlib.h>

#define FIRST_DRAW 0x350000u
#define DRAWS 0x18000u

int rand_r(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return (int)(FIRST_DRAW + (*seed >> 8) % DRAWS);
}
