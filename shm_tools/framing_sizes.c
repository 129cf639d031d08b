/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "framing.h"
#include "report.h"

/* From here on reading straight into the ring saves more than a claim costs. */
#define STRAIGHT_MIN ((size_t)32 << 10)

/* What a regular file still holds; 0 for anything else. */
static uint64_t regular_rest(const struct input *input)
{
    struct stat status;
    if (fstat(input->fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return 0;
    }
    const off_t at = lseek(input->fd, 0, SEEK_CUR);
    return at >= 0 && at < status.st_size ? (uint64_t)(status.st_size - at) : 0;
}

/* -------------------------------------------------------------------------------------- --frame length */

static uint64_t frame_size(const struct input *input)
{
    const unsigned char *at = (const unsigned char *)input->data + input->start;
    return at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 | (uint64_t)at[3] << 24;
}

static int frame_cut_short(struct sender *sender, uint64_t have, uint64_t size)
{
    const int result = sender_flush(sender);
    return result != EXIT_OK ? result
                             : fail("the input ends in frame %" PRIu64 ", after %" PRIu64 " of its %" PRIu64
                                    " bytes. The %" PRIu64 " before it were sent.",
                                    sender_next(sender), have, size, sender->messages);
}

/* Reads a frame, whose header is in the buffer, straight into the ring. */
static int frame_straight(struct input *input, struct sender *sender, size_t size)
{
    shmbus_claim_t claim;
    size_t taken = 0;
    int result = sender_claim(sender, &claim, size);
    if (result != EXIT_OK) {
        return result;
    }
    input->start += FRAME_HEADER;
    result = input_take(input, claim.data, size, &taken);
    if (result == EXIT_OK && taken == size) {
        return sender_commit(sender, &claim);
    }
    sender_abort(sender, &claim);
    return result != EXIT_OK ? result : frame_cut_short(sender, FRAME_HEADER + taken, FRAME_HEADER + size);
}

/* Adds all frames that are complete. `*size` becomes the next one's, 0 when its header is not there yet. */
static int add_frames(struct input *input, struct sender *sender, size_t *size)
{
    int result = EXIT_OK;
    *size = 0;
    while (result == EXIT_OK && input_unread(input) >= FRAME_HEADER) {
        *size = frame_size(input);
        if (*size > sender->largest) {
            return sender_too_large(sender, *size, 0);
        }
        if (input_unread(input) < FRAME_HEADER + *size) {
            return EXIT_OK;
        }
        result = sender_add(sender, input->data + input->start + FRAME_HEADER, *size);
        input->start += FRAME_HEADER + *size;
        *size = 0;
    }
    return result;
}

int send_frames(struct input *input, struct sender *sender)
{
    /* An open claim holds up other publishers' messages: not while we wait for a slow pipe. */
    const int straight = sender->alone || regular_rest(input) > 0;
    int result = EXIT_OK;
    while (result == EXIT_OK && !input->ended) {
        size_t size = 0;
        result = add_frames(input, sender, &size);
        if (result == EXIT_OK && size >= STRAIGHT_MIN && straight) {
            result = frame_straight(input, sender, size);
            continue;
        }
        if (result == EXIT_OK) {
            result = sender_flush(sender);
        }
        if (result == EXIT_OK) {
            result = input_fill(input);
        }
    }
    const size_t rest = input_unread(input);
    if (result == EXIT_OK && rest > 0) {
        return frame_cut_short(sender, rest, FRAME_HEADER + (rest < FRAME_HEADER ? 0 : frame_size(input)));
    }
    return result;
}

/* -------------------------------------------------------------------------------------------- --size */

/* Reads the next block of a regular file straight into the ring. A file may shrink meanwhile. */
static int block_straight(struct input *input, struct sender *sender, size_t size)
{
    shmbus_claim_t claim;
    int result = sender_claim(sender, &claim, size);
    if (result != EXIT_OK) {
        return result;
    }
    result = input_take(input, claim.data, size, &claim.size);
    if (result == EXIT_OK && claim.size > 0) {
        return sender_commit(sender, &claim);
    }
    sender_abort(sender, &claim);
    return result;
}

static int add_blocks(struct input *input, struct sender *sender, size_t size)
{
    int result = EXIT_OK;
    while (result == EXIT_OK && input_unread(input) >= size) {
        result = sender_add(sender, input->data + input->start, size);
        input->start += size;
    }
    return result;
}

int send_blocks(struct input *input, struct sender *sender, size_t size)
{
    int result = EXIT_OK;
    for (uint64_t rest = size >= STRAIGHT_MIN ? regular_rest(input) : 0; rest > 0 && result == EXIT_OK;) {
        const size_t block = rest < size ? (size_t)rest : size;
        result = block_straight(input, sender, block);
        rest = input->ended ? 0 : rest - block;
    }
    while (result == EXIT_OK && !input->ended) {
        result = add_blocks(input, sender, size);
        if (result == EXIT_OK) {
            result = sender_flush(sender);
        }
        if (result == EXIT_OK) {
            result = input_fill(input);
        }
    }
    if (result == EXIT_OK && input_unread(input) > 0) {
        result = sender_add(sender, input->data + input->start, input_unread(input));
    }
    return result == EXIT_OK ? sender_flush(sender) : result;
}
