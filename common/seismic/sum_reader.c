/* All files are read side by side, a block of each at a time. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/crc32c.h"
#include "common/seismic/sum_private.h"

struct file {
    FILE *stream;
    const char *path; /* owned by the reader */
    uint32_t crc;
};

struct sum_reader {
    struct sum_shape shape;
    struct sum_names *names;
    struct file *files;
    size_t count;
    struct sum_place next;
    union sum_block merged, room;
    float values[BINS_POINTS];
    uint8_t bytes[SUM_BLOCK_BYTES + 8];
};

static int complain(const struct file *file, const char *what, struct error *ret_error)
{
    if (ferror(file->stream))
        return error_errno(ret_error, errno, "\"%s\" cannot be read", file->path);
    return error_set(ret_error, ERROR_TASKS, "\"%s\" is no whole partial sum: %s", file->path,
                     feof(file->stream) ? "it is cut off" : what);
}

/* Read, and count into the CRC. */
static int take(struct file *file, void *bytes, size_t size, struct error *ret_error)
{
    if (fread(bytes, 1, size, file->stream) != size)
        return complain(file, "", ret_error);
    file->crc = crc32c(file->crc, bytes, size);
    return 0;
}

static int take_crc(struct file *file, struct error *ret_error)
{
    uint32_t crc;
    if (fread(&crc, 1, sizeof(crc), file->stream) != sizeof(crc))
        return complain(file, "", ret_error);
    if (crc != file->crc)
        return complain(file, "its checksum is wrong, so it was damaged", ret_error);
    /* The CRC itself is not counted in: both ends go on from the same. */
    return 0;
}

/* --- The header --- */

static int get_shape(struct wire_reader *wire, struct sum_shape *shape)
{
    unsigned mode = wire_get_u8(wire);
    uint64_t points = 1;
    shape->number = wire_get_varint(wire);
    for (int axis = 0; axis < GRID_AXES; axis++) {
        shape->n[axis] = wire_get_varint(wire);
        if (wire->failed || shape->n[axis] == 0 ||
            shape->n[axis] > (UINT64_C(1) << 48) / points)
            return -1;
        points *= shape->n[axis];
    }
    shape->exact = mode == 1;
    shape->array_count = (size_t)wire_get_varint(wire);
    if (wire->failed || mode > 1 || shape->array_count == 0 ||
        shape->array_count > SHOT_ARRAYS_MAX)
        return -1;
    for (size_t i = 0; i < shape->array_count; i++) {
        size_t size;
        const char *name = wire_get_bytes(wire, &size);
        if (!name || size > SHOT_NAME_MAX || memchr(name, 0, size))
            return -1;
        memcpy(shape->arrays[i], name, size);
    }
    return 0;
}

static int decode_header(struct file *file, const uint8_t *bytes, size_t size,
                         struct sum_shape *shape, struct sum_names **ret_names,
                         struct error *ret_error)
{
    struct wire_reader wire;
    wire_reader_init(&wire, bytes, size);
    if (get_shape(&wire, shape) < 0)
        return complain(file, "its header is damaged", ret_error);
    *ret_names = sum_names_decode(&wire, ret_error);
    if (!*ret_names)
        return error_prefix(ret_error, "\"%s\"", file->path);
    return wire_left(&wire) ? complain(file, "its header is damaged", ret_error) : 0;
}

static int read_header(struct file *file, struct sum_shape *shape, struct sum_names **ret_names,
                       struct error *ret_error)
{
    uint8_t begin[SUM_MAGIC_SIZE + 8];
    uint32_t version, size;
    if (take(file, begin, sizeof(begin), ret_error) < 0)
        return -1;
    memcpy(&version, begin + SUM_MAGIC_SIZE, sizeof(version));
    memcpy(&size, begin + SUM_MAGIC_SIZE + 4, sizeof(size));
    if (memcmp(begin, SUM_MAGIC, SUM_MAGIC_SIZE) != 0)
        return complain(file, "it does not begin as one", ret_error);
    if (version != SUM_VERSION)
        return error_set(ret_error, ERROR_TASKS,
                         "\"%s\" is a partial sum of version %u; this program knows %d",
                         file->path, version, SUM_VERSION);
    uint8_t *bytes = size < SUM_HEADER_MAX ? malloc(size + 1) : NULL;
    if (!bytes)
        return complain(file, "its header is damaged, or larger than memory", ret_error);
    int rc = take(file, bytes, size, ret_error);
    if (rc == 0)
        rc = take_crc(file, ret_error);
    if (rc == 0)
        rc = decode_header(file, bytes, size, shape, ret_names, ret_error);
    free(bytes);
    return rc;
}

static int open_file(struct sum_reader *reader, size_t i, const char *path,
                     struct error *ret_error)
{
    struct file *file = &reader->files[i];
    struct sum_shape shape = {0};
    struct sum_names *names = NULL;
    file->path = strdup(path);
    file->stream = file->path ? fopen(path, "re") : NULL;
    if (!file->stream)
        return error_errno(ret_error, errno, "\"%s\" cannot be read", path);
    setvbuf(file->stream, NULL, _IOFBF, (size_t)128 << 10);
    int rc = read_header(file, &shape, &names, ret_error);
    if (rc == 0 && i == 0)
        reader->shape = shape;
    if (rc == 0 && !sum_shape_equal(&reader->shape, &shape))
        rc = error_set(
            ret_error, ERROR_TASKS,
            "\"%s\" is a part of another sum than \"%s\": their numbers, modes, grids "
            "or arrays differ",
            path, reader->files[0].path);
    if (rc == 0 && sum_names_merge(reader->names, names, ret_error) < 0)
        rc = error_prefix(ret_error, "\"%s\"", path);
    sum_names_destroy(names);
    return rc;
}

struct sum_reader *sum_reader_open(const char *const *paths, size_t count,
                                   struct error *ret_error)
{
    struct sum_reader *reader = calloc(1, sizeof(*reader));
    if (reader) {
        reader->names = sum_names_create();
        reader->files = calloc(count ? count : 1, sizeof(*reader->files));
    }
    if (!reader || !reader->names || !reader->files || count == 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory, or no sums to read");
        sum_reader_close(reader);
        return NULL;
    }
    for (; reader->count < count; reader->count++)
        if (open_file(reader, reader->count, paths[reader->count], ret_error) < 0) {
            reader->count++; /* what there is of it is to be closed, too */
            sum_reader_close(reader);
            return NULL;
        }
    return reader;
}

void sum_reader_close(struct sum_reader *reader)
{
    if (!reader)
        return;
    for (size_t i = 0; i < reader->count; i++) {
        if (reader->files[i].stream)
            fclose(reader->files[i].stream);
        free((char *)reader->files[i].path);
    }
    free(reader->files);
    sum_names_destroy(reader->names);
    free(reader);
}

const struct sum_shape *sum_reader_shape(const struct sum_reader *reader)
{
    return &reader->shape;
}

const struct sum_names *sum_reader_names(const struct sum_reader *reader)
{
    return reader->names;
}

/* --- Blocks --- */

/* 1 and a block, 0 where it is empty, -1. */
static int take_block(struct sum_reader *reader, struct file *file, union sum_block *block,
                      size_t count, struct error *ret_error)
{
    uint32_t size;
    if (take(file, &size, sizeof(size), ret_error) < 0)
        return -1;
    if (size > SUM_BLOCK_BYTES)
        return complain(file, "a block is damaged", ret_error);
    if (take(file, reader->bytes, size, ret_error) < 0 || take_crc(file, ret_error) < 0)
        return -1;
    if (size == 0)
        return 0;
    return sum_block_decode(reader->shape.exact, block, count, reader->bytes, size) == 0
               ? 1
               : complain(file, "a block is damaged", ret_error);
}

static int take_ends(struct sum_reader *reader, struct error *ret_error)
{
    for (size_t i = 0; i < reader->count; i++) {
        struct file *file = &reader->files[i];
        char end[4];
        if (take(file, end, sizeof(end), ret_error) < 0 || take_crc(file, ret_error) < 0)
            return -1;
        if (memcmp(end, SUM_END, sizeof(end)) != 0 || getc(file->stream) != EOF)
            return complain(file, "it does not end where it should", ret_error);
    }
    return 0;
}

static struct sum_place advance(struct sum_reader *reader)
{
    struct sum_place place = reader->next;
    place.count = sum_block_points(&reader->shape, place.block);
    if (++reader->next.block == sum_shape_blocks(&reader->shape)) {
        reader->next.block = 0;
        reader->next.array++;
    }
    return place;
}

int sum_reader_next_block(struct sum_reader *reader, const union sum_block **ret_block,
                          struct sum_place *ret_place, struct error *ret_error)
{
    bool some = false, exact = reader->shape.exact;
    if (reader->next.array == reader->shape.array_count)
        return take_ends(reader, ret_error);
    struct sum_place place = advance(reader);
    for (size_t i = 0; i < reader->count; i++) {
        union sum_block *to = some ? &reader->room : &reader->merged;
        int rc = take_block(reader, &reader->files[i], to, place.count, ret_error);
        if (rc < 0)
            return -1;
        if (rc && some)
            sum_block_merge(exact, &reader->merged, &reader->room);
        some |= rc > 0;
    }
    *ret_block = some ? &reader->merged : NULL;
    *ret_place = place;
    return 1;
}

int sum_reader_next(struct sum_reader *reader, struct sum_piece *ret_piece,
                    struct error *ret_error)
{
    const union sum_block *block;
    struct sum_place place;
    int rc = sum_reader_next_block(reader, &block, &place, ret_error);
    if (rc <= 0)
        return rc;
    size_t bad = place.count;
    if (block)
        bad = sum_block_round(reader->shape.exact, block, reader->values, place.count);
    else
        memset(reader->values, 0, sizeof(reader->values));
    uint64_t first = place.block * BINS_POINTS;
    if (bad < place.count)
        return error_set(ret_error, ERROR_TASKS,
                         "the sum of \"%s\" at point %llu is larger than a 32-bit float can be",
                         reader->shape.arrays[place.array], (unsigned long long)(first + bad));
    *ret_piece = (struct sum_piece){place.array, first, place.count, reader->values};
    return 1;
}

static int copy_array(struct sum_reader *reader, const char *name, float *values,
                      uint64_t points, struct error *ret_error)
{
    struct sum_piece piece;
    size_t array = 0;
    int rc;
    while (array < reader->shape.array_count && strcmp(reader->shape.arrays[array], name) != 0)
        array++;
    if (array == reader->shape.array_count || sum_shape_points(&reader->shape) != points)
        return error_set(ret_error, ERROR_TASKS, "\"%s\" has no array \"%s\" of %llu points",
                         reader->files[0].path, name, (unsigned long long)points);
    while ((rc = sum_reader_next(reader, &piece, ret_error)) > 0)
        if (piece.array == array)
            memcpy(values + piece.first, piece.values, piece.count * sizeof(float));
    return rc;
}

int sum_read_array(const char *const *paths, size_t count, const char *name, float *values,
                   uint64_t points, struct error *ret_error)
{
    struct sum_reader *reader = sum_reader_open(paths, count, ret_error);
    int rc = reader ? copy_array(reader, name, values, points, ret_error) : -1;
    sum_reader_close(reader);
    return rc;
}

int sum_merge(const char *const *paths, size_t count, const char *path, struct error *ret_error)
{
    const union sum_block *block;
    struct sum_place place;
    struct sum_writer *writer = NULL;
    struct sum_reader *reader = sum_reader_open(paths, count, ret_error);
    if (reader)
        writer = sum_writer_open(path, &reader->shape, reader->names, ret_error);
    int rc = writer ? 1 : -1;
    while (rc > 0 && (rc = sum_reader_next_block(reader, &block, &place, ret_error)) > 0)
        sum_writer_put(writer, block, place.count);
    sum_reader_close(reader);
    if (rc == 0)
        return sum_writer_commit(writer, ret_error);
    sum_writer_abandon(writer);
    return -1;
}
