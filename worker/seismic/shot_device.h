/*
 * shot_device.h - which device computes a shot: what the survey wants, held against what there is.
 *
 * A worker's slot names the GPUs that its children see (CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES:
 * topology.h), and OpenCL's drivers keep to that; so the first one that is seen is the slot's own.
 * Where several are seen all the same (of a driver that knows no such variable), slots take them in
 * turn.
 */
#ifndef BEOFARM_WORKER_SEISMIC_SHOT_DEVICE_H
#define BEOFARM_WORKER_SEISMIC_SHOT_DEVICE_H

#include "common/error.h"
#include "common/seismic/survey.h"
#include "worker/seismic/opencl.h"

struct shot_device {
    struct opencl_device *opencl; /* NULL: the processors */
    /* For people: what it is ("NVIDIA H100 (NVIDIA CUDA)", "processors"), and why the processors
     * stand in for what was wanted; "" where they do not. */
    char text[200], why[ERROR_TEXT_MAX];
};

/* Choose. -1 with a sentence where the survey demands what there is not, or cannot be. A device
 * that failed in several shots after each other, or with which processes of this slot died
 * (BEOFARM_DEATHS, docs/runners.md), is not wanted any more where the processors will do. */
int shot_device_choose(struct shot_device *device, enum survey_device wanted,
                       const struct wave_physics *physics, struct error *ret_error);

/* The device failed with `why`: have the processors in its place, if the survey lets (SURVEY_AUTO).
 * False if it does not, or they were it. */
bool shot_device_fall_back(struct shot_device *device, enum survey_device wanted,
                           const struct error *why);

/* A shot is through with it, waves and rooms are gone: a device that failed is closed, so that the
 * next shot opens it anew. */
void shot_device_end(struct shot_device *device);

/* Which one of `count` devices that a slot sees it takes: `slot` and `share` are BEOFARM_SLOT and
 * BEOFARM_SHARE (architecture.md) or NULL. Slots of all workers of a node that share nothing but it
 * take different ones as long as there are enough. */
size_t shot_device_turn(const char *slot, const char *share, size_t count);

#endif
