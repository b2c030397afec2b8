/*
 * opencl_room.h - rooms (wave.h) on a device, and rows of arrays that are there or must travel.
 *
 * A room is a range of addresses at which there is no memory; they stand for items in buffers of
 * the device, or, when that is full, in the program's memory.
 */
#ifndef BEOFARM_WORKER_SEISMIC_OPENCL_ROOM_H
#define BEOFARM_WORKER_SEISMIC_OPENCL_ROOM_H

#include "worker/seismic/opencl_device.h"

void *opencl_room_create(struct opencl_device *device, size_t count, size_t bytes);
void opencl_room_destroy(void *room);
void opencl_room_read(const void *room, void *ret_bytes, size_t size);
void opencl_room_write(void *room, const void *bytes, size_t size);

/* Where a pointer really points: into a buffer, or (buffer NULL) to memory. */
struct opencl_span {
    cl_mem buffer;
    size_t offset; /* bytes */
    unsigned char *memory;
};
struct opencl_span opencl_span_find(const void *pointer);

/* An array of rows that a run reads or writes. A few of them at a time are its window: those are on
 * the device, and if that is not where they live, they travel when the window opens and closes. */
struct opencl_rows {
    struct opencl_device *device;
    unsigned char *array; /* row 0; NULL: there is none */
    size_t row_bytes;
    bool reads, writes;  /* what the device does with them */
    size_t first, count; /* of the window */
    cl_mem stage;        /* a copy of the window; NULL: the window is where it lives */
    size_t stage_bytes;
};

/* Whether rows [0, count) live on the device. */
bool opencl_rows_near(const struct opencl_rows *rows, size_t count);
/* 0, or an OpenCL error code. */
cl_int opencl_rows_open(struct opencl_rows *rows, size_t first, size_t count);
cl_int opencl_rows_close(struct opencl_rows *rows);
/* Row `row` of the window: its buffer and, in numbers, its place there. */
cl_mem opencl_rows_at(const struct opencl_rows *rows, size_t row, cl_ulong *ret_at);

#endif
