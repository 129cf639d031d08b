# SPDX-License-Identifier: Apache-2.0
# The ring's protocols, checked by Spin in every state; and mistakes put into them, each of which must be found.

# ring_mutants(SUBJECT "MODEL [MACRO...]" MUTANT...): each must violate an assertion
function(ring_mutants subject check)
    separate_arguments(check UNIX_COMMAND "${check}")
    foreach(mutant ${ARGN})
        string(TOLOWER ${mutant} name)
        string(REPLACE _ - name ${name})
        model(${subject}.no.${name} violated ${check} MUTANT_${mutant})
    endforeach()
endfunction()

# Publishers and exclusive groups.
model(ring.single holds ring SINGLE GRANT=2 MESSAGES=5)
model(ring.lazy holds ring SINGLE GRANT=2 LAZY GROUPS=2)
model(ring.multi holds ring PUBLISHERS=2 MESSAGES=2)
model(ring.batch holds ring PUBLISHERS=2 MESSAGES=2 BATCH=2)
model(ring.alone holds ring PUBLISHERS=2 BATCH=2 GROUPS=0)
ring_mutants(ring.single "ring SINGLE GRANT=2" COMMIT_FIRST RELEASE_FIRST)
ring_mutants(ring.alone "ring PUBLISHERS=2 BATCH=2 GROUPS=0" NO_OTHERS)

# Publishers that die; repairs at any moment.
model(claims.read holds ring PUBLISHERS=2 MESSAGES=2 FIRST_SENDS=1 DEATHS=1)
model(claims.single holds ring SINGLE GRANT=2 DEATHS=1)
model(claims.repaired holds ring PUBLISHERS=2 MESSAGES=1 GROUPS=0 DEATHS=1 REPAIRERS=1)
model(claims.batch holds ring PUBLISHERS=2 MESSAGES=2 BATCH=2 GROUPS=0 DEATHS=1 REPAIRERS=1)
model(claims.newcomer holds ring PUBLISHERS=1 NEWCOMERS=1 MESSAGES=1 GROUPS=0 DEATHS=1 REPAIRERS=1 PASSES=1)
ring_mutants(claims.repaired "ring PUBLISHERS=2 MESSAGES=1 GROUPS=0 DEATHS=1 REPAIRERS=1"
    INTENT_AFTER UNNAMED STAMP_LATE ABORT_STORE)
ring_mutants(claims.batch "ring PUBLISHERS=2 MESSAGES=2 BATCH=2 GROUPS=0 DEATHS=1" KEEP_INTENT)
ring_mutants(claims.newcomer
    "ring PUBLISHERS=1 NEWCOMERS=1 MESSAGES=1 GROUPS=0 DEATHS=1 REPAIRERS=1 PASSES=1" OWNER_STORE)

# A shared group; members that die.
model(shared.many holds ring_shared MESSAGES=3)
model(shared.batch holds ring_shared MESSAGES=3 BATCH=2)
model(shared.dead holds ring_shared MESSAGES=2 DEATHS=1)
model(shared.repaired holds ring_shared MESSAGES=2 DEATHS=1 REPAIRERS=1)
model(shared.inherited holds ring_shared SLOTS=1 MEMBERS=3 MESSAGES=1 SENT=1 INHERITED DEATHS=1 REPAIRERS=1)
ring_mutants(shared "ring_shared MESSAGES=3" CURSOR_FIRST MEMBERS_FIRST)
ring_mutants(shared.dead "ring_shared SLOTS=1 MESSAGES=2 SENT=1 DEATHS=1" UNMARKED)
ring_mutants(shared.repaired "ring_shared SLOTS=1 MESSAGES=2 SENT=1 DEATHS=1 REPAIRERS=1"
    NO_CONFIRM ANNOUNCE_FENCE)
ring_mutants(shared.handed "ring_shared SLOTS=1 MESSAGES=2 SENT=1 DEATHS=2 REPAIRERS=1" NO_HANDOVERS)
ring_mutants(shared.judged "ring_shared SLOTS=1 MEMBERS=3 MESSAGES=1 SENT=1 DEATHS=1 REPAIRERS=1" NO_JUDGE)
ring_mutants(shared.inherited "ring_shared SLOTS=1 MEMBERS=3 MESSAGES=1 SENT=1 INHERITED DEATHS=1 REPAIRERS=1"
    LET_GO_FIRST ADOPTER_COUNTS NO_ADOPTION_LOOK MARK_ONCE)

# Overwritten under the reader's eyes.
model(overwrite.single holds ring_overwrite SINGLE MESSAGES=5)
model(overwrite.arena holds ring_overwrite SINGLE MESSAGES=7 SLOTS=4 LINES=2)
model(overwrite.batch holds ring_overwrite PUBLISHERS=2 MESSAGES=2 BATCH=2)
model(overwrite.dead holds ring_overwrite PUBLISHERS=2 MESSAGES=2 FIRST_SENDS=1 BATCH=2 DEATHS=1)
ring_mutants(overwrite.single "ring_overwrite SINGLE MESSAGES=5" NO_SECOND_LOOK UNMARKED COMMIT_FIRST)
ring_mutants(overwrite.arena "ring_overwrite SINGLE MESSAGES=7 SLOTS=4 LINES=2" NO_TAIL_LOOK)

# A group that begins while there is traffic.
model(join.oldest holds ring_join SINGLE OLDEST MESSAGES=4 GRANT=2)
model(join.oldest.wide holds ring_join SINGLE OLDEST MESSAGES=6 SLOTS=4)
model(join.tail holds ring_join PUBLISHERS=2 MESSAGES=2)
model(join.many holds ring_join PUBLISHERS=2 OLDEST MESSAGES=2 FIRST_SENDS=1)
ring_mutants(join.oldest "ring_join SINGLE OLDEST MESSAGES=4 GRANT=2" JOIN_FENCE GROUP_FENCE LIMITS_UNSEEN)
ring_mutants(join.tail "ring_join PUBLISHERS=2 MESSAGES=2 BATCH=2" NO_OTHERS)

# A publisher goes on behind the tail that a joiner has read, dies, and its entry is freed before the joiner has read its
# limit: without a second look at the tail the group begins at what is overwritten.
model(join.dead holds ring_join SINGLE OLDEST MESSAGES=4 DEATHS=1 REPAIRERS=1)
ring_mutants(join.dead "ring_join SINGLE OLDEST MESSAGES=4 DEATHS=1 REPAIRERS=1" TAIL_ONCE)

# A group that is freed while somebody joins.
model(group.leaver holds ring_group LEAVERS=1)
model(group.dead holds ring_group DEATHS=1)
ring_mutants(group.dead "ring_group DEATHS=1"
    UNCOUNTED FREE_STORE STATE_LATE COUNT_FIRST JOINS_FORGOTTEN NEW_UNCOUNTED)
