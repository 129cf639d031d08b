/* SPDX-License-Identifier: Apache-2.0 */
/* position.h: arithmetic on two circles, of 2^32 positions and of 2^40 laps. */
#include "unit.h"

#include "limits.h"
#include "position.h"

#define WRAP (UINT64_C(1) << 32)

UNIT(position, holds_the_low_halves)
{
    const uint64_t sequences[] = {0, 1, WRAP - 1, WRAP, WRAP + 5, FIRST_SEQUENCE_MAX - 1};
    const uint32_t lines[] = {0, 1, 0x7fffffff, 0x80000000, 0xffffffff};
    for (size_t i = 0; i < sizeof sequences / sizeof *sequences; i++) {
        for (size_t j = 0; j < sizeof lines / sizeof *lines; j++) {
            const position p = position_make(sequences[i], lines[j]);
            cr_assert_eq(position_sequence(p), (uint32_t)sequences[i]);
            cr_assert_eq(position_line(p), lines[j]);
        }
    }
}

UNIT(position, finds_the_sequence_near_a_reference)
{
    const uint64_t references[] = {WRAP, 3 * WRAP, 3 * WRAP - 1, FIRST_SEQUENCE_MAX, UINT64_C(1) << 52};
    const int64_t distances[] = {
        0, 1, -1, 100, -100, SLOTS_MAX, -(int64_t)SLOTS_MAX, INT32_MAX, INT32_MIN + 1};
    for (size_t i = 0; i < sizeof references / sizeof *references; i++) {
        for (size_t j = 0; j < sizeof distances / sizeof *distances; j++) {
            const uint64_t expected = references[i] + (uint64_t)distances[j];
            cr_assert_eq(sequence_near(references[i], (uint32_t)expected), expected);
        }
    }
}

UNIT(position, compares_lines_on_the_circle)
{
    const uint32_t starts[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        const uint32_t line = starts[i];
        cr_assert(line_reached(line, line));
        cr_assert(line_reached(line + 1, line));
        cr_assert(line_reached(line + (1u << 30), line), "the largest arena has 2^30 lines");
        cr_assert_not(line_reached(line - 1, line));
        cr_assert_not(line_reached(line - (1u << 30), line));
    }
}

UNIT(stamp, keeps_its_fields_apart)
{
    const uint64_t laps[] = {0, 1, (UINT64_C(1) << 40) - 1};
    const uint32_t publishers[] = {0, 1, PUBLISHERS_MAX};
    const uint32_t lengths[] = {0, 1, SLOT_SIZE_MAX - SLOT_HEADER};
    for (unsigned i = 0; i < 27; i++) {
        for (uint32_t flags = 0; flags <= STAMP_FLAGS; flags++) {
            const stamp s = stamp_make(laps[i % 3], publishers[i / 3 % 3], lengths[i / 9], flags);
            cr_assert_eq(stamp_lap(s), laps[i % 3]);
            cr_assert_eq(stamp_publisher(s), publishers[i / 3 % 3]);
            cr_assert_eq(stamp_length(s), lengths[i / 9]);
            cr_assert_eq(s & STAMP_FLAGS, flags);
        }
    }
}

UNIT(stamp, flags_differ)
{
    cr_assert_eq(STAMP_WRITING | STAMP_ARENA | STAMP_ABORTED, STAMP_WRITING + STAMP_ARENA + STAMP_ABORTED);
    cr_assert_eq((STAMP_WRITING | STAMP_ARENA | STAMP_ABORTED) & ~STAMP_FLAGS, 0);
}

UNIT(stamp, counts_laps_ahead_on_the_circle)
{
    const uint64_t last = (UINT64_C(1) << 40) - 1;
    const uint64_t laps[] = {0, 1, 2, last / 2, last - 1, last};
    for (size_t i = 0; i < sizeof laps / sizeof *laps; i++) {
        for (int64_t ahead = -3; ahead <= 3; ahead++) {
            const stamp s = stamp_make((laps[i] + (uint64_t)ahead) & last, PUBLISHERS_MAX, 255, STAMP_FLAGS);
            cr_assert_eq(stamp_laps_ahead(s, laps[i]), ahead);
        }
    }
}

UNIT(record, holds_line_and_length)
{
    const uint64_t record = record_make(0xfffffff0, 0x89abcdef);
    cr_assert_eq(record_line(record), 0xfffffff0);
    cr_assert_eq(record_length(record), 0x89abcdef);
}

UNIT(record, takes_whole_lines)
{
    const uint64_t sizes[] = {0, 1, 63, 64, 65, 127, 128, 129, 4096, 4097, UINT32_MAX};
    const uint32_t lines[] = {0, 1, 1, 1, 2, 2, 2, 3, 64, 65, 1u << 26};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        cr_assert_eq(lines_of(sizes[i]), lines[i]);
    }
}
