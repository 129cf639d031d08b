/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHANNEL "c"
#define DEATH_NS INT64_C(20000000000) /* far more than it takes to notice a death */
#define LIFE_NS                                                                                              \
    INT64_C(100000000) /* so long a reader must be held up: the wait ends by looking for the dead */
#define SKIPPED 77

/* Messages: what a subject claims, and what the judge sends behind it. */
#define CLAIMED 1u
#define BEHIND 2u

struct life_counts *life_counts;
char life_bus[SHMBUS_NAME_MAX + 1];
const char *life_program;

void life_fail(const char *file, int line, const char *what)
{
    const char *name = strrchr(file, '/');
    const int err = errno;
    fprintf(stderr, "%s:%d: process %d: not so: %s (errno: %s; shmbus: %s)\n", name ? name + 1 : file, line,
            (int)getpid(), what, strerror(err), shmbus_strerror(-err));
    atomic_fetch_add(&life_counts->others, 1);
    exit(1);
}

void life_skip(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(life_counts->reason, sizeof life_counts->reason, format, arguments);
    va_end(arguments);
    exit(SKIPPED);
}

void life_needs_orphans(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        life_skip("no sub-reaper, who would wait for an orphan: %s", strerror(errno));
    }
}

void life_remark(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(life_counts->reason, sizeof life_counts->reason, format, arguments);
    va_end(arguments);
}

/* ------------------------------------------------------------------------------------------- judge */

static const shmbus_channel_options channel_options = {
    .producers = SHMBUS_MULTI, .overflow = SHMBUS_BLOCK, .slots = 64, .arena = 4096};

struct judge judge_open_waiting(enum shmbus_wait wait)
{
    const shmbus_bus_options bus_options = {.participant_name = "judge"};
    const shmbus_publisher_options publisher_options = {.channel = &channel_options, .wait = wait};
    const shmbus_subscriber_options subscriber_options = {.channel = &channel_options, .wait = wait};
    struct judge judge = {NULL, NULL, NULL};
    require(shmbus_open(life_bus, &bus_options, &judge.bus) == 0);
    require(shmbus_subscriber_open(judge.bus, CHANNEL, &subscriber_options, &judge.subscriber) == 0);
    require(shmbus_publisher_open(judge.bus, CHANNEL, &publisher_options, &judge.publisher) == 0);
    return judge;
}

struct judge judge_open(void)
{
    return judge_open_waiting(SHMBUS_WAIT_ADAPTIVE);
}

void judge_close(struct judge *judge)
{
    require(shmbus_close(judge->bus) == 0);
}

void judge_send(struct judge *judge)
{
    const uint32_t word = BEHIND;
    require(shmbus_send(judge->publisher, &word, sizeof word, SHMBUS_NOWAIT) == 0);
}

bool judge_sees(const char *name, pid_t *pid)
{
    shmbus_view *view = NULL;
    shmbus_participant_info info;
    bool alive = false;
    require(shmbus_view_open(life_bus, &view) == 0);
    for (uint32_t cursor = 0; shmbus_view_participant(view, &cursor, &info) == 1;) {
        if (strcmp(info.name, name) == 0 && info.alive) {
            alive = true;
            *pid = (pid_t)info.pid;
        }
    }
    shmbus_view_close(view);
    return alive;
}

static void wrong(_Atomic uint32_t *count, const char *name, const char *what)
{
    atomic_fetch_add(count, 1);
    fprintf(stderr, "%s: %s\n", name, what);
}

/* The next message's word, or a negative errno. */
static int64_t receive(struct judge *judge, int64_t deadline)
{
    uint32_t word = 0;
    const int64_t size = shmbus_recv(judge->subscriber, &word, sizeof word, NULL, deadline);
    return size < 0 ? size : (int64_t)word;
}

void judge_wrong(const char *name, const char *what)
{
    wrong(&life_counts->others, name, what);
}

void judge_alive(struct judge *judge, const char *name, pid_t pid)
{
    pid_t seen = 0;
    atomic_fetch_add(&life_counts->asked, 1);
    if (!judge_sees(name, &seen)) {
        wrong(&life_counts->false_deaths, name, "is alive, inspection says it is dead");
    } else if (pid != 0 && seen != pid) {
        wrong(&life_counts->others, name, "is shown with another process id");
    }
    require(shmbus_recover(judge->bus) >= 0);
    const int64_t result = receive(judge, shmbus_deadline(LIFE_NS));
    if (result == BEHIND) {
        wrong(&life_counts->false_deaths, name, "is alive, its claim was given up");
    } else if (result != -ETIMEDOUT) {
        wrong(&life_counts->others, name, result < 0 ? shmbus_strerror((int)result) : "got another message");
    }
}

void judge_dead(struct judge *judge, const char *name)
{
    pid_t seen = 0;
    atomic_fetch_add(&life_counts->asked, 1);
    if (judge_sees(name, &seen)) {
        wrong(&life_counts->missed_deaths, name, "is dead, inspection says it is alive");
    }
    if (receive(judge, shmbus_deadline(DEATH_NS)) != BEHIND) {
        wrong(&life_counts->missed_deaths, name, "is dead, its claim is still waited for");
    }
    require(shmbus_recover(judge->bus) >= 0);
    require(shmbus_recover(judge->bus) == 0);
}

void judge_reads(struct judge *judge)
{
    atomic_fetch_add(&life_counts->asked, 1);
    if (receive(judge, shmbus_deadline(DEATH_NS)) != BEHIND) {
        wrong(&life_counts->missed_deaths, "subject", "is dead, its claim is still waited for");
    }
}

void judge_fill(struct judge *judge)
{
    int err;
    while ((err = shmbus_send(judge->publisher, "", 1, SHMBUS_NOWAIT)) == 0) {
    }
    require(err == -EAGAIN);
}

void judge_writes(struct judge *judge)
{
    atomic_fetch_add(&life_counts->asked, 1);
    if (shmbus_send(judge->publisher, "", 1, shmbus_deadline(DEATH_NS)) != 0) {
        wrong(&life_counts->missed_deaths, "subject", "is dead, its group is still waited for");
    }
}

void judge_receives(struct judge *judge)
{
    require(receive(judge, shmbus_deadline(DEATH_NS)) == CLAIMED);
    require(receive(judge, shmbus_deadline(DEATH_NS)) == BEHIND);
}

/* ----------------------------------------------------------------------------------------- subjects */

struct subject subject_attach(const char *name)
{
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING, .participant_name = name};
    struct subject subject = {.claim = {.size = sizeof(uint32_t)}};
    require(shmbus_open(life_bus, &options, &subject.bus) == 0);
    require(shmbus_publisher_open(subject.bus, CHANNEL, NULL, &subject.publisher) == 0);
    require(shmbus_claim(subject.publisher, &subject.claim, SHMBUS_NOWAIT) == 0);
    const uint32_t word = CLAIMED;
    memcpy(subject.claim.data, &word, sizeof word);
    return subject;
}

void subject_join(const char *name)
{
    const shmbus_bus_options options = {.open = SHMBUS_OPEN_EXISTING, .participant_name = name};
    shmbus_bus *bus = NULL;
    shmbus_subscriber *subscriber = NULL;
    require(shmbus_open(life_bus, &options, &bus) == 0);
    require(shmbus_subscriber_open(bus, CHANNEL, NULL, &subscriber) == 0);
}

void subject_commit(struct subject *subject)
{
    require(shmbus_commit(subject->publisher, &subject->claim) == 0);
}

void subject_check_foreign(struct subject *subject)
{
    shmbus_publisher *publisher = NULL;
    require(shmbus_commit(subject->publisher, &subject->claim) == -EBADF);
    require(shmbus_send(subject->publisher, "x", 1, SHMBUS_NOWAIT) == -EBADF);
    require(shmbus_publisher_open(subject->bus, CHANNEL, NULL, &publisher) == -EBADF);
    require(shmbus_publisher_close(subject->publisher) == -EBADF);
    require(shmbus_recover(subject->bus) == -EBADF);
    require(shmbus_close(subject->bus) == -EBADF);
}

/* ---------------------------------------------------------------------------------------- processes */

struct strings strings_make(void)
{
    struct strings strings;
    require(pipe(strings.report) == 0);
    require(pipe(strings.order) == 0);
    require(pipe(strings.leash) == 0);
    return strings;
}

void strings_say(const int pipe[2], char word)
{
    require(write(pipe[1], &word, 1) == 1);
}

char strings_hear(const int pipe[2])
{
    char word = 0;
    require(read(pipe[0], &word, 1) == 1);
    return word;
}

pid_t life_fork(const struct strings *strings, void (*body)(const struct strings *strings))
{
    (void)fflush(NULL);
    const pid_t pid = fork();
    require(pid >= 0);
    if (pid == 0) {
        (void)close(strings->leash[1]);
        body(strings);
        _exit(0);
    }
    return pid;
}

void life_idle(const struct strings *strings)
{
    char word;
    while (read(strings->leash[0], &word, 1) == -1 && errno == EINTR) {
    }
    _exit(0);
}

void life_idle_words(const struct strings *strings, struct life_words *words)
{
    (void)snprintf(words->text[0], sizeof words->text[0], "%s", life_program);
    (void)snprintf(words->text[1], sizeof words->text[1], "--idle");
    (void)snprintf(words->text[2], sizeof words->text[2], "%d", strings->report[1]);
    (void)snprintf(words->text[3], sizeof words->text[3], "%d", strings->leash[0]);
    for (unsigned i = 0; i < 4; i++) {
        words->argv[i] = words->text[i];
    }
    words->argv[4] = NULL;
}

void life_exec_idle(const struct strings *strings)
{
    struct life_words words;
    life_idle_words(strings, &words);
    (void)execv(life_program, words.argv);
    life_fail(__FILE__, __LINE__, "execv");
}

int life_idle_main(char **argv)
{
    const struct strings strings = {.report = {-1, (int)strtol(argv[2], NULL, 10)},
                                    .leash = {(int)strtol(argv[3], NULL, 10), -1}};
    const char word = 'x';
    if (write(strings.report[1], &word, 1) != 1) {
        return 1;
    }
    life_idle(&strings);
}

void life_subject(const struct strings *strings)
{
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    life_idle(strings);
}

struct scene scene_start(void (*body)(const struct strings *strings))
{
    struct scene scene = {.strings = strings_make(), .judge = judge_open()};
    scene.pid = life_fork(&scene.strings, body);
    require(strings_hear(scene.strings.report) == 'r');
    judge_send(&scene.judge);
    return scene;
}

int life_wait(pid_t pid)
{
    int status = 0;
    require(waitpid(pid, &status, 0) == pid);
    return status;
}

int life_kill(pid_t pid)
{
    require(kill(pid, SIGKILL) == 0);
    return life_wait(pid);
}
