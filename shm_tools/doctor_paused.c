/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"

/* What a stopped participant holds up, in words. */
struct burden {
    char text[800];
    int heavy; /* somebody waits, or will */
};

static void __attribute__((format(printf, 2, 3))) append(struct burden *burden, const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(burden->text);
    (void)snprintf(burden->text + used, sizeof burden->text - used, "%s", used > 0 ? "; " : "");
    used = strlen(burden->text);
    va_start(arguments, format);
    (void)vsnprintf(burden->text + used, sizeof burden->text - used, format, arguments);
    va_end(arguments);
    burden->heavy = 1;
}

/* A shared group's others go on without it, but for what it holds. */
static void weigh_member(struct burden *burden, const struct snapshot *snapshot,
                         const struct snapshot_channel *channel, const shmbus_member_info *member)
{
    const shmbus_group_info *group = snapshot_group_of(snapshot, channel, member->group);
    if (group && member->held > 0) {
        append(burden, "it holds %" PRIu32 " messages of group \"%s\" on channel \"%s\"", member->held,
               group->name, channel->info.name);
    } else if (group && !group->shared && group->pending > 0 &&
               channel->info.options.overflow == SHMBUS_BLOCK) {
        append(burden, "%" PRIu64 " messages wait for it in group \"%s\" on channel \"%s\"", group->pending,
               group->name, channel->info.name);
    }
}

static void weigh_channel(struct burden *burden, const struct snapshot *snapshot,
                          const struct snapshot_channel *channel, uint32_t participant)
{
    for (size_t i = 0; i < channel->members.count; i++) {
        const shmbus_member_info *member = &snapshot_member(snapshot, channel->members.first + i)->info;
        if (member->participant == participant) {
            weigh_member(burden, snapshot, channel, member);
        }
    }
    for (size_t i = 0; i < channel->groups.count; i++) {
        const shmbus_group_info *group = snapshot_group(snapshot, channel->groups.first + i);
        const shmbus_publisher_info *claimer =
            group->unfinished ? snapshot_publisher_of(snapshot, channel, group->waits_for) : NULL;
        if (claimer && claimer->participant == participant) {
            append(burden, "its unfinished message %" PRIu64 " holds up group \"%s\" on channel \"%s\"",
                   group->position, group->name, channel->info.name);
        }
    }
    if (burden->heavy && channel->info.publishers_asleep) {
        append(burden, "publishers sleep for room on channel \"%s\"", channel->info.name);
    }
}

static void weigh(struct burden *burden, const struct snapshot *snapshot, const struct attendant *attendant)
{
    for (size_t i = 0; i < snapshot->channels.count; i++) {
        weigh_channel(burden, snapshot, snapshot_channel(snapshot, i), attendant->info.index);
    }
    if (snapshot->bus.changing && snapshot->bus.changer_pid == attendant->info.pid &&
        snapshot->bus.changer_namespace == attendant->info.pid_namespace) {
        append(burden, "it holds the directory lock, without which nobody can open the bus, join or leave");
    }
}

static const char *how(const struct process *process)
{
    switch (process->state) {
    case PROCESS_FROZEN:
        return "frozen with its control group";
    case PROCESS_TRACED:
        return "stopped by a debugger";
    default:
        return "stopped by a signal";
    }
}

static void tell(const struct patient *patient, const struct attendant *attendant, struct findings *findings)
{
    struct burden burden = {0};
    weigh(&burden, &patient->now, attendant);
    struct finding *finding = finding_add(findings, burden.heavy ? SEVERITY_PROBLEM : SEVERITY_HINT,
                                          "paused-participant", patient->name);
    finding_set(&finding->what, "bus \"%s\": %s is %s%s", patient->name, doctor_person(attendant).text,
                how(&attendant->process), burden.heavy ? ", and holds others up" : "");
    finding_set(&finding->meaning, "It counts as alive: the others wait for it as long as it takes%s%s. %s",
                burden.heavy ? ": " : "", burden.text,
                attendant->process.state == PROCESS_TRACED ? "Let its debugger continue it, or end it."
                                                           : "Let it run again, or end it.");
    doctor_wake(finding, &attendant->process);
}

void doctor_paused(const struct patient *patient, struct findings *findings)
{
    for (size_t i = 0; i < patient->attendance.count; i++) {
        if (process_is_paused(&patient->attendance.all[i].process)) {
            tell(patient, &patient->attendance.all[i], findings);
        }
    }
}
