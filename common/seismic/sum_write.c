/* A file, or a stream to somebody else, is written through stdio; what failed first is kept until
 * the end. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/crc32c.h"
#include "common/seismic/sum_private.h"
#include "common/whole.h"

#define SEND_BUFFER ((size_t)256 << 10)

struct sum_writer {
    struct whole whole; /* nothing where it is sent */
    FILE *stream;
    int code; /* errno of what failed first; 0: nothing did */
    bool exact;
    uint32_t crc;
    uint8_t bytes[SUM_BLOCK_BYTES + 8];
};

/* Nothing more once something failed: to somebody who takes nothing any more, each write would wait
 * its time. */
static void put(struct sum_writer *writer, const void *bytes, size_t size)
{
    if (!writer->code && fwrite(bytes, 1, size, writer->stream) != size)
        writer->code = errno;
}

static void put_crc(struct sum_writer *writer, const void *bytes, size_t size)
{
    writer->crc = crc32c(writer->crc, bytes, size);
    put(writer, &writer->crc, sizeof(writer->crc));
}

static int put_header(struct sum_writer *writer, const struct sum_shape *shape,
                      const struct sum_names *names, struct error *ret_error)
{
    struct buf header;
    buf_init(&header, SUM_HEADER_MAX);
    buf_append(&header, SUM_MAGIC, SUM_MAGIC_SIZE);
    wire_put_u32(&header, SUM_VERSION);
    wire_put_u32(&header, 0); /* its size, below */
    wire_put_u8(&header, shape->exact);
    wire_put_varint(&header, shape->number);
    for (int axis = 0; axis < GRID_AXES; axis++)
        wire_put_varint(&header, shape->n[axis]);
    wire_put_varint(&header, shape->array_count);
    for (size_t i = 0; i < shape->array_count; i++)
        wire_put_text(&header, shape->arrays[i]);
    sum_names_encode(names, &header);
    bool failed = buf_failed(&header);
    if (!failed) {
        uint32_t size = (uint32_t)(header.size - SUM_MAGIC_SIZE - 8);
        memcpy(header.data + SUM_MAGIC_SIZE + 4, &size, sizeof(size));
        put(writer, header.data, header.size);
        put_crc(writer, header.data, header.size);
    }
    buf_fini(&header);
    return failed ? error_set(ret_error, ERROR_SYSTEM, "no memory for the names in a sum") : 0;
}

struct sum_writer *sum_writer_open(const char *path, const struct sum_shape *shape,
                                   const struct sum_names *names, struct error *ret_error)
{
    struct sum_writer *writer = calloc(1, sizeof(*writer));
    if (!writer) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to write a sum");
        return NULL;
    }
    writer->exact = shape->exact;
    if (whole_open(&writer->whole, path, ret_error) == 0) {
        writer->stream = writer->whole.stream;
        if (put_header(writer, shape, names, ret_error) == 0)
            return writer;
    }
    sum_writer_abandon(writer);
    return NULL;
}

void sum_writer_put(struct sum_writer *writer, const union sum_block *block, size_t count)
{
    uint32_t size =
        block ? (uint32_t)sum_block_encode(writer->exact, block, count, writer->bytes) : 0;
    put(writer, &size, sizeof(size));
    put(writer, writer->bytes, size);
    /* The size counts, too: it says where the next block begins. */
    writer->crc = crc32c(writer->crc, &size, sizeof(size));
    put_crc(writer, writer->bytes, size);
}

static void put_end(struct sum_writer *writer)
{
    put(writer, SUM_END, 4);
    put_crc(writer, SUM_END, 4);
}

int sum_writer_commit(struct sum_writer *writer, struct error *ret_error)
{
    put_end(writer);
    errno = writer->code;
    int rc = whole_commit(&writer->whole, ret_error);
    free(writer);
    return rc;
}

void sum_writer_abandon(struct sum_writer *writer)
{
    if (!writer)
        return;
    whole_abandon(&writer->whole);
    free(writer);
}

static struct sum_names *merge_names(const struct sum *const *sums, size_t count,
                                     struct error *ret_error)
{
    struct sum_names *names = sum_names_create();
    int rc = names ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for names");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        if (!sum_shape_equal(sum_get_shape(sums[0]), sum_get_shape(sums[i])))
            rc = error_set(ret_error, ERROR_BUG, "sums of different shape cannot be merged");
        else
            rc = sum_names_merge(names, sum_get_names(sums[i]), ret_error);
    }
    if (rc == 0)
        return names;
    sum_names_destroy(names);
    return NULL;
}

/* A block of all sums, made in `room` where more than one has something there. */
static const union sum_block *merge_block(const struct sum *const *sums, size_t count,
                                          size_t array, uint64_t block, union sum_block *room)
{
    const union sum_block *merged = NULL;
    bool exact = sum_get_shape(sums[0])->exact;
    for (size_t i = 0; i < count; i++) {
        const union sum_block *next = sum_get_block(sums[i], array, block);
        if (next && !merged) {
            merged = next;
        } else if (next) {
            if (merged != room)
                memcpy(room, merged, sum_block_size(exact));
            sum_block_merge(exact, room, next);
            merged = room;
        }
    }
    return merged;
}

static void put_blocks(struct sum_writer *writer, const struct sum *const *sums, size_t count,
                       union sum_block *room)
{
    const struct sum_shape *shape = sum_get_shape(sums[0]);
    for (size_t array = 0; array < shape->array_count; array++)
        for (uint64_t block = 0; !writer->code && block < sum_shape_blocks(shape); block++)
            sum_writer_put(writer, merge_block(sums, count, array, block, room),
                           sum_block_points(shape, block));
}

int sum_write(const struct sum *const *sums, size_t count, const char *path,
              struct error *ret_error)
{
    struct sum_names *names = merge_names(sums, count, ret_error);
    union sum_block *room = malloc(sizeof(*room));
    struct sum_writer *writer = NULL;
    if (!room)
        error_set(ret_error, ERROR_SYSTEM, "no memory to merge sums");
    else if (names)
        writer = sum_writer_open(path, sum_get_shape(sums[0]), names, ret_error);
    if (writer)
        put_blocks(writer, sums, count, room);
    sum_names_destroy(names);
    free(room);
    return writer ? sum_writer_commit(writer, ret_error) : -1;
}

/* Header, blocks and end. */
static int send_all(struct sum_writer *writer, const struct sum *const *sums, size_t count,
                    union sum_block *room, struct error *ret_error)
{
    struct sum_names *names = merge_names(sums, count, ret_error);
    int rc = names ? put_header(writer, sum_get_shape(sums[0]), names, ret_error) : -1;
    sum_names_destroy(names);
    if (rc < 0)
        return -1;
    put_blocks(writer, sums, count, room);
    put_end(writer);
    if (!writer->code && fflush(writer->stream) != 0)
        writer->code = errno;
    return writer->code ? error_errno(ret_error, writer->code, "the sum could not be sent") : 0;
}

int sum_send(const struct sum *const *sums, size_t count, int fd, struct error *ret_error)
{
    struct sum_writer *writer = calloc(1, sizeof(*writer));
    union sum_block *room = malloc(sizeof(*room));
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0), rc = -1;
    if (writer && room && copy >= 0)
        writer->stream = fdopen(copy, "w");
    if (writer && writer->stream) {
        writer->exact = sum_get_shape(sums[0])->exact;
        setvbuf(writer->stream, NULL, _IOFBF, SEND_BUFFER);
        rc = send_all(writer, sums, count, room, ret_error);
        if (rc < 0)
            __fpurge(writer->stream); /* closing would write it */
        fclose(writer->stream);
    } else {
        error_set(ret_error, ERROR_SYSTEM, "no memory to send a sum");
        if (copy >= 0)
            close(copy);
    }
    free(writer);
    free(room);
    return rc;
}
