/* SPDX-License-Identifier: Apache-2.0 */
#include "meaning.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NANOSECONDS UINT64_C(1000000000)

typedef void (*explain)(uint64_t value, char text[MEANING_TEXT]);

static uint32_t high(uint64_t value)
{
    return (uint32_t)(value >> 32);
}

static uint32_t low(uint64_t value)
{
    return (uint32_t)value;
}

static void explain_hex(uint64_t value, char text[MEANING_TEXT])
{
    (void)snprintf(text, MEANING_TEXT, "0x%016" PRIx64, value);
}

/* The eight bytes as they lie in the file. */
static void explain_magic(uint64_t value, char text[MEANING_TEXT])
{
    char bytes[9] = {0};
    for (unsigned i = 0; i < 8; i++) {
        const int byte = (int)(value >> 8 * i & 0xFF);
        bytes[i] = (char)(isascii(byte) && isprint(byte) ? byte : '.');
    }
    (void)snprintf(text, MEANING_TEXT, "0x%016" PRIx64 " %s", value, bytes);
}

static void explain_date(uint64_t value, char text[MEANING_TEXT])
{
    const time_t seconds = (time_t)(value / NANOSECONDS);
    struct tm tm;
    char date[40];
    if (gmtime_r(&seconds, &tm) && strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm) > 0) {
        (void)snprintf(text, MEANING_TEXT, "%s.%09" PRIu64 "Z", date, value % NANOSECONDS);
    }
}

static void explain_position(uint64_t value, char text[MEANING_TEXT])
{
    (void)snprintf(text, MEANING_TEXT, "sequence %" PRIu32 ", line %" PRIu32, high(value), low(value));
}

static void explain_batch(uint64_t value, char text[MEANING_TEXT])
{
    (void)snprintf(text, MEANING_TEXT, "sequence %" PRIu32 ", count %" PRIu32, high(value), low(value));
}

/* {generation:32, state:4, detail:16, index + 1:12} */
static void explain_owner(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const states[] = {"", ", spent", ", adopted", ", orphan"};
    unsigned state = 0;
    for (unsigned bit = 1; bit < 4; bit++) {
        state = value >> (28 + bit) & 1 ? bit : state;
    }
    if ((value & 0xFFF) == 0) {
        (void)snprintf(text, MEANING_TEXT, "nobody%s", states[state]);
        return;
    }
    (void)snprintf(text, MEANING_TEXT, "participant %" PRIu64 ", generation %" PRIu32 "%s",
                   (value & 0xFFF) - 1, high(value), states[state]);
}

static void explain_attached(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const states[] = {"free", "attached"};
    (void)snprintf(text, MEANING_TEXT, "%s, generation %" PRIu32, low(value) < 2 ? states[low(value)] : "?",
                   high(value));
}

/* Lists the words of `count` whose bits are up. */
static void put_bits(uint64_t bits, const char *const *words, unsigned count, char *text, size_t room)
{
    size_t used = strlen(text);
    for (unsigned i = 0; i < count; i++) {
        if (bits >> i & 1 && used < room) {
            used += (size_t)snprintf(text + used, room - used, "%s%s", used > 0 ? ", " : "", words[i]);
        }
    }
}

static void explain_participant_flags(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const words[] = {"sends have no fence", "sleeps in short steps"};
    put_bits(value, words, 2, text, MEANING_TEXT);
}

static void explain_sleepers(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const words[] = {"somebody sleeps", "a waitset sleeps"};
    (void)snprintf(text, MEANING_TEXT, "raised %" PRIu64 " times", value >> 2);
    put_bits(value, words, 2, text, MEANING_TEXT);
}

static void explain_group_state(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const words[] = {"active", "shared", "durable", "interrupted"};
    (void)snprintf(text, MEANING_TEXT, "joined %" PRIu32 " times", high(value));
    put_bits(low(value), words, 4, text, MEANING_TEXT);
}

static void explain_settled(uint64_t value, char text[MEANING_TEXT])
{
    (void)snprintf(text, MEANING_TEXT, "totals[%" PRIu64 "] count, member entry %" PRIu64 " (0: none)",
                   value & 1, value >> 1);
}

static void explain_member_group(uint64_t value, char text[MEANING_TEXT])
{
    (void)snprintf(text, MEANING_TEXT, "group %" PRIu64 "%s", value & INT32_MAX,
                   value >> 31 & 1 ? ", its owner joins" : "");
}

static void explain_stamp_flags(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const words[] = {"writing", "in the arena", "aborted", "sampled"};
    put_bits(value, words, 4, text, MEANING_TEXT);
}

static void put_word(uint64_t value, const char *const *words, unsigned count, char text[MEANING_TEXT])
{
    (void)snprintf(text, MEANING_TEXT, "%s", value < count ? words[value] : "?");
}

static void explain_producers(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const words[] = {"?", "single", "multi"};
    put_word(value, words, 3, text);
}

static void explain_overflow(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const words[] = {"?", "block", "overwrite"};
    put_word(value, words, 3, text);
}

static void explain_entry_state(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const words[] = {"free", "creating", "live", "removed"};
    put_word(value, words, 4, text);
}

static void explain_busy(uint64_t value, char text[MEANING_TEXT])
{
    static const char *const words[] = {"idle", "announced", "claims", "holds"};
    put_word(value, words, 4, text);
}

static const struct {
    const char *structure; /* NULL: any */
    const char *field;
    explain explain;
} rules[] = {
    {NULL, "magic", explain_magic},
    {NULL, "fingerprint", explain_hex},
    {NULL, "type", explain_hex},
    {NULL, "created_ns", explain_date},
    {NULL, "attached_ns", explain_date},
    {NULL, "tail", explain_position},
    {NULL, "intent", explain_position},
    {NULL, "limit", explain_position},
    {NULL, "cursor", explain_position},
    {NULL, "held", explain_position},
    {NULL, "owner", explain_owner},
    {NULL, "batch", explain_batch},
    {NULL, "sleepers", explain_sleepers},
    {NULL, "settled", explain_settled},
    {NULL, "busy", explain_busy},
    {"shm_participant", "state", explain_attached},
    {"shm_participant", "flags", explain_participant_flags},
    {"shm_entry", "state", explain_entry_state},
    {"shm_channel", "producers", explain_producers},
    {"shm_channel", "overflow", explain_overflow},
    {"shm_group", "state", explain_group_state},
    {"shm_member", "group", explain_member_group},
    {"slot", "flags", explain_stamp_flags},
};

/* "sleepers" of "data.sleepers". */
static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : name;
}

const char *meaning_of(const shmbus_field *field, char text[MEANING_TEXT])
{
    const char *name = last_part(field->name);
    text[0] = '\0';
    for (size_t i = 0; i < sizeof rules / sizeof *rules && !field->text; i++) {
        if ((!rules[i].structure || strcmp(rules[i].structure, field->structure) == 0) &&
            strcmp(rules[i].field, name) == 0) {
            rules[i].explain(field->value, text);
        }
    }
    return text[0] != '\0' ? text : NULL;
}
