#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "worker/seismic/opencl_room.h"

/* Items are allocated together up to this size: allocating costs more than a small item is. */
#define CHUNK_BYTES ((size_t)64 << 20)

/* What rooms leave of a device's memory, for lists of points, traces and stages. */
#define RESERVE(limit) ((limit) / 16)

struct chunk {
    cl_mem buffer;
    unsigned char *memory; /* where there is no buffer */
};

struct room {
    struct opencl_device *device;
    unsigned char *base; /* addresses without memory */
    size_t bytes, item_bytes;
    size_t chunk_items, chunk_count;
    struct chunk *chunks;
    struct room *next;
};

static struct room *rooms;

static struct room *room_of(const void *pointer)
{
    const unsigned char *p = pointer;
    for (struct room *room = rooms; room; room = room->next)
        if (p >= room->base && p < room->base + room->bytes)
            return room;
    return NULL;
}

static size_t chunk_bytes(const struct room *room)
{
    return room->chunk_items * room->item_bytes;
}

static void room_free(struct room *room)
{
    for (size_t i = 0; room->chunks && i < room->chunk_count; i++) {
        opencl_buffer_release(room->device, room->chunks[i].buffer, chunk_bytes(room));
        free(room->chunks[i].memory);
    }
    free(room->chunks);
    if (room->base)
        munmap(room->base, room->bytes);
    free(room);
}

/* On the device if there is space to spare, else here. */
static int chunk_make(struct room *room, struct chunk *chunk)
{
    struct opencl_device *device = room->device;
    size_t bytes = chunk_bytes(room);
    const cl_uint zero = 0;
    if (opencl_memory_left(device) > bytes + RESERVE(device->limit_bytes))
        chunk->buffer = opencl_buffer_create(device, bytes);
    if (chunk->buffer && device->cl->EnqueueFillBuffer(device->queue, chunk->buffer, &zero, 1,
                                                       0, bytes, 0, NULL, NULL) == CL_SUCCESS)
        return 0;
    opencl_buffer_release(device, chunk->buffer, bytes);
    chunk->buffer = NULL;
    chunk->memory = calloc(bytes, 1);
    return chunk->memory ? 0 : -1;
}

void *opencl_room_create(struct opencl_device *device, size_t count, size_t bytes)
{
    struct room *room = calloc(1, sizeof(*room));
    size_t size = bytes ? bytes : 1, items = count ? count : 1;
    if (!room || items > SIZE_MAX / 4 / size) {
        free(room);
        return NULL;
    }
    room->device = device;
    room->item_bytes = size;
    room->chunk_items = size < CHUNK_BYTES ? CHUNK_BYTES / size : 1;
    if (room->chunk_items > items)
        room->chunk_items = items;
    room->chunk_count = (items + room->chunk_items - 1) / room->chunk_items;
    room->bytes = items * size;
    room->chunks = calloc(room->chunk_count, sizeof(*room->chunks));
    void *base =
        mmap(NULL, room->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    room->base = base == MAP_FAILED ? NULL : base;
    int rc = room->base && room->chunks ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < room->chunk_count; i++)
        rc = chunk_make(room, &room->chunks[i]);
    if (rc < 0) {
        room_free(room);
        return NULL;
    }
    room->next = rooms;
    rooms = room;
    return room->base;
}

void opencl_room_destroy(void *pointer)
{
    struct room *room = room_of(pointer);
    if (!room)
        return;
    struct room **link = &rooms;
    while (*link != room)
        link = &(*link)->next;
    *link = room->next;
    room_free(room);
}

struct opencl_span opencl_span_find(const void *pointer)
{
    const struct room *room = room_of(pointer);
    if (!room)
        return (struct opencl_span){.memory = (unsigned char *)pointer};
    size_t at = (size_t)((const unsigned char *)pointer - room->base);
    const struct chunk *chunk = &room->chunks[at / chunk_bytes(room)];
    size_t offset = at % chunk_bytes(room);
    return (struct opencl_span){
        .buffer = chunk->buffer,
        .offset = offset,
        .memory = chunk->buffer ? NULL : chunk->memory + offset,
    };
}

void opencl_room_read(const void *pointer, void *ret_bytes, size_t size)
{
    struct opencl_span span = opencl_span_find(pointer);
    if (!span.buffer) {
        memcpy(ret_bytes, span.memory, size);
        return;
    }
    struct opencl_device *device = room_of(pointer)->device;
    cl_int rc = device->cl->EnqueueReadBuffer(device->queue, span.buffer, CL_TRUE, span.offset,
                                              size, ret_bytes, 0, NULL, NULL);
    if (!opencl_good(device, rc, "reading what it keeps"))
        memset(ret_bytes, 0xff, size); /* NANs */
}

void opencl_room_write(void *pointer, const void *bytes, size_t size)
{
    struct opencl_span span = opencl_span_find(pointer);
    if (!span.buffer) {
        memcpy(span.memory, bytes, size);
        return;
    }
    struct opencl_device *device = room_of(pointer)->device;
    opencl_good(device,
                device->cl->EnqueueWriteBuffer(device->queue, span.buffer, CL_TRUE, span.offset,
                                               size, bytes, 0, NULL, NULL),
                "keeping something");
}

static unsigned char *row_of(const struct opencl_rows *rows, size_t row)
{
    return rows->array + row * rows->row_bytes;
}

static bool rows_near(const struct opencl_rows *rows, size_t first, size_t count)
{
    for (size_t i = first; i < first + count; i++)
        if (!opencl_span_find(row_of(rows, i)).buffer)
            return false;
    return true;
}

bool opencl_rows_near(const struct opencl_rows *rows, size_t count)
{
    return !rows->array || rows_near(rows, 0, count);
}

/* `count` rows that lie together in memory, or one row, between the stage and where it lives. */
static cl_int rows_travel(struct opencl_rows *rows, size_t row, size_t count, bool out)
{
    struct opencl_device *device = rows->device;
    struct opencl_span span = opencl_span_find(row_of(rows, row));
    size_t at = (row - rows->first) * rows->row_bytes, bytes = count * rows->row_bytes;
    if (span.buffer && out)
        return device->cl->EnqueueCopyBuffer(device->queue, rows->stage, span.buffer, at,
                                             span.offset, bytes, 0, NULL, NULL);
    if (span.buffer)
        return device->cl->EnqueueCopyBuffer(device->queue, span.buffer, rows->stage,
                                             span.offset, at, bytes, 0, NULL, NULL);
    if (out)
        return device->cl->EnqueueReadBuffer(device->queue, rows->stage, CL_TRUE, at, bytes,
                                             span.memory, 0, NULL, NULL);
    return device->cl->EnqueueWriteBuffer(device->queue, rows->stage, CL_TRUE, at, bytes,
                                          span.memory, 0, NULL, NULL);
}

static cl_int window_travel(struct opencl_rows *rows, bool out)
{
    if (!room_of(rows->array))
        return rows_travel(rows, rows->first, rows->count, out);
    cl_int rc = CL_SUCCESS;
    for (size_t i = 0; i < rows->count && rc == CL_SUCCESS; i++)
        rc = rows_travel(rows, rows->first + i, 1, out);
    return rc;
}

cl_int opencl_rows_open(struct opencl_rows *rows, size_t first, size_t count)
{
    rows->first = first;
    rows->count = count;
    if (!rows->array || count == 0 || rows->row_bytes == 0 || rows_near(rows, first, count))
        return CL_SUCCESS;
    rows->stage_bytes = count * rows->row_bytes;
    rows->stage = opencl_buffer_create(rows->device, rows->stage_bytes);
    if (!rows->stage)
        return CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return rows->reads ? window_travel(rows, false) : CL_SUCCESS;
}

cl_int opencl_rows_close(struct opencl_rows *rows)
{
    cl_int rc = rows->stage && rows->writes ? window_travel(rows, true) : CL_SUCCESS;
    opencl_buffer_release(rows->device, rows->stage, rows->stage_bytes);
    rows->stage = NULL;
    return rc;
}

cl_mem opencl_rows_at(const struct opencl_rows *rows, size_t row, cl_ulong *ret_at)
{
    struct opencl_span span = {.buffer = rows->stage,
                               .offset = (row - rows->first) * rows->row_bytes};
    if (!rows->stage)
        span = opencl_span_find(row_of(rows, row));
    *ret_at = span.offset / sizeof(wave_real);
    return span.buffer;
}
