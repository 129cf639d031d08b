/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A page of metrics in the text format of Prometheus, version 0.0.4: samples are added in any order, and come
 * out by family, each with its HELP and TYPE. A sample whose labels are there already is left out.
 *
 * Values of labels may be any bytes: they are cleaned (text_clean()) and escaped.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_EXPOSITION_H
#define SHMBUS_TOOLS_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct family {
    const char *name;
    const char *type; /* "counter", "gauge", "histogram" */
    const char *help; /* one line */
};

/* What tells a family's samples apart. A value: copies share the texts, which outlive them. */
#define LABELS_MAX 8
struct labels {
    struct label {
        const char *name;
        const char *text; /* NULL: `number` */
        uint32_t number;
    } of[LABELS_MAX];
    unsigned count;
};

/* The same and one more. */
struct labels labels_with(struct labels labels, const char *name, const char *text);
struct labels labels_with_number(struct labels labels, const char *name, uint32_t number);

struct exposition;

struct exposition *exposition_new(void);
void exposition_free(struct exposition *page);

/* Adds one sample of `family`, which outlives the page: a whole number, or nanoseconds as seconds. */
void exposition_number(struct exposition *page, const struct family *family, const struct labels *labels,
                       uint64_t number);
void exposition_seconds(struct exposition *page, const struct family *family, const struct labels *labels,
                        uint64_t nanoseconds);

/*
 * A histogram of times, bucket by bucket: `count` is how many there were below `bound_ns`, those of the buckets before
 * included. The last has the bound UINT64_MAX and is followed by the sum.
 */
void exposition_bucket(struct exposition *page, const struct family *family, const struct labels *labels,
                       uint64_t bound_ns, uint64_t count);
void exposition_sum(struct exposition *page, const struct family *family, const struct labels *labels,
                    uint64_t sum_ns, uint64_t count);

/* The page as text of `*size` bytes, to be freed by the caller. */
char *exposition_text(const struct exposition *page, size_t *size);

#endif
