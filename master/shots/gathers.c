/* Traces are copied as bytes: whatever their headers say of themselves stays. They are written in large
 * blocks: when this is done nothing else is left to do, and everybody waits for it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/seismic/segy.h"
#include "common/whole.h"
#include "master/shots/gathers.h"

#define TRACES_BYTE 3512 /* of revision 2: how many traces the file has, 8 bytes; from 0 */
#define INTERVAL    16   /* bytes 3217 to 3222 of the binary header, from its beginning */
#define HEADERS_MAX (64 << 20)
#define BLOCK_BYTES ((size_t)1 << 20) /* stays in cache between being read and written */

struct join {
    FILE *stream;
    struct segy_format first; /* of the first file */
    uint8_t interval[2];      /* bytes 3217 and 3218 of it */
    uint8_t *block;           /* what is still to be written */
    size_t held, capacity;
    uint64_t traces;
};

static int read_at(int fd, uint64_t offset, void *bytes, size_t size)
{
    return pread(fd, bytes, size, (off_t)offset) == (ssize_t)size ? 0 : -1;
}

static void put_number(uint8_t *bytes, size_t size, uint64_t value, enum segy_order order)
{
    for (size_t i = 0; i < size; i++)
        bytes[order == SEGY_LITTLE ? i : size - 1 - i] = (uint8_t)(value >> (8 * i));
}

static void block_flush(struct join *join)
{
    if (join->held)
        fwrite(join->block, join->held, 1, join->stream); /* commit tells whether it worked */
    join->held = 0;
}

/* Room for the next `size` bytes of the file; NULL without memory. */
static uint8_t *block_extend(struct join *join, size_t size, struct error *ret_error)
{
    if (join->held + size > BLOCK_BYTES)
        block_flush(join);
    if (join->held + size > join->capacity) {
        size_t capacity = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        uint8_t *block = realloc(join->block, capacity);
        if (!block) {
            error_set(ret_error, ERROR_SYSTEM, "no memory for a trace");
            return NULL;
        }
        join->block = block;
        join->capacity = capacity;
    }
    join->held += size;
    return join->block + join->held - size;
}

static int headers_copy(struct join *join, int fd, struct error *ret_error)
{
    if (join->first.first > HEADERS_MAX)
        return error_set(ret_error, ERROR_CONFIG, "its headers are larger than %d bytes",
                         HEADERS_MAX);
    uint8_t *headers = block_extend(join, (size_t)join->first.first, ret_error);
    if (!headers)
        return -1;
    if (read_at(fd, 0, headers, (size_t)join->first.first) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "its headers cannot be read");
    memcpy(join->interval, headers + SEGY_TEXT_SIZE + INTERVAL, sizeof(join->interval));
    return 0;
}

static int format_compare(const struct join *join, const struct segy_format *format, int fd,
                          struct error *ret_error)
{
    uint8_t interval[2];
    if (read_at(fd, SEGY_TEXT_SIZE + INTERVAL, interval, sizeof(interval)) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "its headers cannot be read");
    if (format->sample_format == join->first.sample_format &&
        format->order == join->first.order && format->samples == join->first.samples &&
        format->revision == join->first.revision &&
        memcmp(interval, join->interval, sizeof(interval)) == 0)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "its traces are not of the same format, length and interval as those before");
}

static int trace_copy(struct join *join, struct segy *segy, const struct segy_trace *trace,
                      struct error *ret_error)
{
    size_t size = trace->header_size + trace->samples * join->first.sample_bytes;
    const uint8_t *bytes = segy_trace_bytes(segy, trace, ret_error);
    uint8_t *copy = bytes ? block_extend(join, size, ret_error) : NULL;
    if (!copy)
        return -1;
    memcpy(copy, bytes, size);
    join->traces++;
    put_number(copy, 4, join->traces, join->first.order);
    put_number(copy + 4, 4, join->traces, join->first.order);
    return 0;
}

static int file_copy(struct join *join, struct segy *segy, int fd, bool is_first,
                     struct error *ret_error)
{
    const struct segy_format *format = segy_describe(segy);
    struct segy_trace trace;
    int rc;
    if (is_first)
        join->first = *format;
    rc = is_first ? headers_copy(join, fd, ret_error)
                  : format_compare(join, format, fd, ret_error);
    segy_rewind(segy);
    while (rc == 0 && (rc = segy_next(segy, &trace, ret_error)) > 0)
        rc = trace_copy(join, segy, &trace, ret_error);
    return rc;
}

static int file_join(struct join *join, const char *path, bool is_first,
                     struct error *ret_error)
{
    const struct segy_options options = {0};
    struct segy *segy = segy_open(path, &options, ret_error);
    if (!segy)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? error_errno(ret_error, errno, "it cannot be read")
                    : file_copy(join, segy, fd, is_first, ret_error);
    if (fd >= 0)
        close(fd);
    segy_close(segy);
    return rc < 0 ? error_prefix(ret_error, "%s", path) : 0;
}

/* Where the first file said how many traces it has. */
static void count_correct(struct join *join)
{
    uint8_t number[8];
    if (join->first.revision < 2 || join->first.traces == 0)
        return;
    put_number(number, sizeof(number), join->traces, join->first.order);
    if (fseek(join->stream, TRACES_BYTE, SEEK_SET) == 0)
        fwrite(number, sizeof(number), 1, join->stream);
}

int gathers_join(const char *const *files, size_t count, const char *path, uint64_t *ret_traces,
                 struct error *ret_error)
{
    struct join join = {0};
    struct whole whole;
    int rc = 0;
    if (whole_open(&whole, path, ret_error) < 0)
        return -1;
    join.stream = whole.stream;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = file_join(&join, files[i], i == 0, ret_error);
    if (rc == 0) {
        block_flush(&join);
        count_correct(&join);
    }
    free(join.block);
    *ret_traces = join.traces;
    if (rc == 0)
        return whole_commit(&whole, ret_error);
    whole_abandon(&whole);
    return -1;
}
