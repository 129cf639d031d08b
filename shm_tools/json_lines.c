/* SPDX-License-Identifier: Apache-2.0 */
#include "json_lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"
#include "table.h"

json_t *json_clean_string(const char *text)
{
    char *clean = need_memory(3 * strlen(text) + 1);
    text_clean(text, clean);
    json_t *string = json_string(clean);
    free(clean);
    return string;
}

json_t *json_number(uint64_t number)
{
    return json_integer(number > INT64_MAX ? INT64_MAX : (json_int_t)number);
}

json_t *json_now(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return json_integer((json_int_t)now.tv_sec * 1000000000 + now.tv_nsec);
}

int json_print_line(json_t *object)
{
    if (!object) {
        return fail("cannot make JSON of this: out of memory");
    }
    const int failed = json_dumpf(object, stdout, JSON_COMPACT);
    json_decref(object);
    fputc('\n', stdout);
    (void)fflush(stdout); /* that nobody reads it any more is seen by ferror() */
    return failed ? fail("cannot write JSON to standard output") : EXIT_OK;
}
