/* SPDX-License-Identifier: Apache-2.0 */
/* All of libc that the ring core calls; a compiler may call the other two of its own accord. */
#ifndef SHMBUS_TESTS_MODEL_STRING_H
#define SHMBUS_TESTS_MODEL_STRING_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t size);
void *memset(void *to, int value, size_t size);

#endif
