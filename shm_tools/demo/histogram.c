/* SPDX-License-Identifier: Apache-2.0 */
#include "histogram.h"

#define CUT_BITS 4

_Static_assert(1 << CUT_BITS == HISTOGRAM_CUTS, "cuts are a power of two");

static unsigned bucket_of(uint64_t ns)
{
    if (ns < HISTOGRAM_CUTS)
        return (unsigned)ns;
    unsigned top = 63u - (unsigned)__builtin_clzll(ns);
    unsigned bucket =
        ((top - CUT_BITS + 1) << CUT_BITS) | (unsigned)((ns >> (top - CUT_BITS)) & (HISTOGRAM_CUTS - 1));
    const unsigned last = HISTOGRAM_OCTAVES * HISTOGRAM_CUTS - 1;
    return bucket < last ? bucket : last;
}

static uint64_t bucket_from(unsigned bucket)
{
    if (bucket < HISTOGRAM_CUTS)
        return bucket;
    return (uint64_t)(HISTOGRAM_CUTS + bucket % HISTOGRAM_CUTS) << (bucket / HISTOGRAM_CUTS - 1);
}

void histogram_add(histogram *h, int64_t ns)
{
    uint64_t value = ns > 0 ? (uint64_t)ns : 0;
    h->buckets[bucket_of(value)]++;
    h->count++;
    if (value > h->max)
        h->max = value;
}

void histogram_join(histogram *h, const histogram *other)
{
    for (unsigned i = 0; i < HISTOGRAM_OCTAVES * HISTOGRAM_CUTS; i++)
        h->buckets[i] += other->buckets[i];
    h->count += other->count;
    if (other->max > h->max)
        h->max = other->max;
}

uint64_t histogram_percentile(const histogram *h, double share)
{
    uint64_t rank = (uint64_t)(share * (double)h->count);
    uint64_t below = 0;
    for (unsigned i = 0; i < HISTOGRAM_OCTAVES * HISTOGRAM_CUTS; i++) {
        below += h->buckets[i];
        if (below > rank || (below == h->count && below)) {
            uint64_t end = bucket_from(i + 1) - 1;
            return end < h->max ? end : h->max;
        }
    }
    return 0;
}

uint64_t histogram_octave_from(int octave)
{
    return octave ? UINT64_C(1) << (octave + CUT_BITS - 1) : 0;
}

uint64_t histogram_octave_count(const histogram *h, int octave)
{
    uint64_t sum = 0;
    for (int i = 0; i < HISTOGRAM_CUTS; i++)
        sum += h->buckets[octave * HISTOGRAM_CUTS + i];
    return sum;
}
