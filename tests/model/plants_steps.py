#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bugs that a search of all schedules must find. tests/planting.py tells how it is called.

The name is PROGRAM.WHAT: the program of CMakeLists.txt in which an assertion must fail, or nobody go on.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from planting import Plant, main  # noqa: E402

UNFINISHED_AND_UNNAMED = (
    "    if (ring_is_finished(ring, seen, sequence) || named_by_the_living(ring, living, sequence, tail)) {"
)

PLANTS = {
    # A message is committed before it is there.
    "two_publishers.stamp-before-payload": Plant(
        "ring_producer.c",
        """    ring_copy_inline(ring_payload(slot), data, size);
    store64_release(slot,
                    stamp_make(ring_lap(ring, sequence), producer->id, (uint32_t)size, 0)); /* [rel:stamp] */
""",
        """    store64_release(slot, stamp_make(ring_lap(ring, sequence), producer->id, (uint32_t)size, 0));
    (void)load64_relaxed(slot);
    ring_copy_inline(ring_payload(slot), data, size);
""",
    ),
    # Who has one message left to read is forgotten.
    "one_to_one.room-of-nobody": Plant(
        "cursor.c",
        "    if (lag <= 0) {\n",
        "    if (lag <= 1) {\n",
    ),
    # A claim of the living is aborted, for a dead one was after it too.
    "death_multi.ignore-the-living": Plant(
        "ring_repair.c",
        UNFINISHED_AND_UNNAMED,
        "    if (ring_is_finished(ring, seen, sequence)) {",
    ),
    # What was committed is aborted.
    "death.ignore-the-finished": Plant(
        "ring_repair.c",
        UNFINISHED_AND_UNNAMED,
        "    if (named_by_the_living(ring, living, sequence, tail)) {",
    ),
    # Whoever repairs late undoes what has happened since.
    "death_multi.repair-by-store": Plant(
        "ring_repair.c",
        "    return cas64_release(slot, &seen, aborted); /* [rel:stamp] */",
        "    store64_release(slot, aborted);\n    return true;",
    ),
    # The oldest claim of the dead stays as it is.
    "death_multi.oldest-forgotten": Plant(
        "ring_repair.c",
        "    if (behind == 0 || behind > ring->slot_count ||",
        "    if (behind == 0 || behind >= ring->slot_count ||",
    ),
    # A copy may have been overwritten meanwhile.
    "overwrite.unchecked-copy": Plant(
        "ring_slot.c",
        "    if (!still_intact(ring, slot, s, message)) {",
        "    if (err != 0 && !still_intact(ring, slot, s, message)) {",
    ),
    # The slot does not say that it is being replaced.
    "overwrite.unmarked-writing": Plant(
        "ring_producer.c",
        "        if (ring->overwrite) {\n            mark_writing(",
        "        if (ring->overwrite && ring->slot_count == 0) {\n            mark_writing(",
    ),
    # A group starts where a publisher may be writing already.
    "join.without-limits": Plant(
        "cursor.c",
        "    cursor_granted(ring, tail, &slots, &lines);",
        "    cursor_granted(ring, tail, &slots, &lines);\n    slots = lines = 0;",
    ),
    # What members have taken and not given back is overwritten.
    "shared_group.room-without-members": Plant(
        "cursor.c",
        "    if (shared) {\n        room_of_members(",
        "    if (shared && !room->based && room->slots == 0) {\n        room_of_members(",
    ),
    # Two members take the same message.
    "shared_group.take-by-store": Plant(
        "ring_consumer.c",
        "        if (cas64_release(&consumer->group->cursor, &cursor, position_make(end, line))) { /* [rel:cursor] */",
        "        store64_release(&consumer->group->cursor, position_make(end, line));\n        {",
    ),
}

main(PLANTS, sys.argv[1:])
