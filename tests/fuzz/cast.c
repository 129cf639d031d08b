/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "cast.h"

#include "actor.h"
#include "verdict.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 12 /* of each, between two pieces of damage */

/* For those turns: each takes less than a millisecond, on a quiet machine. */
#ifndef PATIENCE_MS
#define PATIENCE_MS 30000
#endif

/* What director and cast tell each other, in memory of their own. */
struct stage {
    uint32_t scene; /* counts the buses */
    uint32_t step;  /* counts what each is to answer */
    uint32_t over;
    const char *doing[CAST_SIZE];
};

struct member {
    pid_t pid;
    int pipe; /* a byte for each step that it has done its turns in */
};

static struct stage *stage;
static struct member cast[CAST_SIZE];
static pid_t accused; /* one that crashed or hangs: the others may be waiting for it */

static uint32_t get(const uint32_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void next(uint32_t *word)
{
    (void)__atomic_add_fetch(word, 1, __ATOMIC_RELEASE);
}

/* Turns without end; a byte after each step's first ones. */
static void act(struct actor *actor, unsigned seat, int pipe_end)
{
    uint32_t scene = get(&stage->scene), step = 0;
    unsigned left = 0;
    while (!get(&stage->over)) {
        if (scene != get(&stage->scene)) {
            scene = get(&stage->scene);
            actor_end(actor);
        }
        if (left == 0 && step != get(&stage->step)) {
            step = get(&stage->step);
            left = TURNS;
        }
        actor_act(actor, ACTOR_EVERYTHING);
        stage->doing[seat] = actor->doing;
        if (left > 0 && --left == 0 && write(pipe_end, "", 1) != 1) {
            fuzz_fail("nobody listens");
        }
    }
    actor_end(actor);
}

static void start(unsigned seat, const char *bus_name, uint64_t seed)
{
    int ends[2];
    const pid_t director = getpid();
    if (pipe(ends) != 0 || (cast[seat].pid = fork()) < 0) {
        fuzz_fail("cannot start the cast");
    }
    cast[seat].pipe = ends[0];
    if (cast[seat].pid > 0) {
        (void)close(ends[1]);
        return;
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == director) {
        struct bytes bytes = bytes_random(seed, seat);
        struct actor actor;
        actor_begin(&actor, bus_name, &bytes);
        act(&actor, seat, ends[1]);
    }
    _exit(0);
}

void cast_start(const char *bus_name, uint64_t seed)
{
    stage = mmap(NULL, sizeof *stage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (stage == MAP_FAILED) {
        fuzz_fail("no memory");
    }
    for (unsigned i = 0; i < CAST_SIZE; i++) {
        start(i, bus_name, seed);
    }
}

void cast_reopen(void)
{
    next(&stage->scene);
}

/* What it was in when it did not get on: the operation after the last one it finished. */
static int accuse(unsigned seat, const char *what)
{
    const char *doing = stage->doing[seat];
    (void)fprintf(stderr, "flip: process %d %s, after \"%s\"\n", cast[seat].pid, what, doing ? doing : "-");
    accused = cast[seat].pid;
    (void)kill(cast[seat].pid, SIGABRT); /* a sanitizer shows where it is */
    return -1;
}

int cast_goes_on(void)
{
    next(&stage->step);
    for (unsigned i = 0; i < CAST_SIZE; i++) {
        struct pollfd end = {.fd = cast[i].pipe, .events = POLLIN};
        char byte;
        if (poll(&end, 1, PATIENCE_MS) == 0) {
            return accuse(i, "hangs");
        }
        if (read(cast[i].pipe, &byte, 1) != 1) {
            return accuse(i, "has ended");
        }
    }
    return 0;
}

int cast_end(void)
{
    int failed = 0;
    next(&stage->over);
    for (unsigned i = 0; i < CAST_SIZE; i++) {
        int status = 0;
        if (accused && cast[i].pid != accused) {
            (void)kill(cast[i].pid, SIGKILL);
        }
        (void)waitpid(cast[i].pid, &status, 0);
        if (status != 0) {
            (void)fprintf(stderr, "flip: process %d ended with %s %d\n", cast[i].pid,
                          WIFSIGNALED(status) ? "signal" : "status",
                          WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            failed = -1;
        }
    }
    return failed;
}
