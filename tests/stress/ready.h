/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting through a waitset now and then, before a call that would wait by itself. Nothing is promised: who
 * comes back from here may find nothing to read and no room.
 *
 * concurrency   one thread
 * killed        those who send to the set are told of a sleeper that is not there any more
 */
#ifndef SHMBUS_TESTS_STRESS_READY_H
#define SHMBUS_TESTS_STRESS_READY_H

#include "worker.h"

void ready_to_receive(struct worker *worker, shmbus_subscriber *subscriber);
void ready_to_send(struct worker *worker, shmbus_publisher *publisher, size_t size);

#endif
