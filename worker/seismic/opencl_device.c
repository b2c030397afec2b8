/*
 * opencl_device.c - devices found, opened and kept; programs built and kept.
 *
 * One context and one queue in order per device: a shot is one chain of steps, and a farm runs
 * several shots at a time as processes, one per GPU.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/seismic/opencl_device.h"

#define PLATFORMS 16
#define DEVICES   64

struct opencl_program {
    char options[512];
    cl_program program;
    struct opencl_program *next;
};

static struct opencl_device *opened;

static bool is_gpu(cl_device_type type)
{
    return (type & (CL_DEVICE_TYPE_GPU | CL_DEVICE_TYPE_ACCELERATOR)) != 0;
}

/* The i-th device of a kind; NULL past the end. *ret_count: how many there are up to there. */
static cl_device_id device_find(const struct opencl_library *cl, enum opencl_kind kind,
                                size_t i, cl_platform_id *ret_platform, size_t *ret_count)
{
    cl_platform_id platforms[PLATFORMS];
    cl_uint platform_count = 0;
    *ret_count = 0;
    if (cl->GetPlatformIDs(PLATFORMS, platforms, &platform_count) != CL_SUCCESS)
        return NULL;
    for (cl_uint p = 0; p < platform_count && p < PLATFORMS; p++) {
        cl_device_id ids[DEVICES];
        cl_uint count = 0;
        if (cl->GetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, DEVICES, ids, &count) !=
            CL_SUCCESS)
            continue;
        for (cl_uint d = 0; d < count && d < DEVICES; d++) {
            cl_device_type type = 0;
            cl->GetDeviceInfo(ids[d], CL_DEVICE_TYPE, sizeof(type), &type, NULL);
            if (kind == OPENCL_GPU && !is_gpu(type))
                continue;
            *ret_platform = platforms[p];
            if ((*ret_count)++ == i)
                return ids[d];
        }
    }
    return NULL;
}

/* As much of a text as there is room for: OpenCL gives all of it or nothing. */
static void take_text(char *to, size_t size, const char *from)
{
    snprintf(to, size, "%.*s", (int)size - 1, from);
}

static void describe(const struct opencl_library *cl, cl_device_id id, cl_platform_id platform,
                     struct opencl_about *about)
{
    cl_device_type type = 0;
    cl_ulong memory = 0;
    cl_uint units = 0;
    *about = (struct opencl_about){0};
    char text[1024] = "";
    if (cl->GetDeviceInfo(id, CL_DEVICE_NAME, sizeof(text), text, NULL) == CL_SUCCESS)
        take_text(about->name, sizeof(about->name), text);
    if (cl->GetDeviceInfo(id, CL_DEVICE_VERSION, sizeof(text), text, NULL) == CL_SUCCESS)
        take_text(about->version, sizeof(about->version), text);
    if (cl->GetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof(text), text, NULL) == CL_SUCCESS)
        take_text(about->platform, sizeof(about->platform), text);
    cl->GetDeviceInfo(id, CL_DEVICE_TYPE, sizeof(type), &type, NULL);
    cl->GetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof(memory), &memory, NULL);
    cl->GetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof(units), &units, NULL);
    about->gpu = is_gpu(type);
    about->memory_bytes = memory;
    about->units = units;
}

/* The device that is meant, or a sentence. */
static cl_device_id device_need(const struct opencl_library *cl, enum opencl_kind kind,
                                size_t i, cl_platform_id *ret_platform, struct error *ret_error)
{
    size_t count = 0;
    cl_device_id id = device_find(cl, kind, i, ret_platform, &count);
    const char *what = kind == OPENCL_GPU ? "GPU" : "device";
    if (!id && count == 0)
        error_set(ret_error, ERROR_CONFIG,
                  "no %s that OpenCL knows is to be seen here (no driver, or hidden by "
                  "CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES)",
                  what);
    else if (!id)
        error_set(ret_error, ERROR_CONFIG, "there is no %s %zu (from 0) among %zu of OpenCL's",
                  what, i, count);
    return id;
}

int opencl_describe(enum opencl_kind kind, size_t i, struct opencl_about *ret_about,
                    struct error *ret_error)
{
    const struct opencl_library *cl = opencl_library(ret_error);
    cl_platform_id platform = NULL;
    cl_device_id id = cl ? device_need(cl, kind, i, &platform, ret_error) : NULL;
    if (!id)
        return -1;
    describe(cl, id, platform, ret_about);
    return 0;
}

const struct opencl_about *opencl_about(const struct opencl_device *device)
{
    return &device->about;
}

uint64_t opencl_memory_left(const struct opencl_device *device)
{
    return device->limit_bytes - device->used_bytes;
}

static struct opencl_device *device_make(const struct opencl_library *cl, cl_device_id id,
                                         cl_platform_id platform, struct error *ret_error)
{
    struct opencl_device *device = calloc(1, sizeof(*device));
    char text[64];
    cl_int rc = CL_OUT_OF_HOST_MEMORY;
    cl_ulong most = 0;
    cl_device_fp_config fp64 = 0;
    if (!device)
        goto fail;
    device->cl = cl;
    device->id = id;
    describe(cl, id, platform, &device->about);
    cl->GetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof(most), &most, NULL);
    cl->GetDeviceInfo(id, CL_DEVICE_DOUBLE_FP_CONFIG, sizeof(fp64), &fp64, NULL);
    device->fp64 = fp64 != 0;
    device->buffer_bytes_max = most;
    /* Drivers keep some for themselves, and allocate in pages. */
    device->limit_bytes = device->about.memory_bytes / 100 * 92;
    device->context = cl->CreateContext(NULL, 1, &id, NULL, NULL, &rc);
    if (!device->context)
        goto fail;
    device->queue = cl->CreateCommandQueue(device->context, id, 0, &rc);
    if (!device->queue)
        goto fail;
    return device;
fail:
    error_set(ret_error, ERROR_SYSTEM, "the OpenCL device %s cannot be used: %s",
              device ? device->about.name : "", opencl_error_print(rc, text, sizeof(text)));
    if (device && device->context)
        cl->ReleaseContext(device->context);
    free(device);
    return NULL;
}

struct opencl_device *opencl_open(enum opencl_kind kind, size_t i, struct error *ret_error)
{
    const struct opencl_library *cl = opencl_library(ret_error);
    cl_platform_id platform = NULL;
    cl_device_id id = cl ? device_need(cl, kind, i, &platform, ret_error) : NULL;
    if (!id)
        return NULL;
    for (struct opencl_device *device = opened; device; device = device->next)
        if (device->id == id)
            return device;
    struct opencl_device *device = device_make(cl, id, platform, ret_error);
    if (device) {
        device->next = opened;
        opened = device;
    }
    return device;
}

bool opencl_good(struct opencl_device *device, cl_int code, const char *what)
{
    char text[64];
    if (code == CL_SUCCESS)
        return true;
    if (!device->failed)
        error_set(&device->failure, ERROR_SYSTEM, "the OpenCL device %s failed at %s: %s",
                  device->about.name, what, opencl_error_print(code, text, sizeof(text)));
    device->failed = true;
    return false;
}

int opencl_check(const struct opencl_device *device, struct error *ret_error)
{
    if (device->failed && ret_error)
        *ret_error = device->failure;
    return device->failed ? -1 : 0;
}

void opencl_close(struct opencl_device *device)
{
    struct opencl_device **link = &opened;
    while (*link != device)
        link = &(*link)->next;
    *link = device->next;
    for (struct opencl_program *next, *p = device->programs; p; p = next) {
        next = p->next;
        device->cl->ReleaseProgram(p->program);
        free(p);
    }
    device->cl->ReleaseCommandQueue(device->queue);
    device->cl->ReleaseContext(device->context);
    free(device);
}

cl_mem opencl_buffer_create(struct opencl_device *device, size_t bytes)
{
    cl_int rc;
    bytes = bytes ? bytes : 1;
    if (bytes > device->buffer_bytes_max || bytes > opencl_memory_left(device))
        return NULL;
    cl_mem buffer =
        device->cl->CreateBuffer(device->context, CL_MEM_READ_WRITE, bytes, NULL, &rc);
    if (buffer)
        device->used_bytes += bytes;
    return buffer;
}

void opencl_buffer_release(struct opencl_device *device, cl_mem buffer, size_t bytes)
{
    if (!buffer)
        return;
    device->cl->ReleaseMemObject(buffer);
    device->used_bytes -= bytes ? bytes : 1;
}

static int build_failed(struct opencl_device *device, cl_program program, cl_int rc,
                        struct error *ret_error)
{
    char text[64], *log = NULL;
    size_t size = 0;
    device->cl->GetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size);
    if (size > 0 && size < (1 << 24))
        log = calloc(size + 1, 1);
    if (log)
        device->cl->GetProgramBuildInfo(program, device->id, CL_PROGRAM_BUILD_LOG, size, log,
                                        NULL);
    error_set(ret_error, ERROR_SYSTEM, "OpenCL device %s: %s: %.600s", device->about.name,
              opencl_error_print(rc, text, sizeof(text)), log ? log : "");
    free(log);
    return -1;
}

static int program_build(struct opencl_device *device, struct opencl_program *made,
                         struct error *ret_error)
{
    const char *source = (const char *)opencl_source_bytes;
    cl_int rc;
    char text[64];
    made->program = device->cl->CreateProgramWithSource(device->context, 1, &source,
                                                        &opencl_source_size, &rc);
    if (!made->program)
        return error_set(ret_error, ERROR_SYSTEM, "OpenCL device %s: %s", device->about.name,
                         opencl_error_print(rc, text, sizeof(text)));
    rc = device->cl->BuildProgram(made->program, 1, &device->id, made->options, NULL, NULL);
    if (rc == CL_SUCCESS)
        return 0;
    build_failed(device, made->program, rc, ret_error);
    device->cl->ReleaseProgram(made->program);
    return -1;
}

cl_program opencl_program(struct opencl_device *device, const char *options,
                          struct error *ret_error)
{
    for (struct opencl_program *p = device->programs; p; p = p->next)
        if (strcmp(p->options, options) == 0)
            return p->program;
    struct opencl_program *made = calloc(1, sizeof(*made));
    if (!made || snprintf(made->options, sizeof(made->options), "%s", options) >=
                     (int)sizeof(made->options)) {
        free(made);
        error_set(ret_error, ERROR_SYSTEM, "no memory for an OpenCL program");
        return NULL;
    }
    if (program_build(device, made, ret_error) < 0) {
        free(made);
        return NULL;
    }
    made->next = device->programs;
    device->programs = made;
    return made->program;
}
