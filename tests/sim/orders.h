/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbered accesses of the library (orders.py), and which of them is weaker than it was written.
 *
 * concurrency   one thread
 * killed        nothing
 */
#ifndef SHMBUS_TESTS_SIM_ORDERS_H
#define SHMBUS_TESTS_SIM_ORDERS_H

#include "weak.h"

/*
 * The accesses of this label, or the one of this number, lose part of their order: WEAK_ACQUIRE, WEAK_RELEASE, or both.
 * How many they are.
 */
unsigned orders_weaken(const char *which, enum weak_order part);

/* Prints number, file, function, operation, label and how often it was met, a line for each access. */
void orders_print(void);

#endif
