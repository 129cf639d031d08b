/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `shmbus doctor` has found: each with what it means, and the command that mends it.
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_FINDINGS_H
#define SHMBUS_TOOLS_FINDINGS_H

#include <stddef.h>
#include <stdint.h>

enum severity {
    SEVERITY_HINT,    /* could be better, or worth knowing: no reason for exit code 1 */
    SEVERITY_WARNING, /* wasteful, or will stop somebody */
    SEVERITY_PROBLEM, /* stops somebody, or is wrong */
};

/* What the command itself can do about it. */
enum repair {
    REPAIR_NONE,
    REPAIR_RECOVER,      /* attach to the bus and clean up behind the dead */
    REPAIR_REMOVE_BUS,   /* if nobody is attached */
    REPAIR_REMOVE_GROUP, /* with what it has not read: never without asking */
};

struct finding {
    enum severity severity;
    const char *kind; /* one word for programs: "stale-bus" */
    char *bus;        /* this and the next two may be NULL */
    char *channel;
    char *group;
    uint32_t pid; /* as it is numbered here; 0: no process, or not visible */
    char *what;
    char *meaning;
    char *command; /* for a shell; NULL: there is none */
    enum repair repair;
    int precious;        /* the repair throws away messages that somebody may want */
    const char *outcome; /* of --fix: "mended", "kept", "failed"; NULL: not tried */
};

struct findings {
    struct finding *all;
    size_t count;
};

/* Adds one; valid until the next is added. The texts are set by finding_set(). */
struct finding *finding_add(struct findings *findings, enum severity severity, const char *kind,
                            const char *bus);

void finding_set(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

void findings_free(struct findings *findings);

int finding_is_mended(const struct finding *finding);

/* Whether any is worse than a hint and not mended. */
int findings_are_bad(const struct findings *findings);

/* Prints them for people, or as JSON. Return an exit code. */
int findings_print(const struct findings *findings);
int findings_print_json(const struct findings *findings);

/* `text` as one word of a shell command, in quotes if it needs them. To be freed. */
char *shell_word(const char *text);

#endif
