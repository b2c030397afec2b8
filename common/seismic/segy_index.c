/*
 * An index is a file mapped into memory: one that is kept, or, where no folder can be written, one
 * without a name. Whatever is taken from a kept one is held against its size before it is used.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/seismic/segy_index_private.h"
#include "common/whole.h"

#define SAMPLED_HEADERS 64 /* of the fingerprint */
#define COPY_AT_ONCE    1024
#define CHECKED_AT_ONCE ((size_t)4 << 20) /* an index of so many bytes is checked in no time */

struct segy_index {
    char *path; /* NULL: it is kept nowhere */
    void *map;
    size_t size;
    const struct segy_index_head *head;
    const struct segy_index_shot *shots;
    const struct segy_index_trace *traces;
    bool checked; /* the checksums of all traces */
    bool mended;  /* that of the kept one was wrong */
};

/* --- checksums ---
 *
 * Of 64-bit words, as all parts consist of. Each step is a bijection of the sum so far, so that
 * whatever happens to one word, the sum is another. */

_Static_assert(sizeof(struct segy_index_head) % 8 == 0 &&
                   sizeof(struct segy_index_shot) % 8 == 0 &&
                   sizeof(struct segy_index_trace) % 8 == 0,
               "checksums are of whole words");

static uint64_t sum_words(uint64_t sum, const void *words, size_t size)
{
    const uint64_t *at = words;
    for (size_t i = 0; i < size / sizeof(*at); i++) {
        sum = (sum ^ at[i]) * 0x100000001b3ull;
        sum ^= sum >> 32;
    }
    return sum;
}

static uint64_t sum_traces(uint64_t sum, const struct segy_index_trace *traces, uint64_t count)
{
    return sum_words(sum, traces, (size_t)count * sizeof(*traces));
}

static uint64_t sum_head(const struct segy_index_head *head,
                         const struct segy_index_shot *shots)
{
    struct segy_index_head copy = *head;
    copy.sum = 0;
    uint64_t sum = sum_words(SEGY_HASH_START, &copy, sizeof(copy));
    return sum_words(sum, shots, (size_t)head->summary.shots * sizeof(*shots));
}

static bool shot_is_sound(const struct segy_index *index, const struct segy_index_shot *shot)
{
    uint64_t traces = index->head->summary.traces;
    return shot->first < traces && shot->count && shot->count <= traces - shot->first &&
           sum_traces(SEGY_HASH_START, index->traces + shot->first, shot->count) == shot->sum;
}

/* Of a kept one: its head and shots, and its traces, if all are to be looked at now. */
static bool check_sums(struct segy_index *index, bool all)
{
    const struct segy_index_head *head = index->head;
    bool sound = sum_head(head, index->shots) == head->sum;
    for (uint64_t i = 0; all && sound && i < head->summary.shots; i++)
        sound = shot_is_sound(index, &index->shots[i]);
    index->checked = sound && all;
    return sound;
}

/* --- reading --- */

/* A hash of everything in `geometry` that changes an index. (What a copy is taken for does not.) */
static uint64_t reading_hash(const struct segy_geometry *geometry)
{
    const struct segy_options *options = &geometry->segy;
    struct buf text;
    buf_init(&text, 1 << 16);
    buf_printf(&text, "%d %d %d %d %a %a %a %a %a %a", options->order, options->sample_format,
               geometry->by_word, geometry->down, geometry->source_z, geometry->receiver_z,
               geometry->datum, geometry->origin_x, geometry->origin_y, geometry->azimuth_deg);
    for (int i = 0; i < SEGY_WORDS; i++) {
        const struct segy_place *place = &options->words[i];
        buf_printf(&text, " %d %u %d %a", place->kind, place->byte, place->type,
                   place->constant);
    }
    uint64_t hash = segy_hash(SEGY_HASH_START, text.data, text.size);
    buf_fini(&text);
    return hash;
}

static uint64_t header_hash(int fd, uint64_t offset, size_t size, uint64_t hash)
{
    uint8_t bytes[SEGY_FIRST];
    ssize_t got = pread(fd, bytes, size, (off_t)offset);
    return got == (ssize_t)size ? segy_hash(hash, bytes, size) : ~hash;
}

/* A hash of the file headers, and of trace headers all over the file. */
static uint64_t fingerprint(int fd, const struct segy_index_trace *traces, uint64_t count)
{
    uint64_t hash = header_hash(fd, 0, SEGY_FIRST, SEGY_HASH_START);
    uint64_t step = count > SAMPLED_HEADERS ? count / SAMPLED_HEADERS : 1;
    for (uint64_t i = 0; i < count; i += step)
        hash = header_hash(fd, traces[i].offset, SEGY_HEADER_SIZE, hash);
    return hash;
}

/* Let go of a file that is mapped or not, but not of the path. */
static void unmap(struct segy_index *index)
{
    if (index->map)
        munmap(index->map, index->size);
    index->map = NULL;
}

/* Map the file and see whether its parts fit in it. */
static bool map_file(struct segy_index *index, int fd)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) ||
        (size_t)status.st_size < sizeof(struct segy_index_head))
        return false;
    index->size = (size_t)status.st_size;
    void *map = mmap(NULL, index->size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return false;
    index->map = map;
    index->head = map;
    uint64_t shots = index->head->summary.shots, traces = index->head->summary.traces;
    uint64_t most = index->size / sizeof(struct segy_index_shot);
    if (index->head->magic == SEGY_INDEX_MAGIC && shots && traces && shots <= most &&
        traces <= index->size / sizeof(struct segy_index_trace) &&
        sizeof(*index->head) + shots * sizeof(*index->shots) +
                traces * sizeof(*index->traces) ==
            index->size) {
        index->shots = (const void *)(index->head + 1);
        index->traces = (const void *)(index->shots + shots);
        return true;
    }
    unmap(index);
    return false;
}

/* Whether a kept index is that of this file, read this way. */
static bool map_kept(struct segy_index *index, const char *segy_path,
                     const struct segy_geometry *geometry)
{
    struct stat status;
    int kept = open(index->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO would wait */
    int fd = open(segy_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    bool fits = kept >= 0 && fd >= 0 && fstat(fd, &status) == 0 && map_file(index, kept);
    if (fits) {
        const struct segy_index_head *head = index->head;
        fits = head->reading == reading_hash(geometry) &&
               head->file_size == (uint64_t)status.st_size &&
               ((head->changed_s == status.st_mtim.tv_sec &&
                 head->changed_ns == status.st_mtim.tv_nsec) ||
                (geometry->copy &&
                 head->fingerprint == fingerprint(fd, index->traces, head->summary.traces)));
        index->mended =
            fits && !check_sums(index, !geometry->copy || index->size <= CHECKED_AT_ONCE);
        fits = fits && !index->mended;
        if (!fits)
            unmap(index);
    }
    if (kept >= 0)
        close(kept);
    if (fd >= 0)
        close(fd);
    return fits;
}

static int copy_runs(FILE *from, FILE *to, const struct segy_index_build *build)
{
    struct segy_index_trace records[COPY_AT_ONCE];
    for (size_t i = 0; i < build->run_count; i++) {
        const struct segy_index_run *run = &build->runs[i];
        for (uint64_t done = 0; done < run->count;) {
            uint64_t left = run->count - done;
            size_t now = left < COPY_AT_ONCE ? (size_t)left : COPY_AT_ONCE;
            off_t at = (off_t)((run->first + done) * sizeof(*records));
            if (pread(fileno(from), records, now * sizeof(*records), at) !=
                    (ssize_t)(now * sizeof(*records)) ||
                fwrite(records, sizeof(*records), now, to) != now)
                return -1;
            done += now;
        }
    }
    return 0;
}

/* Head, shots and traces, one behind the other. */
static int write_parts(FILE *to, FILE *records, const struct segy_index_head *head,
                       const struct segy_index_build *build)
{
    size_t shots = (size_t)build->summary.shots;
    if (fwrite(head, sizeof(*head), 1, to) != 1 ||
        fwrite(build->shots, sizeof(*build->shots), shots, to) != shots ||
        copy_runs(records, to, build) < 0)
        return -1;
    return fflush(to) == 0 ? 0 : -1;
}

/* Of records in the file's order; runs are in that of the shots. */
static void sum_build(struct segy_index_build *build, const struct segy_index_trace *records)
{
    for (uint64_t i = 0; i < build->summary.shots; i++)
        build->shots[i].sum = SEGY_HASH_START;
    for (size_t i = 0; i < build->run_count; i++) {
        const struct segy_index_run *run = &build->runs[i];
        uint64_t *sum = &build->shots[run->shot].sum;
        *sum = sum_traces(*sum, records + run->first, run->count);
    }
}

static int make_head(const char *path, const struct segy_geometry *geometry,
                     struct segy_index_build *build, FILE *records,
                     struct segy_index_head *head, struct error *ret_error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0) {
        if (fd >= 0)
            close(fd);
        return error_errno(ret_error, errno, "%s: cannot be read", path);
    }
    *head = (struct segy_index_head){.magic = SEGY_INDEX_MAGIC,
                                     .reading = reading_hash(geometry),
                                     .file_size = (uint64_t)status.st_size,
                                     .changed_s = status.st_mtim.tv_sec,
                                     .changed_ns = status.st_mtim.tv_nsec,
                                     .summary = build->summary};
    size_t size = (size_t)build->summary.traces * sizeof(struct segy_index_trace);
    void *map = mmap(NULL, size, PROT_READ, MAP_SHARED, fileno(records), 0);
    if (map == MAP_FAILED) {
        close(fd);
        return error_errno(ret_error, errno, "the index of %s cannot be made", path);
    }
    head->fingerprint = fingerprint(fd, map, build->summary.traces);
    sum_build(build, map);
    head->sum = sum_head(head, build->shots);
    munmap(map, size);
    close(fd);
    return 0;
}

/* Keep it under index->path. If that cannot be written there is no harm: false. */
static bool keep(struct segy_index *index, FILE *records, const struct segy_index_head *head,
                 const struct segy_index_build *build)
{
    struct whole whole;
    if (whole_open(&whole, index->path, NULL) < 0)
        return false;
    if (write_parts(whole.stream, records, head, build) < 0) {
        whole_abandon(&whole);
        return false;
    }
    if (whole_commit(&whole, NULL) < 0)
        return false;
    int fd = open(index->path, O_RDONLY | O_CLOEXEC);
    bool mapped = fd >= 0 && map_file(index, fd);
    if (fd >= 0)
        close(fd);
    return mapped;
}

/* Put what was built where it can be mapped. */
static int settle(struct segy_index *index, const char *path, FILE *records,
                  const struct segy_index_head *head, const struct segy_index_build *build,
                  struct error *ret_error)
{
    if (index->path && keep(index, records, head, build))
        return 0;
    free(index->path);
    index->path = NULL;
    FILE *nameless = tmpfile();
    bool mapped = nameless && write_parts(nameless, records, head, build) == 0 &&
                  map_file(index, fileno(nameless));
    int status = mapped
                     ? 0
                     : error_errno(ret_error, errno,
                                   "the index of %s cannot be kept in a temporary file", path);
    if (nameless)
        fclose(nameless);
    return status;
}

static int make(struct segy_index *index, const char *path,
                const struct segy_geometry *geometry, struct error *ret_error)
{
    struct segy_index_build build = {0};
    struct segy_index_head head;
    struct segy *segy = segy_open(path, &geometry->segy, ret_error);
    if (!segy)
        return -1;
    FILE *records = tmpfile();
    int status =
        records ? segy_index_build(segy, geometry, records, &build, ret_error)
                : error_errno(ret_error, errno, "no temporary file for the index of %s", path);
    segy_close(segy);
    if (status == 0 && fflush(records) != 0)
        status = error_errno(ret_error, errno, "the index of %s cannot be written", path);
    if (status == 0)
        status = make_head(path, geometry, &build, records, &head, ret_error);
    if (status == 0)
        status = settle(index, path, records, &head, &build, ret_error);
    if (records)
        fclose(records);
    segy_index_build_fini(&build);
    return status;
}

static char *kept_path(const char *path, const struct segy_geometry *geometry,
                       const char *cache)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *kept = NULL;
    int length = cache ? (int)strlen(cache) : (int)(name - path);
    bool join = cache && (!length || cache[length - 1] != '/');
    if (asprintf(&kept, "%.*s%s%s.%016llx.index", length, cache ? cache : path, join ? "/" : "",
                 name, (unsigned long long)reading_hash(geometry)) < 0)
        return NULL;
    return kept;
}

struct segy_index *segy_index_open(const char *path, const struct segy_geometry *geometry,
                                   const char *cache, struct error *ret_error)
{
    struct segy_index *index = calloc(1, sizeof(*index));
    if (!index) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for the index of %s", path);
        return NULL;
    }
    index->path = kept_path(path, geometry, cache);
    if (index->path && map_kept(index, path, geometry))
        return index;
    if (make(index, path, geometry, ret_error) < 0) {
        segy_index_close(index);
        return NULL;
    }
    return index;
}

void segy_index_close(struct segy_index *index)
{
    if (!index)
        return;
    unmap(index);
    free(index->path);
    free(index);
}

const struct segy_index_summary *segy_index_describe(const struct segy_index *index)
{
    return &index->head->summary;
}

const struct segy_index_shot *segy_index_shots(const struct segy_index *index)
{
    return index->shots;
}

const struct segy_index_trace *segy_index_traces(const struct segy_index *index,
                                                 const struct segy_index_shot *shot,
                                                 struct error *ret_error)
{
    if (index->checked || shot_is_sound(index, shot))
        return index->traces + shot->first;
    bool removed = index->path && unlink(index->path) == 0;
    error_set(ret_error, ERROR_SYSTEM, "%s: the index is damaged; %s",
              index->path ? index->path : "a temporary file",
              removed ? "it was removed, and is made again at the next try" : "remove it");
    return NULL;
}

bool segy_index_is_mended(const struct segy_index *index)
{
    return index->mended;
}

const char *segy_index_path(const struct segy_index *index)
{
    return index->path;
}
