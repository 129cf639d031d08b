#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Orders that ThreadSanitizer must miss in a program, if they are taken out. tests/planting.py tells how it is called.

The name is PROGRAM.WHAT: the program of this folder in which it must be a data race.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from planting import Plant, main  # noqa: E402


def weaker(file, text, order):
    """`text`, with its one access of that order relaxed."""
    return Plant(file, text, text.replace(order, "relaxed"))


PLANTS = {
    "one_to_one.stamp-release": weaker(
        "ring_producer.h",
        """    store64_release((atomic_u64 *)(void *)slot,
                    window->stamp | (size << STAMP_LENGTH_SHIFT)); /* [rel:stamp] */""",
        "release",
    ),
    "one_to_one.stamp-acquire": weaker(
        "ring_consumer.h",
        "    const stamp s = load64_acquire((atomic_u64 *)(void *)slot); /* [acq:stamp] */",
        "acquire",
    ),
    "one_to_one.cursor-release": weaker(
        "ring_consumer.c",
        """        store64_release(&consumer->group->cursor,
                        position_make(consumer->sequence, consumer->line)); /* [rel:cursor] */""",
        "release",
    ),
    "one_to_one.cursor-acquire": weaker(
        "cursor.c",
        "            const position cursor = load64_acquire(&ring->groups[i].cursor); /* [acq:cursor] */",
        "acquire",
    ),
    "one_to_one.held-release": weaker(
        "ring_consumer.c",
        "    store64_release(&consumer->own->held, position_make(next, line)); /* [rel:held] */",
        "release",
    ),
    "one_to_one.held-acquire": weaker(
        "cursor.c",
        "            const position held = load64_acquire(&member->held); /* [acq:held] */",
        "acquire",
    ),
    "arena.record-release": weaker(
        "ring_window.c",
        "    store64_release(slot, s); /* [rel:stamp] */",
        "release",
    ),
    "two_publishers.stamp-release": weaker(
        "ring_producer.c",
        """    store64_release(slot,
                    stamp_make(ring_lap(ring, sequence), producer->id, (uint32_t)size, 0)); /* [rel:stamp] */
    slot_prefetch(""",
        "release",
    ),
    "batch.stamp-release": weaker(
        "ring_producer.c",
        """    store64_release(slot,
                    stamp_make(ring_lap(ring, sequence), producer->id, length, flags)); /* [rel:stamp] */""",
        "release",
    ),
    "shared_group.held-release": weaker(
        "ring_consumer.c",
        """    store64_release(&own->held, position_make(consumer->sequence, consumer->line)); /* [rel:held] */
    store32_release(&own->busy, busy ? MEMBER_HOLDS : MEMBER_IDLE);                 /* [rel:busy] */""",
        "release",
    ),
    "one_to_one.look-acquire": weaker(
        "ring_slot.c",
        "    *s = load64_acquire(slot); /* [acq:stamp] */",
        "acquire",
    ),
}

main(PLANTS, sys.argv[1:])
