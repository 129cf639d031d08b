/* SPDX-License-Identifier: Apache-2.0 */
#include "small_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int small_file_read(const char *path, char *text, size_t size)
{
    text[0] = '\0';
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    const ssize_t count = read(fd, text, size - 1);
    const int result = count < 0 ? -errno : (int)count;
    (void)close(fd);
    text[result > 0 ? result : 0] = '\0';
    return result;
}
