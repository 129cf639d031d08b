/* SPDX-License-Identifier: Apache-2.0 */
#include "choices.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHOICES_MAX 65536u /* in a schedule */

static struct {
    unsigned char chosen;
    unsigned char options;
} trail[CHOICES_MAX];

static unsigned made;  /* choices of this schedule */
static unsigned known; /* of which the first ones are given */
static bool by_chance;
static uint64_t state;
static unsigned rarely; /* chance preempts once in 2^rarely steps */
static unsigned bound;
static unsigned preempted;

static uint64_t draw(void)
{
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static void begin(unsigned given)
{
    made = 0;
    preempted = 0;
    known = given;
}

void choices_by_chance(uint64_t seed)
{
    begin(0);
    by_chance = true;
    state = seed;
    rarely = (unsigned)(draw() % 7);
}

void choices_search(unsigned preemptions)
{
    begin(0);
    by_chance = false;
    bound = preemptions;
}

bool choices_next(void)
{
    while (made > 0 && trail[made - 1].chosen + 1 >= trail[made - 1].options) {
        made--;
    }
    if (made == 0) {
        return false;
    }
    trail[made - 1].chosen++;
    begin(made);
    return true;
}

/* Pairs NUMBER:CHOICE; all other choices are 0. */
void choices_repeat(const char *text)
{
    memset(trail, 0, sizeof trail);
    while (*text) {
        char *end;
        const unsigned long number = strtoul(text, &end, 10);
        if (*end != ':' || number >= CHOICES_MAX) {
            break;
        }
        trail[number].chosen = (unsigned char)strtoul(end + 1, &end, 10);
        text = *end == ',' ? end + 1 : end;
    }
    begin(CHOICES_MAX);
    by_chance = false;
}

static unsigned record(unsigned chosen, unsigned options)
{
    if (made == CHOICES_MAX) {
        (void)fprintf(stderr, "a schedule makes more than %u choices\n", CHOICES_MAX);
        exit(2);
    }
    if (made < known && !by_chance) {
        chosen = trail[made].chosen;
    } else {
        trail[made].options = (unsigned char)options;
        trail[made].chosen = (unsigned char)chosen;
    }
    made++;
    return chosen;
}

unsigned choose_preemption(unsigned others)
{
    unsigned chosen = 0;
    if (by_chance) {
        const uint64_t drawn = draw();
        const bool preempt = (drawn & ((UINT64_C(1) << rarely) - 1)) == 0;
        chosen = preempt ? 1 + (unsigned)((drawn >> 32) % others) : 0;
    }
    chosen = record(chosen, preempted < bound ? others + 1 : 1);
    preempted += chosen > 0;
    return chosen;
}

unsigned choose_one(unsigned count)
{
    return record(by_chance ? (unsigned)(draw() % count) : 0, count);
}

void choices_print(void)
{
    (void)fprintf(stderr, "repeat it with --trail=");
    const char *comma = "";
    for (unsigned i = 0; i < made; i++) {
        if (trail[i].chosen) {
            (void)fprintf(stderr, "%s%u:%u", comma, i, trail[i].chosen);
            comma = ",";
        }
    }
    (void)fprintf(stderr, "%s\n", *comma ? "" : "none");
}
