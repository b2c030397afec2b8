/*
 * The pass over a SEG-Y file that makes its index. Records go to a temporary file as traces come;
 * what stays in memory is a shot for each source and a run for each stretch of traces of one shot.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/seismic/segy_index_private.h"

#define SAME_PLACE_M 1e-3 /* headers hold millimetres at best */

typedef unsigned long long ull;

struct builder {
    struct segy *segy;
    const struct segy_geometry *geometry;
    FILE *records;
    struct segy_index_build *build;
    size_t shot_capacity, run_capacity;
    uint64_t *table; /* shots by hash: index + 1, 0 where empty */
    size_t table_size;
    uint64_t last_shot;
};

uint64_t segy_hash(uint64_t hash, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ at[i]) * 0x100000001b3ull;
    return hash;
}

/* Room for one more in an array that doubles. */
static int grow(void **array, size_t *capacity, size_t count, size_t size,
                struct error *ret_error)
{
    if (count < *capacity)
        return 0;
    size_t now = *capacity ? 2 * *capacity : 64;
    void *grown = reallocarray(*array, now, size);
    if (!grown)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the index of a SEG-Y file");
    *array = grown;
    *capacity = now;
    return 0;
}

static uint64_t shot_hash(const struct builder *builder, const struct segy_index_shot *shot)
{
    uint64_t hash = segy_hash(SEGY_HASH_START, &shot->number, sizeof(shot->number));
    if (!builder->geometry->by_word)
        hash = segy_hash(hash, &shot->source, sizeof(shot->source));
    return hash ^ hash >> 29;
}

static bool shot_same(const struct builder *builder, const struct segy_index_shot *a,
                      const struct segy_index_shot *b)
{
    return a->number == b->number &&
           (builder->geometry->by_word ||
            (a->source.x == b->source.x && a->source.y == b->source.y &&
             a->source.z == b->source.z));
}

static int table_grow(struct builder *builder, struct error *ret_error)
{
    const struct segy_index_build *build = builder->build;
    size_t size = builder->table_size ? 2 * builder->table_size : 256;
    uint64_t *table = calloc(size, sizeof(*table));
    if (!table)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the index of a SEG-Y file");
    for (uint64_t i = 0; i < build->summary.shots; i++) {
        size_t at = shot_hash(builder, &build->shots[i]) & (size - 1);
        while (table[at])
            at = (at + 1) & (size - 1);
        table[at] = i + 1;
    }
    free(builder->table);
    builder->table = table;
    builder->table_size = size;
    return 0;
}

/* The shot like `wanted`, added if it is new. */
static int shot_find(struct builder *builder, const struct segy_index_shot *wanted,
                     uint64_t *ret_shot, struct error *ret_error)
{
    struct segy_index_build *build = builder->build;
    uint64_t count = build->summary.shots;
    if (count && shot_same(builder, &build->shots[builder->last_shot], wanted)) {
        *ret_shot = builder->last_shot;
        return 0;
    }
    if (2 * count >= builder->table_size && table_grow(builder, ret_error) < 0)
        return -1;
    size_t mask = builder->table_size - 1, at = shot_hash(builder, wanted) & mask;
    for (; builder->table[at]; at = (at + 1) & mask) {
        *ret_shot = builder->table[at] - 1;
        if (shot_same(builder, &build->shots[*ret_shot], wanted))
            return 0;
    }
    if (grow((void **)&build->shots, &builder->shot_capacity, count, sizeof(*wanted),
             ret_error) < 0)
        return -1;
    build->shots[count] = *wanted;
    build->summary.shots++;
    builder->table[at] = count + 1;
    *ret_shot = count;
    return 0;
}

static int run_add(struct builder *builder, uint64_t shot, struct error *ret_error)
{
    struct segy_index_build *build = builder->build;
    struct segy_index_run *last = build->run_count ? &build->runs[build->run_count - 1] : NULL;
    if (last && last->shot == shot) {
        last->count++;
        return 0;
    }
    if (grow((void **)&build->runs, &builder->run_capacity, build->run_count,
             sizeof(*build->runs), ret_error) < 0)
        return -1;
    build->runs[build->run_count++] =
        (struct segy_index_run){.shot = shot, .first = build->summary.traces, .count = 1};
    return 0;
}

/* With by_word, all traces of a shot must agree on where its source was. */
static int source_check(const struct builder *builder, const struct segy_trace *trace,
                        uint64_t shot, const struct point *source, struct error *ret_error)
{
    const struct segy_index_shot *known = &builder->build->shots[shot];
    if (fabs(known->source.x - source->x) <= SAME_PLACE_M &&
        fabs(known->source.y - source->y) <= SAME_PLACE_M &&
        fabs(known->source.z - source->z) <= SAME_PLACE_M)
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "%s: shot %lld, trace %llu (header at byte %llu): its source is at (%g, %g, "
        "%g), that of the shot's first trace at (%g, %g, %g); choose another word for "
        "\"shot\", or leave it out to tell shots apart by their sources",
        segy_path(builder->segy), (long long)known->number, (ull)trace->number + 1,
        (ull)trace->offset, source->x, source->y, source->z, known->source.x, known->source.y,
        known->source.z);
}

/* One interval and one delay for all traces; the counts of samples are noted. */
static int record_check(struct builder *builder, const struct segy_trace *trace, int64_t number,
                        double delay_s, struct error *ret_error)
{
    struct segy_index_summary *summary = &builder->build->summary;
    double interval_s = trace->interval * 1e-6;
    if (!summary->traces) {
        summary->interval_s = interval_s;
        summary->delay_s = delay_s;
        summary->samples_min = summary->samples_max = trace->samples;
        summary->shortest = summary->longest = trace->number;
    }
    if (interval_s != summary->interval_s || delay_s != summary->delay_s)
        return error_set(
            ret_error, ERROR_CONFIG,
            "%s: shot %lld, trace %llu (header at byte %llu): is sampled every %g ms "
            "from %g ms on, traces before it every %g ms from %g ms on",
            segy_path(builder->segy), (long long)number, (ull)trace->number + 1,
            (ull)trace->offset, interval_s * 1e3, delay_s * 1e3, summary->interval_s * 1e3,
            summary->delay_s * 1e3);
    if (trace->samples < summary->samples_min) {
        summary->samples_min = trace->samples;
        summary->shortest = trace->number;
    }
    if (trace->samples > summary->samples_max) {
        summary->samples_max = trace->samples;
        summary->longest = trace->number;
    }
    return 0;
}

static int number_get(const struct builder *builder, const struct segy_trace *trace,
                      int64_t *ret_number, struct error *ret_error)
{
    double number = segy_word(builder->segy, trace, SEGY_SHOT);
    if (!(fabs(number) <= 9007199254740992.0) || number != floor(number))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: trace %llu (header at byte %llu): %g is no shot's number; choose "
                         "another word for \"shot\"",
                         segy_path(builder->segy), (ull)trace->number + 1, (ull)trace->offset,
                         number);
    *ret_number = (int64_t)number;
    return 0;
}

static bool trace_is_left_out(const struct segy *segy, const struct segy_trace *trace)
{
    double code = segy_word(segy, trace, SEGY_DEAD);
    return code >= 2 && code <= 8;
}

static int trace_add(struct builder *builder, const struct segy_trace *trace,
                     struct error *ret_error)
{
    struct segy_index_build *build = builder->build;
    struct segy_index_shot shot = {0};
    struct segy_index_trace record = {
        .offset = trace->offset, .number = trace->number, .samples = trace->samples};
    uint64_t at = 0;
    if (trace_is_left_out(builder->segy, trace)) {
        build->summary.skipped++;
        return 0;
    }
    if (number_get(builder, trace, &shot.number, ret_error) < 0 ||
        segy_source_place(builder->segy, trace, builder->geometry, &shot.source, ret_error) <
            0 ||
        segy_receiver_place(builder->segy, trace, builder->geometry, &record.receiver,
                            ret_error) < 0)
        return -1;
    if (segy_delay(builder->segy, trace, &record.delay_s, ret_error) < 0 ||
        record_check(builder, trace, shot.number, record.delay_s, ret_error) < 0 ||
        shot_find(builder, &shot, &at, ret_error) < 0 ||
        source_check(builder, trace, at, &shot.source, ret_error) < 0 ||
        run_add(builder, at, ret_error) < 0)
        return -1;
    builder->last_shot = at;
    build->shots[at].count++;
    build->summary.traces++;
    if (fwrite(&record, sizeof(record), 1, builder->records) != 1)
        return error_errno(ret_error, errno, "the index of %s cannot be written",
                           segy_path(builder->segy));
    return 0;
}

/* --- a single trace whose source is elsewhere ---
 *
 * Where the numbers of shots are kept, traces of one number that follow each other have one source.
 * A single one among them with another is a header that is wrong, not a shot of one trace. */

/* Of a number in a row; where there are more, the number is not that of a shot. */
#define SOURCES_MAX 8

struct stretch {
    uint64_t shots[SOURCES_MAX], counts[SOURCES_MAX], firsts[SOURCES_MAX];
    size_t count;
};

/* Gather the runs from `run` on that have one number; the index behind the last. */
static size_t stretch_gather(const struct segy_index_build *build, size_t run,
                             struct stretch *stretch)
{
    int64_t number = build->shots[build->runs[run].shot].number;
    stretch->count = 0;
    for (; run < build->run_count && build->shots[build->runs[run].shot].number == number;
         run++) {
        const struct segy_index_run *one = &build->runs[run];
        size_t i = 0, known = stretch->count < SOURCES_MAX ? stretch->count : SOURCES_MAX;
        while (i < known && stretch->shots[i] != one->shot)
            i++;
        if (i < known) {
            stretch->counts[i] += one->count;
            continue;
        }
        if (i < SOURCES_MAX) {
            stretch->shots[i] = one->shot;
            stretch->counts[i] = one->count;
            stretch->firsts[i] = one->first;
        }
        stretch->count++;
    }
    return run;
}

static int odd_refuse(const struct builder *builder, const struct stretch *stretch, size_t odd,
                      size_t most, struct error *ret_error)
{
    const struct segy_index_shot *shot = &builder->build->shots[stretch->shots[odd]];
    const struct segy_index_shot *other = &builder->build->shots[stretch->shots[most]];
    struct segy_index_trace record = {0};
    if (pread(fileno(builder->records), &record, sizeof(record),
              (off_t)(stretch->firsts[odd] * sizeof(record))) != (ssize_t)sizeof(record))
        return error_errno(ret_error, errno, "the index of %s cannot be read",
                           segy_path(builder->segy));
    return error_set(
        ret_error, ERROR_CONFIG,
        "%s: shot %lld, trace %llu (header at byte %llu): its source is at (%g, %g, %g), that "
        "of the %llu other traces with this number around it at (%g, %g, %g); mend its header, "
        "or say in which word shots are told apart with \"headers\": {\"shot\": ...}",
        segy_path(builder->segy), (long long)shot->number, (ull)record.number + 1,
        (ull)record.offset, shot->source.x, shot->source.y, shot->source.z,
        (ull)stretch->counts[most], other->source.x, other->source.y, other->source.z);
}

static bool numbers_differ(const struct segy_index_build *build)
{
    uint64_t i = 0;
    while (i < build->summary.shots && build->shots[i].number == build->shots[0].number)
        i++;
    return i < build->summary.shots;
}

/* With runs in the file's order. */
static int odd_sources_check(const struct builder *builder, struct error *ret_error)
{
    const struct segy_index_build *build = builder->build;
    struct stretch stretch;
    if (!numbers_differ(build) || fflush(builder->records) != 0)
        return 0;
    for (size_t run = 0; run < build->run_count;) {
        run = stretch_gather(build, run, &stretch);
        if (stretch.count < 2 || stretch.count > SOURCES_MAX)
            continue;
        size_t least = 0, most = 0;
        for (size_t i = 1; i < stretch.count; i++) {
            least = stretch.counts[i] < stretch.counts[least] ? i : least;
            most = stretch.counts[i] > stretch.counts[most] ? i : most;
        }
        if (stretch.counts[least] == 1 && stretch.counts[most] > 1)
            return odd_refuse(builder, &stretch, least, most, ret_error);
    }
    return 0;
}

static int run_compare(const void *a, const void *b)
{
    const struct segy_index_run *left = a, *right = b;
    if (left->shot != right->shot)
        return left->shot < right->shot ? -1 : 1;
    return left->first < right->first ? -1 : left->first > right->first;
}

/* Shots lie one behind the other in the index, whatever the file's order. */
static void build_end(struct segy_index_build *build)
{
    uint64_t first = 0;
    for (uint64_t i = 0; i < build->summary.shots; i++) {
        build->shots[i].first = first;
        first += build->shots[i].count;
    }
    qsort(build->runs, build->run_count, sizeof(*build->runs), run_compare);
}

int segy_index_build(struct segy *segy, const struct segy_geometry *geometry, FILE *records,
                     struct segy_index_build *build, struct error *ret_error)
{
    struct builder builder = {
        .segy = segy, .geometry = geometry, .records = records, .build = build};
    struct segy_trace trace;
    int got;
    segy_rewind(segy);
    while ((got = segy_next(segy, &trace, ret_error)) > 0) {
        got = trace_add(&builder, &trace, ret_error);
        if (got < 0)
            break;
    }
    free(builder.table);
    if (got < 0)
        return -1;
    if (!build->summary.traces)
        return error_set(ret_error, ERROR_CONFIG,
                         build->summary.skipped
                             ? "%s: all its traces are dead or auxiliary ones (identification "
                               "codes 2 to 8 at byte 29)"
                             : "%s: there are no traces in it",
                         segy_path(segy));
    if (odd_sources_check(&builder, ret_error) < 0)
        return -1;
    build_end(build);
    return 0;
}

void segy_index_build_fini(struct segy_index_build *build)
{
    free(build->shots);
    free(build->runs);
}
