/* SPDX-License-Identifier: Apache-2.0 */
#include "orders.h"

#include "atomics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct site {
    const char *file;
    const char *function;
    const char *operation;
    const char *label;
};

static const struct site sites[] = {
#include "sites.inc"
};
#define SITES (sizeof sites / sizeof sites[0])

static uint64_t met[SITES];
static bool weakened[SITES];
static enum weak_order removed;

unsigned orders_weaken(const char *which, enum weak_order part)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SITES; i++) {
        char number[12];
        (void)snprintf(number, sizeof number, "%u", i);
        weakened[i] = strcmp(which, sites[i].label) == 0 || strcmp(which, number) == 0;
        count += weakened[i];
    }
    removed = part;
    return count;
}

enum weak_order weak_order_at(unsigned site, enum weak_order order)
{
    met[site]++;
    if (likely(!weakened[site])) {
        return order;
    }
    if (order == WEAK_SEQ_CST) {
        return WEAK_ACQ_REL;
    }
    weak_eager = (order & removed & WEAK_ACQUIRE) != 0;
    return (enum weak_order)(order & ~(unsigned)removed);
}

void orders_print(void)
{
    for (unsigned i = 0; i < SITES; i++) {
        printf("%u %s %s %s %s %" PRIu64 "\n", i, sites[i].file, sites[i].function, sites[i].operation,
               sites[i].label, met[i]);
    }
}
