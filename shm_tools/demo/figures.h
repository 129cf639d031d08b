/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Prints a phase's figures: a table with one row per group, and a bar chart of the latencies. For one
 * thread; a kill leaves half a table.
 */
#ifndef DEMO_FIGURES_H
#define DEMO_FIGURES_H

#include "verify.h"

#define FIGURE_TEXT 32

/* "2,015,180" */
const char *figure_count(uint64_t count, char text[FIGURE_TEXT]);

/* Three digits and a unit: "1.23 MB", "12.3 us". */
const char *figure_bytes(double bytes, char text[FIGURE_TEXT]);
const char *figure_time(double ns, char text[FIGURE_TEXT]);

/* Chooses block characters for the chart when the terminal's character set has them, else '#'. */
void figures_choose_characters(void);

/* The first message was sent at `first`, CLOCK_MONOTONIC ns. */
void figures_table(const phase_plan *plan, const expected *want, const group_result groups[DEMO_GROUPS],
                   int64_t first);

/* How many of the messages each worker took. */
void figures_shares(const control *shared);

void figures_chart(const phase_plan *plan, const histogram *latency);

#endif
