/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "bus.h"

#include "api_child.h"
#include "channel.h"
#include "directory.h"
#include "error.h"
#include "os_clock.h"
#include "os_guard.h"
#include "os_segment.h"
#include "recovery.h"
#include "subscriber.h"
#include "waiter.h"

#include <stdlib.h>
#include <string.h>

/* Guards the list of buses and each bus's list of children. */
static pthread_mutex_t lists = PTHREAD_MUTEX_INITIALIZER;
static struct bus *buses;
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void before_fork(void)
{
    (void)pthread_mutex_lock(&lists);
    urcu_bp_call_rcu_before_fork();
    urcu_bp_before_fork();
}

static void after_fork_parent(void)
{
    urcu_bp_after_fork_parent();
    urcu_bp_call_rcu_after_fork_parent();
    (void)pthread_mutex_unlock(&lists);
}

/* The child must not keep the parent's liveness lock: it would make a dead parent look alive. */
static void after_fork_child(void)
{
    urcu_bp_after_fork_child();
    urcu_bp_call_rcu_after_fork_child();
    handle_forked();
    for (struct bus *bus = buses; bus; bus = bus->next) {
        segment_forget(&bus->segment);
    }
    buses = NULL;
    (void)pthread_mutex_unlock(&lists);
}

static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

static void link_bus(struct bus *bus)
{
    (void)pthread_mutex_lock(&lists);
    bus->next = buses;
    buses = bus;
    (void)pthread_mutex_unlock(&lists);
}

static void unlink_bus(struct bus *bus)
{
    (void)pthread_mutex_lock(&lists);
    struct bus **link = &buses;
    while (*link != bus) {
        link = &(*link)->next;
    }
    *link = bus->next;
    (void)pthread_mutex_unlock(&lists);
}

_Static_assert(offsetof(struct bus, handle) == 0 && offsetof(struct bus_child, handle) == 0,
               "handle_free() frees the object by its handle");

struct bus *bus_get(shmbus_bus *key)
{
    struct handle *handle = handle_enter(key, HANDLE_BUS);
    if (!handle) {
        return NULL;
    }
    struct bus *bus = caa_container_of(handle, struct bus, handle);
    (void)add32_relaxed(&bus->references, 1);
    handle_leave();
    return bus;
}

void bus_put(struct bus *bus)
{
    if (add32_acq_rel(&bus->references, UINT32_MAX) != 1) { /* [rel:references] [acq:references] */
        return;
    }
    unlink_bus(bus);
    segment_close(&bus->segment);
    handle_free(&bus->handle);
}

static void no_wake(struct handle *handle)
{
    (void)handle;
}

void *bus_adopt(struct bus_child *child)
{
    struct bus *bus = child->bus;
    (void)pthread_mutex_lock(&lists);
    void *key = NULL;
    if (load32_relaxed(&bus->handle.closing) == 0) {
        key = handle_publish(&child->handle, child->kind->handle);
    }
    if (key) {
        child->next = bus->children;
        bus->children = child;
        (void)add32_relaxed(&bus->references, 1);
    }
    (void)pthread_mutex_unlock(&lists);
    return key;
}

void bus_release(struct bus_child *child)
{
    struct bus *bus = child->bus;
    (void)pthread_mutex_lock(&lists);
    struct bus_child **link = &bus->children;
    while (*link && *link != child) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = child->next;
    }
    (void)pthread_mutex_unlock(&lists);
    bus_put(bus);
}

/* Key and kind of a child that is still on the list, taken off it. */
static void *next_child(struct bus *bus, enum handle_kind *kind)
{
    void *key = NULL;
    (void)pthread_mutex_lock(&lists);
    if (bus->children) {
        key = (void *)bus->children->handle.key; /* NOLINT(performance-no-int-to-ptr) */
        *kind = bus->children->kind->handle;
        bus->children = bus->children->next;
    }
    (void)pthread_mutex_unlock(&lists);
    return key;
}

/* Closing the bus closes what was opened through it; the attachment goes with the last reference. */
static void finish_bus(struct handle *handle)
{
    struct bus *bus = caa_container_of(handle, struct bus, handle);
    enum handle_kind kind;
    for (void *key; (key = next_child(bus, &kind));) {
        (void)handle_close(key, kind);
    }
    bus_put(bus);
}

static int check_options(const shmbus_bus_options *asked, shmbus_bus_options *options)
{
    *options = asked ? *asked : (shmbus_bus_options){0};
    options->participants = options->participants ? options->participants : PARTICIPANTS_DEFAULT;
    options->channels = options->channels ? options->channels : CHANNELS_DEFAULT;
    options->mode = options->mode ? options->mode : 0600;
    if (!options->participant_name) {
        options->participant_name = program_invocation_short_name;
    }
    if ((unsigned)options->open > SHMBUS_CREATE_NEW) {
        return error_set(-EINVAL, "open is %d, must be 0 to %d", (int)options->open, SHMBUS_CREATE_NEW);
    }
    if (options->participants > PARTICIPANTS_MAX) {
        return error_set(-EINVAL, "participants is %u, must be 1 to %u", options->participants,
                         PARTICIPANTS_MAX);
    }
    if (options->channels > CHANNELS_MAX) {
        return error_set(-EINVAL, "channels is %u, must be 1 to %u", options->channels, CHANNELS_MAX);
    }
    if ((options->mode & ~0666u) != 0) {
        return error_set(-EINVAL, "mode is %04o, only bits of 0666 mean something", options->mode);
    }
    return 0;
}

int shmbus_open(const char *name, const shmbus_bus_options *options, shmbus_bus **out)
{
    if (!out) {
        return error_set(-EINVAL, "no place for the bus handle: `bus` is NULL");
    }
    shmbus_bus_options complete;
    int err = layout_check_name("bus", name);
    err = err ? err : check_options(options, &complete);
    if (err != 0) {
        return err;
    }
    err = complete.sigbus_guard ? os_guard_install() : 0;
    if (err != 0) {
        return error_set(err, "cannot install a handler of SIGBUS: %s", strerrordesc_np(-err));
    }
    (void)pthread_once(&fork_once, watch_forks);
    struct bus *bus = calloc(1, sizeof *bus);
    if (!bus) {
        return error_set(-ENOMEM, "no memory for a bus handle");
    }
    err = segment_open(&bus->segment, name, &complete);
    if (err != 0) {
        free(bus);
        return err;
    }
    store32_relaxed(&bus->references, 1);
    bus->handle.finish = finish_bus;
    bus->handle.wake = no_wake;
    link_bus(bus);
    *out = handle_publish(&bus->handle, HANDLE_BUS);
    if (!*out) {
        bus_put(bus);
        return error_set(-ENOMEM, "no memory for the handle table");
    }
    return 0;
}

int shmbus_close(shmbus_bus *bus)
{
    return handle_close(bus, HANDLE_BUS);
}

/* Runs `change` on the bus of `key` under its directory lock. */
static int with_directory(shmbus_bus *key, int (*change)(struct segment *segment, void *context),
                          void *context)
{
    struct bus *bus = bus_get(key);
    if (!bus) {
        return -EBADF;
    }
    int err = segment_lock(&bus->segment);
    if (err == 0) {
        err = segment_check(&bus->segment);
        err = err ? err : change(&bus->segment, context);
        segment_unlock(&bus->segment);
    }
    bus_put(bus);
    return err;
}

/* Recovery of all channels. How many repairs it took. */
static int recover(struct segment *segment, void *context)
{
    unsigned *repaired = context;
    for (uint32_t i = 0; i < segment->geometry.channels; i++) {
        char name[NAME_SIZE];
        struct channel *channel;
        if (directory_name(segment, i, name) && channel_open(segment, name, NULL, &channel) == 0) {
            *repaired += recovery_run_thoroughly(channel);
            channel_close(channel);
        }
    }
    participant_sweep(&segment->self);
    return 0;
}

int shmbus_recover(shmbus_bus *bus)
{
    unsigned repaired = 0;
    const int err = with_directory(bus, recover, &repaired);
    return err ? err : (int)repaired;
}

struct channel_change {
    const char *name;
    const char *group;
    const shmbus_channel_options *asked;
    shmbus_channel_options *found;
};

static int create(struct segment *segment, void *context)
{
    const struct channel_change *change = context;
    const int index = channel_create(segment, change->name, change->asked);
    return index < 0 ? index : 0;
}

int shmbus_channel_create(shmbus_bus *bus, const char *name, const shmbus_channel_options *options)
{
    struct channel_change change = {.name = name, .asked = options};
    return with_directory(bus, create, &change);
}

static int tell_options(struct segment *segment, void *context)
{
    const struct channel_change *change = context;
    struct channel *channel = NULL;
    const int err = channel_open(segment, change->name, NULL, &channel);
    if (err == 0) {
        *change->found = channel->geometry.options;
        channel_close(channel);
    }
    return err;
}

int shmbus_channel_options_of(shmbus_bus *bus, const char *name, shmbus_channel_options *options)
{
    if (!options) {
        return error_set(-EINVAL, "no place for the options: `options` is NULL");
    }
    struct channel_change change = {.name = name, .found = options};
    return with_directory(bus, tell_options, &change);
}

static int remove_channel(struct segment *segment, void *context)
{
    const struct channel_change *change = context;
    return channel_remove(segment, change->name);
}

int shmbus_channel_remove(shmbus_bus *bus, const char *name)
{
    struct channel_change change = {.name = name};
    return with_directory(bus, remove_channel, &change);
}

static int remove_group(struct segment *segment, void *context)
{
    const struct channel_change *change = context;
    struct channel *channel = NULL;
    int err = channel_open(segment, change->name, NULL, &channel);
    if (err == 0) {
        err = subscriber_remove_group(channel, change->group);
        channel_close(channel);
    }
    return err;
}

int shmbus_group_remove(shmbus_bus *bus, const char *channel, const char *group)
{
    const int err = layout_check_name("group", group);
    if (err != 0) {
        return err;
    }
    struct channel_change change = {.name = channel, .group = group};
    return with_directory(bus, remove_group, &change);
}

const char *shmbus_version(void)
{
    return "0.1.0";
}

int64_t shmbus_now(void)
{
    return os_clock_monotonic();
}

int64_t shmbus_deadline(int64_t timeout)
{
    const int64_t now = os_clock_monotonic();
    if (timeout <= 0) {
        return now;
    }
    return timeout < SHMBUS_FOREVER - now ? now + timeout : SHMBUS_FOREVER;
}

void shmbus_interrupt(void)
{
    waiter_interrupt();
}
