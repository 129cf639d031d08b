/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shmbus-demo: real input through one bus, from one publisher process to two broadcast groups and a work
 * queue of three processes, verified byte by byte, with the figures.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "channels.h"
#include "children.h"
#include "figures.h"
#include "sender.h"
#include "verify.h"

#define SECOND INT64_C(1000000000)
#define TIME_LIMIT (50 * SECOND)

#define LAPS 20          /* times the lines are sent in the first phase */
#define PACED_RATE 20000 /* messages per second of the second */
#define PACED_SECONDS 3
#define BLOBS_SIZE (UINT64_C(256) << 20)
#define BLOBS_FOLDER "/usr/lib"

#define QUICK_PACED_COUNT 2000
#define QUICK_BLOBS_SIZE (UINT64_C(32) << 20)

typedef struct demo {
    demo_options options;
    demo_input lines;
    demo_input blobs;
    phase_plan plans[DEMO_PHASES];
    expected wants[DEMO_PHASES];
    control *shared;
    children readers;
    sender sender;
} demo;

static const char usage[] =
    "Usage: shmbus-demo [--quick] [--lines FILE]\n"
    "Sends real files over a bus of its own to five reading processes, verifies that every byte\n"
    "arrived, and prints how fast it was. Takes less than a minute.\n"
    "\n"
    "      --quick        less input: a few seconds\n"
    "      --lines FILE   a text file of at least 50,000 lines [one that comes with Perl]\n"
    "  -h, --help         print this\n";

/* Returns -1 to go on, else the exit status. */
static int parse(int argc, char **argv, demo_options *options)
{
    static const struct option known[] = {
        {"quick", no_argument, NULL, 'q'},
        {"lines", required_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    options->program = argv[0];
    for (int c; (c = getopt_long(argc, argv, "h", known, NULL)) != -1;) {
        if (c == 'q')
            options->quick = 1;
        else if (c == 'l')
            options->lines_path = optarg;
        else
            return fputs(usage, c == 'h' ? stdout : stderr), c == 'h' ? 0 : 2;
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "shmbus-demo: what is \"%s\"?\n%s", argv[optind], usage);
    return 2;
}

static void plan_lines(demo *self)
{
    const int quick = self->options.quick;
    self->plans[PHASE_LINES] = (phase_plan){
        .title = "Lines, flat out",
        .work_note = "Readers copy each line; SHA-256 of all of them comes after the pass.",
        .latency_note = "the ring is kept full, so this is mostly queueing",
        .channel = CHANNEL_LINES,
        .check = CHECK_LATER,
        .input = &self->lines,
        .messages = self->lines.count * (quick ? 1 : LAPS),
    };
    self->plans[PHASE_PACED] = self->plans[PHASE_LINES];
    self->plans[PHASE_PACED].title = "Lines, paced";
    self->plans[PHASE_PACED].latency_note = "nothing queues: this is the bus, and waking who sleeps";
    self->plans[PHASE_PACED].messages = quick ? QUICK_PACED_COUNT : PACED_RATE * PACED_SECONDS;
    self->plans[PHASE_PACED].interval = SECOND / PACED_RATE;
}

static void plan_blobs(demo *self)
{
    self->plans[PHASE_READ] = (phase_plan){
        .title = "Messages of 1 MiB, read",
        .work_note = "Readers add up every byte where it lies, without a copy.",
        .latency_note = "the ring is kept full, so this is mostly queueing",
        .channel = CHANNEL_BLOBS,
        .check = CHECK_SUM,
        .input = &self->blobs,
        .messages = (self->options.quick ? QUICK_BLOBS_SIZE : BLOBS_SIZE) / DEMO_BLOB_SIZE,
    };
    self->plans[PHASE_HASH] = self->plans[PHASE_READ];
    self->plans[PHASE_HASH].title = "Messages of 1 MiB, hashed";
    self->plans[PHASE_HASH].work_note =
        "Readers compute SHA-256 where the bytes lie: these figures are mostly its.";
    self->plans[PHASE_HASH].check = CHECK_HASH;
}

static uint64_t most_messages(const demo *self)
{
    uint64_t most = 0;
    for (int i = 0; i < DEMO_PHASES; i++)
        if (self->plans[i].messages > most)
            most = self->plans[i].messages;
    return most;
}

/* The readers are forked before the bus is opened: a forked child has no attachment. */
static int start(demo *self)
{
    if (input_load_lines(&self->lines, self->options.lines_path))
        return -1;
    plan_lines(self);
    plan_blobs(self);
    self->shared = control_create(most_messages(self), shmbus_deadline(TIME_LIMIT));
    if (!self->shared) {
        fprintf(stderr, "shmbus-demo: no memory to share: %s\n", strerror(errno));
        return -1;
    }
    snprintf(self->shared->bus, sizeof self->shared->bus, "demo-%d", (int)getpid());
    children_catch_signals();
    return children_start(&self->readers, self->shared, self->plans);
}

/* Loads the large input, and computes what the readers must find. */
static int prepare(demo *self)
{
    const size_t size = self->plans[PHASE_READ].messages * DEMO_BLOB_SIZE;
    progress bar;
    progress_begin(&bar, "Reading the input", PHASE_HASH + 1);
    progress_at(&bar, 0, shmbus_now());
    int result = input_load_folder(&self->blobs, BLOBS_FOLDER, size, DEMO_BLOB_SIZE);
    for (int i = 0; i < PHASE_HASH && !result; i++) {
        progress_at(&bar, (uint64_t)i + 1, shmbus_now());
        result = children_check(&self->readers, bar.title) || expect(&self->plans[i], &self->wants[i]);
    }
    self->wants[PHASE_HASH] = self->wants[PHASE_READ]; /* the same messages again */
    progress_end(&bar);
    return result ? -1 : 0;
}

static void introduce(const demo *self)
{
    char size[FIGURE_TEXT], count[FIGURE_TEXT], files[FIGURE_TEXT], total[FIGURE_TEXT];
    printf("One publisher, two broadcast groups, one work queue of %d workers: %d processes, one bus.\n",
           DEMO_WORKERS, DEMO_READERS + 1);
    printf("   bus      /dev/shm/shmbus.%s\n", self->shared->bus);
    printf("   lines    %s: %s lines, %s\n", self->lines.path, figure_count(self->lines.count, count),
           figure_bytes((double)self->lines.size, size));
    printf("   blobs    %s files of %s: %s\n", figure_count(self->blobs.files, files), self->blobs.path,
           figure_bytes((double)self->blobs.size, total));
}

static int check_and_print(demo *self, int phase)
{
    static group_result groups[DEMO_GROUPS]; /* large for a stack */
    static histogram latency;
    int result = 0;
    memset(&latency, 0, sizeof latency);
    for (int group = 0; group < DEMO_GROUPS; group++) {
        group_sum(self->shared, (enum demo_group)group, &groups[group]);
        result |=
            verify_group(&self->plans[phase], &self->wants[phase], (enum demo_group)group, &groups[group]);
        histogram_join(&latency, &groups[group].sum.latency);
    }
    if (result)
        return -1;
    figures_table(&self->plans[phase], &self->wants[phase], groups, self->sender.first);
    figures_shares(self->shared);
    figures_chart(&self->plans[phase], &latency);
    fflush(stdout);
    return 0;
}

static int run_phase(demo *self, int phase)
{
    control_reset(self->shared, self->plans[phase].messages);
    children_go(&self->readers);
    if (sender_send(&self->sender, &self->plans[phase]))
        return -1;
    if (children_await(&self->readers, self->plans[phase].title))
        return -1;
    return check_and_print(self, phase);
}

static int run(demo *self)
{
    if (start(self) || prepare(self))
        return -1;
    if (children_await(&self->readers, "joining"))
        return -1;
    if (sender_open(&self->sender, &self->readers))
        return -1;
    introduce(self);
    for (int phase = 0; phase < DEMO_PHASES; phase++)
        if (run_phase(self, phase))
            return -1;
    return children_reap(&self->readers);
}

static void finish(demo *self)
{
    sender_close(&self->sender);
    if (self->shared) {
        children_kill(&self->readers);
        shmbus_remove(self->shared->bus);
        control_destroy(self->shared);
    }
    input_free(&self->lines);
    input_free(&self->blobs);
}

/* Where the `shmbus` command is: in a build one folder above this program's. */
static void find_command(const char *program, char *path, size_t size)
{
    const char *end = strrchr(program, '/');
    while (end && end > program && end[-1] != '/')
        end--;
    snprintf(path, size, "%.*sshmbus", end ? (int)(end - program) : 0, program);
    if (access(path, X_OK))
        snprintf(path, size, "shmbus");
}

static void suggest(const demo *self)
{
    char command[512];
    find_command(self->options.program, command, sizeof command);
    printf(
        "\nEverything arrived: both groups in order, byte for byte; the workers each message exactly once.\n");
    printf("\nTry next, in two terminals:\n");
    printf("   %s sub greetings\n", command);
    printf("   seq 1 1000 | %s pub greetings\n", command);
    printf("and while they run:\n");
    printf("   %s ls\n", command);
    printf("   %s stat\n", command);
}

int main(int argc, char **argv)
{
    static demo self;
    int status = parse(argc, argv, &self.options);
    if (status >= 0)
        return status;
    figures_choose_characters();
    status = run(&self) ? 1 : 0;
    finish(&self);
    if (!status)
        suggest(&self);
    return children_signal() ? 128 + children_signal() : status;
}
