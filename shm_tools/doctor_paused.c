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

static int owns_publisher(const struct channel_look *channel, uint32_t publisher, uint32_t participant)
{
    for (size_t i = 0; i < channel->publisher_count; i++) {
        if (channel->publishers[i].index == publisher) {
            return channel->publishers[i].participant == participant;
        }
    }
    return 0;
}

static const shmbus_group_info *group_of(const struct channel_look *channel, const shmbus_member_info *member)
{
    for (size_t i = 0; i < channel->group_count; i++) {
        if (channel->groups[i].index == member->group) {
            return &channel->groups[i];
        }
    }
    return NULL;
}

/* A shared group's others go on without it, but for what it holds. */
static void weigh_member(struct burden *burden, const struct channel_look *channel,
                         const shmbus_member_info *member)
{
    const shmbus_group_info *group = group_of(channel, member);
    if (group && member->held > 0) {
        append(burden, "it holds %" PRIu32 " messages of group \"%s\" on channel \"%s\"", member->held,
               group->name, channel->info.name);
    } else if (group && !group->shared && group->pending > 0 &&
               channel->info.options.overflow == SHMBUS_BLOCK) {
        append(burden, "%" PRIu64 " messages wait for it in group \"%s\" on channel \"%s\"", group->pending,
               group->name, channel->info.name);
    }
}

static void weigh_channel(struct burden *burden, const struct channel_look *channel, uint32_t participant)
{
    for (size_t i = 0; i < channel->member_count; i++) {
        if (channel->members[i].participant == participant) {
            weigh_member(burden, channel, &channel->members[i]);
        }
    }
    for (size_t i = 0; i < channel->group_count; i++) {
        const shmbus_group_info *group = &channel->groups[i];
        if (group->unfinished && owns_publisher(channel, group->waits_for, participant)) {
            append(burden, "its unfinished message %" PRIu64 " holds up group \"%s\" on channel \"%s\"",
                   group->position, group->name, channel->info.name);
        }
    }
    if (burden->heavy && channel->info.publishers_asleep) {
        append(burden, "publishers sleep for room on channel \"%s\"", channel->info.name);
    }
}

static void weigh(struct burden *burden, const struct bus_look *look, const struct attendant *attendant)
{
    for (size_t i = 0; i < look->channel_count; i++) {
        weigh_channel(burden, &look->channels[i], attendant->info.index);
    }
    if (look->info.changing && look->info.changer_pid == attendant->info.pid) {
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
    for (size_t i = 0; i < patient->now.attendance.count; i++) {
        if (process_is_paused(&patient->now.attendance.all[i].process)) {
            tell(patient, &patient->now.attendance.all[i], findings);
        }
    }
}
