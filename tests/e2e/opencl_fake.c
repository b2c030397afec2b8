/*
 * opencl_fake.c - a libOpenCL.so.1 for tests: GPUs that compute nothing, and fail when they are
 * told.
 *
 * Buffers are memory; kernels are accepted and not run, so what a run samples stays as it was:
 * zero.
 *
 *   FAKE_OPENCL_DEVICES  how many GPUs there are (1); of them a process sees those that
 *                        CUDA_VISIBLE_DEVICES lists, in its order, as with NVIDIA's driver
 *   FAKE_OPENCL_FAIL     NAME:FIRST:CODE[:COUNT]: the FIRST-th call of a process (from 1) of clNAME
 *                        fails with CODE, and so do those behind it, or COUNT in all; with
 *                        a CODE of 0 the process is killed, as by drivers that abort
 */
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of what functions are given, most is of no interest here. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

#define GPUS_MAX 16

struct _cl_platform_id {
    char unused;
};
struct _cl_device_id {
    char name[32];
};
struct _cl_mem {
    size_t size;
    unsigned char bytes[];
};

static struct _cl_platform_id platform;
static struct _cl_device_id gpus[GPUS_MAX];
static char something; /* contexts, queues, programs and kernels are this */

/* What a call of that name comes to. */
static cl_int fate(const char *name)
{
    static long calls;
    const char *order = getenv("FAKE_OPENCL_FAIL");
    size_t size = strlen(name);
    if (!order || strncmp(order, name, size) != 0 || order[size] != ':')
        return CL_SUCCESS;
    char *end = NULL;
    long first = strtol(order + size + 1, &end, 10);
    long code = *end == ':' ? strtol(end + 1, &end, 10) : CL_OUT_OF_RESOURCES;
    long count = *end == ':' ? strtol(end + 1, &end, 10) : -1;
    calls++;
    if (calls < first || (count >= 0 && calls >= first + count))
        return CL_SUCCESS;
    if (code == CL_SUCCESS)
        raise(SIGKILL);
    return (cl_int)code;
}

static void *handed(const char *name, void *object, cl_int *ret_code)
{
    cl_int code = fate(name);
    if (ret_code)
        *ret_code = code;
    return code == CL_SUCCESS ? object : NULL;
}

static cl_uint gpus_find(cl_device_id *ret_devices, cl_uint most)
{
    const char *number = getenv("FAKE_OPENCL_DEVICES"), *seen = getenv("CUDA_VISIBLE_DEVICES");
    long count = number ? strtol(number, NULL, 10) : 1;
    cl_uint found = 0;
    for (long turn = 0; turn < count && turn < GPUS_MAX; turn++) {
        long i = turn;
        char *end = NULL;
        if (seen) {
            i = strtol(seen, &end, 10);
            if (end == seen || i < 0 || i >= count || i >= GPUS_MAX)
                break;
            seen = *end == ',' ? end + 1 : end;
        }
        snprintf(gpus[i].name, sizeof(gpus[i].name), "Fake GPU %ld", i);
        if (ret_devices && found < most)
            ret_devices[found] = &gpus[i];
        found++;
    }
    return found;
}

static cl_int told(const void *value, size_t size, size_t most, void *to, size_t *ret_size)
{
    if (ret_size)
        *ret_size = size;
    if (to && size > most)
        return CL_INVALID_VALUE;
    if (to)
        memcpy(to, value, size);
    return CL_SUCCESS;
}

cl_int clGetPlatformIDs(cl_uint most, cl_platform_id *platforms, cl_uint *count)
{
    if (platforms && most > 0)
        platforms[0] = &platform;
    *count = 1;
    return CL_SUCCESS;
}

cl_int clGetPlatformInfo(cl_platform_id id, cl_platform_info what, size_t most, void *to,
                         size_t *ret_size)
{
    return told("Fake", sizeof("Fake"), most, to, ret_size);
}

cl_int clGetDeviceIDs(cl_platform_id id, cl_device_type type, cl_uint most,
                      cl_device_id *devices, cl_uint *count)
{
    *count = gpus_find(devices, most);
    return *count ? CL_SUCCESS : CL_DEVICE_NOT_FOUND;
}

cl_int clGetDeviceInfo(cl_device_id id, cl_device_info what, size_t most, void *to,
                       size_t *ret_size)
{
    cl_device_type type = CL_DEVICE_TYPE_GPU;
    cl_ulong bytes = (cl_ulong)1 << 30;
    cl_uint units = 8;
    switch (what) {
    case CL_DEVICE_NAME:
        return told(id->name, strlen(id->name) + 1, most, to, ret_size);
    case CL_DEVICE_VERSION:
        return told("OpenCL 1.2", sizeof("OpenCL 1.2"), most, to, ret_size);
    case CL_DEVICE_TYPE:
        return told(&type, sizeof(type), most, to, ret_size);
    case CL_DEVICE_GLOBAL_MEM_SIZE:
    case CL_DEVICE_MAX_MEM_ALLOC_SIZE:
        return told(&bytes, sizeof(bytes), most, to, ret_size);
    case CL_DEVICE_MAX_COMPUTE_UNITS:
        return told(&units, sizeof(units), most, to, ret_size);
    default:
        return CL_INVALID_VALUE;
    }
}

cl_context clCreateContext(const cl_context_properties *properties, cl_uint count,
                           const cl_device_id *devices,
                           void(CL_CALLBACK *notify)(const char *, const void *, size_t,
                                                     void *),
                           void *data, cl_int *ret_code)
{
    return handed("CreateContext", &something, ret_code);
}

cl_int clReleaseContext(cl_context context)
{
    return fate("ReleaseContext");
}

cl_command_queue clCreateCommandQueue(cl_context context, cl_device_id device,
                                      cl_command_queue_properties properties, cl_int *ret_code)
{
    return handed("CreateCommandQueue", &something, ret_code);
}

cl_int clReleaseCommandQueue(cl_command_queue queue)
{
    return fate("ReleaseCommandQueue");
}

cl_program clCreateProgramWithSource(cl_context context, cl_uint count, const char **texts,
                                     const size_t *sizes, cl_int *ret_code)
{
    return handed("CreateProgramWithSource", &something, ret_code);
}

cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                      const char *options, void(CL_CALLBACK *notify)(cl_program, void *),
                      void *data)
{
    return fate("BuildProgram");
}

cl_int clGetProgramBuildInfo(cl_program program, cl_device_id device,
                             cl_program_build_info what, size_t most, void *to,
                             size_t *ret_size)
{
    return told("it is said so", sizeof("it is said so"), most, to, ret_size);
}

cl_int clReleaseProgram(cl_program program)
{
    return fate("ReleaseProgram");
}

cl_kernel clCreateKernel(cl_program program, const char *name, cl_int *ret_code)
{
    return handed("CreateKernel", &something, ret_code);
}

cl_int clReleaseKernel(cl_kernel kernel)
{
    return fate("ReleaseKernel");
}

cl_int clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value)
{
    return fate("SetKernelArg");
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint count, const cl_event *events, cl_event *event)
{
    return fate("EnqueueNDRangeKernel");
}

cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                      cl_int *ret_code)
{
    cl_mem made = handed("CreateBuffer", &something, ret_code)
                      ? calloc(1, sizeof(struct _cl_mem) + size)
                      : NULL;
    if (made)
        made->size = size;
    return made;
}

cl_int clReleaseMemObject(cl_mem buffer)
{
    free(buffer);
    return fate("ReleaseMemObject");
}

/* Whether `size` bytes from `offset` on are in a buffer. */
static cl_int reached(cl_mem buffer, size_t offset, size_t size)
{
    return offset <= buffer->size && size <= buffer->size - offset ? CL_SUCCESS
                                                                   : CL_INVALID_VALUE;
}

cl_int clEnqueueReadBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                           size_t offset, size_t size, void *to, cl_uint count,
                           const cl_event *events, cl_event *event)
{
    cl_int code = fate("EnqueueReadBuffer");
    if (code == CL_SUCCESS)
        code = reached(buffer, offset, size);
    if (code == CL_SUCCESS)
        memcpy(to, buffer->bytes + offset, size);
    return code;
}

/* Nobody looks at what fields are here. */
cl_int clEnqueueReadBufferRect(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                               const size_t *from, const size_t *start, const size_t *region,
                               size_t row, size_t slice, size_t to_row, size_t to_slice,
                               void *to, cl_uint count, const cl_event *events, cl_event *event)
{
    cl_int code = fate("EnqueueReadBufferRect");
    if (code == CL_SUCCESS)
        memset(to, 0, region[0] * region[1] * region[2]);
    return code;
}

cl_int clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool blocking,
                            size_t offset, size_t size, const void *from, cl_uint count,
                            const cl_event *events, cl_event *event)
{
    cl_int code = fate("EnqueueWriteBuffer");
    if (code == CL_SUCCESS)
        code = reached(buffer, offset, size);
    if (code == CL_SUCCESS)
        memcpy(buffer->bytes + offset, from, size);
    return code;
}

cl_int clEnqueueCopyBuffer(cl_command_queue queue, cl_mem from, cl_mem to, size_t from_offset,
                           size_t to_offset, size_t size, cl_uint count, const cl_event *events,
                           cl_event *event)
{
    cl_int code = fate("EnqueueCopyBuffer");
    if (code == CL_SUCCESS)
        code = reached(from, from_offset, size);
    if (code == CL_SUCCESS)
        code = reached(to, to_offset, size);
    if (code == CL_SUCCESS)
        memcpy(to->bytes + to_offset, from->bytes + from_offset, size);
    return code;
}

/* With zeros, whatever is asked for. */
cl_int clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern,
                           size_t pattern_size, size_t offset, size_t size, cl_uint count,
                           const cl_event *events, cl_event *event)
{
    cl_int code = fate("EnqueueFillBuffer");
    if (code == CL_SUCCESS)
        code = reached(buffer, offset, size);
    if (code == CL_SUCCESS)
        memset(buffer->bytes + offset, 0, size);
    return code;
}

cl_int clFlush(cl_command_queue queue)
{
    return fate("Flush");
}

cl_int clFinish(cl_command_queue queue)
{
    return fate("Finish");
}
