/* SPDX-License-Identifier: Apache-2.0 */
#include "field.h"

#include <signal.h>

#define STRIKE_NS INT64_C(5000000) /* between two, on average */
#define CALM_NS INT64_C(25000000)  /* the same on one channel alone */
#define BURST 20                   /* one in so many strikes hits all that may die */
#define RESUME 20                  /* in one tick of so many those that are stopped go on */

static void strike_place(struct field *field, struct place *place, struct field_totals *totals)
{
    if (!place->worker.mortal || place->pid == 0 || place->paused) {
        return;
    }
    if (field->kind == FIELD_STOPS && random_one_in(&field->random, 2)) {
        totals->stops++;
        crew_pause(place);
        return;
    }
    (void)kill(place->pid, SIGKILL);
}

static void strike(struct field *field, unsigned channel, struct field_totals *totals)
{
    struct crew *crew = field->crews[channel];
    const bool sham = shmbus_now() < field->sham_until;
    if (field->measured[channel]) {
        stalls_strike(&field->stalls[channel], sham ? STALLS_SHAM : STALLS_KILL);
    }
    if (sham) {
        return;
    }
    if (random_one_in(&field->random, BURST)) {
        for (unsigned i = 0; i < crew->count; i++) {
            strike_place(field, &crew->places[i], totals);
        }
        return;
    }
    unsigned i;
    do {
        i = (unsigned)random_below(&field->random, crew->count);
    } while (!crew->places[i].worker.mortal);
    strike_place(field, &crew->places[i], totals);
}

void strike_maybe(struct field *field, struct field_totals *totals)
{
    if (random_one_in(&field->random, RESUME)) {
        for (unsigned i = 0; i < field->count; i++) {
            crew_resume(field->crews[i]);
        }
    }
    const int64_t now = shmbus_now();
    if (now < field->strike_at) {
        return;
    }
    field->strike_at =
        now + (int64_t)random_around(&field->random, field->kind == FIELD_CALM ? CALM_NS : STRIKE_NS);
    strike(field, (unsigned)random_below(&field->random, field->count), totals);
}
