/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every byte of a segment: structures, offsets, and nothing else. docs/segment-format.md says the same in
 * prose. Fixed-width types only; each offset is asserted; `LAYOUT_FINGERPRINT` covers them all, so that
 * builds that disagree refuse each other. (Not so labels for people in bytes that were 0 before: who does not know them
 * does without.)
 *
 *   segment   [ shm_header | shm_participant x N | shm_entry x N ] page [ channel ] page [ channel ] ...
 *   channel   [ shm_channel | shm_publisher x N | shm_group x N | shm_member x N | shm_latency x N | slots | arena ]
 *
 * Invariants (positions and lines on the circle of 2^32):
 *   group.cursor.sequence <= tail.sequence <= group.cursor.sequence + slots      block channels
 *   group.cursor.line     <= tail.line     <= group.cursor.line + arena_lines    block channels
 *   a slot's stamp has the lap of its last commit, or on overwrite channels the lap being written
 *   intents of living publishers cover every slot in [tail - slots, tail) without a stamp of its lap; any other
 *   such slot is a dead one's, and may be aborted by anybody
 *   busy members' `held` and their group's cursor cover every message not given back
 *
 * concurrency   the comment of each field names its writer; everybody may read
 * killed        see the protocol that writes the field: ring.h, cursor.h, participant.h, directory.h
 *
 * No field is trusted: readers load it once, bound it against private geometry, and use the copy.
 */
#ifndef SHMBUS_BUS_LAYOUT_H
#define SHMBUS_BUS_LAYOUT_H

#include "atomics.h"
#include "limits.h"
#include "position.h"

#define SEGMENT_MAGIC UINT64_C(0x31307375626d6873) /* published last; "shmbus01" in memory order */
#define CHANNEL_MAGIC UINT64_C(0x316c656e6e616863) /* "channel1" */

/*
 * An owner is {generation:32, state:4, detail:16, participant:12} with participant + 1, so that 0 is nobody. State and
 * detail are 0 while the owner has the entry; the members of groups that are gone may have the other states.
 */
#define OWNER_NONE UINT64_C(0)
#define OWNER_PARTICIPANT UINT64_C(0xffffffff00000fff)
#define OWNER_DETAIL_SHIFT 12
#define OWNER_DETAIL_MASK UINT64_C(0xffff)
#define OWNER_ORPHAN (UINT64_C(1) << 31) /* left with messages held; detail: a number against confusion */
#define OWNER_ADOPTED                                                                                        \
    (UINT64_C(1) << 30) /* detail: the member + 1 of this owner that takes the messages over */
#define OWNER_SPENT (UINT64_C(1) << 29) /* holds nothing; its counters are not yet the group's */
#define OWNER_STATE (OWNER_ORPHAN | OWNER_ADOPTED | OWNER_SPENT)

/* shm_header: the first page. Written at creation, under the directory lock, but for the atomics. */
struct shm_header {
    atomic_u64 magic;      /* SEGMENT_MAGIC once everything below is in place */
    uint64_t fingerprint;  /* LAYOUT_FINGERPRINT of the creator */
    uint32_t participants; /* entries */
    uint32_t channels;     /* entries */
    uint64_t participants_offset;
    uint64_t entries_offset;
    uint64_t header_size; /* where the first channel may start; a multiple of the page */
    atomic_u64 size;      /* of the segment file; grows under the directory lock */
    uint64_t created_ns;  /* CLOCK_REALTIME */
    char name[NAME_SIZE];
    atomic_u32 changer; /* pid of who took the directory lock last: a label for people */
    uint32_t reserved;
    atomic_u64 changer_namespace; /* as shm_participant.pid_namespace: which one that pid is of */
};

/* One attachment of a process. Its liveness is the OFD lock on its byte, nothing here. */
struct shm_participant {
    atomic_u64 state;     /* {generation:32, PARTICIPANT_*:32}; the owner, and recovery when it is dead */
    atomic_u32 pid;       /* a label for people */
    atomic_u32 flags;     /* PARTICIPANT_REGISTERED, PARTICIPANT_TIMED; the owner */
    uint64_t attached_ns; /* CLOCK_REALTIME */
    char name[NAME_SIZE];
    atomic_u32 bell; /* the futex of its waitsets: bumped by each wake-up, by anybody */
    uint32_t reserved;
    uint64_t
        pid_namespace; /* inode of the one that `pid` is of; 0: not known. For people, as are pid and host */
    char host[HOST_SIZE];
};

#define PARTICIPANT_FREE 0u
#define PARTICIPANT_ATTACHED 1u
#define PARTICIPANT_REGISTERED 1u /* flags: membarrier reaches it, its sends need no fence */
#define PARTICIPANT_TIMED 2u      /* flags: it cannot call membarrier, and sleeps in short steps */

/* One channel of the directory. Written under the directory lock; `state` last. */
struct shm_entry {
    atomic_u32 state;      /* ENTRY_* */
    atomic_u32 generation; /* bumped when the entry is reused */
    atomic_u64 offset;     /* of the channel in the segment; a multiple of the page */
    atomic_u64 size;       /* bytes reserved for it */
    char name[NAME_SIZE];
    uint8_t reserved[56];
};

#define ENTRY_FREE 0u
#define ENTRY_CREATING 1u /* extent chosen, not yet usable: undone by the next change */
#define ENTRY_LIVE 2u
#define ENTRY_REMOVED 3u /* nobody may open it; its extent is freed when nobody holds its byte */

#define WAIT_BELL_WORDS 6u
#define WAIT_BELL_BITS (64u * WAIT_BELL_WORDS)

/* Who sleeps for what. Any participant writes. */
struct shm_wait {
    atomic_u64 sleepers; /* {raised:62, WAIT_*:2}: read by every sender, written only around sleeps */
    atomic_u32 event;    /* the futex of those who sleep for this alone: bumped by each wake-up */
    uint32_t reserved;
    /* Whose waitsets wait for this, asleep or not: bit i is participants i, i + WAIT_BELL_BITS, ... */
    atomic_u64 bells[WAIT_BELL_WORDS];
};

#define WAIT_ASLEEP UINT64_C(1) /* somebody sleeps on `event`, or is about to */
#define WAIT_BELLS UINT64_C(2)  /* somebody sleeps on the bell of a participant in `bells`, or is about to */
#define WAIT_FLAGS UINT64_C(3)
#define WAIT_RAISED (UINT64_C(1) << 2)

/* The bench builds a library in which nobody ever sleeps, to see what looking for sleepers costs. */
#ifdef SHMBUS_WITHOUT_WAITING
#define WAIT_BUILT 0
#else
#define WAIT_BUILT 1
#endif

/* And one that samples no latencies. */
#ifdef SHMBUS_WITHOUT_SAMPLING
#define SAMPLING_BUILT 0
#else
#define SAMPLING_BUILT 1
#endif

/* The head of a channel. Geometry is written once, before the directory entry goes live. */
struct shm_channel {
    uint64_t magic;
    uint32_t producers; /* enum shmbus_producers */
    uint32_t overflow;  /* enum shmbus_overflow */
    uint32_t slots;
    uint32_t slot_size;
    uint64_t arena;      /* bytes */
    uint64_t largest;    /* bytes */
    uint32_t publishers; /* entries */
    uint32_t groups;     /* entries */
    uint32_t members;    /* entries */
    uint32_t reserved4;
    uint64_t type;
    uint64_t first_sequence;
    uint64_t publishers_offset; /* all offsets from the start of the channel */
    uint64_t groups_offset;
    uint64_t members_offset;
    uint64_t slots_offset;
    uint64_t arena_offset;
    uint64_t size;
    atomic_u32 removed;         /* 1 once the channel was removed: all calls fail */
    atomic_u32 publishers_used; /* entries ever used: how far a scan must look */
    atomic_u32 groups_used;
    atomic_u32 members_used;
    atomic_u32 orphans;   /* raised when there is a new orphan: its group's members then look for it */
    atomic_u32 handovers; /* adoptions so far: who scans the members looks before and after */
    uint64_t latencies_offset;
    uint8_t reserved1[104];

    atomic_u64 tail; /* position of the next claim: the publishers */
    uint8_t reserved2[120];

    struct shm_wait data; /* groups waiting for messages; looked at by each sender */
    uint8_t reserved3[64];

    struct shm_wait space; /* publishers waiting for room; looked at by each release */
    uint8_t reserved5[64];
};

/* One publisher. Written by its owner; freed by recovery, by a CAS on the owner, when that is dead. */
struct shm_publisher {
    atomic_u64 owner;    /* OWNER_NONE when free */
    atomic_u64 intent;   /* position it is about to claim: written before the CAS on the tail */
    atomic_u64 batch;    /* {sequence:32, count:32}: how many messages, if the sequence is the intent's */
    atomic_u64 limit;    /* position that it will not pass without another look at the groups */
    atomic_u64 messages; /* counters: committed */
    atomic_u64 bytes;
    atomic_u64 aborted;
    atomic_u64 blocked;
    atomic_u64 sleeps;
    atomic_u64 wakes;
    atomic_u32 fenced; /* 1: a full fence follows each commit, so that sleepers need no membarrier for it */
    uint32_t reserved0;
    atomic_u64 spins;
    uint8_t reserved[32];
};

/* Counters of members that left. */
struct shm_totals {
    atomic_u64 messages;
    atomic_u64 bytes;
    atomic_u64 missed;
    atomic_u64 aborted;
    atomic_u64 redelivered;
};

/* One group: a cursor over the channel. */
struct shm_group {
    atomic_u64 cursor; /* exclusive: all before it is given back (its member); shared: claimed (CAS) */
    /* {joins:32, GROUP_*:32}. Made active under the directory lock, which counts each joiner; freed by a CAS of anybody. */
    atomic_u64 state;
    uint8_t reserved0[48];
    char name[NAME_SIZE];
    atomic_u64 joined;           /* sequence it started at */
    atomic_u32 settled;          /* {member + 1 that was added to the totals last:31, which totals count:1} */
    atomic_u32 attempts;         /* times that its next messages were interrupted, with GROUP_INTERRUPTED */
    struct shm_totals totals[2]; /* under the directory lock; the other ones are being written */
    atomic_u32
        interrupted_end; /* behind the last message that may have been seen, low 32 bits of its sequence */
    uint8_t reserved1[44];
};

#define GROUP_FREE UINT64_C(0)
#define GROUP_ACTIVE UINT64_C(1)
#define GROUP_SHARED UINT64_C(2)  /* with GROUP_ACTIVE: members claim by CAS */
#define GROUP_DURABLE UINT64_C(4) /* with GROUP_ACTIVE: outlives its members */
#define GROUP_INTERRUPTED                                                                                    \
    UINT64_C(8) /* its exclusive member died: messages up to `interrupted_end` may have been seen already */
#define GROUP_JOIN (UINT64_C(1) << 32)
#define GROUP_JOINS (~UINT64_C(0) << 32)

/* One member of a group. Written by its owner; all that others do is a CAS on `owner`. */
struct shm_member {
    atomic_u64 owner; /* OWNER_NONE when free: then nothing below means anything */
    atomic_u32 group; /* index; with MEMBER_JOINING until its owner has joined */
    atomic_u32 busy;  /* MEMBER_*: do `held` and `held_end` name messages that are not given back? */
    atomic_u64 held;  /* position of the first one; written before the CAS on the cursor */
    atomic_u32
        held_end; /* behind the last one, low 32 bits; exclusive: behind the last that a batch showed */
    atomic_u32 attempts; /* times that these messages were taken over, or may have been seen */
    atomic_u64 messages; /* counters: delivered */
    atomic_u64 bytes;
    atomic_u64 missed;
    atomic_u64 aborted;
    atomic_u64 redelivered;
    atomic_u64 sleeps;
    atomic_u64 spins;
    atomic_u64 largest_lag; /* at messages whose latency was sampled */
    uint8_t reserved[32];
};

/*
 * Latencies of the messages that one member saw, of those that say when they were sent: latency.h. Written by the
 * member's owner.
 */
struct shm_latency {
    atomic_u64 sum;     /* nanoseconds */
    atomic_u64 largest; /* nanoseconds */
    uint64_t reserved[2];
    atomic_u64 buckets[SHMBUS_LATENCY_BUCKETS];
};

/* busy: what publishers heed. Who dies with an announcement has not taken anything: it may name what is long gone. */
#define MEMBER_IDLE 0u
#define MEMBER_ANNOUNCED 1u
#define MEMBER_CLAIMS 2u /* the cursor still stood there when the announcement was visible */
#define MEMBER_HOLDS 3u  /* and was moved by this member, or it has taken them over */
#define MEMBER_JOINING (UINT32_C(1) << 31)

#define LAYOUT_AT(type, field, offset)                                                                       \
    _Static_assert(offsetof(struct type, field) == (offset), #type "." #field " has moved")
#define LAYOUT_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type " has grown")

LAYOUT_AT(shm_header, magic, 0);
LAYOUT_AT(shm_header, fingerprint, 8);
LAYOUT_AT(shm_header, participants, 16);
LAYOUT_AT(shm_header, channels, 20);
LAYOUT_AT(shm_header, participants_offset, 24);
LAYOUT_AT(shm_header, entries_offset, 32);
LAYOUT_AT(shm_header, header_size, 40);
LAYOUT_AT(shm_header, size, 48);
LAYOUT_AT(shm_header, created_ns, 56);
LAYOUT_AT(shm_header, name, 64);
LAYOUT_AT(shm_header, changer, 112);
LAYOUT_AT(shm_header, changer_namespace, 120);
LAYOUT_SIZE(shm_header, 128);

LAYOUT_AT(shm_participant, state, 0);
LAYOUT_AT(shm_participant, pid, 8);
LAYOUT_AT(shm_participant, flags, 12);
LAYOUT_AT(shm_participant, attached_ns, 16);
LAYOUT_AT(shm_participant, name, 24);
LAYOUT_AT(shm_participant, bell, 72);
LAYOUT_AT(shm_participant, pid_namespace, 80);
LAYOUT_AT(shm_participant, host, 88);
LAYOUT_SIZE(shm_participant, 128);

LAYOUT_AT(shm_entry, state, 0);
LAYOUT_AT(shm_entry, generation, 4);
LAYOUT_AT(shm_entry, offset, 8);
LAYOUT_AT(shm_entry, size, 16);
LAYOUT_AT(shm_entry, name, 24);
LAYOUT_SIZE(shm_entry, 128);

LAYOUT_AT(shm_wait, sleepers, 0);
LAYOUT_AT(shm_wait, event, 8);
LAYOUT_AT(shm_wait, bells, 16);
LAYOUT_SIZE(shm_wait, 64);

LAYOUT_AT(shm_channel, magic, 0);
LAYOUT_AT(shm_channel, producers, 8);
LAYOUT_AT(shm_channel, overflow, 12);
LAYOUT_AT(shm_channel, slots, 16);
LAYOUT_AT(shm_channel, slot_size, 20);
LAYOUT_AT(shm_channel, arena, 24);
LAYOUT_AT(shm_channel, largest, 32);
LAYOUT_AT(shm_channel, publishers, 40);
LAYOUT_AT(shm_channel, groups, 44);
LAYOUT_AT(shm_channel, members, 48);
LAYOUT_AT(shm_channel, type, 56);
LAYOUT_AT(shm_channel, first_sequence, 64);
LAYOUT_AT(shm_channel, publishers_offset, 72);
LAYOUT_AT(shm_channel, groups_offset, 80);
LAYOUT_AT(shm_channel, members_offset, 88);
LAYOUT_AT(shm_channel, slots_offset, 96);
LAYOUT_AT(shm_channel, arena_offset, 104);
LAYOUT_AT(shm_channel, size, 112);
LAYOUT_AT(shm_channel, removed, 120);
LAYOUT_AT(shm_channel, publishers_used, 124);
LAYOUT_AT(shm_channel, groups_used, 128);
LAYOUT_AT(shm_channel, members_used, 132);
LAYOUT_AT(shm_channel, orphans, 136);
LAYOUT_AT(shm_channel, handovers, 140);
LAYOUT_AT(shm_channel, latencies_offset, 144);
LAYOUT_AT(shm_channel, tail, 256);
LAYOUT_AT(shm_channel, data, 384);
LAYOUT_AT(shm_channel, space, 512);
LAYOUT_SIZE(shm_channel, 640);

LAYOUT_AT(shm_publisher, owner, 0);
LAYOUT_AT(shm_publisher, intent, 8);
LAYOUT_AT(shm_publisher, batch, 16);
LAYOUT_AT(shm_publisher, limit, 24);
LAYOUT_AT(shm_publisher, messages, 32);
LAYOUT_AT(shm_publisher, bytes, 40);
LAYOUT_AT(shm_publisher, aborted, 48);
LAYOUT_AT(shm_publisher, blocked, 56);
LAYOUT_AT(shm_publisher, sleeps, 64);
LAYOUT_AT(shm_publisher, wakes, 72);
LAYOUT_AT(shm_publisher, fenced, 80);
LAYOUT_AT(shm_publisher, spins, 88);
LAYOUT_SIZE(shm_publisher, 128);

LAYOUT_AT(shm_totals, messages, 0);
LAYOUT_AT(shm_totals, bytes, 8);
LAYOUT_AT(shm_totals, missed, 16);
LAYOUT_AT(shm_totals, aborted, 24);
LAYOUT_AT(shm_totals, redelivered, 32);
LAYOUT_SIZE(shm_totals, 40);

LAYOUT_AT(shm_group, cursor, 0);
LAYOUT_AT(shm_group, state, 8);
LAYOUT_AT(shm_group, name, 64);
LAYOUT_AT(shm_group, joined, 112);
LAYOUT_AT(shm_group, settled, 120);
LAYOUT_AT(shm_group, attempts, 124);
LAYOUT_AT(shm_group, interrupted_end, 208);
LAYOUT_AT(shm_group, totals, 128);
LAYOUT_SIZE(shm_group, 256);

LAYOUT_AT(shm_member, owner, 0);
LAYOUT_AT(shm_member, group, 8);
LAYOUT_AT(shm_member, busy, 12);
LAYOUT_AT(shm_member, held, 16);
LAYOUT_AT(shm_member, held_end, 24);
LAYOUT_AT(shm_member, attempts, 28);
LAYOUT_AT(shm_member, messages, 32);
LAYOUT_AT(shm_member, bytes, 40);
LAYOUT_AT(shm_member, missed, 48);
LAYOUT_AT(shm_member, aborted, 56);
LAYOUT_AT(shm_member, redelivered, 64);
LAYOUT_AT(shm_member, sleeps, 72);
LAYOUT_AT(shm_member, spins, 80);
LAYOUT_AT(shm_member, largest_lag, 88);
LAYOUT_SIZE(shm_member, 128);

LAYOUT_AT(shm_latency, sum, 0);
LAYOUT_AT(shm_latency, largest, 8);
LAYOUT_AT(shm_latency, buckets, 32);
LAYOUT_SIZE(shm_latency, 1024);

/*
 * FNV-1a, a word at a time, over the format number (raised with each change of meaning) and the sizes and
 * places that a change of structure would move.
 */
#define LAYOUT_FORMAT UINT64_C(4)
#define LAYOUT_MIX(hash, value) (((hash) ^ (uint64_t)(value)) * UINT64_C(0x100000001b3))
#define LAYOUT_MIX3(hash, a, b, c) LAYOUT_MIX(LAYOUT_MIX(LAYOUT_MIX(hash, a), b), c)
#define LAYOUT_HASH_STAMP                                                                                    \
    LAYOUT_MIX3(LAYOUT_MIX(UINT64_C(0xcbf29ce484222325), LAYOUT_FORMAT), STAMP_LAP_SHIFT,                    \
                STAMP_PUBLISHER_SHIFT, STAMP_LENGTH_SHIFT)
#define LAYOUT_HASH_BUS                                                                                      \
    LAYOUT_MIX3(LAYOUT_HASH_STAMP, sizeof(struct shm_header), sizeof(struct shm_participant),                \
                sizeof(struct shm_entry))
#define LAYOUT_HASH_TABLES                                                                                   \
    LAYOUT_MIX3(LAYOUT_MIX(LAYOUT_HASH_BUS, sizeof(struct shm_latency)), sizeof(struct shm_publisher),       \
                sizeof(struct shm_group), sizeof(struct shm_member))
#define LAYOUT_FINGERPRINT                                                                                   \
    LAYOUT_MIX3(LAYOUT_MIX(LAYOUT_HASH_TABLES, sizeof(struct shm_channel)),                                  \
                offsetof(struct shm_channel, tail), offsetof(struct shm_channel, data),                      \
                offsetof(struct shm_channel, space))

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "shmbus segments are little-endian");
_Static_assert(sizeof(void *) == 8, "shmbus needs a 64-bit host");

#endif
