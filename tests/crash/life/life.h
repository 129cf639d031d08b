/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a process dead or alive? The *judge* asks the bus in two ways, by inspection and by effect; a *subject*
 * is who it asks about. A subject attaches to the judge's bus, claims a message and leaves it open. The judge
 * sends one behind it and reads: it must wait while the subject lives, and get its own when it is dead.
 *
 * concurrency   each case has a process, a bus and a judge of its own; subjects are processes of one thread
 *               unless their case says otherwise
 * killed        subjects, by their case. Those that outlive it end when its leash is let go
 */
#ifndef SHMBUS_TESTS_CRASH_LIFE_LIFE_H
#define SHMBUS_TESTS_CRASH_LIFE_LIFE_H

#include <shmbus/inspect.h>
#include <shmbus/shmbus.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Shared by all processes of the test. */
struct life_counts {
    _Atomic uint32_t asked;
    _Atomic uint32_t false_deaths;  /* somebody alive was taken for dead */
    _Atomic uint32_t missed_deaths; /* somebody dead was taken for alive */
    _Atomic uint32_t others;        /* anything else that was wrong */
    _Atomic pid_t inner; /* of cases_namespace.c: the first process of a namespace, seen from outside */
    char reason[200];    /* why a case was skipped, or what it has to add */
};

extern struct life_counts *life_counts;
extern char life_bus[SHMBUS_NAME_MAX + 1];
extern const char *life_program; /* path of this program */

/* A wrong result that says nothing about who is dead: ends the process. */
#define require(condition) ((condition) ? (void)0 : life_fail(__FILE__, __LINE__, #condition))

void life_fail(const char *file, int line, const char *what) __attribute__((noreturn));

/* Ends the case: this machine cannot do it. */
void life_skip(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Skips the case unless orphans become this process's children. */
void life_needs_orphans(void);

/* Something to print beside the case's result. */
void life_remark(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ------------------------------------------------------------------------------------------- judge */

struct judge {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_subscriber *subscriber;
};

/* Attaches, creating the bus and its channel when they are not there. */
struct judge judge_open(void);
struct judge judge_open_waiting(enum shmbus_wait wait);
void judge_close(struct judge *judge);

/* Sends the message that lies behind what the subjects have claimed. After they have. */
void judge_send(struct judge *judge);

/* Each counts what is wrong. `name` as given to subject_attach(); `pid` 0: any. */
void judge_alive(struct judge *judge, const char *name, pid_t pid);
void judge_dead(struct judge *judge, const char *name);

/* Each of these waits for what only a subject's death can bring: the message behind its claim; room. */
void judge_reads(struct judge *judge);
void judge_fill(struct judge *judge);
void judge_writes(struct judge *judge);

/* Counts what is wrong in another way. */
void judge_wrong(const char *name, const char *what);

/* By inspection alone. */
bool judge_sees(const char *name, pid_t *pid);

/* The subject has committed its message: it and the one behind it must arrive. */
void judge_receives(struct judge *judge);

/* ----------------------------------------------------------------------------------------- subjects */

struct subject {
    shmbus_bus *bus;
    shmbus_publisher *publisher;
    shmbus_claim_t claim;
};

/* Attaches under `name`, and claims a message. */
struct subject subject_attach(const char *name);
/* Attaches under `name`, and joins with a group of its own that reads nothing. */
void subject_join(const char *name);
void subject_commit(struct subject *subject);

/* Its handles must fail: this process is not the one that opened them. */
void subject_check_foreign(struct subject *subject);

/* ---------------------------------------------------------------------------------------- processes */

/* What the processes of a case tell each other: a byte each. Made before they are started. */
struct strings {
    int report[2]; /* to the judge */
    int order[2];  /* from the judge */
    int leash[2];  /* held by the judge: who reads its end ends */
};

struct strings strings_make(void);
void strings_say(const int pipe[2], char word);
char strings_hear(const int pipe[2]);

/* Forks a process that runs `body`; only this one holds the leash. */
pid_t life_fork(const struct strings *strings, void (*body)(const struct strings *strings));

/* For who is only to be there: until the leash is let go. */
void life_idle(const struct strings *strings) __attribute__((noreturn));

/* Becomes this program again, which reports 'x' and idles; and the vector for who spawns that. */
void life_exec_idle(const struct strings *strings) __attribute__((noreturn));
#define LIFE_IDLE_WORDS 5
struct life_words {
    char text[LIFE_IDLE_WORDS][300];
    char *argv[LIFE_IDLE_WORDS + 1];
};
void life_idle_words(const struct strings *strings, struct life_words *words);
int life_idle_main(char **argv);

/* Attaches as "subject", reports 'r', and idles. The body of most subjects. */
void life_subject(const struct strings *strings);

/* The usual start: a judge, a subject with this body that has reported 'r', and the message behind it. */
struct scene {
    struct strings strings;
    struct judge judge;
    pid_t pid;
};
struct scene scene_start(void (*body)(const struct strings *strings));

/* Waits until a process has ended, and returns its status. */
int life_wait(pid_t pid);
int life_kill(pid_t pid);

/* -------------------------------------------------------------------------------------------- cases */

struct life_case {
    const char *name;
    const char *about;
    void (*run)(void);
};

/* Ending with an entry without a name. The last two run only when they are named. */
extern const struct life_case cases_end[];
extern const struct life_case cases_fork[];
extern const struct life_case cases_halt[];
extern const struct life_case cases_limit[];
extern const struct life_case cases_namespace[];
extern const struct life_case cases_fifo[];
extern const struct life_case cases_planted[];

#endif
