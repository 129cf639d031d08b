/* SPDX-License-Identifier: Apache-2.0 */
#include "web_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "report.h"
#include "signals.h"

#define CONNECTIONS_MAX 64U
#define IDLE_SECONDS 15U /* a connection that stays silent for so long is closed */
#define ADDRESS_MAX 80   /* "[", an IPv6 address with its zone, "]:65535" */

/* ---------------------------------------------------------------------------------------- listening */

/* Cuts "HOST:PORT" or "[HOST]:PORT" in two; 0 or -EINVAL. */
static int split_address(const char *address, char host[ADDRESS_MAX], char port[ADDRESS_MAX])
{
    const char *colon = strrchr(address, ':');
    if (!colon || strlen(address) >= ADDRESS_MAX) {
        return -EINVAL;
    }
    size_t length = (size_t)(colon - address);
    if (length > 2 && address[0] == '[' && address[length - 1] == ']') {
        address++;
        length -= 2;
    } else if (memchr(address, ':', length)) {
        return -EINVAL; /* an IPv6 address without brackets: which colon is the port's? */
    }
    memcpy(host, address, length);
    host[length] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return length > 0 && *port != '\0' && strspn(port, "0123456789") == strlen(port) ? 0 : -EINVAL;
}

/* Numeric only: no name service is asked. NULL when it is no address. */
static struct addrinfo *find_address(const char *address)
{
    const struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
                                   .ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM};
    char host[ADDRESS_MAX];
    char port[ADDRESS_MAX];
    struct addrinfo *found = NULL;
    if (split_address(address, host, port) != 0 || strlen(port) > 5 || strtoul(port, NULL, 10) > UINT16_MAX ||
        getaddrinfo(host, port, &hints, &found) != 0) {
        return NULL;
    }
    return found;
}

/* A listening socket, or a negative errno. */
static int listen_at(const struct addrinfo *address)
{
    const int on = 1;
    const int fd = socket(address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, (int)CONNECTIONS_MAX) != 0) {
        const int err = errno;
        (void)close(fd);
        return -err;
    }
    return fd;
}

static int open_socket(const char *text, int *fd)
{
    struct addrinfo *address = find_address(text);
    if (!address) {
        return fail("\"%s\" is no address to listen at: give ADDRESS:PORT in numbers, as 127.0.0.1:9090 or "
                    "[::1]:9090, with a port of 0..65535",
                    text);
    }
    *fd = listen_at(address);
    freeaddrinfo(address);
    return *fd >= 0 ? EXIT_OK : fail("cannot listen at %s: %s", text, strerror(-*fd));
}

static void say_where(int fd, const char *path)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    char host[ADDRESS_MAX];
    char port[ADDRESS_MAX];
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
        getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        const int bracket = address.ss_family == AF_INET6;
        note("serving http://%s%s%s:%s%s", bracket ? "[" : "", host, bracket ? "]" : "", port, path);
    }
}

/* --------------------------------------------------------------------------------------- answering */

/* Frees `text` with the response if it is `made`, or else leaves it: it is a constant then. */
static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, char *text, size_t size,
                              int made, const char *header, const char *value)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(size, text, made ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        return MHD_NO;
    }
    enum MHD_Result result = MHD_add_response_header(response, header, value);
    if (result == MHD_YES) {
        result = MHD_queue_response(connection, status, response);
    }
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result refuse(struct MHD_Connection *connection, unsigned status, const char *text,
                              const char *header, const char *value)
{
    return answer(connection, status, (char *)text, strlen(text), 0, header, value);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **state)
{
    const struct web_page *page = context;
    (void)version;
    (void)upload;
    /* An answer before the whole request has come, body included, would cost the connection. */
    if (!*state || *upload_size > 0) {
        *state = context;
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(url, page->path) != 0) {
        return refuse(connection, MHD_HTTP_NOT_FOUND, "Not found: look at /metrics.\n",
                      MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
        return refuse(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET and HEAD are allowed.\n",
                      MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    }
    size_t size = 0;
    char *text = page->make(page->context, &size);
    return answer(connection, MHD_HTTP_OK, text, size, 1, MHD_HTTP_HEADER_CONTENT_TYPE, page->content_type);
}

int web_serve(const char *address, const struct web_page *page)
{
    int fd = -1;
    const int result = open_socket(address, &fd);
    if (result != EXIT_OK) {
        return result;
    }
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_NO_FLAG, 0, NULL, NULL, on_request, (void *)page, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                         IDLE_SECONDS, MHD_OPTION_END);
    if (!daemon) {
        (void)close(fd);
        return fail("cannot start a web server at %s", address);
    }
    say_where(fd, page->path);
    while (!signals_stop()) {
        (void)MHD_run_wait(daemon, (int32_t)(WAIT_STEP / 1000000));
    }
    MHD_stop_daemon(daemon);
    return EXIT_OK;
}
