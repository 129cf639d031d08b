/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unit tests share: a bus of its own for each test, checks, child processes, and messages whose
 * content tells whether they are whole.
 *
 * concurrency   checks: any thread and any child process. The rest: the test's own thread
 * killed        children die with the test; the runner removes the buses that a crashed test left
 *
 * Each test runs in a process of its own. A failed check ends the test; in a child, or in another thread of the
 * test, it ends the process with a message, which fails the test as well.
 */
#ifndef SHMBUS_TESTS_UNIT_H
#define SHMBUS_TESTS_UNIT_H

#include <criterion/criterion.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <shmbus/inspect.h>
#include <shmbus/shmbus.h>

#define UNIT_SECONDS 100 /* far more than any test takes, also under a sanitizer on a busy machine */

/* Defines a test that has the name of a bus, `unit_bus`, for itself. */
#define UNIT(suite, name) Test(suite, name, .init = unit_init, .fini = unit_fini, .timeout = UNIT_SECONDS)

/* ------------------------------------------------------------------------------------------- checks */

#define check(condition) ((condition) ? (void)0 : unit_fail(__FILE__, __LINE__, "%s", #condition))

/* The flags of a message that `times` members died with. */
#define UNIT_REDELIVERED(times) (SHMBUS_REDELIVERED | (times) << SHMBUS_ATTEMPTS_SHIFT)

#define check_eq(a, b) unit_check_eq(__FILE__, __LINE__, #a " == " #b, (int64_t)(a), (int64_t)(b))

/* The call returns `err`, and shmbus_strerror() has each of the words that follow. */
#define check_fails(call, err, ...)                                                                          \
    unit_check_fails(__FILE__, __LINE__, #call, (int64_t)(call), err,                                        \
                     (const char *const[]){__VA_ARGS__, NULL})

/* Gives up unless the condition comes true: for what another process or thread is about to do. */
#define check_soon(condition)                                                                                \
    do {                                                                                                     \
        const int64_t unit_until = unit_soon();                                                              \
        while (!(condition)) {                                                                               \
            unit_look_again(__FILE__, __LINE__, #condition, unit_until);                                     \
        }                                                                                                    \
    } while (0)

void unit_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));
void unit_check_eq(const char *file, int line, const char *what, int64_t a, int64_t b);
void unit_check_fails(const char *file, int line, const char *call, int64_t result, int err,
                      const char *const *words);
int64_t unit_soon(void);
void unit_look_again(const char *file, int line, const char *what, int64_t until);

/* ------------------------------------------------------------------------------------- the test's bus */

extern char unit_bus[SHMBUS_NAME_MAX + 1];

void unit_init(void);
void unit_fini(void);

/* Opens the test's bus, creating it when it is not there. */
shmbus_bus *unit_open(void);

/* The channel "c" with these options; with `options` NULL it must be there. */
shmbus_publisher *unit_publisher(shmbus_bus *bus, const shmbus_channel_options *options);

/* A member of `group` (NULL: one of its own) of channel "c", from the oldest message on. */
shmbus_subscriber *unit_subscriber(shmbus_bus *bus, const char *group);
shmbus_subscriber *unit_worker(shmbus_bus *bus, const char *group);

/* A path like /dev/shm/shmbus.NAME, of the test's bus. Static storage. */
const char *unit_path(void);

struct unit_file {
    int64_t size;
    int64_t blocks; /* of 512 bytes */
};

struct unit_file unit_file(void);

/* The only channel of the test's bus; a group, a publisher, a member of it. */
shmbus_channel_info unit_channel_info(void);
shmbus_group_info unit_group_info(const char *group);
shmbus_publisher_info unit_publisher_info(uint32_t index);
shmbus_member_info unit_member_info(uint32_t index);

/* Every group of the test's bus: published = delivered + aborted + missed + pending. */
void unit_check_ledger(void);

/* ------------------------------------------------------------------------------------------ messages */

/* Sends a message of `size` bytes that are a function of `seed`; 0 or the error. */
int unit_send(shmbus_publisher *publisher, size_t size, uint64_t seed, int64_t deadline);

void unit_fill(void *data, size_t size, uint64_t seed);

/* Are these the `size` bytes of `seed`? */
void unit_check_content(const void *data, size_t size, uint64_t seed);

/* Receives one message, and checks its sequence, size and content. */
void unit_receive(shmbus_subscriber *subscriber, uint64_t sequence, size_t size, uint64_t seed);

/* ------------------------------------------------------------------------------------------ processes */

/* A forked process that runs `body` and ends with 0. It dies with the test. */
pid_t unit_fork(void (*body)(void *context), void *context);

/* Waits for its end: it must have been without failed checks. */
void unit_join(pid_t child);

/* SIGKILL, and waits until it is gone. */
void unit_kill(pid_t child);

/* Lets one side go on when the other says so. Make it before the fork. */
struct unit_gate {
    int fds[2];
};

struct unit_gate unit_gate(void);
void unit_gate_open(const struct unit_gate *gate);
void unit_gate_wait(const struct unit_gate *gate);

/* For a child that is to be killed: says that it is ready, and never returns. */
void unit_wait_to_be_killed(const struct unit_gate *gate) __attribute__((noreturn));

#endif
