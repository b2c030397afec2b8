/* opencl_device.h - an open device, for opencl*.c alone. */
#ifndef BEOFARM_WORKER_SEISMIC_OPENCL_DEVICE_H
#define BEOFARM_WORKER_SEISMIC_OPENCL_DEVICE_H

#include "worker/seismic/opencl.h"
#include "worker/seismic/opencl_library.h"

struct opencl_device {
    const struct opencl_library *cl;
    struct opencl_about about;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue; /* in order: what is asked for later happens later */
    uint64_t used_bytes, limit_bytes, buffer_bytes_max;
    bool fp64;
    bool failed; /* at something else than making room for a wave */
    struct error failure;
    struct opencl_program *programs; /* those that were built */
    struct opencl_device *next;
};

/* Whether code is CL_SUCCESS; if not, the device has failed at `what`, which is remembered. */
bool opencl_good(struct opencl_device *device, cl_int code, const char *what);

/* A buffer, counted; NULL where that is more than is left. It is not cleared. */
cl_mem opencl_buffer_create(struct opencl_device *device, size_t bytes);
void opencl_buffer_release(struct opencl_device *device, cl_mem buffer, size_t bytes);

/* The program built with these options, which says the same for the same; kept. NULL and a sentence
 * with the compiler's first lines otherwise. */
cl_program opencl_program(struct opencl_device *device, const char *options,
                          struct error *ret_error);

/* Bytes of opencl_shape.h and opencl_kernels.cl, one after the other (made by the build). */
extern const unsigned char opencl_source_bytes[];
extern const size_t opencl_source_size;

#endif
