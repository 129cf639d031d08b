/* SPDX-License-Identifier: Apache-2.0 */
#include "following.h"

#include <inttypes.h>

#include "report.h"
#include "signals.h"

#define IN_WANTED(field) offsetof(struct wanted, field)
#define IN_FOLLOWING(field) offsetof(struct following_options, field)
#define REPORT_INTERVAL INT64_C(1000000000)

const struct option_spec wanted_specs[] = {
    {"min-size", 0, OPTION_U64, IN_WANTED(min_size), 0, "SIZE", "those of at least SIZE bytes"},
    {"max-size", 0, OPTION_U64, IN_WANTED(max_size), 0, "SIZE", "those of at most SIZE bytes"},
    {"publisher", 'p', OPTION_U32, IN_WANTED(publisher), 0, "N", "those of publisher N of the channel"},
    {"type", 0, OPTION_U64, IN_WANTED(type), 1, "NUMBER", "those of channels with this tag"},
    {"aborted", 'a', OPTION_FLAG, IN_WANTED(aborted), 0, NULL, "those too that their publisher gave up"},
    {0},
};

const struct option_spec following_specs[] = {
    {"from", 0, OPTION_CHOICE, IN_FOLLOWING(from), 0, "now|oldest", "where to start (now)"},
    {"count", 'n', OPTION_U64, IN_FOLLOWING(count), 1, "N", "end after N messages"},
    {"timeout", 't', OPTION_SECONDS, IN_FOLLOWING(timeout), 0, "SECONDS",
     "end when nothing came for so long"},
    {"duration", 'd', OPTION_SECONDS, IN_FOLLOWING(duration), 0, "SECONDS", "end after so long"},
    {"wait", 'w', OPTION_FLAG, IN_FOLLOWING(wait), 0, NULL,
     "wait for channels that are not there, or are removed, instead of ending"},
    {"snap", 's', OPTION_U64, IN_FOLLOWING(snap), 0, "SIZE", "take at most SIZE bytes of each message"},
    {"verbose", 'v', OPTION_FLAG, IN_FOLLOWING(verbose), 0, NULL,
     "say when a channel is found, and every second, not just at the end, how many messages came"},
    {0},
};

int is_wanted(const struct wanted *wanted, const struct message *message)
{
    if (message->aborted) {
        return wanted->aborted;
    }
    return message->original >= wanted->min_size && message->original <= wanted->max_size &&
           (wanted->publisher == UINT32_MAX || wanted->publisher == message->publisher) &&
           (wanted->type == 0 || wanted->type == message->channel->shape.type);
}

struct following {
    const struct following_options *options;
    const struct wanted *wanted;
    const struct follower *follower;
    struct tapping tapping;
    uint64_t shown;
    uint64_t filtered; /* seen, and not wanted */
    int64_t started;
    int64_t idle;     /* since when nothing came; 0: something just came */
    int64_t reported; /* when it was said last how many */
};

static void say_counts(const struct following *following)
{
    uint64_t seen = 0;
    uint64_t missed = 0;
    uint64_t aborted = 0;
    for (unsigned i = 0; i < following->tapping.count; i++) {
        seen += following->tapping.channels[i].seen;
        missed += following->tapping.channels[i].missed;
        aborted += following->tapping.channels[i].aborted;
    }
    note("seen %" PRIu64 ", missed %" PRIu64 ", aborted %" PRIu64 ", filtered %" PRIu64, seen, missed,
         aborted, following->filtered);
}

static int handle_message(struct following *following, struct message *message)
{
    uint64_t *untold = &following->tapping.channels[message->channel->number].untold;
    following->idle = 0;
    message->missed += *untold;
    *untold = 0;
    if (!is_wanted(following->wanted, message)) {
        following->filtered += !message->aborted;
        *untold = message->missed; /* the next that is wanted tells it */
        return EXIT_OK;
    }
    const int result = following->follower->message(following->follower->context, message);
    if (result != EXIT_OK) {
        return result;
    }
    following->shown++;
    return following->shown == following->options->count ? FOLLOWING_END : EXIT_OK;
}

/* Over before --count messages came: for whom they were not enough it is a failure. */
static int end_early(const struct following *following, const char *why)
{
    if (following->options->count == 0) {
        return FOLLOWING_END;
    }
    return fail("%" PRIu64 " of %" PRIu64 " messages came; then %s", following->shown,
                following->options->count, why);
}

/* Earliest of the times at which something is due. */
static int64_t next_deadline(const struct following *following, int64_t now)
{
    const struct following_options *options = following->options;
    int64_t deadline = now + WAIT_STEP;
    if (options->timeout >= 0 && following->idle + options->timeout < deadline) {
        deadline = following->idle + options->timeout;
    }
    if (options->duration >= 0 && following->started + options->duration < deadline) {
        deadline = following->started + options->duration;
    }
    return deadline;
}

static int handle_nothing(struct following *following)
{
    const int64_t timeout = following->options->timeout;
    const int result = following->follower->idle(following->follower->context);
    if (result != EXIT_OK) {
        return result;
    }
    if (tapping_is_over(&following->tapping)) {
        return end_early(following,
                         following->tapping.bus.copy ? "the file ended" : "the channel was removed");
    }
    const int64_t now = shmbus_now();
    following->idle = following->idle ? following->idle : now;
    if (timeout >= 0 && now - following->idle >= timeout) {
        return end_early(following, "nothing more before the timeout");
    }
    return tapping_nap(&following->tapping, next_deadline(following, now));
}

static int look_at_clock(struct following *following)
{
    const int64_t now = shmbus_now();
    const int64_t duration = following->options->duration;
    if (following->options->verbose && now - following->reported >= REPORT_INTERVAL) {
        following->reported = now;
        say_counts(following);
    }
    return duration >= 0 && now - following->started >= duration
               ? end_early(following, "the duration was over")
               : EXIT_OK;
}

static int handle(struct following *following, enum tapping_event event, struct message *message,
                  const struct tapping_channel *channel)
{
    const struct follower *follower = following->follower;
    switch (event) {
    case TAPPING_FOUND:
        if (following->options->verbose) {
            note("follows channel \"%s\" from message %" PRIu64 " on", channel->wanted, channel->about.first);
        }
        return follower->found ? follower->found(follower->context, channel) : EXIT_OK;
    case TAPPING_MESSAGE:
        return handle_message(following, message);
    default:
        return handle_nothing(following);
    }
}

static int follow_all(struct following *following)
{
    int result = EXIT_OK;
    for (unsigned step = 0; result == EXIT_OK && !signals_stop(); step++) {
        const struct tapping_channel *channel = NULL;
        struct message message;
        enum tapping_event event = TAPPING_NOTHING;
        result = tapping_next(&following->tapping, &event, &message, &channel);
        if (result == EXIT_OK) {
            result = handle(following, event, &message, channel);
        }
        /* Not for each message: it is the time of a clock more. */
        if (result == EXIT_OK && (event == TAPPING_NOTHING || step % 64 == 0)) {
            result = look_at_clock(following);
        }
    }
    return result == FOLLOWING_END ? EXIT_OK : result;
}

int follow(const struct looking *looking, const char *const *names, unsigned count,
           const struct following_options *options, const struct wanted *wanted,
           const struct follower *follower)
{
    const struct tapping_options tapping_options = {

        .from_oldest = options->from == 1 || looking->file, /* nothing comes to a copy */
        .wait = options->wait,
        .snap = options->snap};
    struct following following = {
        .options = options, .wanted = wanted, .follower = follower, .started = shmbus_now()};
    following.reported = following.started;
    int result = tapping_begin(&following.tapping, looking, names, count, &tapping_options);
    if (result == EXIT_OK) {
        result = follow_all(&following);
        say_counts(&following);
    }
    tapping_end(&following.tapping);
    return result;
}
