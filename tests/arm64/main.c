/* SPDX-License-Identifier: Apache-2.0 */
/* facilities: says which of them work here. `facilities --nothing` only ends: can it be started? */
#include "facilities.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKS 0
#define WRONG 254 /* no error, but not what was asked for */

static int try(const struct facility *facility)
{
    int status;
    const pid_t child = fork();
    if (child == 0) {
        (void)alarm(20);
        errno = 0;
        _exit(facility->works() ? WORKS : errno != 0 ? errno : WRONG);
    }
    const bool ended = waitpid(child, &status, 0) == child && WIFEXITED(status);
    return ended ? WEXITSTATUS(status) : WRONG;
}

static void tell(const struct facility *facilities)
{
    for (; facilities->name; facilities++) {
        const int result = try(facilities);
        (void)printf("%-32s  %s\n", facilities->name,
                     result == WORKS   ? "yes"
                     : result == WRONG ? "no"
                                       : strerror(result));
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        return strcmp(argv[1], "--nothing") == 0 ? 0 : 2;
    }
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    tell(facilities_of_calls);
    tell(facilities_of_processes);
    return 0;
}
