/* SPDX-License-Identifier: Apache-2.0 */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Perl comes with build-essential and git; the last two with its library and with the locales. */
static const char *const candidates[] = {
    "/usr/share/perl/*/unicore/Name.pl",
    "/usr/lib/*/perl/*/CORE/charclass_invlists.h",
    "/usr/share/i18n/locales/iso14651_t1_common",
};

/* Reads up to `capacity` bytes of `path`. Returns how many, or -1 with errno. */
static ssize_t read_up_to(const char *path, char *bytes, size_t capacity)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    size_t got = 0;
    ssize_t n = 1;
    while (got < capacity && (n = read(fd, bytes + got, capacity - got)) != 0) {
        if (n < 0 && errno != EINTR)
            break;
        got += n > 0 ? (size_t)n : 0;
    }
    int failed = errno;
    close(fd);
    errno = failed;
    return n < 0 ? -1 : (ssize_t)got;
}

static size_t count_lines(const char *bytes, size_t size)
{
    size_t lines = 0;
    for (const char *at = bytes, *end = bytes + size; at < end; lines++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return lines;
}

static int cut_into_lines(demo_input *input)
{
    input->count = count_lines(input->bytes, input->size);
    input->start = calloc(input->count + 1, sizeof *input->start);
    if (!input->start)
        return -1;
    size_t line = 0;
    for (size_t at = 0; at < input->size; line++) {
        const char *newline = memchr(input->bytes + at, '\n', input->size - at);
        input->start[line] = at;
        at = newline ? (size_t)(newline - input->bytes) + 1 : input->size;
    }
    input->start[line] = input->size;
    return 0;
}

/* Loads the whole of `path`, which may be a link. Returns 0, or -1 with errno. */
static int load_file(demo_input *input, const char *path)
{
    memset(input, 0, sizeof *input);
    char *real = realpath(path, NULL);
    struct stat status;
    if (!real || stat(real, &status)) {
        free(real);
        return -1;
    }
    ssize_t got = -1;
    if (!S_ISREG(status.st_mode))
        errno = EINVAL;
    else if ((input->bytes = malloc((size_t)status.st_size + 1)) != NULL)
        got = read_up_to(real, input->bytes, (size_t)status.st_size);
    free(real);
    if (got < 0 || (input->size = (size_t)got, cut_into_lines(input))) {
        int failed = errno;
        input_free(input);
        errno = failed;
        return -1;
    }
    input->files = 1;
    snprintf(input->path, sizeof input->path, "%s", path);
    return 0;
}

/* Loads the first match of `pattern` that has enough lines. */
static int load_match(demo_input *input, const char *pattern)
{
    glob_t found;
    if (glob(pattern, 0, NULL, &found))
        return -1;
    int result = -1;
    for (size_t i = 0; i < found.gl_pathc && result; i++) {
        if (load_file(input, found.gl_pathv[i]))
            continue;
        if (input->count >= INPUT_LINES_MIN)
            result = 0;
        else
            input_free(input);
    }
    globfree(&found);
    return result;
}

static int load_named(demo_input *input, const char *path)
{
    if (load_file(input, path)) {
        fprintf(stderr, "shmbus-demo: cannot read %s: %s\n", path, strerror(errno));
        return -1;
    }
    if (input->count >= INPUT_LINES_MIN)
        return 0;
    fprintf(stderr, "shmbus-demo: %s has %zu lines, the demo needs at least %d\n", path, input->count,
            INPUT_LINES_MIN);
    input_free(input);
    return -1;
}

int input_load_lines(demo_input *input, const char *path)
{
    if (path)
        return load_named(input, path);
    const size_t patterns = sizeof candidates / sizeof *candidates;
    for (size_t i = 0; i < patterns; i++)
        if (!load_match(input, candidates[i]))
            return 0;
    fprintf(stderr, "shmbus-demo: no text file of at least %d lines among\n", INPUT_LINES_MIN);
    for (size_t i = 0; i < patterns; i++)
        fprintf(stderr, "    %s\n", candidates[i]);
    fprintf(stderr, "Install one (apt-get install perl) or name any with --lines FILE.\n");
    return -1;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Appends the files below `folder` to input->bytes until `size` bytes are there. */
static int read_tree(demo_input *input, const char *folder, size_t size)
{
    char *root = strdup(folder);
    char *roots[] = {root, NULL};
    FTS *tree = root ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name) : NULL;
    if (!tree) {
        free(root);
        return -1;
    }
    FTSENT *entry;
    while (input->size < size && (entry = fts_read(tree)) != NULL) {
        if (entry->fts_info != FTS_F)
            continue;
        /* A file that may not be read, or vanished meanwhile, is passed over. */
        ssize_t got = read_up_to(entry->fts_path, input->bytes + input->size, size - input->size);
        input->files += got > 0;
        input->size += got > 0 ? (size_t)got : 0;
    }
    fts_close(tree);
    free(root);
    return 0;
}

static void repeat_up_to(demo_input *input, size_t size)
{
    const size_t period = input->size;
    while (input->size < size) {
        size_t piece = size - input->size < period ? size - input->size : period;
        memcpy(input->bytes + input->size, input->bytes, piece);
        input->size += piece;
    }
}

int input_load_folder(demo_input *input, const char *folder, size_t size, size_t message)
{
    memset(input, 0, sizeof *input);
    input->count = size / message;
    input->bytes = malloc(size);
    input->start = calloc(input->count + 1, sizeof *input->start);
    if (!input->bytes || !input->start) {
        fprintf(stderr, "shmbus-demo: no memory for %zu MiB of input\n", size >> 20);
        input_free(input);
        return -1;
    }
    for (size_t i = 0; i <= input->count; i++)
        input->start[i] = i * message;
    if (read_tree(input, folder, size) || !input->size) {
        fprintf(stderr, "shmbus-demo: found no file to read below %s\n", folder);
        input_free(input);
        return -1;
    }
    repeat_up_to(input, size);
    snprintf(input->path, sizeof input->path, "%s", folder);
    return 0;
}

void input_free(demo_input *input)
{
    free(input->bytes);
    free(input->start);
    memset(input, 0, sizeof *input);
}
