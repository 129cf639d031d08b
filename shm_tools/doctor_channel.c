/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "numbers.h"

#define NAMED_MOST 3    /* of those who wait */
#define DURABLE_FILL 50 /* % of a ring at which a group that nobody reads is told */

/* One channel, as it was at both looks; `before` is NULL if it was not there. */
struct case_notes {
    const struct patient *patient;
    const struct snapshot_channel *now;
    const struct snapshot_channel *before;
    struct findings *findings;
};

static const char *bus_of(const struct case_notes *notes)
{
    return notes->patient->name;
}

static struct finding *add(const struct case_notes *notes, enum severity severity, const char *kind,
                           const char *group)
{
    struct finding *finding = finding_add(notes->findings, severity, kind, bus_of(notes));
    finding_set(&finding->channel, "%s", notes->now->info.name);
    if (group) {
        finding_set(&finding->group, "%s", group);
    }
    return finding;
}

static const shmbus_group_info *earlier(const struct case_notes *notes, const shmbus_group_info *group)
{
    return snapshot_group_before(&notes->patient->before, notes->before, group);
}

/* Number `i` of the channel's. */
static const shmbus_member_info *member_of(const struct case_notes *notes, size_t i)
{
    return &snapshot_member(&notes->patient->now, notes->now->members.first + i)->info;
}

static const shmbus_group_info *group_of(const struct case_notes *notes, size_t i)
{
    return snapshot_group(&notes->patient->now, notes->now->groups.first + i);
}

static int stands_still(const struct case_notes *notes, const shmbus_group_info *group)
{
    const shmbus_group_info *before = earlier(notes, group);
    return before && before->position == group->position && before->pending > 0 && group->pending > 0;
}

static int is_full(const struct snapshot_channel *channel)
{
    return channel->info.options.overflow == SHMBUS_BLOCK &&
           (channel->info.publishers_asleep || channel->info.pending >= channel->info.options.slots);
}

static int is_abandoned(const shmbus_group_info *group)
{
    return group->durable && group->members == 0;
}

/* -------------------------------------------------------------------------------- names of people */

static void append_person(char *text, size_t size, const struct attendant *attendant)
{
    const size_t used = strlen(text);
    (void)snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", doctor_person(attendant).text);
}

/* The group's living members, in words; `paused` becomes one that is stopped. How many there are. */
static unsigned name_members(const struct case_notes *notes, const shmbus_group_info *group, char *text,
                             size_t size, const struct attendant **paused)
{
    unsigned count = 0;
    *text = '\0';
    for (size_t i = 0; i < notes->now->members.count; i++) {
        const shmbus_member_info *member = member_of(notes, i);
        const struct attendant *owner = attendance_find(&notes->patient->attendance, member->participant);
        if (member->group != group->index || !member->alive || !owner) {
            continue;
        }
        if (count++ < NAMED_MOST) {
            append_person(text, size, owner);
        }
        *paused = process_is_paused(&owner->process) ? owner : *paused;
    }
    if (count == 0 || count > NAMED_MOST) {
        const size_t used = strlen(text);
        (void)snprintf(text + used, size - used, count == 0 ? "nobody" : " and %u more", count - NAMED_MOST);
    }
    return count;
}

static void name_publishers(const struct case_notes *notes, char *text, size_t size)
{
    unsigned count = 0;
    *text = '\0';
    for (size_t i = 0; i < notes->now->publishers.count; i++) {
        const shmbus_publisher_info *publisher =
            snapshot_publisher(&notes->patient->now, notes->now->publishers.first + i);
        const struct attendant *owner = attendance_find(&notes->patient->attendance, publisher->participant);
        if (publisher->alive && owner && count++ < NAMED_MOST) {
            append_person(text, size, owner);
        }
    }
    if (count == 0 || count > NAMED_MOST) {
        const size_t used = strlen(text);
        (void)snprintf(text + used, size - used, count == 0 ? "no publisher at the moment" : " and %u more",
                       count - NAMED_MOST);
    }
}

/* ---------------------------------------------------------------------------------------- blocked */

static const shmbus_group_info *slowest(const struct case_notes *notes)
{
    const shmbus_group_info *found = NULL;
    for (size_t i = 0; i < notes->now->groups.count; i++) {
        const shmbus_group_info *group = group_of(notes, i);
        if (group->pending > 0 && (!found || group->pending > found->pending)) {
            found = group;
        }
    }
    return found;
}

/* " Its oldest message has waited for 2.0 s.", if that is known: `text` has room for it. */
static void say_age(const struct case_notes *notes, const shmbus_group_info *group, char text[64])
{
    char time[NUMBER_TEXT];
    const int64_t age = shmbus_now() - group->oldest_ns;
    *text = '\0';
    if (group->oldest_ns != 0 && age > 0 && !notes->patient->now.bus.copy) {
        (void)snprintf(text, 64, " Its oldest message has waited for %s.",
                       number_format_time((uint64_t)age, time));
    }
}

static void blocked(const struct case_notes *notes)
{
    char age[64];
    char readers[600];
    char writers[600];
    const struct attendant *paused = NULL;
    const shmbus_group_info *group = is_full(notes->now) ? slowest(notes) : NULL;
    if (!group || is_abandoned(group)) {
        return;
    }
    const int stuck = stands_still(notes, group);
    const unsigned living = name_members(notes, group, readers, sizeof readers, &paused);
    name_publishers(notes, writers, sizeof writers);
    say_age(notes, group, age);
    struct finding *finding =
        add(notes, stuck ? SEVERITY_PROBLEM : SEVERITY_HINT, "blocked-channel", group->name);
    finding_set(&finding->what,
                "bus \"%s\", channel \"%s\" is full: group \"%s\" %s, %" PRIu64 " of %" PRIu32
                " messages behind",
                bus_of(notes), notes->now->info.name, group->name,
                stuck ? "does not get on" : "is the slowest", group->pending, notes->now->info.options.slots);
    finding_set(&finding->meaning, "Its publishers wait for it: %s. Its members: %s.%s%s", writers, readers,
                age,
                stuck ? ""
                      : " It reads, slower than they write: more members of a shared group, or a "
                        "larger ring, would help.");
    if (living == 0) {
        doctor_command(finding, "doctor --fix", bus_of(notes), NULL, NULL);
        finding->repair = REPAIR_RECOVER;
    } else if (paused) {
        doctor_wake(finding, &paused->process);
    } else if (stuck) {
        doctor_command(finding, "stat", bus_of(notes), notes->now->info.name, NULL);
    }
}

/* A durable group that nobody reads keeps everything, and stops whoever publishes in the end. */
static void abandoned(const struct case_notes *notes, const shmbus_group_info *group)
{
    const shmbus_channel_info *channel = &notes->now->info;
    const int full = is_full(notes->now) && group == slowest(notes);
    const uint64_t fill = group->pending * 100 / (channel->options.slots ? channel->options.slots : 1);
    if (!is_abandoned(group) || channel->options.overflow != SHMBUS_BLOCK || (!full && fill < DURABLE_FILL)) {
        return;
    }
    struct finding *finding =
        add(notes, full ? SEVERITY_PROBLEM : SEVERITY_WARNING, "abandoned-group", group->name);
    finding_set(&finding->what,
                "bus \"%s\", channel \"%s\": nobody reads the durable group \"%s\", %" PRIu64 " of %" PRIu32
                " messages behind",
                bus_of(notes), channel->name, group->name, group->pending, channel->options.slots);
    finding_set(
        &finding->meaning,
        "%s Start a reader of it, or remove the group with what it has not read if it is not wanted any more.",
        full ? "It stops the channel's publishers." : "It will stop the channel's publishers.");
    doctor_command(finding, "rm", bus_of(notes), channel->name, group->name);
    finding->repair = REPAIR_REMOVE_GROUP;
    finding->precious = 1;
}

/* ----------------------------------------------------------------------------------------- claims */

static const struct attendant *claimer(const struct case_notes *notes, const shmbus_group_info *group)
{
    const shmbus_publisher_info *publisher =
        snapshot_publisher_of(&notes->patient->now, notes->now, group->waits_for);
    return publisher ? attendance_find(&notes->patient->attendance, publisher->participant) : NULL;
}

/* Those of paused publishers are told by doctor_paused(). */
static void unfinished(const struct case_notes *notes, const shmbus_group_info *group)
{
    const struct attendant *owner = claimer(notes, group);
    const shmbus_group_info *before = earlier(notes, group);
    if (!group->unfinished || !before || !before->unfinished || before->position != group->position ||
        (owner && process_is_paused(&owner->process))) {
        return;
    }
    struct finding *finding = add(notes, SEVERITY_WARNING, "unfinished-claim", group->name);
    finding_set(&finding->what,
                "bus \"%s\", channel \"%s\": group \"%s\" waits for message %" PRIu64
                ", which was claimed and not committed",
                bus_of(notes), notes->now->info.name, group->name, group->position);
    if (owner) {
        finding_set(&finding->meaning, "%s has it open. What was published behind it is not read before.",
                    doctor_person(owner).text);
        finding->pid = owner->process.pid;
    } else {
        finding_set(&finding->meaning,
                    "Whoever claimed it is dead: a reader that waits takes it back by itself.");
        doctor_command(finding, "doctor --fix", bus_of(notes), NULL, NULL);
        finding->repair = REPAIR_RECOVER;
    }
}

/* ----------------------------------------------------------------------------------------- counts */

static void missed(const struct case_notes *notes, const shmbus_group_info *group)
{
    const shmbus_group_info *before = earlier(notes, group);
    const int rising = before && group->missed > before->missed;
    const uint64_t seen = group->messages + group->missed;
    if (group->missed == 0) {
        return;
    }
    struct finding *finding = add(notes, rising ? SEVERITY_WARNING : SEVERITY_HINT, "missed", group->name);
    finding_set(&finding->what,
                "bus \"%s\", channel \"%s\": group \"%s\" has missed %" PRIu64 " of %" PRIu64
                " messages (%.1f %%)%s",
                bus_of(notes), notes->now->info.name, group->name, group->missed, seen,
                100.0 * (double)group->missed / (double)seen, rising ? ", and goes on missing some" : "");
    finding_set(&finding->meaning,
                "It read too slowly, and the channel overwrites: more slots, a larger arena, a "
                "faster reader, or a channel that blocks.");
}

static int holds_nothing(const struct case_notes *notes, const shmbus_group_info *group)
{
    for (size_t i = 0; i < notes->now->members.count; i++) {
        if (member_of(notes, i)->group == group->index && member_of(notes, i)->held > 0) {
            return 0;
        }
    }
    return 1;
}

/* Figures of a bus that is in use, or of a copy made then, are of several moments. */
static int is_quiet(const struct case_notes *notes, const shmbus_group_info *group)
{
    const shmbus_group_info *before = earlier(notes, group);
    return before && !notes->patient->now.bus.copy && notes->patient->now.bus.dead == 0 &&
           notes->before->info.published == notes->now->info.published &&
           before->position == group->position && before->messages == group->messages &&
           before->aborted == group->aborted && before->missed == group->missed &&
           holds_nothing(notes, group) && group->interrupted == 0 && group->redelivered == 0;
}

static void ledger(const struct case_notes *notes, const shmbus_group_info *group)
{
    const uint64_t published = notes->now->info.published - group->joined;
    const uint64_t accounted = group->messages + group->aborted + group->missed + group->pending;
    if (!is_quiet(notes, group) || published == accounted) {
        return;
    }
    struct finding *finding = add(notes, SEVERITY_PROBLEM, "ledger", group->name);
    finding_set(&finding->what,
                "bus \"%s\", channel \"%s\": the figures of group \"%s\" do not add up: %" PRIu64
                " published since it joined, but messages %" PRIu64 " + aborted %" PRIu64 " + missed %" PRIu64
                " + lag %" PRIu64 " = %" PRIu64,
                bus_of(notes), notes->now->info.name, group->name, published, group->messages, group->aborted,
                group->missed, group->pending, accounted);
    finding_set(&finding->meaning,
                "On a quiet bus they do. Somebody wrote into the segment, or the library has a bug: "
                "keep a copy of the file, and report it.");
    char *word = shell_word(bus_of(notes));
    finding_set(&finding->command, "cp /dev/shm/shmbus.%s .", word);
    free(word);
}

void doctor_channel(const struct patient *patient, const struct snapshot_channel *channel,
                    struct findings *findings)
{
    const struct case_notes notes = {
        .patient = patient,
        .now = channel,
        .before = snapshot_channel_before(&patient->before, &channel->info),
        .findings = findings,
    };
    blocked(&notes);
    for (size_t i = 0; i < channel->groups.count; i++) {
        const shmbus_group_info *group = group_of(&notes, i);
        abandoned(&notes, group);
        unfinished(&notes, group);
        missed(&notes, group);
        ledger(&notes, group);
    }
}
