/* SPDX-License-Identifier: Apache-2.0 */
/* The one type that the API takes from the platform's headers. */
#ifndef SHMBUS_TESTS_MODEL_UIO_H
#define SHMBUS_TESTS_MODEL_UIO_H

#include <stddef.h>

struct iovec {
    void *iov_base;
    size_t iov_len;
};

#endif
