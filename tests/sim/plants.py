#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bugs that the simulation must find. tests/planting.py tells how it is called."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from planting import Plant, main  # noqa: E402

PLANTS = {
    # A message is committed before it is there.
    "stamp-before-payload": Plant(
        "ring_producer.c",
        """    ring_copy_inline(ring_payload(slot), data, size);
    store64_release(slot,
                    stamp_make(ring_lap(ring, sequence), producer->id, (uint32_t)size, 0)); /* [rel:stamp] */
""",
        """    store64_release(slot, stamp_make(ring_lap(ring, sequence), producer->id, (uint32_t)size, 0));
    ring_copy_inline(ring_payload(slot), data, size);
""",
    ),
    # The same through the window of a single publisher, for what lies in the arena.
    "record-before-payload": Plant(
        "ring_window.c",
        """    COPY(ring_line(producer->ring, start), data, size);
    finish_in_window(producer, start, size, STAMP_ARENA);
""",
        """    finish_in_window(producer, start, size, STAMP_ARENA);
    COPY(ring_line(producer->ring, start), data, size);
""",
    ),
    # Who dies behind the CAS has not said what he took: nobody aborts it.
    "intent-after-cas": Plant(
        "ring_producer.c",
        """    store64_release(&producer->own->intent, tail); /* [rel:intent] */
    const position next = position_make(sequence + placed, end);
    return cas64_release(&producer->ring->shared->tail, &tail, next); /* [rel:tail] */
""",
        """    const position next = position_make(sequence + placed, end), before = tail;
    const bool claimed = cas64_release(&producer->ring->shared->tail, &tail, next);
    store64_release(&producer->own->intent, before);
    return claimed;
""",
    ),
    # The same for members: what he took is lost, or is overwritten while he reads it.
    "held-after-cas": Plant(
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
    # A claim of the living is aborted, for a dead one was after it too.
    "ignore-the-living": Plant(
        "ring_repair.c",
        "    if (ring_is_finished(ring, seen, sequence) || named_by_the_living(ring, living, sequence, tail)) {",
        "    if (ring_is_finished(ring, seen, sequence)) {",
    ),
    # What was committed is aborted.
    "ignore-the-finished": Plant(
        "ring_repair.c",
        "    if (ring_is_finished(ring, seen, sequence) || named_by_the_living(ring, living, sequence, tail)) {",
        "    if (named_by_the_living(ring, living, sequence, tail)) {",
    ),
    # Whoever repairs late undoes what has happened since.
    "repair-by-store": Plant(
        "ring_repair.c",
        "    return cas64_release(slot, &seen, aborted); /* [rel:stamp] */",
        "    store64_release(slot, aborted);\n    return true;",
    ),
    # Who takes a dead one's place makes him look alive.
    "generation-kept": Plant(
        "participant.c",
        "    const uint64_t generation = (load64_relaxed(state) >> 32) + 1;",
        "    const uint64_t generation = (load64_relaxed(state) >> 32);",
    ),
    # A copy may have been overwritten meanwhile.
    "unchecked-copy": Plant(
        "ring_slot.c",
        "    if (!still_intact(ring, slot, s, message)) {",
        "    if (err != 0 && !still_intact(ring, slot, s, message)) {",
    ),
    # The slot does not say that it is being replaced.
    "unmarked-writing": Plant(
        "ring_producer.c",
        "        if (ring->overwrite) {\n            mark_writing(",
        "        if (ring->overwrite && ring->slot_count == 0) {\n            mark_writing(",
    ),
    # A group starts where a publisher may be writing already.
    "join-without-limits": Plant(
        "cursor.c",
        "    cursor_granted(ring, tail, &slots, &lines);",
        "    cursor_granted(ring, tail, &slots, &lines);\n    slots = lines = 0;",
    ),
    # The publisher's half of that handshake.
    "limit-after-look": Plant(
        "ring_producer.c",
        "    store64_release(&producer->own->limit, limit); /* [rel:limit] */\n"
        "    fence_seq_cst();                               /* [fence:join] with cursor_join() */\n",
        "    (void)limit;\n",
    ),
    # What members have taken and not given back is overwritten.
    "room-without-members": Plant(
        "cursor.c",
        "    if (shared) {\n        room_of_members(",
        "    if (shared && !room->based && room->slots == 0) {\n        room_of_members(",
    ),
    # A slot is claimed again before its claimer of one lap ago has finished.
    "room-without-publishers": Plant(
        "cursor.c",
        "        if (unfinished(ring, first, count)) {",
        "        if (unfinished(ring, first, count) && ring->slot_count == 0) {",
    ),
    # A message comes a second time, and does not say so.
    "unmarked-redelivery": Plant(
        "ring_consumer.c",
        "    consumer->redeliver_end = consumer->end;\n",
        "",
    ),
    # The member of a durable group dies with a message in hand, and the next one is not told.
    "forgotten-interruption": Plant(
        "recovery_settle.c",
        "    if (attempts > 0) {\n",
        "    if (attempts > 1000) {\n",
    ),
    # Who stands still is taken for dead.
    "silence-is-death": Plant(
        "participant.c",
        "    return os_lock_is_owned(self->lock_fd, LOCK_PARTICIPANT(index)) &&",
        "    return index == UINT32_MAX &&",
    ),
    # What an adopted orphan held is given away before it is taken.
    "orphan-freed-first": Plant(
        "recovery_members.c",
        "    consumer_adopt(consumer, held, count, load32_relaxed(&orphan->attempts) + 1);\n",
        "    (void)recovery_change(&orphan->owner, mark, (owner & OWNER_PARTICIPANT) | OWNER_SPENT);\n"
        "    consumer_adopt(consumer, held, count, load32_relaxed(&orphan->attempts) + 1);\n",
    ),
    # An observer does not ask whether a publisher may have gone on into what it has copied.
    "glance-unlimited": Plant(
        "ring_glance.c",
        " &&\n           (ring->overwrite || (int64_t)(sequence - reach->oldest) >= 0);\n",
        ";\n",
    ),
    # Or whether the slot still says the same.
    "glance-once": Plant(
        "ring_glance.c",
        "    return load64_relaxed(ring_slot(ring, sequence)) == s &&\n           (ring->overwrite",
        "    return (s != 0 || sequence != 0) && (ring->overwrite",
    ),
    # Or whether what it took for the time of sending was that still.
    "glance-late": Plant(
        "ring_glance.c",
        "            return still_there(ring, sequence + i, s) ? sent : 0;\n",
        "            return s != 0 || still_there(ring, sequence + i, s) ? sent : 0;\n",
    ),
    # It asks where publishers are, and not how far they may go.
    "glance-at-the-tail": Plant(
        "ring_glance.c",
        "        cursor_granted(ring, tail, &slots, &lines);\n",
        "        cursor_granted(ring, tail, &slots, &lines);\n        slots = lines = 0;\n",
    ),
    # It does not ask for the lines.
    "glance-at-slots-alone": Plant(
        "ring_glance.c",
        " && (!(s & STAMP_ARENA) || line_stays(ring, &reach, line));",
        " && (s != 0 || line == 0);",
    ),
    # A sleeper does not look again after it has raised its flag.
    "lost-wake-up": Plant(
        "wait.c",
        "    if (request->kind->ready(request, true)) {\n        return true;\n    }\n    *err =",
        "    *err =",
    ),
}

main(PLANTS, sys.argv[1:])
