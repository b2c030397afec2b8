/* opencl_none.c - what stands in the place of opencl*.c where the headers of OpenCL were not
 * there. */
#include "config.h"

#include "worker/seismic/opencl.h"

static int none(struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG,
                     "this beofarm was built without OpenCL (Debian package opencl-headers)");
}

int opencl_describe(enum opencl_kind kind, size_t i, struct opencl_about *ret_about,
                    struct error *ret_error)
{
    (void)kind;
    (void)i;
    (void)ret_about;
    return none(ret_error);
}

struct opencl_device *opencl_open(enum opencl_kind kind, size_t i, struct error *ret_error)
{
    (void)kind;
    (void)i;
    none(ret_error);
    return NULL;
}

const struct opencl_about *opencl_about(const struct opencl_device *device)
{
    (void)device;
    return NULL;
}

int opencl_check(const struct opencl_device *device, struct error *ret_error)
{
    (void)device;
    return none(ret_error);
}

void opencl_close(struct opencl_device *device)
{
    (void)device;
}

uint64_t opencl_memory_left(const struct opencl_device *device)
{
    (void)device;
    return 0;
}

const struct wave_physics *opencl_physics(const struct wave_physics *physics,
                                          struct error *ret_error)
{
    (void)physics;
    none(ret_error);
    return NULL;
}
