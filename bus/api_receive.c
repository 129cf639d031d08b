/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The receiving part of shmbus.h: finds the handle, tries inside the read-side section, and pins the handle
 * where it has to wait or calls back.
 */
#include "api_reply.h"
#include "api_subscriber.h"
#include "error.h"
#include "os_clock.h"

#include <string.h>

#define POLL_BATCH 64u /* most messages of a shared group that one poll takes at once */

struct subscriber_handle *subscriber_enter(shmbus_subscriber *key, int *err)
{
    struct handle *handle = handle_enter_any(key, HANDLE_SUBSCRIBER);
    if (unlikely(!handle)) {
        *err = -EBADF;
        return NULL;
    }
    if (unlikely(handle_is_pinned(handle))) {
        handle_leave();
        *err = error_set(-EBUSY, "the subscriber is in a poll or in another thread's call");
        return NULL;
    }
    return subscriber_from_handle(handle);
}

static int batch_error(const struct subscriber *subscriber)
{
    return error_set(-EBUSY,
                     "%u messages of a batch are held: give them back by shmbus_release_batch() first",
                     subscriber->shown);
}

/* The same for a call that shows, or gives back, one message. */
static struct subscriber_handle *enter(shmbus_subscriber *key, int *err)
{
    struct subscriber_handle *owner = subscriber_enter(key, err);
    if (unlikely(owner && owner->subscriber.shown > 0)) {
        *err = batch_error(&owner->subscriber);
        handle_leave();
        return NULL;
    }
    return owner;
}

/* Tells the user about the peeked message. */
static void show(struct consumer *consumer, shmbus_message *message)
{
    subscriber_describe(consumer, consumer, message);
    consumer->refused = 0;
}

static void release(struct subscriber *subscriber)
{
    struct consumer *consumer = &subscriber->consumer;
    consumer->missed = 0;
    if (!consumer_release_fast(consumer)) {
        subscriber_release(subscriber);
    }
}

/*
 * A reader that has caught up with a stream takes the line away from the publisher who is writing it, again and
 * again, and slows both down: behind a burst of so many messages it waits a moment, for the next burst.
 */
#define BURST 16u
#define BURST_PAUSE_NS 400

static void pause_behind_burst(struct consumer *consumer)
{
    if (consumer->burst < BURST) {
        return;
    }
    consumer->burst = 0;
    const int64_t end = os_clock_monotonic() + BURST_PAUSE_NS;
    while (os_clock_monotonic() < end) {
        cpu_relax();
    }
}

/* Should a call that found nothing look some more before it pins its handle? */
static bool may_spin_in_section(struct subscriber *subscriber)
{
    if (!wait_spins(subscriber->style, &subscriber->waits)) {
        return false;
    }
    pause_behind_burst(&subscriber->consumer);
    return true;
}

/* The answer to what we just sent is a cache-line transfer away: waits for it a microsecond or two. */
static bool spin_in_section(struct subscriber *subscriber)
{
    struct consumer *consumer = &subscriber->consumer;
    if (!may_spin_in_section(subscriber)) {
        return false;
    }
    const uintptr_t reply = reply_lines;
    const struct consumer_record record = consumer_next_record(consumer);
    const bool in_window = consumer->window.slot != consumer->window.end;
    for (unsigned look = 0; look < WAIT_SPINS_TIGHT; look++) {
        if (in_window ? consumer_arrived(consumer) : consumer_ready(consumer)) {
            if (unlikely(subscriber->waits.spins.misses != 0)) {
                subscriber->waits.spins.misses = 0;
            }
            count_relaxed(&consumer->own->spins, 1);
            consumer_prefetch_record(&record);
            reply_prefetch(reply);
            return true;
        }
    }
    return false;
}

/*
 * Peeks inside the section, or pinned until `deadline`. Inside again afterwards, but for -ECANCELED: the
 * handle was closed meanwhile and is gone.
 */
static int peek_until(struct subscriber_handle *owner, int64_t deadline)
{
    struct subscriber *subscriber = &owner->subscriber;
    int err = subscriber_try_peek(subscriber, 1);
    if (err != -EAGAIN) {
        return err;
    }
    if (deadline == SHMBUS_NOWAIT) {
        subscriber_give_up(subscriber);
        return err;
    }
    if (spin_in_section(subscriber) && subscriber_try_peek(subscriber, 1) == 0) {
        return 0;
    }
    err = handle_pin(&owner->child.handle);
    if (err != 0) {
        return err;
    }
    err = subscriber_peek(subscriber, 1, deadline);
    return handle_unpin(&owner->child.handle) ? err : -ECANCELED;
}

static int no_message_error(void)
{
    return error_set(-EINVAL, "no place for the message: `message` is NULL");
}

/* The long way of peek and next. */
static __attribute__((noinline)) int peek_slow(shmbus_subscriber *key, shmbus_message *message,
                                               int64_t deadline, bool advance)
{
    if (!message) {
        return no_message_error();
    }
    int err = 0;
    struct subscriber_handle *owner = enter(key, &err);
    if (!owner) {
        return err;
    }
    struct subscriber *subscriber = &owner->subscriber;
    if (advance && consumer_shown(&subscriber->consumer)) {
        release(subscriber);
    }
    err = peek_until(owner, deadline);
    if (err == 0) {
        show(&subscriber->consumer, message);
    }
    if (err != -ECANCELED) {
        handle_leave();
    }
    return err;
}

/* Enters with the consumer of `key`, if it is in the thread's cache and no other call is using it. */
static inline bool enter_cached(shmbus_subscriber *key, struct handle_section *section,
                                struct consumer **consumer)
{
    if (unlikely(!handle_enter_cached(key, HANDLE_SUBSCRIBER, section))) {
        return false;
    }
    if (unlikely(handle_is_pinned(section->handle))) {
        handle_leave_cached(*section);
        return false;
    }
    *consumer = &subscriber_from_handle(section->handle)->subscriber.consumer;
    return true;
}

/* Tells about what consumer_peek_fast() found: never behind missed ones, never redelivered. */
static inline void show_fast(const struct consumer *consumer, const struct consumer_glimpse *seen,
                             shmbus_message *message)
{
    message->data = seen->data;
    message->size = seen->size;
    message->sequence = consumer->sequence;
    message->missed = 0;
    message->publisher = seen->publisher;
    message->flags = 0;
}

int shmbus_peek(shmbus_subscriber *key, shmbus_message *message, int64_t deadline)
{
    struct handle_section section;
    struct consumer *consumer;
    struct consumer_glimpse seen;
    if (likely(message && enter_cached(key, &section, &consumer))) {
        if (likely(!consumer->holding && consumer_peek_fast(consumer, &seen))) {
            show_fast(consumer, &seen, message);
            handle_leave_cached(section);
            return 0;
        }
        handle_leave_cached(section);
    }
    return peek_slow(key, message, deadline, false);
}

/* The rest of a next() that has entered the section; something is held still if it takes more to give it back. */
static __attribute__((noinline)) int next_entered(struct consumer *consumer, shmbus_subscriber *key,
                                                  shmbus_message *message, int64_t deadline)
{
    struct subscriber *subscriber = caa_container_of(consumer, struct subscriber, consumer);
    struct consumer_glimpse seen;
    if (unlikely(subscriber->shown > 0)) {
        const int busy = batch_error(subscriber);
        handle_leave();
        return busy;
    }
    if (consumer_shown(consumer)) {
        release(subscriber);
    }
    int err = 0;
    if (consumer_peek_window(consumer, &seen)) {
        show_fast(consumer, &seen, message);
    } else if ((err = subscriber_try_peek(subscriber, 1)) == 0) {
        show(consumer, message);
    } else if (err == -EAGAIN && deadline != SHMBUS_NOWAIT && spin_in_section(subscriber) &&
               consumer_peek_window(consumer, &seen)) {
        show_fast(consumer, &seen, message);
        err = 0;
    }
    handle_leave();
    return err == 0 ? 0 : peek_slow(key, message, deadline, false);
}

int shmbus_next(shmbus_subscriber *key, shmbus_message *message, int64_t deadline)
{
    struct handle_section section;
    struct consumer *consumer;
    struct consumer_glimpse seen;
    if (unlikely(!message || !enter_cached(key, &section, &consumer))) {
        return peek_slow(key, message, deadline, true);
    }
    unsigned char *slot = consumer->window.slot;
    const enum consumer_holding holding = consumer->holding;
    const bool released = likely(holding == CONSUMER_INLINE) ? consumer_release_at(consumer, &slot)
                                                             : holding == CONSUMER_NOTHING;
    if (unlikely(!released || !consumer_peek_at(consumer, slot, &seen))) {
        consumer->holding = released ? CONSUMER_NOTHING : holding;
        return next_entered(consumer, key, message, deadline);
    }
    show_fast(consumer, &seen, message);
    handle_leave_cached(section);
    return 0;
}

static __attribute__((noinline)) int release_slow(shmbus_subscriber *key)
{
    int err = 0;
    struct subscriber_handle *owner = enter(key, &err);
    if (!owner) {
        return err;
    }
    if (consumer_shown(&owner->subscriber.consumer)) {
        release(&owner->subscriber);
    } else {
        err = error_set(-EINVAL, "no message is peeked");
    }
    handle_leave();
    return err;
}

int shmbus_release(shmbus_subscriber *key)
{
    struct handle_section section;
    struct consumer *consumer;
    if (likely(enter_cached(key, &section, &consumer))) {
        const bool released = consumer->holding && consumer_release_fast(consumer);
        handle_leave_cached(section);
        if (likely(released)) {
            return 0;
        }
    }
    return release_slow(key);
}

static int64_t copy_message(struct subscriber *subscriber, void *buffer, size_t capacity,
                            shmbus_message *message)
{
    struct consumer *consumer = &subscriber->consumer;
    const size_t size = consumer->message.size;
    if (size > capacity) {
        return error_set(-EMSGSIZE, "the message has %zu bytes, the buffer %zu", size, capacity);
    }
    if (size > 0) {
        memcpy(buffer, consumer->message.data, size);
    }
    if (message) {
        show(consumer, message);
        message->data = buffer;
    }
    release(subscriber);
    return (int64_t)size;
}

/* A message that is too large stays; unless it was peeked, the user has not seen it. */
static int64_t copy_or_leave(struct subscriber *subscriber, void *buffer, size_t capacity,
                             shmbus_message *message, bool peeked)
{
    const int64_t result = copy_message(subscriber, buffer, capacity, message);
    if (result == -EMSGSIZE && !peeked) {
        consumer_refuse(&subscriber->consumer);
    }
    return result;
}

static __attribute__((noinline)) int64_t recv_slow(shmbus_subscriber *key, void *buffer, size_t capacity,
                                                   shmbus_message *message, int64_t deadline)
{
    if (!buffer && capacity > 0) {
        return error_set(-EINVAL, "`buffer` is NULL and `capacity` is %zu", capacity);
    }
    int err = 0;
    struct subscriber_handle *owner = enter(key, &err);
    if (!owner) {
        return err;
    }
    struct subscriber *subscriber = &owner->subscriber;
    const bool peeked = consumer_shown(&subscriber->consumer);
    err = peek_until(owner, deadline);
    if (err == -ECANCELED) {
        return err;
    }
    const int64_t result = err == 0 ? copy_or_leave(subscriber, buffer, capacity, message, peeked) : err;
    handle_leave();
    return result;
}

int64_t shmbus_recv(shmbus_subscriber *key, void *buffer, size_t capacity, shmbus_message *message,
                    int64_t deadline)
{
    struct handle_section section;
    struct consumer *consumer;
    struct consumer_glimpse seen;
    if (likely(buffer && enter_cached(key, &section, &consumer))) {
        const bool found = !consumer->holding && consumer_peek_fast(consumer, &seen);
        if (likely(found && seen.size <= capacity)) {
            ring_copy_inline(buffer, seen.data, seen.size);
            if (message) {
                show_fast(consumer, &seen, message);
                message->data = buffer;
            }
            if (likely(consumer_release_fast(consumer))) {
                handle_leave_cached(section);
                return (int64_t)seen.size;
            }
        }
        if (found) {
            consumer->holding = CONSUMER_NOTHING; /* the long way finds it again */
        }
        handle_leave_cached(section);
    }
    return recv_slow(key, buffer, capacity, message, deadline);
}

/* Gives back what the callback was shown and moves `slot` on. */
static void let_go(struct subscriber *subscriber, unsigned char **slot)
{
    struct consumer *consumer = &subscriber->consumer;
    if (unlikely(consumer->holding != CONSUMER_INLINE || !consumer_release_at(consumer, slot))) {
        release(subscriber);
        *slot = consumer->window.slot;
    }
}

/* Shows the message behind the one that was let go; false when it is not there yet. */
static bool show_next(struct subscriber *subscriber, unsigned char **slot, unsigned most,
                      shmbus_message *message)
{
    struct consumer *consumer = &subscriber->consumer;
    struct consumer_glimpse seen;
    if (likely(consumer_peek_at(consumer, *slot, &seen))) {
        show_fast(consumer, &seen, message);
        return true;
    }
    consumer->holding = CONSUMER_NOTHING;
    if (subscriber_try_peek(subscriber, most < POLL_BATCH ? most : POLL_BATCH) != 0) {
        return false;
    }
    show(consumer, message);
    *slot = consumer->window.slot;
    return true;
}

/* Hands over what is there, up to `max`; at least one is peeked. */
static int deliver(struct subscriber *subscriber, const struct handle *handle, unsigned max,
                   shmbus_on_message on_message, void *context)
{
    const uint64_t epoch = load64_relaxed(&handle_epoch);
    unsigned char *slot = subscriber->consumer.window.slot;
    shmbus_message message;
    show(&subscriber->consumer, &message);
    for (unsigned count = 1;; count++) {
        const int stop = on_message(context, &message);
        /* A fork moves the epoch, among others. */
        if (unlikely(load64_relaxed(&handle_epoch) != epoch) && handle_is_foreign(handle)) {
            return error_set(-EBADF,
                             "the callback forked, and this is the child: the subscriber is its parent's");
        }
        let_go(subscriber, &slot);
        if (stop || count == max || load32_relaxed(subscriber->closing)) {
            subscriber->consumer.holding = CONSUMER_NOTHING;
            return (int)count;
        }
        if (!show_next(subscriber, &slot, max - count, &message)) {
            return (int)count;
        }
    }
}

int shmbus_poll(shmbus_subscriber *key, unsigned max, int64_t deadline, shmbus_on_message on_message,
                void *context)
{
    if (!on_message || max == 0 || max > INT32_MAX) {
        return error_set(-EINVAL, on_message ? "max is %u, must be 1 to 2^31 - 1" : "no callback (max %u)",
                         max);
    }
    int err = 0;
    struct subscriber_handle *owner = enter(key, &err);
    if (!owner) {
        return err;
    }
    struct subscriber *subscriber = &owner->subscriber;
    const unsigned batch = max < POLL_BATCH ? max : POLL_BATCH;
    if (!subscriber->consumer.holding) {
        err = subscriber_try_peek(subscriber, batch);
    }
    if (err != 0 && (err != -EAGAIN || deadline == SHMBUS_NOWAIT)) {
        if (err == -EAGAIN) {
            subscriber_give_up(subscriber);
        }
        handle_leave();
        return err;
    }
    if (err != 0) {
        (void)spin_in_section(subscriber);
    }
    err = handle_pin(&owner->child.handle);
    if (err != 0) {
        handle_leave();
        return err;
    }
    err = subscriber_peek(subscriber, batch, deadline);
    const int result = err == 0 ? deliver(subscriber, &owner->child.handle, max, on_message, context) : err;
    if (handle_unpin(&owner->child.handle)) {
        handle_leave();
    }
    return result;
}
