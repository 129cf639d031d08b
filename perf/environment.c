/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/environment.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#ifdef __clang__
#define COMPILER "clang "
#else
#define COMPILER "gcc "
#endif

#ifndef BENCH_FLAGS
#define BENCH_FLAGS ""
#endif

/* First line of a file without its newline; false when it cannot be read. */
static bool read_line(const char *path, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool read = fgets(line, (int)size, file) != NULL;
    fclose(file);
    if (read)
        line[strcspn(line, "\n")] = '\0';
    return read;
}

static bool cpu_of_one_core(int left, int right)
{
    char path[128];
    char first[64];
    char second[64];
    const char *format = "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list";
    snprintf(path, sizeof path, format, left);
    if (!read_line(path, first, sizeof first))
        return false;
    snprintf(path, sizeof path, format, right);
    return read_line(path, second, sizeof second) && strcmp(first, second) == 0;
}

static int cpus_parse(const char *list, const cpu_set_t *allowed, int cpus[ROLES_MAX])
{
    int count = 0;
    for (const char *next = list; *next != '\0'; count++) {
        char *end;
        long cpu = strtol(next, &end, 10);
        if (end == next || (*end != ',' && *end != '\0') || cpu < 0 || cpu >= CPU_SETSIZE) {
            fprintf(stderr, "--cpus: \"%s\" is not a list of CPU numbers such as 0,1\n", list);
            return -1;
        }
        if (!CPU_ISSET((size_t)cpu, allowed)) {
            fprintf(stderr, "--cpus: this process may not run on CPU %ld\n", cpu);
            return -1;
        }
        if (count == (int)ROLES_MAX) {
            fprintf(stderr, "--cpus: more than %u CPUs\n", ROLES_MAX);
            return -1;
        }
        cpus[count] = (int)cpu;
        next = *end == ',' ? end + 1 : end;
    }
    return count;
}

static int cpus_choose(const cpu_set_t *allowed, int cpus[ROLES_MAX])
{
    int second = -1;
    int count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE && count < 2; cpu++) {
        if (!CPU_ISSET((size_t)cpu, allowed))
            continue;
        if (count == 1 && cpu_of_one_core(cpus[0], cpu))
            second = second < 0 ? cpu : second;
        else
            cpus[count++] = cpu;
    }
    if (count == 1 && second >= 0)
        cpus[count++] = second;
    return count;
}

int environment_cpus(const char *list, int cpus[ROLES_MAX])
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    sched_getaffinity(0, sizeof allowed, &allowed);
    int count = list != NULL ? cpus_parse(list, &allowed, cpus) : cpus_choose(&allowed, cpus);
    if (count >= 0 && count < 2) {
        fprintf(stderr, "the bench needs 2 CPUs, it has %d\n", count);
        return -1;
    }
    return count;
}

/* The value of the first "key : value" line of /proc/cpuinfo. */
static bool cpuinfo(const char *key, char *value, size_t size)
{
    char line[4096];
    bool found = false;
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (colon == NULL || strncmp(line, key, strlen(key)) != 0)
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(value, size, "%s", colon[1] == ' ' ? colon + 2 : colon + 1);
        found = true;
    }
    fclose(file);
    return found;
}

static void list_cpus(const struct bench_run *run, char *list, size_t size)
{
    size_t used = 0;
    list[0] = '\0';
    for (unsigned i = 0; i < run->cpu_count && used < size; i++)
        used += (size_t)snprintf(list + used, size - used, "%s%d", i > 0 ? "," : "", run->cpus[i]);
}

void environment_read(struct environment *environment, const struct bench_run *run)
{
    struct utsname names;
    char flags[4096] = "";
    char path[128];
    *environment = (struct environment){.one_core = cpu_of_one_core(run->cpus[0], run->cpus[1])};
    if (!cpuinfo("model name", environment->cpu, sizeof environment->cpu))
        snprintf(environment->cpu, sizeof environment->cpu, "unknown");
    environment->virtual_machine =
        cpuinfo("flags", flags, sizeof flags) && strstr(flags, " hypervisor") != NULL;
    uname(&names);
    snprintf(environment->kernel, sizeof environment->kernel, "%s %s %s", names.sysname, names.release,
             names.machine);
    snprintf(environment->compiler, sizeof environment->compiler, COMPILER "%s %s", __VERSION__, BENCH_FLAGS);
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", run->cpus[0]);
    if (!read_line(path, environment->governor, sizeof environment->governor))
        snprintf(environment->governor, sizeof environment->governor, "not visible");
    list_cpus(run, environment->cpus, sizeof environment->cpus);
}
