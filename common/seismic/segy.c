/*
 * Traces are met one after the other. Where they are short the file is read in pieces of 4 MiB, one
 * after the other, which is what disks and file servers do best; where they are long, each header
 * by itself. What is known of where the next trace begins is what this trace's header says, so
 * every contradiction is an error: going on would read samples as headers.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/seismic/segy_private.h"

#define WINDOW_BYTES    ((size_t)4 << 20)
#define LONG_TRACE      ((size_t)256 << 10) /* bytes from which headers are read alone */
#define SAMPLES_AT_ONCE ((size_t)64 << 10)

typedef unsigned long long ull;

/* pread as much as there is, up to `want`. */
static int window_fill(struct segy *segy, struct segy_window *window, uint64_t offset,
                       size_t want, struct error *ret_error)
{
    if (want > window->capacity) {
        uint8_t *bytes = realloc(window->bytes, want);
        if (!bytes)
            return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", segy->path);
        window->bytes = bytes;
        window->capacity = want;
    }
    window->offset = offset;
    window->size = 0;
    while (window->size < want) {
        ssize_t got = pread(segy->fd, window->bytes + window->size, want - window->size,
                            (off_t)(offset + window->size));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(ret_error, errno, "%s: byte %llu cannot be read", segy->path,
                               (ull)(offset + window->size));
        if (got == 0)
            break;
        window->size += (size_t)got;
    }
    return 0;
}

const uint8_t *segy_window_get(struct segy *segy, struct segy_window *window, uint64_t offset,
                               size_t size, size_t want, struct error *ret_error)
{
    bool inside = offset >= window->offset && offset - window->offset <= window->size &&
                  size <= window->size - (offset - window->offset);
    if (!inside) {
        uint64_t left = offset < segy->format.size ? segy->format.size - offset : 0;
        if (want > left) /* no large memory for small files */
            want = (size_t)left;
        if (window_fill(segy, window, offset, want > size ? want : size, ret_error) < 0)
            return NULL;
        if (window->size < size) {
            error_set(ret_error, ERROR_CONFIG,
                      "%s: the file ends at byte %llu, where %zu bytes from byte %llu on were "
                      "expected; was it cut short while it was read?",
                      segy->path, (ull)(offset + window->size), size, (ull)offset);
            return NULL;
        }
    }
    return window->bytes + (offset - window->offset);
}

int segy_trace_mistake(const struct segy *segy, const struct segy_trace *trace,
                       struct error *ret_error, const char *format, ...)
{
    char shot[40] = "", behind[40] = "";
    bool scanned = trace->number && trace->number == segy->next_number;
    va_list args;
    va_start(args, format);
    error_vset(ret_error, ERROR_CONFIG, format, args);
    va_end(args);
    if (segy->options.shots && trace->header)
        snprintf(shot, sizeof(shot), "shot %.17g, ", segy_word(segy, trace, SEGY_SHOT));
    /* What stands where a header should be may be none. */
    if (segy->options.shots && scanned &&
        !(trace->header && segy_word(segy, trace, SEGY_SHOT) == segy->last_shot))
        snprintf(behind, sizeof(behind), ", behind shot %.17g", segy->last_shot);
    return error_prefix(ret_error, "%s: %strace %llu (header at byte %llu)%s", segy->path, shot,
                        (ull)trace->number + 1, (ull)trace->offset, behind);
}

static bool word_is_told(const struct segy *segy, enum segy_word word)
{
    return segy->options.words[word].kind == SEGY_CONSTANT;
}

/* A header has at least 240 bytes; where the file has extensions, the first says how many. */
static int header_get(struct segy *segy, struct segy_trace *trace, size_t ahead,
                      struct error *ret_error)
{
    const struct segy_format *format = &segy->format;
    uint32_t size = SEGY_HEADER_SIZE * (1 + (format->extensions ? 1 : 0));
    uint64_t left = format->end - trace->offset;
    trace->extension = NULL;
    if (left < size)
        return segy_trace_mistake(
            segy, trace, ret_error,
            "%llu bytes are left in the file, fewer than a trace header; the file "
            "is cut short, or traces before it are not as long as headers say",
            (ull)left);
    const uint8_t *header =
        segy_window_get(segy, &segy->window, trace->offset, size, ahead, ret_error);
    if (!header)
        return -1;
    if (format->extensions) {
        const uint8_t *extension = header + SEGY_HEADER_SIZE;
        bool named = !memcmp(extension + 232, "SEG00001", 8);
        uint64_t count = named ? segy_get_unsigned(extension + 156, 2, format->order) : 0;
        if (count > format->extensions)
            return segy_trace_mistake(
                segy, trace, ret_error,
                "has %llu additional headers where the file has %u at most", (ull)count,
                format->extensions);
        size = SEGY_HEADER_SIZE * (1 + (count ? (uint32_t)count : format->extensions));
        if (left < size)
            return segy_trace_mistake(segy, trace, ret_error,
                                      "its additional headers do not end in the file");
        header = segy_window_get(segy, &segy->window, trace->offset, size, ahead, ret_error);
        if (!header)
            return -1;
        if (named)
            trace->extension = header + SEGY_HEADER_SIZE;
    }
    trace->header = header;
    trace->header_size = size;
    return 0;
}

static int samples_count(const struct segy *segy, struct segy_trace *trace,
                         struct error *ret_error)
{
    const struct segy_format *format = &segy->format;
    double said = segy_word(segy, trace, SEGY_SAMPLES), file = format->samples;
    if (!(said >= 0 && said <= SEGY_SAMPLES_MAX) || said != floor(said))
        return segy_trace_mistake(segy, trace, ret_error,
                                  "%s is %g, which is no number of samples",
                                  segy_word_name(SEGY_SAMPLES), said);
    /* Two bytes of the header cannot say it. */
    bool wrapped = file > 65535 && (said == 65535 || said == fmod(file, 65536));
    if (format->fixed && said > 0 && file > 0 && said != file && !wrapped &&
        !word_is_told(segy, SEGY_SAMPLES))
        return segy_trace_mistake(
            segy, trace, ret_error,
            "has %g samples by its header where the binary header says %g for "
            "all traces (fixed "
            "length); say which holds with \"headers\": {\"samples\": ...}",
            said, file);
    if (word_is_told(segy, SEGY_SAMPLES) ||
        (said > 0 && !wrapped && !(format->fixed && file > 0)))
        trace->samples = (uint32_t)said;
    else
        trace->samples = format->samples;
    if (!trace->samples)
        return segy_trace_mistake(
            segy, trace, ret_error,
            "neither its header nor the binary header says how many samples it "
            "has; give \"headers\": {\"samples\": ...}");
    return 0;
}

static int interval_get(const struct segy *segy, struct segy_trace *trace,
                        struct error *ret_error)
{
    double said = segy_word(segy, trace, SEGY_INTERVAL), file = segy->format.interval;
    bool told = word_is_told(segy, SEGY_INTERVAL);
    if (!(said >= 0) || !isfinite(said))
        return segy_trace_mistake(segy, trace, ret_error, "%s is %g",
                                  segy_word_name(SEGY_INTERVAL), said);
    /* A header's whole microseconds may be those of the file's fraction of one. */
    if (said > 0 && file > 0 && !told && fabs(said - file) >= 1)
        return segy_trace_mistake(segy, trace, ret_error,
                                  "its sample interval is %g where the binary header says %g "
                                  "(microseconds); say which "
                                  "holds with \"headers\": {\"interval\": ...}%s",
                                  said, file,
                                  trace->number
                                      ? ", unless the traces before it are not as long as "
                                        "headers say"
                                      : "");
    trace->interval = told || !(file > 0) || trace->extension ? said : file;
    if (!(trace->interval > 0))
        trace->interval = file;
    if (!(trace->interval > 0))
        return segy_trace_mistake(
            segy, trace, ret_error,
            "neither its header nor the binary header says its sample interval; "
            "give \"headers\": {\"interval\": ...}");
    return 0;
}

static uint64_t trace_end(const struct segy *segy, const struct segy_trace *trace)
{
    return trace->offset + trace->header_size +
           (uint64_t)trace->samples * segy->format.sample_bytes;
}

static int trace_get(struct segy *segy, struct segy_trace *trace, size_t ahead,
                     struct error *ret_error)
{
    if (header_get(segy, trace, ahead, ret_error) < 0 ||
        samples_count(segy, trace, ret_error) < 0 || interval_get(segy, trace, ret_error) < 0)
        return -1;
    uint64_t end = trace_end(segy, trace);
    if (end > segy->format.end)
        return segy_trace_mistake(
            segy, trace, ret_error,
            "its %u samples of %zu bytes would end at byte %llu, but traces "
            "end at byte %llu; the "
            "file is cut short, or traces are not as long as headers say",
            trace->samples, segy->format.sample_bytes, (ull)end, (ull)segy->format.end);
    return 0;
}

/* Whether data trailers of unknown number begin here: "((SEG" in ASCII or EBCDIC. */
static bool trailer_begins(struct segy *segy, uint64_t offset, struct error *ret_error)
{
    static const uint8_t ebcdic[] = {0x4d, 0x4d, 0xe2, 0xc5, 0xc7};
    uint64_t left = segy->format.end - offset;
    if (!segy->trailers_unknown || left < SEGY_TEXT_SIZE || left % SEGY_TEXT_SIZE)
        return false;
    const uint8_t *at =
        segy_window_get(segy, &segy->window, offset, 5, WINDOW_BYTES, ret_error);
    return at && (!memcmp(at, "((SEG", 5) || !memcmp(at, ebcdic, 5));
}

static int scan_end(const struct segy *segy, struct error *ret_error)
{
    uint64_t told = segy->format.traces, found = segy->next_number;
    if (told && told != found)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: the binary header says that there are %llu traces (byte 3513), but "
            "the file has %llu; it is cut short, or its header is wrong",
            segy->path, (ull)told, (ull)found);
    return 0;
}

/* A header that lies about its trace's length shows in a trace behind it. */
static int scan_mistake(const struct segy *segy, struct error *ret_error)
{
    if (segy->odd_offset && ret_error && ret_error->code == ERROR_CONFIG) {
        struct error found = *ret_error;
        char shot[40] = "";
        if (segy->options.shots)
            snprintf(shot, sizeof(shot), "shot %.17g, ", segy->odd_shot);
        error_set(
            ret_error, found.code,
            "%.900s (the first with another length than the binary header's is %strace %llu, "
            "header at byte %llu)",
            found.text, shot, (ull)segy->odd_number + 1, (ull)segy->odd_offset);
    }
    return -1;
}

int segy_next(struct segy *segy, struct segy_trace *ret_trace, struct error *ret_error)
{
    const struct segy_format *format = &segy->format;
    struct segy_trace trace = {.number = segy->next_number, .offset = segy->next_offset};
    if (trace.offset == format->end || trailer_begins(segy, trace.offset, ret_error))
        return scan_end(segy, ret_error);
    size_t usual = (size_t)format->samples * format->sample_bytes;
    size_t ahead = usual < LONG_TRACE ? WINDOW_BYTES : 2 * SEGY_HEADER_SIZE;
    if (trace_get(segy, &trace, ahead, ret_error) < 0)
        return scan_mistake(segy, ret_error);
    if (segy->options.shots)
        segy->last_shot = segy_word(segy, &trace, SEGY_SHOT);
    if (!segy->odd_offset && format->samples && trace.samples != format->samples) {
        segy->odd_offset = trace.offset;
        segy->odd_number = trace.number;
        segy->odd_shot = segy->last_shot;
    }
    segy->next_offset = trace_end(segy, &trace);
    segy->next_number++;
    *ret_trace = trace;
    return 1;
}

void segy_rewind(struct segy *segy)
{
    segy->next_offset = segy->format.first;
    segy->next_number = 0;
    segy->odd_offset = 0;
}

int segy_trace_read(struct segy *segy, uint64_t offset, uint64_t number,
                    struct segy_trace *ret_trace, struct error *ret_error)
{
    struct segy_trace trace = {.number = number, .offset = offset};
    if (offset < segy->format.first || offset >= segy->format.end)
        return segy_trace_mistake(segy, &trace, ret_error,
                                  "lies outside the traces, from byte %llu to %llu",
                                  (ull)segy->format.first, (ull)segy->format.end);
    /* Neighbours are likely to be read next, with their samples. */
    if (trace_get(segy, &trace, 2 * SEGY_HEADER_SIZE, ret_error) < 0)
        return -1;
    *ret_trace = trace;
    return 0;
}

const uint8_t *segy_trace_bytes(struct segy *segy, const struct segy_trace *trace,
                                struct error *ret_error)
{
    size_t size = (size_t)(trace_end(segy, trace) - trace->offset);
    size_t ahead = size < LONG_TRACE ? WINDOW_BYTES : 0;
    return segy_window_get(segy, &segy->window, trace->offset, size, ahead, ret_error);
}

int segy_samples_read(struct segy *segy, const struct segy_trace *trace, uint32_t first,
                      uint32_t count, float *samples, struct error *ret_error)
{
    const struct segy_format *format = &segy->format;
    uint64_t at = trace->offset + trace->header_size + (uint64_t)first * format->sample_bytes;
    if (first > trace->samples || count > trace->samples - first)
        return error_set(ret_error, ERROR_BUG, "%s: trace %llu has no sample %llu", segy->path,
                         (ull)trace->number + 1, (ull)first + count);
    for (size_t done = 0; done < count;) {
        size_t now = count - done < SAMPLES_AT_ONCE ? count - done : SAMPLES_AT_ONCE;
        const uint8_t *bytes =
            segy_window_get(segy, &segy->samples, at, now * format->sample_bytes, 0, ret_error);
        if (!bytes)
            return -1;
        size_t good =
            segy_decode(format->sample_format, format->order, bytes, now, samples + done);
        if (good < now)
            return segy_trace_mistake(segy, trace, ret_error,
                                      "sample %zu (at byte %llu) is %g: not a number, infinite "
                                      "or too large for a float",
                                      first + done + good + 1,
                                      (ull)(at + good * format->sample_bytes),
                                      (double)samples[done + good]);
        at += now * format->sample_bytes;
        done += now;
    }
    return 0;
}

static int file_open(struct segy *segy, const char *path, struct error *ret_error)
{
    struct stat status;
    segy->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait */
    if (segy->fd < 0 || fstat(segy->fd, &status) < 0)
        return error_errno(ret_error, errno, "%s: cannot be read", path);
    if (!S_ISREG(status.st_mode))
        return error_set(ret_error, ERROR_CONFIG, "%s: is not a regular file", path);
    segy->format.size = (uint64_t)status.st_size;
    segy->path = strdup(path);
    return segy->path ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", path);
}

struct segy *segy_open(const char *path, const struct segy_options *options,
                       struct error *ret_error)
{
    struct segy *segy = calloc(1, sizeof(*segy));
    if (!segy) {
        error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", path);
        return NULL;
    }
    segy->fd = -1;
    segy->options = *options;
    if (file_open(segy, path, ret_error) < 0 || segy_binary_read(segy, ret_error) < 0) {
        segy_close(segy);
        return NULL;
    }
    segy_rewind(segy);
    return segy;
}

void segy_close(struct segy *segy)
{
    if (!segy)
        return;
    if (segy->fd >= 0)
        close(segy->fd);
    free(segy->window.bytes);
    free(segy->samples.bytes);
    free(segy->path);
    free(segy);
}

const struct segy_format *segy_describe(const struct segy *segy)
{
    return &segy->format;
}

const char *segy_path(const struct segy *segy)
{
    return segy->path;
}
