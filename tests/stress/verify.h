/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The verdict on what a crew has written down. What is wrong goes to its ledger.
 *
 * concurrency   the parent, while the workers do nothing any more
 * killed        nothing is shared
 */
#ifndef SHMBUS_TESTS_STRESS_VERIFY_H
#define SHMBUS_TESTS_STRESS_VERIFY_H

#include "crew.h"

/* Do the bus's own figures add up? While all readers are still joined. */
void verify_figures(const struct crew *crew);

/* Has everybody seen what he had to see, in the order it was sent? */
void verify_ledger(const struct plan *plan, struct ledger *ledger, uint64_t published);

#endif
