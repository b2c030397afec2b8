/*
 * opencl.h - waves on OpenCL devices: graphics processors, and whatever else has a driver.
 *
 * A device that was opened is given to wave_create in wave_options.device; the wave behaves as
 * wave.h says, and computes there. Fields, memory variables and the lists of points stay on the
 * device; so does what lies in a room (wave_room_create). Everything else that a run reads or
 * writes travels once for the run, not once per step.
 *
 * The library is looked for when it is first needed (libOpenCL.so.1), so programs start, and say
 * that there is none, where it is not installed. Kernels are compiled when a wave is made, for its
 * space order, 2-D or 3-D, physics and free surface, and kept while the process lives; drivers keep
 * them on disk as well.
 *
 * Results are the same bits on one device in every run, however steps are grouped; they differ from
 * the processor's by rounding (sums are in another order, and devices fuse multiplications): after
 * some twenty steps by less than 1e-5 of the norm in single precision and 1e-12 in double, whatever
 * the physics. Operators and their transposes agree to the same (dot-product tests).
 */
#ifndef BEOFARM_WORKER_SEISMIC_OPENCL_H
#define BEOFARM_WORKER_SEISMIC_OPENCL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "worker/seismic/wave.h"

/* A device. It stays open until it is closed. */
struct opencl_device;

enum opencl_kind {
    OPENCL_GPU, /* graphics processors and accelerators */
    OPENCL_ANY, /* processors too (PoCL, Intel): for tests, mostly */
};

/* What there is to know of a device. */
struct opencl_about {
    char name[128], platform[128], version[64];
    bool gpu;
    uint64_t memory_bytes;
    unsigned units; /* compute units */
};

/* The i-th device of a kind that this process may see (CUDA_VISIBLE_DEVICES, ROCR_VISIBLE_DEVICES
 * and the like are the drivers' business), in the drivers' order. 0, or -1 with a sentence past the
 * end, and where there are none, or no library. */
int opencl_describe(enum opencl_kind kind, size_t i, struct opencl_about *ret_about,
                    struct error *ret_error);

/* Open the i-th device of a kind, or find it open. NULL and a sentence where that fails. */
struct opencl_device *opencl_open(enum opencl_kind kind, size_t i, struct error *ret_error);
const struct opencl_about *opencl_about(const struct opencl_device *device);

/* Whether it has worked so far. -1 and the sentence of its first failure if not, other than having
 * no room for a wave: what it computed since is worth nothing. Closed and opened again, it may
 * work. */
int opencl_check(const struct opencl_device *device, struct error *ret_error);

/* Give a device back, and forget it. It has no waves and no rooms any more. */
void opencl_close(struct opencl_device *device);

/* Bytes of the device's memory that waves and rooms may still take. */
uint64_t opencl_memory_left(const struct opencl_device *device);

/* A physics as computed on devices; NULL with a sentence if only the processor can. */
const struct wave_physics *opencl_physics(const struct wave_physics *physics,
                                          struct error *ret_error);

#endif
