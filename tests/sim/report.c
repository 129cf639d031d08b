/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulated host prints: the trace, and what must not be. */
#include "machine.h"

#include "adapter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

bool machine_tracing;

void machine_violation(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    printf("violation: seed %" PRIu64 ", step %" PRIu64 ": ", machine_seed(), machine_steps());
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
    (void)fflush(stdout);
    _exit(1);
}

void machine_trace(const char *format, ...)
{
    if (!machine_tracing) {
        return;
    }
    const struct machine_process *self = machine_self();
    va_list arguments;
    va_start(arguments, format);
    printf("%8" PRIu64 " ", machine_steps());
    if (self) {
        printf("p%u.%u ", self->index, self->life);
    }
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
}

void machine_trace_step(const void *address)
{
    char name[80];
    if (machine_tracing && address != sim_memory) {
        adapter_name(address, name, sizeof name);
        machine_trace("  %s", name);
    }
}
