/* SPDX-License-Identifier: Apache-2.0 */
/* systemd-logind removes what a user has in /dev/shm when his last login ends: RemoveIPC in logind.conf(5). */
#define _GNU_SOURCE
#include <dirent.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "doctor.h"
#include "report.h"
#include "small_file.h"

#define SYSTEM_USER_MAX 999 /* those up to here are spared */

/* Lowest priority first: a file hides those of the same name before it. */
static const char *const folders[] = {"/usr/lib/systemd", "/run/systemd", "/etc/systemd"};
#define FOLDERS (sizeof folders / sizeof *folders)

static int is_running(void)
{
    return access("/run/systemd/sessions", F_OK) == 0;
}

/* 1, 0, or -1 for what is no word for either. */
static int boolean(const char *text)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"},
                                           {"0", "1"},    {"n", "y"},        {"f", "t"}};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++) {
        for (int value = 0; value < 2; value++) {
            if (strcasecmp(text, words[i][value]) == 0) {
                return value;
            }
        }
    }
    return -1;
}

/* The file's last word on it changes `*removes`. */
static void read_setting(const char *path, int *removes)
{
    char text[4 * SMALL_FILE];
    char *rest = text;
    if (small_file_read(path, text, sizeof text) <= 0) {
        return;
    }
    for (char *line; (line = strsep(&rest, "\n"));) {
        char value[16];
        if (sscanf(line, " RemoveIPC = %15[^ \t#;]", value) == 1 && boolean(value) >= 0) {
            *removes = boolean(value);
        }
    }
}

static void read_main(int *removes)
{
    char path[SMALL_FILE];
    for (unsigned i = FOLDERS; i-- > 0;) {
        (void)snprintf(path, sizeof path, "%s/logind.conf", folders[i]);
        if (access(path, F_OK) == 0) {
            read_setting(path, removes);
            return;
        }
    }
}

static int is_drop_in(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return end && strcmp(end, ".conf") == 0;
}

/* Whether a folder of higher priority has a file of this name. */
static int is_hidden(unsigned folder, const char *name)
{
    char path[SMALL_FILE];
    for (unsigned i = folder + 1; i < FOLDERS; i++) {
        (void)snprintf(path, sizeof path, "%s/logind.conf.d/%s", folders[i], name);
        if (access(path, F_OK) == 0) {
            return 1;
        }
    }
    return 0;
}

struct drop_in {
    char name[256];
    unsigned folder;
};

static int compare_drop_ins(const void *left, const void *right)
{
    return strcmp(((const struct drop_in *)left)->name, ((const struct drop_in *)right)->name);
}

static size_t add_drop_ins(struct drop_in **all, size_t count, unsigned folder)
{
    char path[SMALL_FILE];
    struct dirent **entries = NULL;
    (void)snprintf(path, sizeof path, "%s/logind.conf.d", folders[folder]);
    const int found = scandir(path, &entries, is_drop_in, NULL);
    for (int i = 0; i < found; i++) {
        if (!is_hidden(folder, entries[i]->d_name)) {
            *all = need_more_memory(*all, (count + 1) * sizeof **all);
            (*all)[count].folder = folder;
            (void)snprintf((*all)[count++].name, sizeof(*all)->name, "%s", entries[i]->d_name);
        }
        free(entries[i]);
    }
    free(entries);
    return count;
}

/* They are read in the order of their names, whatever the folder. */
static void read_drop_ins(int *removes)
{
    char path[SMALL_FILE];
    struct drop_in *all = NULL;
    size_t count = 0;
    for (unsigned folder = 0; folder < FOLDERS; folder++) {
        count = add_drop_ins(&all, count, folder);
    }
    if (count > 0) {
        qsort(all, count, sizeof *all, compare_drop_ins);
    }
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(path, sizeof path, "%s/logind.conf.d/%s", folders[all[i].folder], all[i].name);
        read_setting(path, removes);
    }
    free(all);
}

static int removes_ipc(void)
{
    int removes = 1;
    read_main(&removes);
    read_drop_ins(&removes);
    return removes;
}

static int lingers(const char *user)
{
    char path[SMALL_FILE];
    (void)snprintf(path, sizeof path, "/var/lib/systemd/linger/%s", user);
    return access(path, F_OK) == 0;
}

void doctor_logind(const struct patient *patient, struct findings *findings)
{
    const uint32_t uid = patient->now.bus.uid;
    const struct passwd *owner = getpwuid(uid);
    if (uid <= SYSTEM_USER_MAX || !is_running() || !removes_ipc() || (owner && lingers(owner->pw_name))) {
        return;
    }
    struct finding *finding = finding_add(findings, SEVERITY_WARNING, "remove-ipc", patient->name);
    finding_set(&finding->what,
                "bus \"%s\" will be removed when the last login of user %" PRIu32 " (%s) ends", patient->name,
                uid, owner ? owner->pw_name : "without a name");
    finding_set(
        &finding->meaning,
        "systemd-logind does that (RemoveIPC=yes) to users that do not linger: those attached carry on, but "
        "who comes later makes a second bus. Or set RemoveIPC=no in /etc/systemd/logind.conf, or use a "
        "system user.");
    if (owner) {
        finding_set(&finding->command, "loginctl enable-linger %s", owner->pw_name);
    }
}
