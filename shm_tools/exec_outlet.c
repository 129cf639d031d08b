/* SPDX-License-Identifier: Apache-2.0 */
#include "exec_outlet.h"

#include <errno.h>

#include "report.h"

int outlet_open(struct outlet *outlet, shmbus_bus *bus, shmbus_waitset *set, const char *channel)
{
    const shmbus_channel_options usual = {0};
    const shmbus_publisher_options options = {.channel = &usual};
    shmbus_channel_options shape;
    *outlet = (struct outlet){.channel = channel, .set = set};
    int result = shmbus_publisher_open(bus, channel, &options, &outlet->publisher);
    if (result == 0) {
        result = shmbus_channel_options_of(bus, channel, &shape);
    }
    if (result != 0) {
        return fail_call(result, "cannot publish to channel \"%s\"", channel);
    }
    outlet->largest = shape.largest;
    return EXIT_OK;
}

static int cannot_send(struct outlet *outlet, int err)
{
    outlet->failed = 1;
    (void)fail_call(err, "cannot send to channel \"%s\"", outlet->channel);
    return err;
}

static int wait_for_room(struct outlet *outlet, size_t size)
{
    const int err = shmbus_waitset_add_publisher(outlet->set, outlet->publisher, size, outlet);
    outlet->full = err == 0;
    return err == 0 ? 0 : cannot_send(outlet, err);
}

int outlet_send(struct outlet *outlet, const struct iovec *messages, unsigned count)
{
    if (outlet->failed) {
        return -EIDRM;
    }
    if (outlet->full || count == 0) {
        return 0;
    }
    const int sent = shmbus_send_batch(outlet->publisher, messages, count, SHMBUS_NOWAIT);
    if (sent < 0 && sent != -EAGAIN) {
        return cannot_send(outlet, sent);
    }
    const unsigned done = sent > 0 ? (unsigned)sent : 0;
    const int err = done < count ? wait_for_room(outlet, messages[done].iov_len) : 0;
    return err != 0 && done == 0 ? err : (int)done;
}

void outlet_ready(struct outlet *outlet)
{
    if (outlet->full) {
        (void)shmbus_waitset_remove_publisher(outlet->set, outlet->publisher);
        outlet->full = 0;
    }
}
