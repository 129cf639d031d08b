/* SPDX-License-Identifier: Apache-2.0 */
#include "perf/report_text.h"

#include <math.h>
#include <stdio.h>

struct cell time_text(double ns)
{
    struct cell cell;
    if (isnan(ns))
        snprintf(cell.text, sizeof cell.text, "-");
    else if (ns < 10e3)
        snprintf(cell.text, sizeof cell.text, "%.0f", ns);
    else if (ns < 10e6)
        snprintf(cell.text, sizeof cell.text, "%.1fus", ns / 1e3);
    else
        snprintf(cell.text, sizeof cell.text, "%.1fms", ns / 1e6);
    return cell;
}

struct cell rate_text(double rate)
{
    struct cell cell;
    if (isnan(rate))
        snprintf(cell.text, sizeof cell.text, "-");
    else if (rate >= 1e6)
        snprintf(cell.text, sizeof cell.text, "%.2f M", rate / 1e6);
    else if (rate >= 1e3)
        snprintf(cell.text, sizeof cell.text, "%.1f k", rate / 1e3);
    else
        snprintf(cell.text, sizeof cell.text, "%.0f", rate);
    return cell;
}

struct cell ratio_text(double ratio)
{
    struct cell cell;
    if (isnan(ratio))
        snprintf(cell.text, sizeof cell.text, "-");
    else
        snprintf(cell.text, sizeof cell.text, "%.*f", ratio < 100 ? 2 : 0, ratio);
    return cell;
}

struct cell per_message_text(double count)
{
    struct cell cell;
    if (isnan(count))
        snprintf(cell.text, sizeof cell.text, "-");
    else
        snprintf(cell.text, sizeof cell.text, "%.3f", count);
    return cell;
}
