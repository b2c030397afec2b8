/* opencl_library.h - the functions of OpenCL, found when they are first needed. */
#ifndef BEOFARM_WORKER_SEISMIC_OPENCL_LIBRARY_H
#define BEOFARM_WORKER_SEISMIC_OPENCL_LIBRARY_H

#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include "common/error.h"

/* clGetPlatformIDs is library.GetPlatformIDs, and so on. */
#define OPENCL_FUNCTIONS(X)                                                                    \
    X(GetPlatformIDs)                                                                          \
    X(GetPlatformInfo)                                                                         \
    X(GetDeviceIDs)                                                                            \
    X(GetDeviceInfo)                                                                           \
    X(CreateContext)                                                                           \
    X(ReleaseContext)                                                                          \
    X(CreateCommandQueue)                                                                      \
    X(ReleaseCommandQueue)                                                                     \
    X(CreateProgramWithSource)                                                                 \
    X(BuildProgram)                                                                            \
    X(GetProgramBuildInfo)                                                                     \
    X(ReleaseProgram)                                                                          \
    X(CreateKernel)                                                                            \
    X(ReleaseKernel)                                                                           \
    X(SetKernelArg)                                                                            \
    X(EnqueueNDRangeKernel)                                                                    \
    X(CreateBuffer)                                                                            \
    X(ReleaseMemObject)                                                                        \
    X(EnqueueReadBuffer)                                                                       \
    X(EnqueueReadBufferRect)                                                                   \
    X(EnqueueWriteBuffer)                                                                      \
    X(EnqueueCopyBuffer)                                                                       \
    X(EnqueueFillBuffer)                                                                       \
    X(Flush)                                                                                   \
    X(Finish)

struct opencl_library {
#define OPENCL_MEMBER(name) __typeof__(&cl##name) name;
    OPENCL_FUNCTIONS(OPENCL_MEMBER)
#undef OPENCL_MEMBER
};

/* The library, loaded once; NULL and a sentence where it cannot be. Any thread may call it. */
const struct opencl_library *opencl_library(struct error *ret_error);

/* "out of resources (-5)": what an OpenCL error is called. Returns text. */
char *opencl_error_print(cl_int code, char *text, size_t size);

#endif
