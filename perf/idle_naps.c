/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shmbus-bench-naps: sleeps for 250 ms again and again, as who waits on an idle bus does, and does nothing else:
 * the floor of what that costs. Until it is killed.
 */
#include <signal.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    const struct timespec nap = {.tv_nsec = 250000000};
    char byte = 'r';
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (write(STDOUT_FILENO, &byte, 1) != 1)
        return 1;
    for (;;)
        clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
}
