/*
 * shot_device.h - which device computes a shot: what the survey wants, held against what there is.
 *
 * A worker's slot names the GPUs that its children see (CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES:
 * topology.h), and OpenCL's drivers keep to that; so the first one that is seen is the slot's own.
 */
#ifndef BEOFARM_WORKER_SEISMIC_SHOT_DEVICE_H
#define BEOFARM_WORKER_SEISMIC_SHOT_DEVICE_H

#include "common/error.h"
#include "common/seismic/survey.h"
#include "worker/seismic/opencl.h"

#define SHOT_DEVICE_TEXT 400

struct shot_device {
    struct opencl_device *opencl; /* NULL: the processors */
    /* For people: the device's name; "processors", and why not what was wanted, in brackets. */
    char text[SHOT_DEVICE_TEXT];
};

/* Choose. -1 with a sentence where the survey demands what there is not, or cannot be. */
int shot_device_choose(struct shot_device *device, enum survey_device wanted,
                       const struct wave_physics *physics, struct error *ret_error);

/* The device failed with `why`: fall back to the processors if the survey lets (SURVEY_AUTO). False if
 * it does not, or they were it. */
bool shot_device_fall_back(struct shot_device *device, enum survey_device wanted,
                           const struct error *why);

#endif
