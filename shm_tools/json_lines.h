/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON for those who follow along: one object a line, written at once.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_JSON_LINES_H
#define SHMBUS_TOOLS_JSON_LINES_H

#include <jansson.h>
#include <stdint.h>

/* `text` of any bytes, as text_clean() leaves it. */
json_t *json_clean_string(const char *text);

/* At most 2^63 - 1, the most that jansson knows. */
json_t *json_number(uint64_t number);

/* CLOCK_REALTIME, nanoseconds. */
json_t *json_now(void);

/* Prints `object` on a line of standard output and frees it. Returns an exit code. */
int json_print_line(json_t *object);

#endif
