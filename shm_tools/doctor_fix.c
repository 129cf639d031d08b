/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <shmbus/shmbus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "report.h"
#include "table.h"

static const shmbus_bus_options attach_options = {.open = SHMBUS_OPEN_EXISTING,
                                                  .participant_name = "shmbus doctor"};

static int recover(const struct finding *finding)
{
    shmbus_bus *bus = NULL;
    int result = shmbus_open(finding->bus, &attach_options, &bus);
    if (result == 0) {
        result = shmbus_recover(bus);
        (void)shmbus_close(bus);
    }
    return result < 0 ? result : 0;
}

static int remove_group(const struct finding *finding)
{
    shmbus_bus *bus = NULL;
    int result = shmbus_open(finding->bus, &attach_options, &bus);
    if (result == 0) {
        result = shmbus_group_remove(bus, finding->channel, finding->group);
        (void)shmbus_close(bus);
    }
    return result;
}

static int mend(const struct finding *finding)
{
    switch (finding->repair) {
    case REPAIR_RECOVER:
        return recover(finding);
    case REPAIR_REMOVE_BUS:
        return shmbus_remove_unused(finding->bus);
    case REPAIR_REMOVE_GROUP:
        return remove_group(finding);
    case REPAIR_NONE:
        break;
    }
    return 0;
}

static const char *action(enum repair repair)
{
    switch (repair) {
    case REPAIR_RECOVER:
        return "attach to it and clean up";
    case REPAIR_REMOVE_BUS:
        return "remove the bus";
    default:
        return "remove the group with what it has not read";
    }
}

/* Asks on standard error; no answer is no. */
static int agreed(const struct finding *finding)
{
    char answer[16] = "";
    char *clean = need_memory(3 * strlen(finding->what) + 1);
    text_clean(finding->what, clean);
    fprintf(stderr, "%s\n  %s? [y/N] ", clean, action(finding->repair));
    free(clean);
    const int read = fgets(answer, sizeof answer, stdin) != NULL;
    if (!read) {
        fputc('\n', stderr);
    }
    return read && (answer[0] == 'y' || answer[0] == 'Y');
}

/* What was done for one finding has settled others: a bus that is gone, and the dead, who are cleaned up together. */
static int settles(const struct finding *earlier, const struct finding *finding)
{
    if (!earlier->outcome || strcmp(earlier->bus, finding->bus) != 0) {
        return 0;
    }
    return (earlier->repair == REPAIR_REMOVE_BUS && finding_is_mended(earlier)) ||
           (earlier->repair == REPAIR_RECOVER && finding->repair == REPAIR_RECOVER);
}

static int is_settled(struct findings *findings, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (findings->all[i].repair != REPAIR_NONE && settles(&findings->all[i], &findings->all[index])) {
            findings->all[index].outcome = findings->all[i].outcome;
            return 1;
        }
    }
    return 0;
}

/* What is not there any more is no trouble any more. */
static void treat(struct finding *finding)
{
    const int result = mend(finding);
    finding->outcome = result == 0 || result == -ENOENT ? "mended" : "failed";
    if (!finding_is_mended(finding)) {
        (void)fail_call(result, "cannot mend: %s", finding->kind);
    }
}

void doctor_fix(struct findings *findings, int yes)
{
    for (size_t i = 0; i < findings->count; i++) {
        struct finding *finding = &findings->all[i];
        if (finding->repair == REPAIR_NONE || is_settled(findings, i)) {
            continue;
        }
        if ((yes && !finding->precious) || agreed(finding)) {
            treat(finding);
        } else {
            finding->outcome = "kept";
        }
    }
}
