/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real sender processes for an event loop to receive from. Each has a channel of its own and numbers its messages;
 * before some of them it waits until the loop sleeps, so that each of those has to wake it; the others follow as
 * fast as they can.
 *
 * concurrency   senders are processes; the rest is the loop's, one thread
 * killed        senders die with the test
 */
#ifndef SHMBUS_TESTS_UNIT_SENDERS_H
#define SHMBUS_TESTS_UNIT_SENDERS_H

#include "unit_waitset.h"

#define SENDERS 3u
#define SENDER_MESSAGES 600u
#define SENDER_PAUSE 3u /* of so many messages the first one waits for the loop to sleep */

struct sender {
    char channel[8];
    pid_t loop; /* the thread to catch asleep */
    struct unit_gate joined;
    pid_t pid;
};

/* What a loop receives: from each sender every message, once, in order. */
struct inbox {
    struct sender senders[SENDERS];
    shmbus_bus *bus;
    struct unit_line lines[SENDERS];
    unsigned next[SENDERS];
    unsigned left;
    shmbus_waitset *set;
    int fd;
};

static inline void sender_run(void *context)
{
    const struct sender *sender = context;
    shmbus_bus *bus = unit_open();
    shmbus_publisher *publisher = unit_publisher_of(bus, sender->channel);
    unit_gate_wait(&sender->joined);
    for (uint64_t i = 0; i < SENDER_MESSAGES; i++) {
        if (i % SENDER_PAUSE == 0) {
            check_soon(unit_thread_asleep(sender->loop));
        }
        check_eq(shmbus_send(publisher, &i, sizeof i, SHMBUS_FOREVER), 0);
    }
    check_eq(shmbus_close(bus), 0);
}

/* Forks the senders, then joins their channels and lets them go. */
static inline void inbox_open(struct inbox *inbox)
{
    *inbox = (struct inbox){.left = SENDERS * SENDER_MESSAGES};
    for (unsigned i = 0; i < SENDERS; i++) {
        struct sender *sender = &inbox->senders[i];
        (void)snprintf(sender->channel, sizeof sender->channel, "s%u", i);
        sender->loop = getpid();
        sender->joined = unit_gate();
        sender->pid = unit_fork(sender_run, sender);
    }
    inbox->bus = unit_open();
    for (unsigned i = 0; i < SENDERS; i++) {
        inbox->lines[i].subscriber = unit_subscriber_of(inbox->bus, inbox->senders[i].channel);
        unit_gate_open(&inbox->senders[i].joined);
    }
    inbox->set = unit_waitset_of(inbox->lines, SENDERS);
    inbox->fd = shmbus_waitset_fd(inbox->set);
    check(inbox->fd >= 0);
}

static inline void inbox_take(struct inbox *inbox, const shmbus_event *event)
{
    const unsigned from = (unsigned)((const struct unit_line *)event->tag - inbox->lines);
    check(event->subscriber == inbox->lines[from].subscriber);
    check_eq(unit_line_receive(&inbox->lines[from]), inbox->next[from]);
    inbox->next[from]++;
    inbox->left--;
}

/* What the loop does when the descriptor is readable: takes all that is there. */
static inline void inbox_drain(struct inbox *inbox)
{
    shmbus_event events[2];
    int count;
    while ((count = shmbus_waitset_wait(inbox->set, events, 2, SHMBUS_NOWAIT)) > 0) {
        for (int i = 0; i < count; i++) {
            inbox_take(inbox, &events[i]);
        }
    }
    check_eq(count, -EAGAIN);
}

static inline void inbox_close(struct inbox *inbox)
{
    for (unsigned i = 0; i < SENDERS; i++) {
        unit_join(inbox->senders[i].pid);
        check_eq(inbox->next[i], SENDER_MESSAGES);
    }
    check_eq(shmbus_waitset_close(inbox->set), 0);
    check_eq(shmbus_close(inbox->bus), 0);
    check_eq(shmbus_remove(unit_bus), 0);
}

#endif
