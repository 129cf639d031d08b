/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "os_access.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/acl.h>
#include <sys/stat.h>
#include <unistd.h>

#define GROUP_MEMBERS_MAX ((size_t)1 << 20) /* bytes of a group's entry */

uint32_t os_access_user(void)
{
    return geteuid();
}

static int group_number(const char *text, uint32_t *gid)
{
    char *end;
    errno = 0;
    const unsigned long number = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0 || number >= UINT32_MAX) {
        return -ENOENT;
    }
    *gid = (uint32_t)number;
    return 0;
}

static int group_of_name(const char *name, uint32_t *gid)
{
    struct group entry, *found = NULL;
    char *buffer = NULL;
    int err = ERANGE;
    for (size_t size = 1024; err == ERANGE && size <= GROUP_MEMBERS_MAX; size *= 2) {
        free(buffer);
        buffer = malloc(size);
        err = buffer ? getgrnam_r(name, &entry, buffer, size, &found) : ENOMEM;
    }
    if (err == 0 && found) {
        *gid = found->gr_gid;
    }
    free(buffer);
    return err == 0 && !found ? -ENOENT : -err;
}

int os_access_group(const char *group, uint32_t *gid)
{
    const int err = group_of_name(group, gid);
    return err == 0 ? 0 : group_number(group, gid) == 0 ? 0 : err;
}

int os_access_set_group(int fd, uint32_t gid)
{
    return fchown(fd, (uid_t)-1, gid) == 0 ? 0 : -errno;
}

int os_access_set_mode(int fd, uint32_t mode)
{
    return fchmod(fd, mode) == 0 ? 0 : -errno;
}

static const char *class_text(uint32_t bits)
{
    static const char *const texts[] = {"---", "--x", "-w-", "-wx", "r--", "r-x", "rw-", "rwx"};
    return texts[bits & 7];
}

/* All of it as one text. NULL: no memory. */
static char *complete_acl(uint32_t mode, const char *acl)
{
    char *text;
    const int length = asprintf(&text, "user::%s,group::%s,other::%s,%s", class_text(mode >> 6),
                                class_text(mode >> 3), class_text(mode), acl);
    return length < 0 ? NULL : text;
}

/* Adds the mask if that is what is missing: all that any entry grants. */
static int complete_mask(acl_t *acl)
{
    return acl_valid(*acl) == 0 || (acl_calc_mask(acl) == 0 && acl_valid(*acl) == 0) ? 0 : -EINVAL;
}

int os_access_set_acl(int fd, uint32_t mode, const char *acl)
{
    char *text = complete_acl(mode, acl);
    if (!text) {
        return -ENOMEM;
    }
    acl_t list = acl_from_text(text);
    free(text);
    if (!list) {
        return errno == ENOMEM ? -ENOMEM : -EINVAL;
    }
    int err = complete_mask(&list);
    if (err == 0 && acl_set_fd(fd, list) != 0) {
        err = -errno;
    }
    (void)acl_free(list);
    return err;
}
