/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "standstill.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WORDS 3 /* of a system call: its number and two arguments */

struct report {
    char *text;
    size_t size;
    size_t used;
};

static void say(struct report *report, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say(struct report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const size_t left = report->size - report->used;
    const int length = vsnprintf(report->text + report->used, left, format, arguments);
    va_end(arguments);
    if (length > 0) {
        report->used += (size_t)length < left ? (size_t)length : left - 1;
    }
}

/* ----------------------------------------------------------------------------------------- the bus */

static void say_groups(struct report *report, const struct crew *crew, const shmbus_channel_info *channel)
{
    shmbus_group_info group;
    for (uint32_t cursor = 0; shmbus_view_group(crew->view, channel->index, &cursor, &group) == 1;) {
        say(report, "; group \"%s\": at %" PRIu64 ", %" PRIu64 " pending, %u members", group.name,
            group.position, group.pending, group.members);
    }
}

static void say_lock(struct report *report, const struct crew *crew)
{
    shmbus_bus_info bus;
    if (shmbus_view_bus(crew->view, &bus) == 0) {
        say(report, "; directory %s, %s by process %u", bus.changing ? "locked" : "free",
            bus.changing ? "most likely" : "last locked", bus.changer_pid);
    }
}

/* --------------------------------------------------------------------------------------- the kernel */

/* The first line of a file of /proc, or nothing: who may not read it, or comes too late. */
static void read_line(char *line, size_t size, pid_t pid, const char *thread, const char *what)
{
    char path[300];
    (void)snprintf(path, sizeof path, "/proc/%d/task/%s/%s", (int)pid, thread, what);
    line[0] = '\0';
    FILE *file = fopen(path, "re");
    if (file) {
        (void)!fgets(line, (int)size, file);
        (void)fclose(file);
        line[strcspn(line, "\n")] = '\0';
    }
}

/* Behind `count` words of a line, its end at most. */
static size_t words(const char *line, unsigned count)
{
    size_t end = strcspn(line, " ");
    for (; count > 1 && line[end] != '\0'; count--) {
        end += 1 + strcspn(line + end + 1, " ");
    }
    return end;
}

/* State and CPU time, the system call that it is in, and where in the kernel it waits. */
static void say_thread(struct report *report, pid_t pid, const char *thread)
{
    char line[400];
    read_line(line, sizeof line, pid, thread, "stat");
    const char *behind_name = strrchr(line, ')');
    char state = '?';
    unsigned long user = 0, kernel = 0;
    if (behind_name) {
        (void)sscanf(behind_name + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lu %lu", &state, &user,
                     &kernel);
    }
    say(report, " [%c %lu+%lu", state, user, kernel);
    read_line(line, sizeof line, pid, thread, "syscall");
    say(report, " %.*s", (int)words(line, WORDS), line);
    read_line(line, sizeof line, pid, thread, "wchan");
    say(report, " %s]", line);
}

static void say_threads(struct report *report, pid_t pid)
{
    char path[32];
    (void)snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    for (const struct dirent *entry; threads && (entry = readdir(threads));) {
        if (entry->d_name[0] != '.') {
            say_thread(report, pid, entry->d_name);
        }
    }
    if (threads) {
        (void)closedir(threads);
    }
}

void standstill_explain(const struct crew *crew, char *text, size_t size)
{
    struct report report = {.text = text, .size = size};
    shmbus_channel_info channel;
    if (!crew_channel(crew, &channel)) {
        return;
    }
    say(&report, "published up to %" PRIu64, channel.published);
    say_groups(&report, crew, &channel);
    say_lock(&report, crew);
    for (unsigned i = 0; i < crew->plan->publishers; i++) {
        say(&report, "; publisher %u committed %" PRIu64 " of %u", i,
            atomic_load(&crew->ledger->publishers[i].committed), crew->plan->messages);
    }
    for (unsigned i = 0; i < crew->count; i++) {
        const struct place *place = &crew->places[i];
        say(&report, "; %s (process %d, life %u%s): %s", place->worker.name, (int)place->pid,
            place->worker.life, place->paused ? ", stopped" : "", atomic_load(&place->worker.doing));
        say_threads(&report, place->pid);
    }
}
