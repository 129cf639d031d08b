/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "doctor.h"
#include "numbers.h"
#include "small_file.h"

#define PLACE "/dev/shm"
#define DOCKER_SIZE (UINT64_C(64) << 20) /* what a container gets unless told otherwise */
#define FULL 90                          /* % */
#define HUGE_WORTH (UINT64_C(64) << 20)  /* memory of buses from which huge pages are mentioned */

static void enlarge(struct finding *finding, uint64_t size)
{
    const uint64_t twice = size >> 20 << 1;
    finding_set(&finding->command, "mount -o remount,size=%" PRIu64 "M " PLACE, twice > 0 ? twice : 2);
}

static void space(struct findings *findings)
{
    struct statvfs fs;
    char total[NUMBER_TEXT];
    char left[NUMBER_TEXT];
    if (statvfs(PLACE, &fs) != 0 || fs.f_blocks == 0) {
        return;
    }
    const uint64_t size = (uint64_t)fs.f_blocks * fs.f_frsize;
    const uint64_t unused = (uint64_t)fs.f_bavail * fs.f_frsize;
    const uint64_t used = 100 - unused * 100 / size;
    (void)number_format_size(size, total);
    (void)number_format_size(unused, left);
    if (used >= FULL) {
        struct finding *finding = finding_add(findings, SEVERITY_PROBLEM, "shm-full", NULL);
        finding_set(&finding->what, PLACE " is full to %" PRIu64 " %%: %s of %s are left", used, left, total);
        finding_set(&finding->meaning,
                    "A bus or channel that needs more cannot be created (-ENOSPC). Remove stale buses "
                    "(shmbus gc), or enlarge it; in Docker: docker run --shm-size=1g.");
        enlarge(finding, size);
    } else if (size <= DOCKER_SIZE) {
        struct finding *finding = finding_add(findings, SEVERITY_HINT, "shm-small", NULL);
        finding_set(&finding->what, PLACE " has %s in all, of which %s are left", total, left);
        finding_set(&finding->meaning, "That is what Docker gives a container: docker run --shm-size=1g.");
        enlarge(finding, size);
    }
}

static void sticky(struct findings *findings)
{
    struct stat folder;
    if (stat(PLACE, &folder) != 0 || !(folder.st_mode & 0002) || (folder.st_mode & S_ISVTX)) {
        return;
    }
    struct finding *finding = finding_add(findings, SEVERITY_PROBLEM, "shm-not-sticky", NULL);
    finding_set(&finding->what, PLACE " is writable by everybody and not sticky (mode %04o)",
                folder.st_mode & 07777);
    finding_set(&finding->meaning, "Any user can remove or rename the buses of any other.");
    finding_set(&finding->command, "chmod +t " PLACE);
}

static void governor(struct findings *findings)
{
    char text[64];
    if (small_file_read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", text, sizeof text) <= 0) {
        return;
    }
    text[strcspn(text, "\n")] = '\0';
    if (strcmp(text, "performance") == 0) {
        return;
    }
    struct finding *finding = finding_add(findings, SEVERITY_HINT, "cpu-governor", NULL);
    finding_set(&finding->what, "the CPUs' frequency governor is \"%s\"", text);
    finding_set(&finding->meaning,
                "A CPU that has slept may start slowly: latencies vary. For the lowest ones:");
    finding_set(&finding->command, "cpupower frequency-set -g performance");
}

/* Whether the tmpfs was mounted with huge=, and not never. */
static int mounted_huge(void)
{
    FILE *mounts = setmntent("/proc/self/mounts", "r");
    int huge = 0;
    for (struct mntent *mount; mounts && (mount = getmntent(mounts));) {
        if (strcmp(mount->mnt_dir, PLACE) == 0) {
            huge = strstr(mount->mnt_opts, "huge=") != NULL && !strstr(mount->mnt_opts, "huge=never");
        }
    }
    if (mounts) {
        (void)endmntent(mounts);
    }
    return huge;
}

static void huge_pages(uint64_t resident, struct findings *findings)
{
    char text[128];
    const int known =
        small_file_read("/sys/kernel/mm/transparent_hugepage/shmem_enabled", text, sizeof text) > 0;
    if (resident < HUGE_WORTH || !known || strstr(text, "[force]") ||
        (mounted_huge() && !strstr(text, "[deny]"))) {
        return;
    }
    struct finding *finding = finding_add(findings, SEVERITY_HINT, "huge-pages", NULL);
    finding_set(&finding->what, "the buses of this host have more than 64 MiB, in pages of 4 KiB");
    finding_set(&finding->meaning,
                "Huge pages may save TLB misses on large channels. They are for buses made after:");
    finding_set(&finding->command,
                strstr(text, "[deny]")
                    ? "echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled && mount -o "
                      "remount,huge=within_size " PLACE
                    : "mount -o remount,huge=within_size " PLACE);
}

void doctor_host(uint64_t resident, struct findings *findings)
{
    space(findings);
    sticky(findings);
    governor(findings);
    huge_pages(resident, findings);
    doctor_kernel(findings);
}
