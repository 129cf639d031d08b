/* SPDX-License-Identifier: Apache-2.0 */
/* The waitsets of shmbus.h: finds the handles and hands them on. */
#include "api_publisher.h"
#include "api_subscriber.h"
#include "error.h"
#include "waitset.h"

#include <inttypes.h>
#include <stdlib.h>

struct waitset_handle {
    struct handle handle;
    struct waitset set;
};

_Static_assert(offsetof(struct waitset_handle, handle) == 0, "handle_free() frees the object by its handle");

static struct waitset *set_from_handle(struct handle *handle)
{
    return &caa_container_of(handle, struct waitset_handle, handle)->set;
}

static void wake(struct handle *handle)
{
    waitset_ring(set_from_handle(handle));
}

static void finish(struct handle *handle)
{
    waitset_destroy(set_from_handle(handle));
    handle_free(handle);
}

static int check_options(const shmbus_waitset_options *options, shmbus_waitset *const *out)
{
    if (!out) {
        return error_set(-EINVAL, "no place for the waitset handle: `set` is NULL");
    }
    if ((unsigned)options->wait > SHMBUS_WAIT_BLOCK) {
        return error_set(-EINVAL, "wait is %d, must be 0 to 2", (int)options->wait);
    }
    return 0;
}

int shmbus_waitset_open(const shmbus_waitset_options *asked, shmbus_waitset **out)
{
    const shmbus_waitset_options options = asked ? *asked : (shmbus_waitset_options){0};
    int err = check_options(&options, out);
    if (err != 0) {
        return err;
    }
    struct waitset_handle *owner = calloc(1, sizeof *owner);
    if (!owner) {
        return error_set(-ENOMEM, "no memory for a waitset of %zu bytes", sizeof *owner);
    }
    owner->handle.wake = wake;
    owner->handle.finish = finish;
    const struct wait_style style = {.strategy = options.wait, .interruptible = options.interruptible != 0};
    err = waitset_init(&owner->set, style, &owner->handle.closing);
    void *key = err == 0 ? handle_publish(&owner->handle, HANDLE_WAITSET) : NULL;
    if (!key) {
        waitset_destroy(&owner->set);
        free(owner);
        return err != 0 ? err : error_set(-ENOMEM, "no memory for the handle table");
    }
    *out = key;
    return 0;
}

int shmbus_waitset_close(shmbus_waitset *set)
{
    return handle_close(set, HANDLE_WAITSET);
}

/* Inside a section: what the handle waits for. */
static struct wait_source source_of(struct handle *handle, enum handle_kind kind, size_t size)
{
    return kind == HANDLE_SUBSCRIBER ? subscriber_source(&subscriber_from_handle(handle)->subscriber)
                                     : publisher_source(&publisher_from_handle(handle)->publisher, size);
}

static int add_in_section(struct waitset *set, struct waitset_member *member, size_t size)
{
    member->handle = handle_find(member->key, member->kind);
    if (!member->handle) {
        return handle_error(member->key, member->kind);
    }
    member->source = source_of(member->handle, member->kind, size);
    const uint64_t largest = member->source.channel->ring.largest;
    if (size > largest) {
        return error_set(-EMSGSIZE, "a message of %zu bytes, the largest of channel \"%s\" is %" PRIu64, size,
                         member->source.channel->name, largest);
    }
    return waitset_add(set, member);
}

static int add(shmbus_waitset *key, struct waitset_member member, size_t size)
{
    struct handle *handle = handle_enter(key, HANDLE_WAITSET);
    if (!handle) {
        return -EBADF;
    }
    const int err = add_in_section(set_from_handle(handle), &member, size);
    handle_leave();
    return err;
}

int shmbus_waitset_add_subscriber(shmbus_waitset *set, shmbus_subscriber *subscriber, void *tag)
{
    return add(set, (struct waitset_member){.key = subscriber, .kind = HANDLE_SUBSCRIBER, .tag = tag}, 0);
}

int shmbus_waitset_add_publisher(shmbus_waitset *set, shmbus_publisher *publisher, size_t size, void *tag)
{
    return add(set, (struct waitset_member){.key = publisher, .kind = HANDLE_PUBLISHER, .tag = tag}, size);
}

static int take_out(shmbus_waitset *key, const void *member, enum handle_kind kind)
{
    struct handle *handle = handle_enter(key, HANDLE_WAITSET);
    if (!handle) {
        return -EBADF;
    }
    const int err = waitset_remove(set_from_handle(handle), member, kind);
    handle_leave();
    return err;
}

int shmbus_waitset_remove_subscriber(shmbus_waitset *set, shmbus_subscriber *subscriber)
{
    return take_out(set, subscriber, HANDLE_SUBSCRIBER);
}

int shmbus_waitset_remove_publisher(shmbus_waitset *set, shmbus_publisher *publisher)
{
    return take_out(set, publisher, HANDLE_PUBLISHER);
}

int shmbus_waitset_wait(shmbus_waitset *key, shmbus_event *events, unsigned max, int64_t deadline)
{
    if (!events || max == 0 || max > INT32_MAX) {
        return error_set(-EINVAL, "room for %u events at %p: it needs 1 to %d", max, (void *)events,
                         INT32_MAX);
    }
    struct handle *handle = handle_enter(key, HANDLE_WAITSET);
    if (!handle) {
        return -EBADF;
    }
    int result = handle_pin(handle);
    if (result != 0) {
        handle_leave();
        return error_set(-EBUSY, "another thread waits on the waitset");
    }
    result = waitset_wait(set_from_handle(handle), events, max, deadline);
    if (!handle_unpin(handle)) {
        return -ECANCELED;
    }
    handle_leave();
    return result;
}

int shmbus_waitset_wake(shmbus_waitset *key)
{
    struct handle *handle = handle_enter(key, HANDLE_WAITSET);
    if (!handle) {
        return -EBADF;
    }
    waitset_wake(set_from_handle(handle));
    handle_leave();
    return 0;
}

int shmbus_waitset_fd(shmbus_waitset *key)
{
    struct handle *handle = handle_enter(key, HANDLE_WAITSET);
    if (!handle) {
        return -EBADF;
    }
    const int fd = waitset_fd(set_from_handle(handle));
    handle_leave();
    return fd;
}
