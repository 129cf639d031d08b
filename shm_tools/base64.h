/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes as text: base64 of RFC 4648, with padding.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_BASE64_H
#define SHMBUS_TOOLS_BASE64_H

#include <stddef.h>

/* How long the text of `size` bytes is. */
size_t base64_length(size_t size);

/* Writes base64_length(size) characters, without a 0 behind them. */
void base64_encode(const void *bytes, size_t size, char *text);

/* At most length / 4 * 3 bytes. Returns 0, or -EINVAL when the text is not base64. */
int base64_decode(const char *text, size_t length, void *bytes, size_t *size);

#endif
