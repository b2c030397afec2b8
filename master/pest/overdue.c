#include "config.h"

#include <string.h>

#include "common/clock.h"
#include "master/pest/overdue.h"

#define MINUTES_MAX 1e8 /* more is for ever, as PEST++'s default of 1e30 */

static int out_of_range(const struct pest_control *control, const char *name,
                        const char *expected, struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG, "%s: ++%s(…) must be %s", control->path, name,
                     expected);
}

int overdue_apply(struct pest_control *control, const char *mode,
                  struct scheduler_policy *policy, struct error *ret_error)
{
    bool ensemble = strcmp(mode, "ies") == 0;
    long fails;
    double again, factor, minutes;
    if (pest_control_option_integer(control, "max_run_fail", ensemble ? 1 : 3, &fails,
                                    ret_error) < 0 ||
        pest_control_option_real(control, "overdue_resched_fac", 1.15, &again, ret_error) < 0 ||
        pest_control_option_real(control, "overdue_giveup_fac", ensemble ? 2 : 100, &factor,
                                 ret_error) < 0 ||
        pest_control_option_real(control, "overdue_giveup_minutes", 1e30, &minutes, ret_error) <
            0)
        return -1;
    if (fails < 1 || fails > 1000)
        return out_of_range(control, "max_run_fail", "1 to 1000", ret_error);
    if (!(again >= 1))
        return out_of_range(control, "overdue_resched_fac", "1 or more", ret_error);
    if (!(factor > 1))
        return out_of_range(control, "overdue_giveup_fac", "more than 1", ret_error);
    if (!(minutes > 0))
        return out_of_range(control, "overdue_giveup_minutes", "more than 0", ret_error);
    policy->attempts = (uint32_t)fails;
    policy->losses = policy->attempts + 2;
    policy->duplicate_quantile = -1;
    policy->duplicate_factor = again;
    policy->overdue_factor = factor;
    policy->overdue_ns =
        minutes < MINUTES_MAX ? (int64_t)(minutes * 60 * (double)CLOCK_SECOND_NS) : INT64_MAX;
    return 0;
}
