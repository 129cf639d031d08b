/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers as people type and read them.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_NUMBERS_H
#define SHMBUS_TOOLS_NUMBERS_H

#include <stdint.h>

/* Room for a number or size as text. */
#define NUMBER_TEXT 32

/* "4096", "64K", "1MiB", "2g" (times 1024 each), "0x1F". 0, -EINVAL, or -ERANGE above 2^64 - 1. */
int number_parse(const char *text, uint64_t *number);

/* "600" as permission bits: octal digits only. 0, -EINVAL, or -ERANGE above 0777. */
int number_parse_mode(const char *text, uint32_t *mode);

/* "2", "0.25" as nanoseconds, up to 10 years. 0, -EINVAL or -ERANGE. */
int number_parse_seconds(const char *text, int64_t *nanoseconds);

/* "512 B", "64 KiB", "1.5 MiB". Returns `text`. */
const char *number_format_size(uint64_t bytes, char text[NUMBER_TEXT]);

/* "850 ns", "1.5 us", "20 ms", "3.4 s", "5.0 min", "2.3 h", "4.0 d". Returns `text`. */
const char *number_format_time(uint64_t nanoseconds, char text[NUMBER_TEXT]);

#endif
