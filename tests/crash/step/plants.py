#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bugs that killing behind every instruction must find. tests/planting.py tells how it is called."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

from planting import Plant, main  # noqa: E402

PLANTS = {
    # The stamp says that the message is there before it is.
    "commit_before_payload": Plant(
        "ring_producer.c",
        """    ring_copy_inline(ring_payload(slot), data, size);
    store64_release(slot,
                    stamp_make(ring_lap(ring, sequence), producer->id, (uint32_t)size, 0)); /* [rel:stamp] */
""",
        """    store64_release(slot, stamp_make(ring_lap(ring, sequence), producer->id, (uint32_t)size, 0));
    atomic_signal_fence(memory_order_seq_cst);
    ring_copy_inline(ring_payload(slot), data, size);
""",
    ),
    # A participant's entry is used again under the dead one's name, who lives on in all that he owned.
    "same_generation": Plant(
        "participant.c",
        """    const uint64_t generation = (load64_relaxed(state) >> 32) + 1;
""",
        """    const uint64_t generation = (load64_relaxed(state) >> 32) | 1;
""",
    ),
    # A member of a shared group says what it takes when it has taken it.
    "held_behind_claim": Plant(
        "ring_consumer.c",
        """        if (!announce(consumer, cursor, position_make(sequence, line), end)) {
            continue;
        }
        if (cas64_release(&consumer->group->cursor, &cursor, position_make(end, line))) { /* [rel:cursor] */
""",
        """        if (cas64_release(&consumer->group->cursor, &cursor, position_make(end, line))) {
            (void)announce(consumer, position_make(end, line), position_make(sequence, line), end);
""",
    ),
    # The counters of who has left are added where they count already: twice, if he who does it dies.
    "settled_in_place": Plant(
        "recovery_settle.c",
        """    const uint32_t other = ~load32_relaxed(&group->settled) & 1;
    add_up(&group->totals[other], &group->totals[!other], member);
""",
        """    const uint32_t other = load32_relaxed(&group->settled) & 1;
    add_up(&group->totals[other], &group->totals[other], member);
""",
    ),
    # A channel can be opened before its memory is there and filled.
    "channel_live_early": Plant(
        "directory.c",
        """    store32_release(&entry->state, ENTRY_CREATING); /* [rel:entry] */
    fence_release();                                /* [rel:entry] before anything is written there */
    int err = reserve(segment, name, offset, geometry->size);
""",
        """    memcpy(entry->name, name, strlen(name) + 1);
    store32_release(&entry->state, ENTRY_LIVE);
    int err = reserve(segment, name, offset, geometry->size);
""",
    ),
    # A bus has its name before it is complete.
    "named_early": Plant(
        "segment.c",
        """    err = err ? err : fill(segment, options, fd);
    if (err == 0) {
        err = os_segment_publish(fd, segment->name);
        err = err == 0 || err == -EEXIST ? err : create_error(err, segment);
    }
""",
        """    if (err == 0) {
        err = os_segment_publish(fd, segment->name);
        err = err == 0 || err == -EEXIST ? err : create_error(err, segment);
    }
    err = err ? err : fill(segment, options, fd);
""",
    ),
    # What a dead member of a shared group held is forgotten.
    "orphan_dropped": Plant(
        "recovery_members.c",
        """    if ((state & GROUP_ACTIVE) && recovery_held(ring, group, member) > 0) {
""",
        """    if ((state & GROUP_ACTIVE) && recovery_held(ring, group, member) > SHMBUS_CLAIM_MAX) {
""",
    ),
}

main(PLANTS, sys.argv[1:])
