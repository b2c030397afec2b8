/* Traces are copied as bytes: whatever their headers say of themselves stays. They are written in
 * large blocks. What is laid may go out to the disk at once, so that little is left to do at the
 * end, when everybody waits. */
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

struct gathers {
    struct whole whole;
    struct segy_format format; /* of the first that came */
    bool has_format;
    uint8_t interval[2]; /* bytes 3217 and 3218 of it */
    bool has_count;      /* the first of all says how many traces it has */
    uint8_t *block;      /* what is still to be written: */
    size_t held, capacity;
    uint64_t at;     /* there */
    uint64_t traces; /* number of the last one that was put */
    int code;        /* errno of what could not be written; 0: all was */
    /* Where the places are known: */
    uint64_t *starts; /* traces before file i; `count` + 1 */
    bool *laid;       /* file i is */
    size_t count, left;
    size_t trace_bytes; /* of every trace; 0: not known yet */
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

/* The commit tells what went wrong. */
static void write_at(struct gathers *gathers, const uint8_t *bytes, size_t size,
                     uint64_t offset)
{
    while (size > 0 && !gathers->code) {
        ssize_t written = pwrite(fileno(gathers->whole.stream), bytes, size, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            gathers->code = written < 0 ? errno : EIO;
            return;
        }
        bytes += written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
}

static void block_flush(struct gathers *gathers)
{
    write_at(gathers, gathers->block, gathers->held, gathers->at);
    gathers->at += gathers->held;
    gathers->held = 0;
}

/* Room for the next `size` bytes of the file; NULL without memory. */
static uint8_t *block_extend(struct gathers *gathers, size_t size, struct error *ret_error)
{
    if (gathers->held + size > BLOCK_BYTES)
        block_flush(gathers);
    if (gathers->held + size > gathers->capacity) {
        size_t capacity = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        uint8_t *block = realloc(gathers->block, capacity);
        if (!block) {
            error_set(ret_error, ERROR_SYSTEM, "no memory for a trace");
            return NULL;
        }
        gathers->block = block;
        gathers->capacity = capacity;
    }
    gathers->held += size;
    return gathers->block + gathers->held - size;
}

static int headers_copy(struct gathers *gathers, const struct segy_format *format, int fd,
                        struct error *ret_error)
{
    if (format->first > HEADERS_MAX)
        return error_set(ret_error, ERROR_CONFIG, "its headers are larger than %d bytes",
                         HEADERS_MAX);
    gathers->has_count = format->revision >= 2 && format->traces > 0;
    uint8_t *headers = block_extend(gathers, (size_t)format->first, ret_error);
    if (!headers)
        return -1;
    if (read_at(fd, 0, headers, (size_t)format->first) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "its headers cannot be read");
    return 0;
}

/* The first that comes says how all are to be. */
static int format_compare(struct gathers *gathers, const struct segy_format *format, int fd,
                          struct error *ret_error)
{
    uint8_t interval[2];
    if (read_at(fd, SEGY_TEXT_SIZE + INTERVAL, interval, sizeof(interval)) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "its headers cannot be read");
    if (!gathers->has_format) {
        gathers->format = *format;
        memcpy(gathers->interval, interval, sizeof(interval));
        gathers->has_format = true;
    }
    if (format->sample_format == gathers->format.sample_format &&
        format->order == gathers->format.order && format->samples == gathers->format.samples &&
        format->revision == gathers->format.revision &&
        memcmp(interval, gathers->interval, sizeof(interval)) == 0)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "its traces are not of the same format, length and interval as those before");
}

static int trace_copy(struct gathers *gathers, struct segy *segy,
                      const struct segy_trace *trace, struct error *ret_error)
{
    size_t size = trace->header_size + trace->samples * gathers->format.sample_bytes;
    const uint8_t *bytes = segy_trace_bytes(segy, trace, ret_error);
    uint8_t *copy = bytes ? block_extend(gathers, size, ret_error) : NULL;
    if (!copy)
        return -1;
    memcpy(copy, bytes, size);
    gathers->traces++;
    put_number(copy, 4, gathers->traces, gathers->format.order);
    put_number(copy + 4, 4, gathers->traces, gathers->format.order);
    return 0;
}

/* --- laying --- */

static int misplaced(struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG, "its traces are not those that were expected");
}

/* Make its place the one where traces go next. */
static int place_find(struct gathers *gathers, size_t index, struct segy *segy,
                      struct error *ret_error)
{
    struct segy_trace trace;
    const struct segy_format *format = segy_describe(segy);
    segy_rewind(segy);
    int rc = segy_next(segy, &trace, ret_error);
    if (rc <= 0)
        return rc < 0 ? -1 : misplaced(ret_error);
    size_t bytes = trace.header_size + trace.samples * gathers->format.sample_bytes;
    if (gathers->trace_bytes == 0)
        gathers->trace_bytes = bytes;
    if (bytes != gathers->trace_bytes || format->first != gathers->format.first)
        return misplaced(ret_error);
    gathers->traces = gathers->starts[index];
    gathers->at =
        index == 0 ? 0 : gathers->format.first + gathers->traces * gathers->trace_bytes;
    return 0;
}

/* It filled its place and no more. */
static int place_check(const struct gathers *gathers, size_t index, struct error *ret_error)
{
    uint64_t end = gathers->starts[index + 1];
    bool filled =
        gathers->traces == end &&
        gathers->at + gathers->held == gathers->format.first + end * gathers->trace_bytes;
    return filled ? 0 : misplaced(ret_error);
}

/* One that has more traces than its place is not written over the next one's. */
static bool place_has_room(const struct gathers *gathers, size_t index)
{
    return !gathers->starts || gathers->traces < gathers->starts[index + 1];
}

/* --- files --- */

static int file_copy(struct gathers *gathers, struct segy *segy, int fd, size_t index,
                     struct error *ret_error)
{
    const struct segy_format *format = segy_describe(segy);
    struct segy_trace trace;
    int rc = format_compare(gathers, format, fd, ret_error);
    if (rc == 0 && gathers->starts)
        rc = place_find(gathers, index, segy, ret_error);
    if (rc == 0 && index == 0)
        rc = headers_copy(gathers, format, fd, ret_error);
    segy_rewind(segy);
    while (rc == 0 && (rc = segy_next(segy, &trace, ret_error)) > 0)
        rc = place_has_room(gathers, index) ? trace_copy(gathers, segy, &trace, ret_error)
                                            : misplaced(ret_error);
    if (rc == 0 && gathers->starts)
        rc = place_check(gathers, index, ret_error);
    return rc;
}

static int file_put(struct gathers *gathers, const char *path, size_t index,
                    struct error *ret_error)
{
    const struct segy_options options = {0};
    struct segy *segy = segy_open(path, &options, ret_error);
    if (!segy)
        return -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? error_errno(ret_error, errno, "it cannot be read")
                    : file_copy(gathers, segy, fd, index, ret_error);
    if (fd >= 0)
        close(fd);
    segy_close(segy);
    return rc < 0 ? error_prefix(ret_error, "%s", path) : 0;
}

int gathers_lay(struct gathers *gathers, size_t index, const char *file,
                struct error *ret_error)
{
    if (index >= gathers->count || gathers->laid[index])
        return error_set(ret_error, ERROR_BUG, "gather %zu is there already", index);
    if (file_put(gathers, file, index, ret_error) < 0)
        return -1;
    block_flush(gathers);
    gathers->laid[index] = true;
    gathers->left--;
    return 0;
}

void gathers_push(const struct gathers *gathers)
{
    sync_file_range(fileno(gathers->whole.stream), 0, 0, SYNC_FILE_RANGE_WRITE);
}

/* --- all together --- */

/* Where the first file said how many traces it has. */
static void count_correct(struct gathers *gathers)
{
    uint8_t number[8];
    if (!gathers->has_count)
        return;
    put_number(number, sizeof(number), gathers->traces, gathers->format.order);
    write_at(gathers, number, sizeof(number), TRACES_BYTE);
}

static void gathers_free(struct gathers *gathers)
{
    free(gathers->block);
    free(gathers->starts);
    free(gathers->laid);
    free(gathers);
}

void gathers_abandon(struct gathers *gathers)
{
    if (!gathers)
        return;
    whole_abandon(&gathers->whole);
    gathers_free(gathers);
}

bool gathers_are_whole(const struct gathers *gathers)
{
    return gathers->left == 0;
}

int gathers_commit(struct gathers *gathers, struct error *ret_error)
{
    int rc;
    if (gathers->starts)
        gathers->traces = gathers->starts[gathers->count];
    count_correct(gathers);
    if (gathers->code) {
        rc = error_errno(ret_error, gathers->code, "\"%s\" cannot be written",
                         gathers->whole.path);
        whole_abandon(&gathers->whole);
    } else {
        rc = whole_commit_synced(&gathers->whole, ret_error);
    }
    gathers_free(gathers);
    return rc;
}

static struct gathers *gathers_begin(const char *path, const char *temporary,
                                     struct error *ret_error)
{
    struct gathers *gathers = calloc(1, sizeof(*gathers));
    if (!gathers) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for gathers");
        return NULL;
    }
    if (whole_open_at(&gathers->whole, path, temporary, ret_error) == 0)
        return gathers;
    free(gathers);
    return NULL;
}

struct gathers *gathers_create(const char *path, const char *temporary, const uint64_t *traces,
                               size_t count, struct error *ret_error)
{
    struct gathers *gathers = gathers_begin(path, temporary, ret_error);
    if (!gathers)
        return NULL;
    gathers->count = gathers->left = count;
    gathers->starts = calloc(count + 1, sizeof(*gathers->starts));
    gathers->laid = calloc(count + 1, sizeof(*gathers->laid));
    if (!gathers->starts || !gathers->laid) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for %zu gathers", count);
        gathers_abandon(gathers);
        return NULL;
    }
    for (size_t i = 0; i < count; i++)
        gathers->starts[i + 1] = gathers->starts[i] + traces[i];
    return gathers;
}

int gathers_join(const char *const *files, size_t count, const char *path,
                 const char *temporary, uint64_t *ret_traces, struct error *ret_error)
{
    int rc = 0;
    struct gathers *gathers = gathers_begin(path, temporary, ret_error);
    if (!gathers)
        return -1;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = file_put(gathers, files[i], i, ret_error);
    if (rc < 0) {
        gathers_abandon(gathers);
        return -1;
    }
    block_flush(gathers);
    *ret_traces = gathers->traces;
    return gathers_commit(gathers, ret_error);
}
