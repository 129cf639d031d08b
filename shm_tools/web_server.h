/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Serves one page over HTTP, which is made anew for each request, until a signal asks to end. One that is slow to
 * read holds up nobody; there is no encryption and no password.
 *
 * concurrency   one thread, which also makes the pages
 * killed        open connections break
 */
#ifndef SHMBUS_TOOLS_WEB_SERVER_H
#define SHMBUS_TOOLS_WEB_SERVER_H

#include <stddef.h>

struct web_page {
    const char *path; /* "/metrics" */
    const char *content_type;
    /* Makes the page: text of `*size` bytes, which the server frees. */
    char *(*make)(void *context, size_t *size);
    void *context;
};

/*
 * Listens at `address`, as "127.0.0.1:9090" or "[::1]:9090", says the URL on standard error, and serves. Port 0
 * takes one that is free. Returns an exit code: EXIT_OK after SIGINT or SIGTERM (signals_install() is the caller's).
 */
int web_serve(const char *address, const struct web_page *page);

#endif
