/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames between us and a worker: what goes around each message, and how its output is cut.
 *
 * lines           a newline behind it
 * length          its length before it: 4 bytes, little-endian
 * content-length  "Content-Length: N", an empty line, and it: as language servers speak. CR LF ends each header
 *                 line; what is read may have other headers, and lack the CR
 *
 * concurrency   one thread
 * killed        nothing is held
 */
#ifndef SHMBUS_TOOLS_EXEC_FRAMES_H
#define SHMBUS_TOOLS_EXEC_FRAMES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum framing {
    FRAMING_LINES,
    FRAMING_LENGTH,
    FRAMING_HEADERS,
};

/* ------------------------------------------------------------------------------------------ writing */

#define FRAME_HEAD_MAX 48

/* What comes before a message of `size` bytes. Returns its length. */
size_t frame_head(enum framing framing, size_t size, char head[FRAME_HEAD_MAX]);

/* Can this be told from its frame again? A line is at most one line; a newline at its very end is its own. */
int frame_carries(enum framing framing, const char *data, size_t size);

/* Does a newline follow it? */
int frame_has_tail(enum framing framing, const char *data, size_t size);

/* ------------------------------------------------------------------------------------------ reading */

#define FRAMES_MAX 256

/*
 * What was read and not used. It grows with the frame that it must hold, up to `largest` and its head; what is larger
 * is passed over as it comes, and takes its place among the frames without data.
 */
struct frames {
    enum framing framing;
    size_t largest;
    int split;          /* lines that are larger come in pieces instead */
    int ended;          /* all was read that there is */
    int filled;         /* the last read filled the room: there may be more */
    const char *broken; /* why what follows is no frame: nothing is cut any more */
    char *data;
    size_t capacity;
    size_t start; /* unread are data[start..end) */
    size_t end;
    size_t searched;                /* so many of them hold no newline */
    int passing;                    /* a frame that is too large is being passed over */
    uint64_t to_pass;               /* of it, when its length is known */
    uint64_t passed;                /* of it, when its end is not */
    struct iovec found[FRAMES_MAX]; /* iov_base is NULL: it was too large */
    unsigned first;
    unsigned count; /* found[first..count) are not used yet; they lie in `data` */
};

void frames_begin(struct frames *frames, enum framing framing, size_t largest);
void frames_free(struct frames *frames);

/* Forgets what came from a process that has ended. */
void frames_reset(struct frames *frames);

/* Cuts what was read, once all that was found is used. Returns how many are found and not used. */
unsigned frames_cut(struct frames *frames);

/* Takes the first `count` of them as used. */
void frames_use(struct frames *frames, unsigned count);

/* Reads once; all that was found must be used. Bytes, 0 at the end, or a negative errno. */
int64_t frames_fill(struct frames *frames, int fd);

/* What is left at the end, as a frame that lacks its own. Returns its size. */
size_t frames_rest(const struct frames *frames);

/* The rest becomes a frame: a last line may lack its newline. */
void frames_take_rest(struct frames *frames);

#endif
