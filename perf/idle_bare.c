/* SPDX-License-Identifier: Apache-2.0 */
/* A process that does nothing: what an idle attached one is compared with. Ends with its standard input. */
#include <unistd.h>

int main(void)
{
    char byte = 'r';
    if (write(STDOUT_FILENO, &byte, 1) != 1)
        return 1;
    return read(STDIN_FILENO, &byte, 1) < 0;
}
