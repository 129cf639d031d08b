/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether to colour what is printed: on a terminal only, not on one that knows no colours (TERM=dumb), and not
 * where NO_COLOR is set and not empty (no-color.org).
 *
 * concurrency   any thread: no state
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_COLOUR_H
#define SHMBUS_TOOLS_COLOUR_H

#include <stdio.h>

#define COLOUR_BOLD "\033[1m"
#define COLOUR_END "\033[0m"

/* Whether `file` shall have colours, bold among them. */
int colour_wanted(FILE *file);

#endif
