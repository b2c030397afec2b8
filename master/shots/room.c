#include "config.h"

#include <inttypes.h>
#include <unistd.h>

#include "common/seismic/shot_cost.h"
#include "master/shots/room.h"

/* A step that is so much shorter than the longest stable one is no choice but a mistake. */
#define STEP_SHORT 4

uint64_t room_here(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size : 0;
}

int room_check(const struct survey *survey, size_t shot, uint64_t bytes, double dt_s,
               uint64_t have, struct error *ret_error)
{
    const char *key = "$.memory", *advice =
                                      "say a smaller budget_gib, or \"spill\"; or cut the "
                                      "model to each shot ($.aperture.limit_m)";
    if (have == 0 || bytes <= have)
        return 0;
    if (survey->numerics.dt_s > 0 &&
        survey->numerics.dt_s * STEP_SHORT < survey_dt_limit(survey)) {
        key = "$.numerics.dt_ms";
        advice = "leave it out to have it chosen";
    } else if (survey->operation == SURVEY_MODEL || survey->operation == SURVEY_BORN) {
        key = "$.aperture.limit_m";
        advice = "cut the model to each shot, or record fewer or shorter traces";
    }
    return error_set(ret_error, ERROR_CONFIG,
                     "%s: shot %zu takes %" PRIu64
                     " time steps of %.6g ms and needs %.3g GB of "
                     "memory, but this machine has %.3g GB; %s",
                     key, shot + 1, shot_steps(survey, dt_s), dt_s * 1e3, (double)bytes * 1e-9,
                     (double)have * 1e-9, advice);
}
