/* SPDX-License-Identifier: Apache-2.0 */
/* The receiving part of shmbus.h: many messages held at once. */
#include "api_subscriber.h"
#include "error.h"

/* Shows more, pinned, until `deadline`. -ECANCELED: the handle was closed meanwhile, and the section is left. */
static int show_until(struct subscriber_handle *owner, shmbus_message *messages, unsigned count,
                      int64_t deadline)
{
    struct subscriber *subscriber = &owner->subscriber;
    int shown = handle_pin(&owner->child.handle);
    if (shown != 0) {
        return shown;
    }
    int wait;
    do {
        wait = subscriber_wait(subscriber, deadline);
        shown = wait == 0 || wait == -EIDRM ? subscriber_show(subscriber, messages, count) : wait;
    } while (shown == -EAGAIN && wait == 0);
    return handle_unpin(&owner->child.handle) ? shown : -ECANCELED;
}

static int show(struct subscriber_handle *owner, shmbus_message *messages, unsigned count, int64_t deadline)
{
    struct subscriber *subscriber = &owner->subscriber;
    if (subscriber->shown == 0 && consumer_shown(&subscriber->consumer)) {
        return error_set(-EBUSY, "a message is peeked: give it back by shmbus_release() first");
    }
    const int shown = subscriber_show(subscriber, messages, count);
    if (shown != -EAGAIN) {
        return shown;
    }
    if (deadline == SHMBUS_NOWAIT) {
        subscriber_give_up(subscriber);
        return shown;
    }
    return show_until(owner, messages, count, deadline);
}

int shmbus_peek_batch(shmbus_subscriber *key, shmbus_message *messages, unsigned count, int64_t deadline)
{
    if (!messages || count == 0 || count > INT32_MAX) {
        return error_set(-EINVAL, "a batch of %u messages at %p: it needs 1 to %d", count, (void *)messages,
                         INT32_MAX);
    }
    int err = 0;
    struct subscriber_handle *owner = subscriber_enter(key, &err);
    if (!owner) {
        return err;
    }
    const int shown = show(owner, messages, count, deadline);
    if (shown != -ECANCELED) {
        handle_leave();
    }
    return shown;
}

int shmbus_release_batch(shmbus_subscriber *key, unsigned count)
{
    int err = 0;
    struct subscriber_handle *owner = subscriber_enter(key, &err);
    if (!owner) {
        return err;
    }
    struct subscriber *subscriber = &owner->subscriber;
    if (count <= subscriber->shown) {
        err = subscriber_release_shown(subscriber, count);
    } else {
        err = error_set(-EINVAL, "%u messages cannot be given back: %u of a batch are held", count,
                        subscriber->shown);
    }
    handle_leave();
    return err;
}
