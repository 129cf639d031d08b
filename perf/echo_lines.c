/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes each line of standard input to standard output, and each at once, as programs do that speak line by line:
 * what a worker costs that does no work.
 *
 * concurrency   one thread
 * killed        nothing shared is written
 */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    while ((size = getline(&line, &capacity, stdin)) > 0)
        if (fwrite(line, 1, (size_t)size, stdout) != (size_t)size || fflush(stdout) != 0)
            return EXIT_FAILURE;
    free(line);
    return EXIT_SUCCESS;
}
