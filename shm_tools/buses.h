/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The names of all buses of this host.
 *
 * concurrency   one thread; buses come and go meanwhile
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_BUSES_H
#define SHMBUS_TOOLS_BUSES_H

#include <stddef.h>

struct bus_names {
    char **names; /* sorted */
    size_t count;
};

/* EXIT_OK, or EXIT_FAILED when it cannot, which has been said. bus_names_free() is due either way. */
int bus_names_list(struct bus_names *names);
void bus_names_add(struct bus_names *names, const char *name);
void bus_names_free(struct bus_names *names);

#endif
