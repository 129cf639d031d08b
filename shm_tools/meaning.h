/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the words of a segment say, in words: docs/segment-format.md has the same as tables.
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_MEANING_H
#define SHMBUS_TOOLS_MEANING_H

#include <shmbus/inspect.h>
#include <stddef.h>

#define MEANING_TEXT 96

/* Writes what the field's value means, printable ASCII; NULL when the number says it all. */
const char *meaning_of(const shmbus_field *field, char text[MEANING_TEXT]);

#endif
