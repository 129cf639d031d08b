/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Figures as cells of a table; "-" for NAN.
 *
 * concurrency   any thread
 * killed        nothing shared is written
 */
#ifndef SHMBUS_PERF_REPORT_TEXT_H
#define SHMBUS_PERF_REPORT_TEXT_H

struct cell {
    char text[24];
};

struct cell time_text(double ns);
struct cell rate_text(double rate);
struct cell ratio_text(double ratio);
struct cell per_message_text(double count);

#endif
