/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include "machine.h"

#include <inttypes.h>
#include <string.h>

#define MESSAGES 1024u
#define SEQUENCES 1024u
#define GROUPS 64u
#define MEMBERS 192u
#define NOWHERE UINT64_MAX

enum fate {
    CLAIMED,
    SENDING,
    SENT,
    FAILED
};

struct message {
    enum fate fate;
    uint32_t writer;
    size_t size;
    uint64_t sequence;
};

enum view {
    UNSEEN,
    SHOWN,
    RELEASED
};

/* One life of a group. */
struct group {
    struct adapter_group facts;
    uint64_t shown_end; /* behind the last message it was shown */
    uint64_t drained;   /* it has seen all before this one */
    uint32_t gone;      /* members */
    uint32_t deaths;
    uint32_t excused; /* messages that were being received by a member that was killed */
    uint8_t view[SEQUENCES];
    uint8_t by[SEQUENCES]; /* member */
};

struct member {
    uint32_t group;
    bool alive;
    bool receiving;
    bool holding;
    uint64_t held;
    uint64_t start; /* first sequence, and what it has given back since */
    uint64_t released;
    uint64_t last_end;
};

static struct {
    uint64_t first;
    bool overwrite;
    struct message messages[MESSAGES];
    uint32_t message_count;
    uint32_t at[SEQUENCES]; /* message + 1 */
    struct group groups[GROUPS];
    uint32_t group_count;
    struct member members[MEMBERS];
    uint32_t member_count;
    uint64_t deliveries;
    uint64_t redeliveries;
} oracle;

void oracle_reset(uint64_t first_sequence, bool overwrite)
{
    memset(oracle.at, 0, sizeof oracle.at);
    memset(oracle.groups, 0, oracle.group_count * sizeof oracle.groups[0]);
    oracle.first = first_sequence;
    oracle.overwrite = overwrite;
    oracle.message_count = 0;
    oracle.group_count = 0;
    oracle.member_count = 0;
    oracle.deliveries = 0;
    oracle.redeliveries = 0;
}

uint64_t oracle_deliveries(void)
{
    return oracle.deliveries;
}

uint64_t oracle_redeliveries(void)
{
    return oracle.redeliveries;
}

/* ------------------------------------------------------------------------------------------------ */
/* Messages                                                                                           */
/* ------------------------------------------------------------------------------------------------ */

uint32_t oracle_writes(uint32_t writer, size_t size)
{
    if (oracle.message_count == MESSAGES) {
        machine_violation("the oracle has room for %u messages", MESSAGES);
    }
    const uint32_t message = oracle.message_count++;
    oracle.messages[message] =
        (struct message){.fate = SENDING, .writer = writer, .size = size, .sequence = NOWHERE};
    return message;
}

static unsigned char byte_of(uint32_t message, size_t at)
{
    return (unsigned char)(at < 4 ? message >> (8 * at) : random_mix(message) + 37 * at);
}

static void fill(unsigned char *to, uint32_t message, size_t from, size_t end)
{
    sim_step(to + from);
    if (oracle.overwrite || weak_observed) {
        weak_words(to + from, end - from);
    }
    weak_writes(to + from, end - from);
    for (size_t i = from; i < end; i++) {
        to[i] = byte_of(message, i);
    }
    weak_wrote(to + from, end - from);
}

void oracle_fill(void *to, uint32_t message)
{
    const size_t size = oracle.messages[message].size;
    fill(to, message, 0, size / 2);
    fill(to, message, size / 2, size);
}

void oracle_placed(uint32_t message, uint64_t sequence)
{
    const uint64_t at = sequence - oracle.first;
    if (at >= SEQUENCES) {
        machine_violation("message %u has sequence %" PRIu64 ", out of bounds", message, sequence);
    }
    if (oracle.at[at] != 0 && oracle.at[at] != message + 1 &&
        oracle.messages[oracle.at[at] - 1].fate != FAILED) {
        machine_violation("sequence %" PRIu64 " is message %u and message %u", sequence, oracle.at[at] - 1,
                          message);
    }
    struct message *m = &oracle.messages[message];
    if (m->sequence != NOWHERE && m->sequence != sequence) {
        machine_violation("message %u has sequence %" PRIu64 " and %" PRIu64, message, m->sequence, sequence);
    }
    m->sequence = sequence;
    oracle.at[at] = message + 1;
}

void oracle_claimed(uint32_t message, uint64_t sequence)
{
    oracle.messages[message].fate = CLAIMED;
    oracle_placed(message, sequence);
}

void oracle_commits(uint32_t message)
{
    oracle.messages[message].fate = SENDING;
}

void oracle_sent(uint32_t message)
{
    oracle.messages[message].fate = SENT;
}

void oracle_failed(uint32_t message)
{
    oracle.messages[message].fate = FAILED;
}

/* Reads it in two halves, with a step before each: a message that is held must not change meanwhile. */
static uint32_t read_message(const shmbus_message *seen)
{
    const unsigned char *bytes = seen->data;
    uint32_t message;
    sim_step(bytes);
    weak_reads(bytes, seen->size);
    memcpy(&message, bytes, sizeof message);
    if (seen->size < ORACLE_SIZE_MIN || message >= oracle.message_count) {
        machine_violation("sequence %" PRIu64 " holds no message: %zu bytes, number %u", seen->sequence,
                          seen->size, message);
    }
    if (seen->size != oracle.messages[message].size) {
        machine_violation("message %u has %zu bytes, not %zu", message, seen->size,
                          oracle.messages[message].size);
    }
    for (size_t i = 0; i < seen->size; i++) {
        if (i == seen->size / 2) {
            sim_step(bytes + i);
        }
        if (bytes[i] != byte_of(message, i)) {
            machine_violation("message %u (sequence %" PRIu64 ") is torn at byte %zu of %zu", message,
                              seen->sequence, i, seen->size);
        }
    }
    return message;
}

/* ------------------------------------------------------------------------------------------------ */
/* Groups and members                                                                                 */
/* ------------------------------------------------------------------------------------------------ */

static uint32_t find_group(struct adapter_group facts)
{
    for (uint32_t i = 0; i < oracle.group_count; i++) {
        const struct adapter_group *known = &oracle.groups[i].facts;
        if (known->index == facts.index && known->life == facts.life) {
            return i;
        }
    }
    if (oracle.group_count == GROUPS) {
        machine_violation("the oracle has room for %u groups", GROUPS);
    }
    if (facts.joined != facts.next && machine_kills() == 0) {
        machine_violation("a new group says that it joined at %" PRIu64 ", but starts at %" PRIu64,
                          facts.joined, facts.next);
    }
    struct group *group = &oracle.groups[oracle.group_count];
    group->facts = facts;
    group->facts.joined = facts.next; /* who was killed while he made the group has not said so */
    group->shown_end = facts.next;
    return oracle.group_count++;
}

uint32_t oracle_joins(struct adapter_group facts)
{
    if (oracle.member_count == MEMBERS) {
        machine_violation("the oracle has room for %u members", MEMBERS);
    }
    const uint32_t member = oracle.member_count++;
    oracle.members[member] = (struct member){
        .group = find_group(facts), .alive = true, .start = facts.next, .last_end = facts.next};
    machine_trace("member %u of group %u.%u, from %" PRIu64, member, facts.index, facts.life, facts.next);
    return member;
}

void oracle_receives(uint32_t member, bool inside)
{
    oracle.members[member].receiving = inside;
}

static void check_order(const struct member *m, const struct group *group, const shmbus_message *seen,
                        uint64_t passed)
{
    if (seen->sequence < group->facts.joined) {
        machine_violation("sequence %" PRIu64 " is from before the group joined at %" PRIu64, seen->sequence,
                          group->facts.joined);
    }
    if (seen->sequence < m->last_end && !(seen->flags & SHMBUS_REDELIVERED)) {
        machine_violation("sequence %" PRIu64 " after %" PRIu64, seen->sequence, m->last_end - 1);
    }
    if (!group->facts.shared && seen->sequence != m->start + m->released + passed) {
        machine_violation("sequence %" PRIu64 ": started at %" PRIu64 ", %" PRIu64 " given back, %" PRIu64
                          " missed or aborted",
                          seen->sequence, m->start, m->released, passed);
    }
}

/* How often a message was in the hands of those who are gone. */
static void check_attempts(const struct group *group, const shmbus_message *seen)
{
    const uint32_t attempts = SHMBUS_ATTEMPTS(seen->flags);
    const uint32_t most =
        group->gone + machine_kills(); /* who was killed while it joined is not known here */
    if ((attempts > 0) != ((seen->flags & SHMBUS_REDELIVERED) != 0) || attempts > most) {
        machine_violation("sequence %" PRIu64 " has flags %x, and at most %u members of its group are gone",
                          seen->sequence, seen->flags, most);
    }
}

static void check_repeat(const struct group *group, uint64_t at, uint32_t member, const shmbus_message *seen)
{
    const uint32_t before = group->by[at];
    if (!(seen->flags & SHMBUS_REDELIVERED)) {
        machine_violation("sequence %" PRIu64 " was delivered again to member %u, unmarked", seen->sequence,
                          member);
    }
    /*
     * A member of a shared group that was killed between its announcement and its CAS may have announced what
     * another one took: nobody can tell, and what it announced is delivered once more, marked.
     */
    if (group->facts.shared && group->deaths > 0) {
        return;
    }
    if (group->view[at] == RELEASED) {
        machine_violation("sequence %" PRIu64 " was given back by member %u, and delivered again to %u",
                          seen->sequence, before, member);
    }
    if (oracle.members[before].alive) {
        machine_violation("sequence %" PRIu64 " was delivered to member %u while %u holds it", seen->sequence,
                          member, before);
    }
}

void oracle_shows(uint32_t member, const shmbus_message *seen, uint64_t passed)
{
    struct member *m = &oracle.members[member];
    struct group *group = &oracle.groups[m->group];
    const uint32_t message = read_message(seen);
    machine_trace("member %u sees message %u at %" PRIu64 "%s", member, message, seen->sequence,
                  seen->flags & SHMBUS_REDELIVERED ? ", redelivered" : "");
    if (oracle.messages[message].fate == FAILED || oracle.messages[message].fate == CLAIMED) {
        machine_violation("message %u at %" PRIu64 " was never committed", message, seen->sequence);
    }
    oracle_placed(message, seen->sequence);
    check_order(m, group, seen, passed);
    check_attempts(group, seen);
    const uint64_t at = seen->sequence - oracle.first;
    if (group->view[at] != UNSEEN) {
        check_repeat(group, at, member, seen);
        oracle.redeliveries++;
    }
    group->view[at] = SHOWN;
    group->by[at] = (uint8_t)member;
    group->shown_end = seen->sequence >= group->shown_end ? seen->sequence + 1 : group->shown_end;
    m->holding = true;
    m->held = seen->sequence;
    m->last_end = seen->sequence + 1;
    oracle.deliveries++;
}

/* What was given up is nobody's message, or one that its writer did not get to the end of. */
static void check_given_up(uint64_t sequence)
{
    const uint64_t at = sequence - oracle.first;
    const uint32_t message = at < SEQUENCES ? oracle.at[at] : 0;
    if (at >= SEQUENCES || (message != 0 && oracle.messages[message - 1].fate == SENT)) {
        machine_violation("sequence %" PRIu64 " is seen as given up, and was sent", sequence);
    }
}

void oracle_sights(uint64_t sequence, const struct adapter_sight *sight, const void *bytes)
{
    if (sight->aborted) {
        check_given_up(sequence);
        return;
    }
    const shmbus_message seen = {.data = bytes, .size = sight->size, .sequence = sequence};
    const uint32_t message = read_message(&seen);
    machine_trace("sees message %u at %" PRIu64 " in passing", message, sequence);
    if (oracle.messages[message].fate == FAILED || oracle.messages[message].fate == CLAIMED) {
        machine_violation("message %u at %" PRIu64 " was never committed, and is seen", message, sequence);
    }
    oracle_placed(message, sequence);
}

void oracle_released(uint32_t member)
{
    struct member *m = &oracle.members[member];
    if (m->holding) {
        oracle.groups[m->group].view[m->held - oracle.first] = RELEASED;
        m->holding = false;
        m->released++;
    }
}

void oracle_left(uint32_t member)
{
    oracle.members[member].alive = false;
    oracle.groups[oracle.members[member].group].gone++;
}

void oracle_died(uint32_t member)
{
    struct member *m = &oracle.members[member];
    struct group *group = &oracle.groups[m->group];
    m->alive = false;
    group->gone++;
    group->deaths++;
    group->excused += m->receiving;
}

void oracle_drained(uint32_t member, uint64_t tail)
{
    struct group *group = &oracle.groups[oracle.members[member].group];
    group->drained = tail > group->drained ? tail : group->drained;
}

/* ------------------------------------------------------------------------------------------------ */
/* The end                                                                                            */
/* ------------------------------------------------------------------------------------------------ */

/* Behind the last message that the group must have seen, if it was committed. */
static uint64_t due(const struct group *group)
{
    /* What a killed member of a shared group held is lost with the group, if that is not durable. */
    if (group->facts.shared && group->deaths > 0 && !group->facts.durable) {
        return group->facts.joined;
    }
    const uint64_t shown = group->facts.shared ? group->facts.joined : group->shown_end;
    return group->drained > shown ? group->drained : shown;
}

static void check_complete(const struct group *group)
{
    uint32_t missing = 0;
    for (uint64_t sequence = group->facts.joined, end = due(group); sequence < end; sequence++) {
        const uint64_t at = sequence - oracle.first;
        const uint32_t message = oracle.at[at];
        if (message != 0 && oracle.messages[message - 1].fate == SENT && group->view[at] == UNSEEN &&
            ++missing > group->excused) {
            machine_violation("message %u at %" PRIu64 " was committed and group %u.%u never saw it",
                              message - 1, sequence, group->facts.index, group->facts.life);
        }
    }
}

/* One writer's messages lie in the order in which he sent them. */
static void check_writers(void)
{
    for (uint32_t i = 0; i < oracle.message_count; i++) {
        const struct message *m = &oracle.messages[i];
        for (uint32_t j = i + 1; m->sequence != NOWHERE && j < oracle.message_count; j++) {
            const struct message *later = &oracle.messages[j];
            if (later->writer == m->writer && later->sequence != NOWHERE) {
                if (later->sequence <= m->sequence) {
                    machine_violation("messages %u and %u are out of order", i, j);
                }
                break;
            }
        }
    }
}

void oracle_finish(void)
{
    check_writers();
    for (uint32_t i = 0; !oracle.overwrite && i < oracle.group_count; i++) {
        check_complete(&oracle.groups[i]);
    }
}
