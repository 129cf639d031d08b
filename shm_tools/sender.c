/* SPDX-License-Identifier: Apache-2.0 */
#include "sender.h"

#include <errno.h>
#include <inttypes.h>

#include "report.h"
#include "signals.h"

uint64_t sender_next(const struct sender *sender)
{
    return sender->messages + sender->count + 1;
}

/* What to do after a call gave `err`: EXIT_OK is to try again. */
static int after_error(const struct sender *sender, int err)
{
    if (err != -EAGAIN && err != -ETIMEDOUT && err != -EINTR) {
        return fail_call(err, "cannot send %s %" PRIu64 " to channel \"%s\"", sender->noun,
                         sender->messages + 1, sender->channel);
    }
    return signals_stop() ? EXIT_SIGNAL + signals_stop() : EXIT_OK;
}

int sender_flush(struct sender *sender)
{
    unsigned done = 0;
    int result = EXIT_OK;
    while (done < sender->count && result == EXIT_OK) {
        const int sent = shmbus_send_batch(sender->publisher, sender->batch + done, sender->count - done,
                                           shmbus_deadline(WAIT_STEP));
        for (int i = 0; i < sent; i++) {
            sender->bytes += sender->batch[done++].iov_len;
        }
        sender->messages += sent > 0 ? (unsigned)sent : 0;
        result = sent < 0 ? after_error(sender, sent) : EXIT_OK;
    }
    sender->count = 0;
    return result;
}

int sender_too_large(struct sender *sender, uint64_t size, int more)
{
    const int result = sender_flush(sender);
    if (result != EXIT_OK) {
        return result;
    }
    return fail("%s %" PRIu64 " has %s%" PRIu64 " bytes; the largest message of channel \"%s\" is %" PRIu64
                " bytes: create the channel with a larger --largest. The %" PRIu64 " before it were sent.",
                sender->noun, sender->messages + 1, more ? "more than " : "", size, sender->channel,
                sender->largest, sender->messages);
}

int sender_add(struct sender *sender, const void *data, size_t size)
{
    if (size > sender->largest) {
        return sender_too_large(sender, size, 0);
    }
    sender->batch[sender->count++] = (struct iovec){.iov_base = (void *)data, .iov_len = size};
    return sender->count == SENDER_BATCH ? sender_flush(sender) : EXIT_OK;
}

int sender_claim(struct sender *sender, shmbus_claim_t *claim, size_t size)
{
    int result = sender_flush(sender);
    while (result == EXIT_OK) {
        *claim = (shmbus_claim_t){.size = size};
        const int claimed = shmbus_claim(sender->publisher, claim, shmbus_deadline(WAIT_STEP));
        if (claimed == 0) {
            return EXIT_OK;
        }
        result = after_error(sender, claimed);
    }
    return result;
}

int sender_commit(struct sender *sender, const shmbus_claim_t *claim)
{
    const int result = shmbus_commit(sender->publisher, claim);
    if (result != 0) {
        return after_error(sender, result);
    }
    sender->messages++;
    sender->bytes += claim->size;
    return EXIT_OK;
}

void sender_abort(struct sender *sender, const shmbus_claim_t *claim)
{
    (void)shmbus_abort(sender->publisher, claim);
}
