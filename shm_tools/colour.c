/* SPDX-License-Identifier: Apache-2.0 */
#include "colour.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int colour_wanted(FILE *file)
{
    const char *refused = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    if (refused && *refused != '\0') {
        return 0;
    }
    return isatty(fileno(file)) && !(terminal && strcmp(terminal, "dumb") == 0);
}
