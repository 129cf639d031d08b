/* SPDX-License-Identifier: Apache-2.0 */
/* The error numbers of the ring core, as on Linux: for compilers and checkers that have no libc. */
#ifndef SHMBUS_TESTS_MODEL_ERRNO_H
#define SHMBUS_TESTS_MODEL_ERRNO_H

#define EAGAIN 11
#define EBADMSG 74
#define ESTALE 116

#endif
