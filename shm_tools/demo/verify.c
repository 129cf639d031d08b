/* SPDX-License-Identifier: Apache-2.0 */
#include "verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int expect(const phase_plan *plan, expected *result)
{
    hasher ordered, each;
    memset(result, 0, sizeof *result);
    if (hasher_open(&ordered) || hasher_open(&each)) {
        fprintf(stderr, "shmbus-demo: OpenSSL does not provide SHA-256\n");
        return -1;
    }
    hasher_begin(&ordered);
    for (uint64_t i = 0; i < plan->messages; i++) {
        size_t size;
        const char *data = input_message(plan->input, i, &size);
        hasher_add(&ordered, data, size);
        hasher_mix(&each, i, data, size, &result->mixed);
        result->words += word_sum(data, size);
        result->bytes += size;
    }
    result->messages = plan->messages;
    int failed = hasher_end(&ordered, &result->ordered) || each.failed;
    hasher_close(&ordered);
    hasher_close(&each);
    if (failed)
        fprintf(stderr, "shmbus-demo: OpenSSL's SHA-256 failed\n");
    return failed ? -1 : 0;
}

static void add_reader(reader_result *sum, const reader_result *one)
{
    sum->messages += one->messages;
    sum->bytes += one->bytes;
    sum->ends += one->ends;
    sum->disorder += one->disorder;
    sum->unknown += one->unknown;
    sum->missed += one->missed;
    sum->redelivered += one->redelivered;
    sum->words += one->words;
    if (one->last > sum->last)
        sum->last = one->last;
    sum->ordered = one->ordered;
    digest_sum_join(&sum->mixed, &one->mixed);
    histogram_join(&sum->latency, &one->latency);
}

void group_sum(const control *shared, enum demo_group group, group_result *result)
{
    memset(result, 0, sizeof *result);
    for (int i = 0; i < DEMO_READERS; i++)
        if (demo_group_of(i) == group)
            add_reader(&result->sum, &shared->readers[i].result);
    if (group != GROUP_WORKERS)
        return;
    for (uint64_t i = 0; i < shared->messages; i++) {
        result->never += shared->seen[i] == 0;
        result->twice += shared->seen[i] > 1;
    }
}

/* Prints the difference, if any, and returns 1 for it. */
static int differs(enum demo_group group, const char *what, uint64_t got, uint64_t want)
{
    if (got == want)
        return 0;
    fprintf(stderr, "shmbus-demo: MISMATCH in %s: %s: %" PRIu64 ", not %" PRIu64 "\n", demo_group_name(group),
            what, got, want);
    return 1;
}

static int digest_differs(enum demo_group group, const expected *want, const reader_result *got)
{
    const int work = group == GROUP_WORKERS;
    const void *mine = work ? (const void *)&got->mixed : &got->ordered;
    const void *theirs = work ? (const void *)&want->mixed : &want->ordered;
    if (!memcmp(mine, theirs, sizeof(digest)))
        return 0;
    fprintf(stderr, "shmbus-demo: MISMATCH in %s: the SHA-256 of what it got is not that of the input\n",
            demo_group_name(group));
    return 1;
}

int verify_group(const phase_plan *plan, const expected *want, enum demo_group group, const group_result *got)
{
    int faults = 0;
    faults += differs(group, "messages", got->sum.messages, want->messages);
    faults += differs(group, "bytes", got->sum.bytes, want->bytes);
    faults += differs(group, "end marks", got->sum.ends, DEMO_WORKERS);
    faults += differs(group, "messages out of order", got->sum.disorder, 0);
    faults += differs(group, "messages never sent", got->sum.unknown, 0);
    faults += differs(group, "messages reported as missed", got->sum.missed, 0);
    faults += differs(group, "messages redelivered", got->sum.redelivered, 0);
    faults += differs(group, "messages that no worker got", got->never, 0);
    faults += differs(group, "messages that came more than once", got->twice, 0);
    if (plan->check == CHECK_SUM)
        faults += differs(group, "sum of all words", got->sum.words, want->words);
    else
        faults += digest_differs(group, want, &got->sum);
    return faults ? -1 : 0;
}
