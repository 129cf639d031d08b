/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <shmbus/inspect.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buses.h"
#include "command.h"
#include "doctor.h"
#include "looking.h"
#include "options.h"
#include "report.h"
#include "signals.h"

#define BETWEEN_LOOKS 300 /* ms: longer than the longest sleep of anybody who waits, 250 ms */

struct doctor_options {
    int fix;
    int yes;
    int json;
};

#define IN_DOCTOR(field) offsetof(struct doctor_options, field)

static const struct option_spec doctor_specs[] = {
    {"fix", 'f', OPTION_FLAG, IN_DOCTOR(fix), 0, NULL,
     "mend what can be mended from here, each after asking"},
    {"yes", 'y', OPTION_FLAG, IN_DOCTOR(yes), 0, NULL,
     "with --fix: do not ask, but for what would throw messages away"},
    {"json", 'j', OPTION_FLAG, IN_DOCTOR(json), 0, NULL, "print JSON"},
    {0},
};

struct ward {
    struct patient *patients;
    shmbus_view **views; /* NULL: it cannot be opened */
    size_t count;
    struct processes *processes;
};

/* One whose looks failed is told with the reason alone. */
static void fail_patient(struct patient *patient, int error, const char *problem)
{
    patient->error = error;
    (void)snprintf(patient->problem, sizeof patient->problem, "%s", problem);
}

static void look(struct patient *patient, struct snapshot *snapshot, shmbus_view *view)
{
    const int result = snapshot_take(snapshot, view, NULL);
    if (result != 0) {
        fail_patient(patient, result, shmbus_strerror(result));
    } else if (snapshot->damaged > 0) {
        fail_patient(patient, -EBADMSG, snapshot->problem);
    }
}

static void admit(struct ward *ward, const char *name, shmbus_view *view, int error)
{
    ward->patients = need_more_memory(ward->patients, (ward->count + 1) * sizeof *ward->patients);
    ward->views = need_more_memory(ward->views, (ward->count + 1) * sizeof(shmbus_view *));
    struct patient *patient = &ward->patients[ward->count];
    *patient = (struct patient){.name = name};
    ward->views[ward->count++] = view;
    if (error != 0) {
        fail_patient(patient, error, shmbus_strerror(error));
    } else {
        look(patient, &patient->before, view);
    }
}

/* Opened once and looked at twice: one that is made anew meanwhile has nothing to do with the first. */
static void admit_bus(struct ward *ward, const char *name)
{
    shmbus_view *view = NULL;
    const int error = shmbus_view_open(name, &view);
    admit(ward, name, view, error);
}

static void look_again(struct ward *ward)
{
    signals_nap(BETWEEN_LOOKS);
    for (size_t i = 0; i < ward->count; i++) {
        struct patient *patient = &ward->patients[i];
        if (ward->views[i]) {
            patient->error = 0; /* what was damaged then may have been repaired */
            look(patient, &patient->now, ward->views[i]);
            attendance_take(&patient->attendance, &patient->now, ward->processes);
            const shmbus_participant_info changer = {
                .pid = patient->now.bus.changer_pid,
                .pid_namespace = patient->now.bus.changer_namespace,
                .alive = 1,
            };
            process_look(ward->processes, &changer, &patient->changer);
        }
    }
}

static void discharge(struct ward *ward)
{
    for (size_t i = 0; i < ward->count; i++) {
        snapshot_free(&ward->patients[i].before);
        snapshot_free(&ward->patients[i].now);
        attendance_free(&ward->patients[i].attendance);
        shmbus_view_close(ward->views[i]);
    }
    free(ward->patients);
    free(ward->views);
    processes_free(ward->processes);
}

static uint64_t resident(const struct ward *ward)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < ward->count; i++) {
        bytes += ward->patients[i].now.bus.copy ? 0 : ward->patients[i].now.bus.resident;
    }
    return bytes;
}

static void examine(struct ward *ward, struct findings *findings)
{
    look_again(ward);
    for (size_t i = 0; i < ward->count; i++) {
        doctor_bus(&ward->patients[i], findings);
    }
    doctor_host(resident(ward), findings);
}

static int conclude(struct findings *findings, const struct doctor_options *options)
{
    if (options->fix) {
        doctor_fix(findings, options->yes);
    }
    const int result = options->json ? findings_print_json(findings) : findings_print(findings);
    return result == EXIT_OK && findings_are_bad(findings) ? EXIT_FAILED : result;
}

/* One bus, which must be there; or all there are, of which one may go meanwhile. */
static int gather(struct ward *ward, struct bus_names *names, const struct looking *looking)
{
    if (looking->bus || looking->file) {
        shmbus_view *view = NULL;
        const char *name = looking->bus ? looking->bus : looking->file;
        const int error = looking->bus ? shmbus_view_open(name, &view) : shmbus_view_open_file(name, &view);
        if (error == -ENOENT) {
            return fail_call(error, "cannot look at %s", looking_name(looking));
        }
        admit(ward, name, view, error);
        return EXIT_OK;
    }
    const int result = bus_names_list(names);
    for (size_t i = 0; i < names->count; i++) {
        admit_bus(ward, names->names[i]);
    }
    return result;
}

static int visit(const struct looking *looking, const struct doctor_options *options)
{
    struct ward ward = {.processes = processes_new()};
    struct findings findings = {0};
    struct bus_names names = {0};
    int result = gather(&ward, &names, looking);
    if (result == EXIT_OK) {
        examine(&ward, &findings);
        result = conclude(&findings, options);
    }
    findings_free(&findings);
    discharge(&ward);
    bus_names_free(&names);
    return result;
}

static int run_doctor(const struct command *command, int argc, char **argv)
{
    struct looking looking = {0};
    struct doctor_options doctor_options = {0};
    const struct option_section sections[] = {
        LOOKING_SECTION(&looking),
        {"Command:", doctor_specs, &doctor_options},
        {0},
    };
    struct options options;
    int result = options_parse(&options, command, sections, argc, argv, 0, 1);
    if (result == OPTIONS_READY) {
        result = looking_take(&looking, command, options.argument_count > 0 ? options.arguments[0] : NULL);
        if (result == EXIT_OK && doctor_options.yes && !doctor_options.fix) {
            result = fail_usage(command->name, "--yes needs --fix: it answers what that would ask");
        }
        if (result == EXIT_OK && doctor_options.fix && looking.file) {
            result = fail_usage(command->name, "--fix mends a bus, not a copy: leave out --file");
        }
        result = result == EXIT_OK ? visit(&looking, &doctor_options) : result;
    }
    options_free(&options);
    return result;
}

const struct command command_doctor = {
    .name = "doctor",
    .arguments = "[BUS]",
    .summary = "finds what is wrong with all buses, or one, and with this host; tells how to mend it",
    .details =
        "Looks twice, 0.3 s apart, and changes nothing without --fix. Each finding is a problem (it stops\n"
        "somebody, or is wrong), a warning (it wastes memory, or will stop somebody) or a hint. Without BUS\n"
        "or --bus it looks at every bus; the host is always looked at.\n"
        "\n"
        "Exit code: 0 when nothing but hints was found, or all else was mended; 1 when there are problems\n"
        "or warnings; 2 for wrong usage.\n"
        "\n"
        "--fix cleans up behind the dead, removes stale buses as gc does, and durable groups that nobody\n"
        "reads. It asks before each; with --yes only before what would throw unread messages away.\n"
        "Questions go to standard error; the end of standard input means no.\n"
        "\n"
        "Kinds of findings\n"
        "  problems: paused-participant (if it holds others up), blocked-channel (if it stands still),\n"
        "    abandoned-group (if it stops publishers), directory-locked, ledger, layout, damaged,\n"
        "    participants-full, shm-full, shm-not-sticky\n"
        "  warnings: stale-bus, dead-participant, unfinished-claim, abandoned-group, missed (if it goes on),\n"
        "    leaked-memory, world-writable, remove-ipc\n"
        "  hints: paused-participant, blocked-channel, missed, removed-channels, channels-full, other-user,\n"
        "    closed, timed, fenced, shm-small, no-membarrier, no-futex-waitv, no-uring-futex, cpu-governor,\n"
        "    huge-pages\n"
        "\n"
        "JSON: {\"findings\": [{severity, kind, bus, channel, group, pid, what, meaning, command, outcome}]};\n"
        "  severity is problem, warning or hint; command is for a shell; outcome is mended, kept or failed\n"
        "  with --fix; what does not apply is null.\n"
        "\n"
        "Examples:\n"
        "  shmbus doctor\n"
        "  shmbus doctor lab --fix\n"
        "  shmbus doctor --json | jq -r '.findings[] | select(.severity == \"problem\") | .command'\n",
    .run = run_doctor,
};
