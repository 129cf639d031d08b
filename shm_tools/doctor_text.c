/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "doctor.h"

struct person doctor_person(const struct attendant *attendant)
{
    struct person person;
    const struct process *process = &attendant->process;
    const shmbus_participant_info *info = &attendant->info;
    if (process->contained) {
        (void)snprintf(person.text, sizeof person.text,
                       "\"%s\" (pid %" PRIu32 " in \"%.*s\", here %" PRIu32 ")", info->name, info->pid,
                       SHMBUS_HOST_SIZE, info->host, process->pid);
    } else {
        (void)snprintf(person.text, sizeof person.text, "\"%s\" (pid %" PRIu32 ")", info->name, info->pid);
    }
    return person;
}

void doctor_command(struct finding *finding, const char *verb, const char *bus, const char *channel,
                    const char *group)
{
    char *words[] = {shell_word(bus), channel ? shell_word(channel) : NULL, group ? shell_word(group) : NULL};
    finding_set(&finding->command, "shmbus %s -b %s%s%s%s%s", verb, words[0], channel ? " -c " : "",
                channel ? words[1] : "", group ? " -g " : "", group ? words[2] : "");
    for (unsigned i = 0; i < 3; i++) {
        free(words[i]);
    }
}

void doctor_wake(struct finding *finding, const struct process *process)
{
    char command[600];
    process_wake_command(process, command, sizeof command);
    if (*command != '\0') {
        finding_set(&finding->command, "%s", command);
    }
    finding->pid = process->pid;
}
