/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looks for lost wake-ups: processes hand numbers to each other at tables (handoff.h) and sleep whenever they
 * wait, while stress-ng loads the machine and players are stopped for a while. Linked with handoff_patient.c, a
 * sleep has no bound: who is not woken sleeps for good, his table stands still, and that is seen.
 */
#define _GNU_SOURCE
#include "household.h"
#include "handoff.h"

#include <getopt.h>
#include <inttypes.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS 1000000
#define LEAST 300u      /* hand-offs at each table for which somebody slept, however long that takes */
#define RUN_SECONDS 200 /* and no longer */
#define PATIENCE_SECONDS                                                                                     \
    20u /* a table without a stopped player that stands still so long has lost a wake-up */
#define START_NS INT64_C(60000000000) /* the same before the first hand-off: all have to come to the table */
#define STOP_NS UINT64_C(20000000)    /* longest stop */
#define BETWEEN_STOPS_NS UINT64_C(10000000)

static const struct table tables[] = {
    {.name = "block", .first = WAY_BLOCK, .count = 1, .others = {WAY_BLOCK}, .width = 1},
    {.name = "adaptive", .first = WAY_ADAPTIVE, .count = 1, .others = {WAY_ADAPTIVE}, .width = 1},
    {.name = "waitset", .first = WAY_SET, .count = 1, .others = {WAY_SET}, .width = 3},
    {.name = "epoll", .first = WAY_EPOLL, .count = 1, .others = {WAY_EPOLL}, .width = 3},
    {.name = "mixed", .first = WAY_SET, .count = 3, .others = {WAY_BLOCK, WAY_SET, WAY_EPOLL}, .width = 2},
    {.name = "room-block", .first = WAY_BLOCK, .count = 1, .others = {WAY_BLOCK}, .room = 1},
    {.name = "room-adaptive", .first = WAY_ADAPTIVE, .count = 1, .others = {WAY_ADAPTIVE}, .room = 2},
    {.name = "room-waitset", .first = WAY_SET, .count = 1, .others = {WAY_BLOCK}, .room = 1},
    {.name = "room-epoll", .first = WAY_EPOLL, .count = 1, .others = {WAY_SET}, .room = 2},
};

#define TABLES (sizeof tables / sizeof *tables)

/* A table at play, as the parent sees it. */
struct play {
    bool used;
    struct player players[PLAYERS_MAX];
    struct player_ledger *ledgers;
    volatile pid_t pids[PLAYERS_MAX];
    uint64_t handoffs; /* as last seen */
    int64_t moved;     /* when they last grew, or a player could not help it */
    int64_t longest;   /* that it stood still */
};

/* One run; the signal handler needs to find it. */
static struct {
    struct play plays[TABLES];
    volatile pid_t load; /* stress-ng, and its process group; 0: none */
    struct play *stopped;
    pid_t stopped_pid;
    int64_t next_stop; /* or end of the stop */
    uint64_t stops;
    struct random random;
    int64_t patience;
    uint64_t least;
    char bus_name[32];
} run = {.patience = PATIENCE_SECONDS * INT64_C(1000000000), .least = LEAST};

struct arguments {
    unsigned seconds;
    uint64_t seed;
    bool quiet_machine;
};

static const char *const help =
    "usage: handoffs [OPTION]... [TABLE]...\n"
    "Plays at these tables, or at all, and looks for lost wake-ups.\n\n"
    "  --seconds=N    play so long, and until every table had its least [4]\n"
    "  --patience=N   seconds: what stands still so long has lost a wake-up [20]\n"
    "  --least=N      hand-offs after a sleep that each table needs [300]\n"
    "  --seed=N       repeats the choices, though not the timing\n"
    "  --no-load      without stress-ng, and stop nobody\n"
    "  --list         the tables\n";

/* ------------------------------------------------------------------------------------------ the end */

static void end_processes(void)
{
    for (unsigned t = 0; t < TABLES; t++) {
        for (unsigned i = 0; i < PLAYERS_MAX; i++) {
            if (run.plays[t].pids[i] > 0) {
                (void)kill(run.plays[t].pids[i], SIGKILL);
            }
        }
    }
    if (run.load > 0) {
        (void)kill(-run.load, SIGKILL);
    }
    char path[sizeof run.bus_name + 8] = "/shmbus.";
    (void)strcat(path, run.bus_name);
    (void)shm_unlink(path);
}

static void ended(int signal_number)
{
    static const char text[] = "handoffs: ended by a signal or its watchdog\n";
    end_processes();
    (void)!write(2, text, sizeof text - 1);
    _exit(128 + signal_number);
}

static void finish(int status) __attribute__((noreturn));

static void finish(int status)
{
    end_processes();
    while (wait(NULL) > 0) {
    }
    exit(status);
}

/* ---------------------------------------------------------------------------------------- processes */

static pid_t fork_child(void)
{
    (void)fflush(NULL);
    const pid_t pid = fork();
    if (pid == 0) {
        household_leave();
    } else if (pid < 0) {
        perror("handoffs: fork");
        finish(1);
    }
    return pid;
}

static void start_load(void)
{
    char seconds[16];
    (void)snprintf(seconds, sizeof seconds, "%d", RUN_SECONDS);
    const pid_t pid = fork_child();
    if (pid == 0) {
        (void)setpgid(0, 0);
        (void)execlp("stress-ng", "stress-ng", "--quiet", "--cpu", "2", "--switch", "2", "--timer", "2",
                     "--futex", "1", "--timeout", seconds, (char *)NULL);
        perror("handoffs: stress-ng, of the Debian package of that name");
        _exit(127);
    }
    (void)setpgid(pid, pid); /* whichever of the two comes first */
    run.load = pid;
}

static void start_table(unsigned t, uint64_t seed)
{
    struct play *play = &run.plays[t];
    void *shared = mmap(NULL, sizeof(struct player_ledger) * PLAYERS_MAX, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        perror("handoffs: mmap");
        finish(1);
    }
    play->ledgers = shared;
    play->moved = shmbus_now();
    for (unsigned i = 0; i <= tables[t].count; i++) {
        play->players[i] = (struct player){.table = &tables[t],
                                           .bus_name = run.bus_name,
                                           .table_index = t,
                                           .index = i,
                                           .seed = seed,
                                           .ledgers = play->ledgers};
        const pid_t pid = fork_child();
        if (pid == 0) {
            player_run(&play->players[i]);
        }
        play->pids[i] = pid;
    }
}

/* Nobody may end before all is over. */
static void reap(void)
{
    int status;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid > 0) {
        (void)fprintf(stderr, "handoffs: %s (process %d) ended with status %#x\n",
                      pid == run.load ? "stress-ng" : "a player", (int)pid, (unsigned)status);
        finish(1);
    }
}

/* -------------------------------------------------------------------------------------------- stops */

static void go_on(void)
{
    (void)kill(run.stopped_pid, SIGCONT);
    run.stopped->moved = shmbus_now();
    run.stopped = NULL;
}

static void stop_somebody(int64_t now)
{
    const unsigned t = (unsigned)random_below(&run.random, TABLES);
    struct play *play = &run.plays[t];
    if (!play->used) {
        return;
    }
    run.stopped = play;
    run.stopped_pid = play->pids[random_below(&run.random, tables[t].count + 1)];
    run.stops++;
    (void)kill(run.stopped_pid, SIGSTOP);
    run.next_stop = now + (int64_t)random_below(&run.random, STOP_NS);
}

static void stop_and_go(int64_t now)
{
    if (now < run.next_stop) {
        return;
    }
    if (run.stopped) {
        go_on();
        run.next_stop = now + (int64_t)random_below(&run.random, BETWEEN_STOPS_NS);
    } else {
        stop_somebody(now);
    }
}

/* ----------------------------------------------------------------------------------------- watchdog */

static uint64_t sum_slept(const struct play *play)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < PLAYERS_MAX; i++) {
        sum += atomic_load(&play->ledgers[i].slept);
    }
    return sum;
}

static void tell_loss(unsigned t)
{
    const struct play *play = &run.plays[t];
    (void)fprintf(stderr, "handoffs: table %s: a wake-up was lost: nothing has moved for %" PRId64 " ms\n",
                  tables[t].name, (shmbus_now() - play->moved) / 1000000);
    for (unsigned i = 0; i <= tables[t].count; i++) {
        const struct player_ledger *ledger = &play->ledgers[i];
        (void)fprintf(stderr,
                      "  player %u (%s, process %d) %s number %" PRIu64 " after %" PRIu64 " hand-offs\n", i,
                      way_name(player_way(&tables[t], i)), (int)play->pids[i],
                      atomic_load(&ledger->waits) ? "waits with" : "works on", atomic_load(&ledger->number),
                      atomic_load(&ledger->handoffs));
    }
}

static void watch(unsigned t, int64_t now)
{
    struct play *play = &run.plays[t];
    uint64_t handoffs = 0;
    for (unsigned i = 0; i < PLAYERS_MAX; i++) {
        handoffs += atomic_load(&play->ledgers[i].handoffs);
    }
    if (handoffs != play->handoffs || run.stopped == play) {
        play->handoffs = handoffs;
        play->moved = now;
    } else if (now - play->moved > play->longest) {
        play->longest = now - play->moved;
    }
    const bool started = handoffs != 0;
    if (now - play->moved > (started ? run.patience : START_NS)) {
        tell_loss(t);
        finish(1);
    }
}

static bool had_enough(void)
{
    for (unsigned t = 0; t < TABLES; t++) {
        if (run.plays[t].used && sum_slept(&run.plays[t]) < run.least) {
            return false;
        }
    }
    return true;
}

/* A moment, unless a child ends first. */
static void tick(void)
{
    household_tick(TICK_NS);
    reap();
}

static void play(const struct arguments *arguments)
{
    const int64_t end = shmbus_deadline(INT64_C(1000000000) * arguments->seconds);
    int64_t now;
    while ((now = shmbus_now()) < end || !had_enough()) {
        tick();
        for (unsigned t = 0; t < TABLES; t++) {
            if (run.plays[t].used) {
                watch(t, now);
            }
        }
        if (!arguments->quiet_machine) {
            stop_and_go(now);
        }
    }
}

/* ---------------------------------------------------------------------------------------- the program */

static void report(void)
{
    uint64_t all = 0;
    for (unsigned t = 0; t < TABLES; t++) {
        const struct play *table = &run.plays[t];
        if (table->used) {
            printf("%-14s %8" PRIu64 " hand-offs, %7" PRIu64 " after a sleep; stood still for %" PRId64
                   " ms at most\n",
                   tables[t].name, table->handoffs, sum_slept(table), table->longest / 1000000);
            all += sum_slept(table);
        }
    }
    printf("%" PRIu64 " sleeps, and everybody went on; %" PRIu64 " stops\n", all, run.stops);
}

static uint64_t number(const char *option, const char *text)
{
    char *end;
    const uint64_t value = strtoull(text, &end, 0);
    if (end == text || *end != 0) {
        (void)fprintf(stderr, "handoffs: --%s=%s is not a number\n", option, text);
        exit(2);
    }
    return value;
}

static void list(void)
{
    for (unsigned t = 0; t < TABLES; t++) {
        printf("%-14s %s and %u times %s\n", tables[t].name, way_name(tables[t].first), tables[t].count,
               way_name(tables[t].others[0]));
    }
}

static void use_table(const char *name)
{
    for (unsigned t = 0; t < TABLES; t++) {
        if (strcmp(tables[t].name, name) == 0) {
            run.plays[t].used = true;
            return;
        }
    }
    (void)fprintf(stderr, "handoffs: no table %s; --list names them\n", name);
    exit(2);
}

static void parse(int argc, char **argv, struct arguments *arguments)
{
    static const struct option options[] = {
        {"seconds", required_argument, NULL, 's'}, {"patience", required_argument, NULL, 'p'},
        {"least", required_argument, NULL, 'L'},   {"seed", required_argument, NULL, 'S'},
        {"no-load", no_argument, NULL, 'n'},       {"list", no_argument, NULL, 'l'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 's':
            arguments->seconds = (unsigned)number("seconds", optarg);
            break;
        case 'p':
            run.patience = INT64_C(1000000000) * (int64_t)number("patience", optarg);
            break;
        case 'L':
            run.least = number("least", optarg);
            break;
        case 'S':
            arguments->seed = number("seed", optarg);
            break;
        case 'n':
            arguments->quiet_machine = true;
            break;
        case 'l':
            list();
            exit(0);
        default:
            (void)fputs(help, option == 'h' ? stdout : stderr);
            exit(option == 'h' ? 0 : 2);
        }
    }
    for (unsigned t = 0; t < TABLES && optind == argc; t++) {
        run.plays[t].used = true;
    }
    for (int i = optind; i < argc; i++) {
        use_table(argv[i]);
    }
}

/* Without membarrier a sleeper needs its bounds. */
static void need_membarrier(void)
{
    const long commands = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
    if (commands < 0 || (commands & MEMBARRIER_CMD_GLOBAL_EXPEDITED) == 0) {
        printf("skipped: this kernel lacks, or does not allow, membarrier\n");
        exit(77);
    }
}

int main(int argc, char **argv)
{
    struct arguments arguments = {.seconds = 4};
    arguments.seed = random_mix((uint64_t)time(NULL) ^ (uint64_t)getpid() << 32) >> 1;
    parse(argc, argv, &arguments);
    need_membarrier();
    household_catch(ended);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* stress-ng's own processes are ours to bury */
    (void)alarm(RUN_SECONDS);
    printf("seed %" PRIu64 "\n", arguments.seed);
    run.random = random_seeded(arguments.seed, 0);
    (void)snprintf(run.bus_name, sizeof run.bus_name, "handoffs.%d", (int)getpid());
    if (!arguments.quiet_machine) {
        start_load();
    }
    for (unsigned t = 0; t < TABLES; t++) {
        if (run.plays[t].used) {
            start_table(t, arguments.seed);
        }
    }
    play(&arguments);
    report();
    finish(0);
}
