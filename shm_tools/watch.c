/* SPDX-License-Identifier: Apache-2.0 */
#include "watch.h"

void watch_begin(struct watch *watch, const struct looking *looking, const char *only)
{
    *watch = (struct watch){.looking = looking, .only = only};
    (void)shmbus_view_guard(); /* without it the worst is to be killed by SIGBUS */
}

static void drop_view(struct watch *watch)
{
    shmbus_view_close(watch->view);
    watch->view = NULL;
    watch->valid = 0;
}

void watch_end(struct watch *watch)
{
    drop_view(watch);
    snapshot_free(&watch->snapshots[0]);
    snapshot_free(&watch->snapshots[1]);
    rates_free(&watch->rates);
}

/* A name may be given to another bus at any time, so it is opened each time, and kept when it is the one we have. */
static int renew_view(struct watch *watch)
{
    shmbus_view *view = NULL;
    shmbus_bus_info info;
    int err = watch->view && watch->looking->file ? 0 : looking_try(watch->looking, &view);
    if (err != 0 || !view) {
        return err;
    }
    err = shmbus_view_bus(view, &info);
    if (err != 0 || (watch->view && info.created_ns == watch->created_ns)) {
        shmbus_view_close(view);
        return err;
    }
    drop_view(watch);
    watch->view = view;
    watch->created_ns = info.created_ns;
    return 0;
}

int watch_look(struct watch *watch)
{
    int err = renew_view(watch);
    const struct snapshot *before = watch->valid ? watch_latest(watch) : NULL;
    const int place = !watch->latest;
    err = err ? err : snapshot_take(&watch->snapshots[place], watch->view, watch->only);
    if (err != 0) {
        drop_view(watch);
        return err;
    }
    rates_compute(&watch->rates, before, &watch->snapshots[place]);
    watch->latest = place;
    watch->valid = 1;
    return 0;
}
