/* SPDX-License-Identifier: Apache-2.0 */
#include "signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>
#include <unistd.h>

/* Atomic, not sig_atomic_t: the handler may run in a thread of liburcu's. */
static int stop_signal;

static void on_stop(int number)
{
    __atomic_store_n(&stop_signal, number, __ATOMIC_RELAXED);
    alarm(1);
}

static void on_alarm(int number)
{
    (void)number;
    alarm(1);
}

void signals_install(void)
{
    /* Without SA_RESTART a blocked read or write returns. Its default action kills the second time. */
    struct sigaction stop = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND};
    struct sigaction again = {.sa_handler = on_alarm};
    sigemptyset(&stop.sa_mask);
    sigemptyset(&again.sa_mask);
    sigaction(SIGALRM, &again, NULL);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
}

int signals_stop(void)
{
    return __atomic_load_n(&stop_signal, __ATOMIC_RELAXED);
}

void signals_nap(unsigned milliseconds)
{
    const struct timespec time = {.tv_sec = milliseconds / 1000,
                                  .tv_nsec = (long)(milliseconds % 1000) * 1000000L};
    (void)nanosleep(&time, NULL);
}

int signals_nap_until(int64_t deadline)
{
    const struct timespec time = {.tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000};
    while (!signals_stop() && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
    }
    return signals_stop();
}
