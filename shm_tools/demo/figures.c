/* SPDX-License-Identifier: Apache-2.0 */
#include "figures.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#define CHART_WIDTH 32
#define EIGHTHS 8

static int blocks; /* the terminal shows U+2588 and its narrower kin */

const char *figure_count(uint64_t count, char text[FIGURE_TEXT])
{
    char digits[FIGURE_TEXT];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *out = text;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

/* Three significant digits of `value`, 1000 per unit. */
static const char *scaled(double value, const char *const *units, int count, char text[FIGURE_TEXT])
{
    int unit = 0;
    for (; value >= 999.5 && unit < count - 1; unit++)
        value /= 1000;
    int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    snprintf(text, FIGURE_TEXT, "%.*f %s", decimals, value, units[unit]);
    return text;
}

const char *figure_bytes(double bytes, char text[FIGURE_TEXT])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    return scaled(bytes, units, 5, text);
}

const char *figure_time(double ns, char text[FIGURE_TEXT])
{
    static const char *const units[] = {"ns", "us", "ms", "s"};
    return scaled(ns, units, 4, text);
}

void figures_choose_characters(void)
{
    setlocale(LC_CTYPE, "");
    blocks = !strcmp(nl_langinfo(CODESET), "UTF-8");
}

static void print_verified(const phase_plan *plan, enum demo_group group, const expected *want)
{
    const unsigned char *hash = want->ordered.bytes;
    if (group == GROUP_WORKERS)
        printf("each exactly once\n");
    else if (plan->check == CHECK_SUM)
        printf("in order, sum\n");
    else
        printf("in order, sha256 %02x%02x%02x%02x...\n", hash[0], hash[1], hash[2], hash[3]);
}

static void print_row(enum demo_group group, const group_result *result, int64_t first)
{
    char count[FIGURE_TEXT], rate[FIGURE_TEXT], bytes[FIGURE_TEXT], median[FIGURE_TEXT], tail[FIGURE_TEXT];
    const reader_result *sum = &result->sum;
    const double seconds = (double)(sum->last - first) / 1e9;
    printf("   %-8s %11s %13s %9s/s %9s %9s  ", demo_group_name(group), figure_count(sum->messages, count),
           figure_count((uint64_t)((double)sum->messages / seconds), rate),
           figure_bytes((double)sum->bytes / seconds, bytes),
           figure_time((double)histogram_percentile(&sum->latency, 0.5), median),
           figure_time((double)histogram_percentile(&sum->latency, 0.99), tail));
}

void figures_table(const phase_plan *plan, const expected *want, const group_result groups[DEMO_GROUPS],
                   int64_t first)
{
    char count[FIGURE_TEXT], bytes[FIGURE_TEXT];
    printf("\n%s: %s messages, %s\n   %s\n", plan->title, figure_count(want->messages, count),
           figure_bytes((double)want->bytes, bytes), plan->work_note);
    printf("   %-8s %11s %13s %11s %9s %9s  %s\n", "group", "messages", "messages/s", "bytes/s", "p50", "p99",
           "verified");
    for (int group = 0; group < DEMO_GROUPS; group++) {
        print_row((enum demo_group)group, &groups[group], first);
        print_verified(plan, (enum demo_group)group, want);
    }
}

void figures_shares(const control *shared)
{
    char count[FIGURE_TEXT];
    printf("   %-8s", "");
    for (int i = GROUP_WORKERS; i < DEMO_READERS; i++)
        printf("%s%s %s", i > GROUP_WORKERS ? ", " : " ", demo_reader_name(i),
               figure_count(shared->readers[i].result.messages, count));
    printf("\n");
}

/* A bar of `share` (0..1) of the chart's width. */
static void print_bar(double share)
{
    static const char *const parts[EIGHTHS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int eighths = (int)(share * CHART_WIDTH * EIGHTHS + 0.5);
    int whole = blocks ? eighths / EIGHTHS : (eighths + EIGHTHS / 2) / EIGHTHS;
    for (int i = 0; i < whole; i++)
        fputs(blocks ? "█" : "#", stdout);
    int part = blocks ? eighths % EIGHTHS : 0;
    fputs(parts[part], stdout);
    printf("%*s", CHART_WIDTH + 1 - whole - (part != 0), "");
}

void figures_chart(const phase_plan *plan, const histogram *latency)
{
    char text[FIGURE_TEXT];
    const uint64_t worth = latency->count / 1000 + 1; /* below 0.1% a row is not printed at either end */
    int from = 0, to = HISTOGRAM_OCTAVES - 1;
    uint64_t most = 1;
    while (from < to && histogram_octave_count(latency, from) < worth)
        from++;
    while (to > from && histogram_octave_count(latency, to) < worth)
        to--;
    for (int octave = from; octave <= to; octave++)
        if (histogram_octave_count(latency, octave) > most)
            most = histogram_octave_count(latency, octave);
    printf("   latency of all readers (%s; longest %s)\n", plan->latency_note,
           figure_time((double)latency->max, text));
    for (int octave = from; octave <= to; octave++) {
        const double count = (double)histogram_octave_count(latency, octave);
        printf("     up to %-8s ", figure_time((double)histogram_octave_from(octave + 1), text));
        print_bar(count / (double)most);
        printf("%5.1f%%\n", 100 * count / (double)latency->count);
    }
}
