#include "config.h"

#include <stdio.h>

#include "worker/seismic/shot_device.h"

static void take_processors(struct shot_device *device, const struct error *why)
{
    device->opencl = NULL;
    if (why)
        snprintf(device->text, sizeof(device->text), "processors (%.380s)", why->text);
    else
        snprintf(device->text, sizeof(device->text), "processors");
}

int shot_device_choose(struct shot_device *device, enum survey_device wanted,
                       const struct wave_physics *physics, struct error *ret_error)
{
    struct error why = {0};
    take_processors(device, NULL);
    if (wanted == SURVEY_CPU)
        return 0;
    if (opencl_physics(physics, &why))
        device->opencl =
            opencl_open(wanted == SURVEY_OPENCL ? OPENCL_ANY : OPENCL_GPU, 0, &why);
    if (device->opencl) {
        const struct opencl_about *about = opencl_about(device->opencl);
        snprintf(device->text, sizeof(device->text), "%s (%s)", about->name, about->platform);
        return 0;
    }
    if (wanted == SURVEY_AUTO) {
        take_processors(device, &why);
        return 0;
    }
    if (ret_error)
        *ret_error = why;
    return error_prefix(ret_error, "$.numerics.device: %s is wanted",
                        wanted == SURVEY_OPENCL ? "an OpenCL device" : "a GPU");
}

bool shot_device_fall_back(struct shot_device *device, enum survey_device wanted,
                           const struct error *why)
{
    if (!device->opencl || wanted != SURVEY_AUTO)
        return false;
    take_processors(device, why);
    return true;
}
