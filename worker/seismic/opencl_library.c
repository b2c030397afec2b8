/*
 * opencl_library.c - libOpenCL.so.1 by dlopen.
 *
 * Linked to, it would be one more library that every node must have, GPU or not.
 */
#include "config.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "worker/seismic/opencl_library.h"

static struct opencl_library library;
static struct error failure;
static bool good;

static void load(void)
{
    void *handle = dlopen("libOpenCL.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        error_set(
            &failure, ERROR_CONFIG,
            "there is no OpenCL library on this machine (Debian package ocl-icd-libopencl1, "
            "and a driver for the device): %s",
            dlerror());
        return;
    }
#define FIND(name)                                                                             \
    void *found_##name = dlsym(handle, "cl" #name);                                            \
    if (!found_##name) {                                                                       \
        error_set(&failure, ERROR_CONFIG, "libOpenCL.so.1 has no function cl" #name);          \
        return;                                                                                \
    }                                                                                          \
    memcpy(&library.name, &found_##name, sizeof(library.name));
    OPENCL_FUNCTIONS(FIND)
#undef FIND
    good = true;
}

const struct opencl_library *opencl_library(struct error *ret_error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, load);
    if (!good && ret_error)
        *ret_error = failure;
    return good ? &library : NULL;
}

char *opencl_error_print(cl_int code, char *text, size_t size)
{
    static const struct {
        cl_int code;
        const char *name;
    } names[] = {
        {CL_DEVICE_NOT_FOUND, "device not found"},
        {CL_DEVICE_NOT_AVAILABLE, "device not available"},
        {CL_COMPILER_NOT_AVAILABLE, "compiler not available"},
        {CL_MEM_OBJECT_ALLOCATION_FAILURE, "memory cannot be allocated"},
        {CL_OUT_OF_RESOURCES, "out of resources"},
        {CL_OUT_OF_HOST_MEMORY, "out of host memory"},
        {CL_BUILD_PROGRAM_FAILURE, "kernels cannot be built"},
        {CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST, "a step before failed"},
        {CL_INVALID_COMMAND_QUEUE, "invalid command queue"},
        {CL_INVALID_CONTEXT, "invalid context"},
        {CL_INVALID_BUFFER_SIZE, "invalid buffer size"},
    };
    const char *name = "error";
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (names[i].code == code)
            name = names[i].name;
    snprintf(text, size, "%s (%d)", name, (int)code);
    return text;
}
