/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures for people in a few columns: three digits that count, and what they are multiplied by.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_UNITS_H
#define SHMBUS_TOOLS_UNITS_H

#include <stdint.h>

#define UNIT_TEXT 16

/* "0", "7.5", "999", "12.3k", "1.23M": at most 5 characters below 10^21. Returns `text`. */
const char *unit_count(double count, char text[UNIT_TEXT]);

/* Bytes as MB, "0.02", "123", "1.23k": as many thousands of thousands. Returns `text`. */
const char *unit_megabytes(double bytes, char text[UNIT_TEXT]);

/* "16ns", "1.25us", "12.5ms", "100s". Returns `text`. */
const char *unit_time(uint64_t nanoseconds, char text[UNIT_TEXT]);

#endif
