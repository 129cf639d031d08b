/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may use a segment file: its group, its permission bits, its access control list.
 *
 * concurrency   any thread
 * killed        the file has what was set until then
 */
#ifndef SHMBUS_BUS_OS_ACCESS_H
#define SHMBUS_BUS_OS_ACCESS_H

#include <stdint.h>

/* The effective user of this process. */
uint32_t os_access_user(void);

/* The number of the group `group`, which is a name or a number; -ENOENT when there is none. */
int os_access_group(const char *group, uint32_t *gid);

/* Gives the file to a group. -EPERM: only root, or the owner if he is one of its members, may. */
int os_access_set_group(int fd, uint32_t gid);

/* The permission bits, whatever the umask. */
int os_access_set_mode(int fd, uint32_t mode);

/*
 * The bits of `mode` and the entries of `acl`, in the text form of acl(5), long or short, names or numbers. -EINVAL:
 * that is no ACL, or it has entries for the owner, the owning group or others, which `mode` has too.
 */
int os_access_set_acl(int fd, uint32_t mode, const char *acl);

#endif
