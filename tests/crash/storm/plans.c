/* SPDX-License-Identifier: Apache-2.0 */
#include "field.h"

#define COMMON                                                                                               \
    .sends = SEND_ALL, .receives = RECEIVE_ALL, .wait = -1, .messages = FIELD_MESSAGES, .waitsets = true,    \
    .kill_publishers = true, .kill_subscribers = true, .death_points = 50000, .survivors = 1
#define SINGLE .producers = SHMBUS_SINGLE, .publisher_stint = 300
#define MULTI .producers = SHMBUS_MULTI, .publisher_stint = 1000
#define EXCLUSIVE .kind = GROUP_EXCLUSIVE, .members = 1
#define CHANGING .kind = GROUP_CHANGING, .stint = 200
#define DURABLE .kind = GROUP_DURABLE, .stint = 200, .members = 2
#define OLDEST .kind = GROUP_JOINER, .stint = 100, .from = SHMBUS_FROM_OLDEST
#define NOW .kind = GROUP_JOINER, .stint = 100, .from = SHMBUS_FROM_NOW

/*
 * On a block channel an exclusive reader survives: it sees what another group's dead took with them. Where a
 * durable group has only mortal members, everybody waits for its next one: no figure of a stall comes from there.
 */
const struct field_plan field_plans[FIELD_CHANNELS] = {
    {.measured = true,
     .plan = {.name = "multi",
              COMMON,
              MULTI,
              .overflow = SHMBUS_BLOCK,
              .publishers = 3,
              .groups = {{EXCLUSIVE}, {CHANGING, .members = 4}}}},
    {.measured = true,
     .plan = {.name = "single",
              COMMON,
              SINGLE,
              .overflow = SHMBUS_BLOCK,
              .publishers = 2,
              .groups = {{EXCLUSIVE}, {CHANGING, .members = 2}}}},
    {.measured = true,
     .plan = {.name = "arena",
              COMMON,
              MULTI,
              .overflow = SHMBUS_BLOCK,
              .slots = 1024,
              .arena = 8192,
              .largest = 4096,
              .publishers = 3,
              .groups = {{EXCLUSIVE}, {CHANGING, .members = 3}, {OLDEST, .members = 1}}}},
    {.measured = true,
     .plan = {.name = "tiny",
              COMMON,
              MULTI,
              .overflow = SHMBUS_BLOCK,
              .slots = 4,
              .arena = 4096,
              .publishers = 2,
              .groups = {{EXCLUSIVE}, {CHANGING, .members = 2}}}},
    {.plan = {.name = "durable",
              COMMON,
              MULTI,
              .overflow = SHMBUS_BLOCK,
              .publishers = 3,
              .groups = {{EXCLUSIVE}, {DURABLE}, {CHANGING, .members = 2}, {NOW, .members = 1}}}},
    {.plan = {.name = "turns",
              COMMON,
              SINGLE,
              .overflow = SHMBUS_BLOCK,
              .publishers = 3,
              .groups = {{EXCLUSIVE}, {DURABLE}}}},
    {.measured = true,
     .plan = {.name = "over-multi",
              COMMON,
              MULTI,
              .overflow = SHMBUS_OVERWRITE,
              .publishers = 3,
              .groups = {{EXCLUSIVE}, {CHANGING, .members = 3}, {OLDEST, .members = 2}}}},
    {.measured = true,
     .plan = {.name = "over-single",
              COMMON,
              SINGLE,
              .overflow = SHMBUS_OVERWRITE,
              .publishers = 2,
              .groups = {{EXCLUSIVE}, {OLDEST, .members = 1}, {NOW, .members = 1}}}},
};
