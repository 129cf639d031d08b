/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RADIX (1u << 16)

/* One pass of a least-significant-digit radix sort: a million samples in a few milliseconds. */
static void sort_pass(const uint32_t *from, uint32_t *to, size_t count, unsigned shift)
{
    static size_t starts[RADIX + 1];
    memset(starts, 0, sizeof starts);
    for (size_t i = 0; i < count; i++)
        starts[(from[i] >> shift) % RADIX + 1]++;
    for (size_t i = 1; i <= RADIX; i++)
        starts[i] += starts[i - 1];
    for (size_t i = 0; i < count; i++)
        to[starts[(from[i] >> shift) % RADIX]++] = from[i];
}

static void sort_samples(uint32_t *samples, size_t count)
{
    uint32_t *other = malloc(count * sizeof *other);
    if (other == NULL)
        abort();
    sort_pass(samples, other, count, 0);
    sort_pass(other, samples, count, 16);
    free(other);
}

static double sample_at(const uint32_t *sorted, size_t count, double fraction, uint32_t step)
{
    double rank = fraction * (double)count;
    size_t at = (size_t)rank < count ? (size_t)rank : count - 1;
    size_t first = at;
    size_t end = at + 1;
    if (fraction <= 0 || fraction >= 1 || step <= 1)
        return sorted[at];
    while (first > 0 && sorted[at] - sorted[first - 1] < step / 2)
        first--;
    while (end < count && sorted[end] - sorted[at] < step / 2)
        end++;
    return sorted[at] + step * ((rank - (double)first) / (double)(end - first) - 0.5);
}

void stats_percentiles(uint32_t *samples, size_t count, uint32_t step, double ticks_per_ns,
                       struct figures *figures)
{
    static const struct {
        enum figure figure;
        double fraction;
    } wanted[] = {
        {FIGURE_MIN, 0},      {FIGURE_P50, 0.5}, {FIGURE_P95, 0.95}, {FIGURE_P99, 0.99},
        {FIGURE_P999, 0.999}, {FIGURE_MAX, 1},   {FIGURE_P75, 0.75}, {FIGURE_P90, 0.9},
    };
    sort_samples(samples, count);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        figures->value[wanted[i].figure] = sample_at(samples, count, wanted[i].fraction, step) / ticks_per_ns;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

double stats_median(const double *values, size_t count)
{
    double sorted[count > 0 ? count : 1];
    if (count == 0)
        return NAN;
    memcpy(sorted, values, count * sizeof *values);
    qsort(sorted, count, sizeof *sorted, compare);
    return (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
}

double stats_least(const double *values, size_t count)
{
    double least = NAN;
    for (size_t i = 0; i < count; i++)
        least = i == 0 || values[i] < least ? values[i] : least;
    return least;
}

double stats_most(const double *values, size_t count)
{
    double most = NAN;
    for (size_t i = 0; i < count; i++)
        most = i == 0 || values[i] > most ? values[i] : most;
    return most;
}
