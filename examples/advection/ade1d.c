/*
 * ade1d - a spill travels through an aquifer to a well: advection, dispersion, sorption and
 * decay in one dimension.
 *
 *     ade1d INPUT
 *
 * reads INPUT (column.h), writes breakthrough.csv into the working directory and a summary to
 * stdout. It knows nothing of beofarm: any model with such habits can be swept the same way.
 */
#include <stdio.h>

#include "examples/advection/breakthrough.h"
#include "examples/advection/column.h"

#define CURVE_ROWS 200

static void summary_print(const struct column *column, const struct breakthrough *breakthrough)
{
    printf("water_velocity = %.6g m/d\n", column_velocity(column));
    printf("arrival_day = %.2f\n", breakthrough->arrival_day);
    printf("peak = %.6e\n", breakthrough->peak);
    printf("peak_day = %.2f\n", breakthrough->peak_day);
    printf("decayed_share = %.6f\n", breakthrough->decayed_share);
    printf("balance_error = %.2e\n", breakthrough->balance_error);
}

int main(int argc, char **argv)
{
    char reason[512];
    struct column column;
    struct breakthrough breakthrough;
    if (argc != 2) {
        fprintf(stderr, "usage: ade1d INPUT\n");
        return 2;
    }
    if (column_read(argv[1], &column, reason, sizeof reason) < 0 ||
        breakthrough_compute(&column, &breakthrough, reason, sizeof reason) < 0) {
        fprintf(stderr, "ade1d: %s\n", reason);
        return 1;
    }
    int result = breakthrough_write(&breakthrough, "breakthrough.csv", CURVE_ROWS, reason,
                                    sizeof reason);
    if (result == 0)
        summary_print(&column, &breakthrough);
    else
        fprintf(stderr, "ade1d: %s\n", reason);
    breakthrough_fini(&breakthrough);
    return result == 0 && fflush(stdout) == 0 ? 0 : 1;
}
