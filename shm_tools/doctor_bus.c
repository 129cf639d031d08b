/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor.h"
#include "listing.h"
#include "numbers.h"

#define LEAK_WORTH_TELLING (UINT64_C(1) << 20)

static void unreadable(const struct patient *patient, struct findings *findings)
{
    const int error = patient->error;
    const enum severity severity = error == -EACCES ? SEVERITY_HINT : SEVERITY_PROBLEM;
    const char *kind = error == -EPROTO ? "layout" : error == -EACCES ? "closed" : "damaged";
    struct finding *finding = finding_add(findings, severity, kind, patient->name);
    finding_set(&finding->what, "bus \"%s\" cannot be looked at: %s", patient->name, patient->problem);
    switch (error) {
    case -EPROTO:
        finding_set(
            &finding->meaning,
            "It was made by a library of another version; all its processes need the same. Stop them, "
            "remove it, and start them with the new one, or use the old one's shmbus command.");
        doctor_command(finding, "rm", patient->name, NULL, NULL);
        return;
    case -EACCES:
        finding_set(&finding->meaning,
                    "Only its owner, and whom he allowed, may use it: see ls -l /dev/shm.");
        return;
    default:
        finding_set(&finding->meaning,
                    "Its bytes were overwritten or cut off, or it is no bus at all. Look for who "
                    "writes into it before it is made anew.");
        doctor_command(finding, "rm", patient->name, NULL, NULL);
    }
}

/* What would be lost with the bus. */
static uint64_t durable_messages(const struct snapshot *snapshot)
{
    uint64_t messages = 0;
    for (size_t i = 0; i < snapshot->groups.count; i++) {
        const shmbus_group_info *group = snapshot_group(snapshot, i);
        messages += group->durable ? group->pending : 0;
    }
    return messages;
}

static void stale(const struct patient *patient, struct findings *findings)
{
    char size[NUMBER_TEXT];
    const uint64_t kept = durable_messages(&patient->now);
    if (!listing_is_stale(&patient->now.bus) || !listing_is_stale(&patient->before.bus)) {
        return;
    }
    struct finding *finding = finding_add(findings, SEVERITY_WARNING, "stale-bus", patient->name);
    finding_set(&finding->what, "bus \"%s\" is stale: nobody is attached to it", patient->name);
    (void)number_format_size(patient->now.bus.resident, size);
    if (kept > 0) {
        finding_set(
            &finding->meaning,
            "It takes %s of memory until it is removed, or the next reboot. Durable groups have %" PRIu64
            " messages in it that they have not read: those would be lost.",
            size, kept);
    } else {
        finding_set(&finding->meaning, "It takes %s of memory until it is removed, or the next reboot.",
                    size);
    }
    doctor_command(finding, kept > 0 ? "gc --durable" : "gc", patient->name, NULL, NULL);
    finding->repair = REPAIR_REMOVE_BUS;
    finding->precious = kept > 0;
}

/* On a stale bus they need no word of their own. */
static void dead(const struct patient *patient, struct findings *findings)
{
    if (listing_is_stale(&patient->now.bus)) {
        return;
    }
    for (size_t i = 0; i < patient->attendance.count; i++) {
        const struct attendant *attendant = &patient->attendance.all[i];
        if (attendant->process.state != PROCESS_DEAD) {
            continue;
        }
        struct finding *finding = finding_add(findings, SEVERITY_WARNING, "dead-participant", patient->name);
        finding_set(&finding->what, "bus \"%s\": %s died and has not been cleaned up behind", patient->name,
                    doctor_person(attendant).text);
        finding_set(
            &finding->meaning,
            "What it held, and messages it left unfinished, are taken back by whoever waits for them, or "
            "joins; until then they keep their places, and the tables are fuller than they need be.");
        doctor_command(finding, "doctor --fix", patient->name, NULL, NULL);
        finding->repair = REPAIR_RECOVER;
    }
}

static void full_tables(const struct patient *patient, struct findings *findings)
{
    const shmbus_bus_info *info = &patient->now.bus;
    const uint32_t used = info->participants + info->dead;
    if (used == info->participants_max && info->dead == 0) {
        struct finding *finding = finding_add(findings, SEVERITY_PROBLEM, "participants-full", patient->name);
        finding_set(&finding->what, "bus \"%s\": all %" PRIu32 " places for participants are taken",
                    patient->name, info->participants_max);
        finding_set(&finding->meaning,
                    "Nobody else can attach (-EUSERS) before one leaves. The number is fixed when a "
                    "bus is created: shmbus create --participants N.");
    }
    if (info->channels == info->channels_max) {
        struct finding *finding = finding_add(findings, SEVERITY_HINT, "channels-full", patient->name);
        finding_set(&finding->what, "bus \"%s\": all %" PRIu32 " places for channels are taken",
                    patient->name, info->channels_max);
        finding_set(&finding->meaning,
                    "No channel can be added (-EUSERS) before one is removed. The number is fixed "
                    "when a bus is created: shmbus create --channels N.");
    }
}

/* Whoever waits longer than two looks waits for somebody who is stopped, or allocates a very large channel. */
static void locked(const struct patient *patient, struct findings *findings)
{
    const shmbus_bus_info *info = &patient->now.bus;
    if (!info->changing || !patient->before.bus.changing ||
        info->changer_pid != patient->before.bus.changer_pid ||
        info->changer_namespace != patient->before.bus.changer_namespace) {
        return;
    }
    struct finding *finding = finding_add(findings, SEVERITY_PROBLEM, "directory-locked", patient->name);
    finding_set(&finding->what, "bus \"%s\": its directory has been locked for longer than two looks",
                patient->name);
    finding_set(
        &finding->meaning,
        "Nobody can open the bus, join or leave meanwhile. Last to take the lock was pid %" PRIu32
        ", as its own PID namespace numbers it: it is stopped (kill -CONT), or creates a large channel.",
        info->changer_pid);
    if (patient->changer.pid != 0) {
        finding_set(&finding->command, "ps -o pid,stat,comm -p %" PRIu32, patient->changer.pid);
        finding->pid = patient->changer.pid;
    }
}

static void leaked(const struct patient *patient, struct findings *findings)
{
    char size[NUMBER_TEXT];
    const shmbus_bus_info *info = &patient->now.bus;
    (void)number_format_size(info->leaked, size);
    if (info->removed > 0) {
        struct finding *finding = finding_add(findings, SEVERITY_HINT, "removed-channels", patient->name);
        finding_set(&finding->what, "bus \"%s\": the memory of %" PRIu32 " removed channels is still held",
                    patient->name, info->removed);
        finding_set(&finding->meaning,
                    "It is given back when the last process that uses them closes its handles.");
    }
    if (info->leaked >= LEAK_WORTH_TELLING) {
        struct finding *finding = finding_add(findings, SEVERITY_WARNING, "leaked-memory", patient->name);
        finding_set(&finding->what, "bus \"%s\": %s of memory belong to no channel", patient->name, size);
        finding_set(&finding->meaning,
                    "Somebody died while it created or removed a channel, or the last user of a "
                    "removed one did. Creating any channel gives it back, removing the bus too.");
    }
}

static void permissions(const struct patient *patient, struct findings *findings)
{
    const shmbus_bus_info *info = &patient->now.bus;
    if (info->mode & 0002) {
        struct finding *finding = finding_add(findings, SEVERITY_WARNING, "world-writable", patient->name);
        char *word = shell_word(patient->name);
        finding_set(&finding->what, "bus \"%s\" is writable by everybody (mode %04" PRIo32 ")", patient->name,
                    info->mode);
        finding_set(&finding->meaning,
                    "Any user of this host can damage every message on it, and can take its memory "
                    "away. A group is enough mostly: shmbus create --mode 660 --group GROUP.");
        finding_set(&finding->command, "chmod o-w /dev/shm/shmbus.%s", word);
        free(word);
    }
    if (info->uid != geteuid()) {
        const struct passwd *owner = getpwuid(info->uid);
        struct finding *finding = finding_add(findings, SEVERITY_HINT, "other-user", patient->name);
        finding_set(&finding->what, "bus \"%s\" belongs to user %" PRIu32 " (%s), and this is user %u",
                    patient->name, info->uid, owner ? owner->pw_name : "without a name", geteuid());
        finding_set(&finding->meaning,
                    "Who attaches has to say --any-owner (any_owner), and should trust that user: "
                    "whose the file is may put anything into it.");
    }
}

/* How its messages are sent and waited for. */
static void slow_ways(const struct patient *patient, struct findings *findings)
{
    for (size_t i = 0; i < patient->attendance.count; i++) {
        const struct attendant *attendant = &patient->attendance.all[i];
        const int timed = attendant->info.timed;
        if (!attendant->info.alive || (attendant->info.registered && !timed)) {
            continue;
        }
        struct finding *finding =
            finding_add(findings, SEVERITY_HINT, timed ? "timed" : "fenced", patient->name);
        finding_set(&finding->what, "bus \"%s\": %s %s", patient->name, doctor_person(attendant).text,
                    timed ? "cannot call membarrier" : "pays for a fence with each message");
        finding_set(
            &finding->meaning,
            timed ? "It wakes up every millisecond while it waits, and its messages cost a fence each: its "
                    "seccomp profile, or its kernel, forbids membarrier."
                  : "It asked for that (fenced = 1), or its membarrier was refused.");
        finding->pid = attendant->process.pid;
    }
}

void doctor_bus(const struct patient *patient, struct findings *findings)
{
    if (patient->error == -ENOENT) {
        return; /* it was removed while we looked */
    }
    if (patient->error != 0) {
        unreadable(patient, findings);
        return;
    }
    stale(patient, findings);
    dead(patient, findings);
    full_tables(patient, findings);
    locked(patient, findings);
    leaked(patient, findings);
    permissions(patient, findings);
    slow_ways(patient, findings);
    doctor_logind(patient, findings);
    doctor_paused(patient, findings);
    for (size_t i = 0; i < patient->now.channels.count; i++) {
        doctor_channel(patient, snapshot_channel(&patient->now, i), findings);
    }
}
