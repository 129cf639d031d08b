/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a victim dies in. Each notes what it is about to do, does it, and notes that it is done.
 *
 * concurrency   the victim alone has the turn
 * killed        at every instruction
 */
#ifndef SHMBUS_TESTS_CRASH_STEP_OPERATIONS_H
#define SHMBUS_TESTS_CRASH_STEP_OPERATIONS_H

#include "actor.h"

void do_send(struct actor *victim);
void do_send_batch(struct actor *victim);
void do_send_waiting(struct actor *victim);
void do_claim_commit(struct actor *victim);
void do_claim_abort(struct actor *victim);
void do_claim_batch(struct actor *victim);

void do_recv(struct actor *victim);
void do_recv_waiting(struct actor *victim);
void do_peek_release(struct actor *victim);
void do_release(struct actor *victim);
void do_next(struct actor *victim);
void do_poll(struct actor *victim);

void do_join_now(struct actor *victim);
void do_join_oldest(struct actor *victim);
void do_join_group(struct actor *victim);
void do_leave(struct actor *victim);
void do_publisher_open(struct actor *victim);
void do_publisher_close(struct actor *victim);

void do_attach(struct actor *victim);
void do_detach(struct actor *victim);
void do_bus_remove(struct actor *victim);
void do_channel_create(struct actor *victim);
void do_channel_remove(struct actor *victim);
void do_group_remove(struct actor *victim);
void do_recover(struct actor *victim);

#endif
