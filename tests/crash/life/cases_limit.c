/* SPDX-License-Identifier: Apache-2.0 */
/* Ended by the kernel for taking too much. */
#define _GNU_SOURCE
#include "life.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define GROUP_BYTES (32u << 20)
#define TAKEN_BYTES (512u << 20)

static void burns_body(const struct strings *strings)
{
    const struct rlimit second = {1, 1};
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    require(setrlimit(RLIMIT_CPU, &second) == 0);
    for (volatile unsigned i = 0;; i++) {
    }
}

static void cpu_time(void)
{
    struct scene scene = scene_start(burns_body);
    judge_alive(&scene.judge, "subject", scene.pid);
    strings_say(scene.strings.order, 'b');
    const int status = life_wait(scene.pid);
    require(WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU));
    judge_dead(&scene.judge, "subject");
}

/* A file that grows over the limit: SIGXFSZ. */
static void writes_body(const struct strings *strings)
{
    const struct rlimit page = {4096, 4096};
    char name[] = "/tmp/shmbus-life-XXXXXX";
    char block[8192] = "";
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    const int fd = mkstemp(name);
    require(fd >= 0 && unlink(name) == 0);
    require(setrlimit(RLIMIT_FSIZE, &page) == 0);
    while (write(fd, block, sizeof block) >= 0) {
    }
}

static void file_size(void)
{
    struct scene scene = scene_start(writes_body);
    strings_say(scene.strings.order, 'w');
    const int status = life_wait(scene.pid);
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    judge_dead(&scene.judge, "subject");
}

/* -------------------------------------------------------------------------------------------- memory */

/* A control group of one process, of version 1 or 2, with little memory. */
struct group {
    char path[100];
};

static bool write_file(const struct group *group, const char *name, long long value)
{
    char path[160];
    (void)snprintf(path, sizeof path, "%s/%s", group->path, name);
    FILE *file = fopen(path, "w");
    if (!file) {
        return false;
    }
    const bool written = fprintf(file, "%lld\n", value) > 0;
    return fclose(file) == 0 && written;
}

static bool make_in(struct group *group, const char *parent)
{
    (void)snprintf(group->path, sizeof group->path, "%s/shmbus-life-%d", parent, (int)getpid());
    if (mkdir(group->path, 0700) != 0) {
        return false;
    }
    if (write_file(group, "memory.max", GROUP_BYTES) ||
        write_file(group, "memory.limit_in_bytes", GROUP_BYTES)) {
        (void)write_file(group, "memory.swap.max", 0);
        (void)write_file(group, "memory.memsw.limit_in_bytes", GROUP_BYTES);
        return true;
    }
    (void)rmdir(group->path);
    return false;
}

static struct group make_group(void)
{
    struct group group;
    if (!make_in(&group, "/sys/fs/cgroup/memory") && !make_in(&group, "/sys/fs/cgroup")) {
        life_skip("no memory control group can be made here");
    }
    return group;
}

static void takes_body(const struct strings *strings)
{
    (void)subject_attach("subject");
    strings_say(strings->report, 'r');
    (void)strings_hear(strings->order);
    for (;;) {
        void *memory = mmap(NULL, TAKEN_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        require(memory != MAP_FAILED);
        memset(memory, 1, TAKEN_BYTES);
    }
}

static void out_of_memory(void)
{
    const struct group group = make_group();
    struct scene scene = scene_start(takes_body);
    judge_alive(&scene.judge, "subject", scene.pid);
    const bool moved = write_file(&group, "cgroup.procs", scene.pid);
    if (moved) {
        strings_say(scene.strings.order, 't');
    } else {
        (void)kill(scene.pid, SIGKILL);
    }
    const int status = life_wait(scene.pid);
    (void)rmdir(group.path);
    if (!moved) {
        life_skip("a process cannot be moved into %s", group.path);
    }
    require(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    judge_dead(&scene.judge, "subject");
}

const struct life_case cases_limit[] = {
    {"cpu-time", "ended by RLIMIT_CPU", cpu_time},
    {"file-size", "ended by RLIMIT_FSIZE", file_size},
    {"out-of-memory", "ended by the OOM killer of a control group", out_of_memory},
    {NULL, NULL, NULL},
};
