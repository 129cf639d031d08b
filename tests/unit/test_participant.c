/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of attachments, and who of them is alive, over descriptors of one file. */
#include "unit_map.h"

#include "participant.h"

#define ENTRIES 3

/* A table in private memory serves: alive is who holds the lock on the file. */
static struct shm_participant table[ENTRIES];

static struct participant attachment(void)
{
    const int fd = open(unit_path(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    check(fd >= 0);
    return (struct participant){.table = table, .count = ENTRIES, .lock_fd = fd};
}

UNIT(participant, takes_the_first_free_entry)
{
    struct participant all[ENTRIES + 1];
    for (uint32_t i = 0; i < ENTRIES; i++) {
        all[i] = attachment();
        check_eq(participant_attach(&all[i], "name"), 0);
        check_eq(all[i].index, i);
        check_eq(participant_index(all[i].owner), i);
        check(strcmp(table[i].name, "name") == 0);
        check_eq(load32_relaxed(&table[i].pid), getpid());
    }
    all[ENTRIES] = attachment();
    check_fails(participant_attach(&all[ENTRIES], "late"), -EUSERS, "3 participant", "more participants");
    participant_detach(&all[1]);
    check_eq(participant_attach(&all[ENTRIES], "late"), 0);
    check_eq(all[ENTRIES].index, 1);
}

UNIT(participant, is_alive_while_it_is_attached)
{
    struct participant self = attachment(), other = attachment();
    check_eq(participant_attach(&self, "self"), 0);
    check_eq(participant_attach(&other, "other"), 0);
    check(participant_alive(&self, self.owner));
    check(participant_alive(&self, other.owner));
    check(participant_alive(&other, self.owner));
    participant_detach(&other);
    check(!participant_alive(&self, other.owner));
    check(participant_alive(&self, self.owner));
}

/* The kernel drops the lock with the descriptor; whatever the entry says, its owner is dead then. */
UNIT(participant, is_dead_when_its_descriptor_is_closed)
{
    struct participant self = attachment(), other = attachment();
    check_eq(participant_attach(&self, "self"), 0);
    check_eq(participant_attach(&other, "other"), 0);
    check_eq(close(other.lock_fd), 0);
    check(!participant_alive(&self, other.owner));
    struct participant next = attachment();
    check_eq(participant_attach(&next, "next"), 0);
    check_eq(next.index, other.index);
    check(next.owner != other.owner);
    check(!participant_alive(&self, other.owner)); /* of an earlier generation: dead for good */
    check(participant_alive(&self, next.owner));
}

/* Another descriptor of the file that is closed meanwhile takes no lock away. */
UNIT(participant, survives_other_descriptors)
{
    struct participant self = attachment(), observer = attachment();
    check_eq(participant_attach(&self, "self"), 0);
    check_eq(close(attachment().lock_fd), 0);
    const int copy = dup(self.lock_fd);
    check_eq(close(copy), 0);
    check(participant_alive(&observer, self.owner));
}

UNIT(participant, named_by_nonsense_is_dead)
{
    struct participant self = attachment();
    check_eq(participant_attach(&self, "self"), 0);
    const uint64_t nonsense[] = {
        0,           1, ENTRIES + 1, UINT32_MAX, UINT64_MAX, self.owner + 1, self.owner + (UINT64_C(1) << 32),
        OWNER_ORPHAN};
    for (size_t i = 0; i < sizeof nonsense / sizeof *nonsense; i++) {
        check(!participant_alive(&self, nonsense[i]));
    }
}

UNIT(participant, has_a_name_of_any_length)
{
    char longest[200];
    memset(longest, 'x', sizeof longest);
    longest[199] = '\0';
    struct participant self = attachment();
    check_eq(participant_attach(&self, longest), 0);
    check_eq(strlen(table[0].name), SHMBUS_NAME_MAX);
    participant_detach(&self);
    check_eq(participant_attach(&self, ""), 0);
    check_eq(strlen(table[0].name), 0);
}
