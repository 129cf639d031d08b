/* SPDX-License-Identifier: Apache-2.0 */
#include "latency.h"

#include "ring_consumer.h"

void latency_see(struct consumer *consumer, struct shm_latency *latency, uint64_t now)
{
    const struct ring *ring = consumer->ring;
    const uint64_t sent = consumer->message.sent;
    consumer->message.sent = 0;
    if (consumer->sampled == consumer->sequence + 1) {
        return;
    }
    consumer->sampled = consumer->sequence + 1;
    latency_add(latency, now > sent ? now - sent : 0);
    const uint32_t lag =
        position_sequence(load64_relaxed(&ring->shared->tail)) - (uint32_t)consumer->sequence;
    if (lag <= ring->slot_count && lag > load64_relaxed(&consumer->own->largest_lag)) {
        store64_relaxed(&consumer->own->largest_lag, lag);
    }
}
