#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "worker/seismic/shot_device.h"

/* So many shots in a row in which the device failed, and it is left alone: each of them was begun
 * in vain. */
#define FAILURES_MAX 3

/* So many processes in a row that died, and the next one leaves it alone as well: some drivers end
 * the process when a device fails, and a task is not tried for ever. */
#define DEATHS_MAX 2

static struct {
    unsigned in_a_row;
    struct error last;
} failures;

/* Whether a device that is not insisted on is to be left alone, and why. */
static bool is_given_up(struct error *ret_why)
{
    const char *deaths = getenv("BEOFARM_DEATHS");
    unsigned long died = deaths ? strtoul(deaths, NULL, 10) : 0;
    if (died >= DEATHS_MAX) {
        error_set(ret_why, ERROR_SYSTEM, "%lu processes that tried one died", died);
        return true;
    }
    if (failures.in_a_row < FAILURES_MAX)
        return false;
    *ret_why = failures.last;
    error_prefix(ret_why, "after %u failures in a row", failures.in_a_row);
    return true;
}

static void take_processors(struct shot_device *device, const struct error *why)
{
    device->opencl = NULL;
    snprintf(device->text, sizeof(device->text), "processors");
    snprintf(device->why, sizeof(device->why), "%s", why ? why->text : "");
}

size_t shot_device_turn(const char *slot, const char *share, size_t count)
{
    unsigned long at = slot ? strtoul(slot, NULL, 10) : 0, index = 1, workers = 1;
    char *end = NULL;
    if (share) {
        index = strtoul(share, &end, 10);
        workers = *end == '/' ? strtoul(end + 1, NULL, 10) : 0;
    }
    if (index == 0 || workers == 0 || index > workers)
        index = workers = 1;
    return count ? (at * workers + index - 1) % count : 0;
}

/* The slot's own device of a kind, and its text. */
static void open_own(struct shot_device *device, enum opencl_kind kind, struct error *ret_error)
{
    struct opencl_about about;
    size_t count = 0;
    char which[40] = "";
    while (opencl_describe(kind, count, &about, NULL) == 0)
        count++;
    size_t turn = shot_device_turn(getenv("BEOFARM_SLOT"), getenv("BEOFARM_SHARE"), count);
    device->opencl = opencl_open(kind, turn, ret_error);
    if (!device->opencl)
        return;
    if (count > 1) /* they often have the same name */
        snprintf(which, sizeof(which), ", %zu of %zu", turn + 1, count);
    about = *opencl_about(device->opencl);
    snprintf(device->text, sizeof(device->text), "%.80s (%.70s)%s", about.name, about.platform,
             which);
}

int shot_device_choose(struct shot_device *device, enum survey_device wanted,
                       const struct wave_physics *physics, struct error *ret_error)
{
    struct error why = {0};
    take_processors(device, NULL);
    if (wanted == SURVEY_CPU)
        return 0;
    bool given_up = wanted == SURVEY_AUTO && is_given_up(&why);
    if (!given_up && opencl_physics(physics, &why))
        open_own(device, wanted == SURVEY_OPENCL ? OPENCL_ANY : OPENCL_GPU, &why);
    if (device->opencl)
        return 0;
    if (wanted == SURVEY_AUTO) {
        take_processors(device, &why);
        return 0;
    }
    if (ret_error)
        *ret_error = why;
    return error_prefix(ret_error, "$.numerics.device: %s is wanted",
                        wanted == SURVEY_OPENCL ? "an OpenCL device" : "a GPU");
}

void shot_device_end(struct shot_device *device)
{
    if (!device->opencl)
        return;
    if (opencl_check(device->opencl, &failures.last) == 0) {
        failures.in_a_row = 0;
        return;
    }
    failures.in_a_row++;
    opencl_close(device->opencl);
    device->opencl = NULL;
}

bool shot_device_fall_back(struct shot_device *device, enum survey_device wanted,
                           const struct error *why)
{
    if (!device->opencl || wanted != SURVEY_AUTO)
        return false;
    take_processors(device, why);
    return true;
}
