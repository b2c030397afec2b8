/*
 * Any bytes: opening, scanning and indexing never crash, never read outside the file, and end; what
 * is read of a trace twice is the same. The first byte chooses how the file is told to be read.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/seismic/segy_index.h"
#include "tests/fuzz/target.h"

#define SAMPLES_MAX 4096

/* Words at odd places, and constants. */
static void options_choose(uint8_t choice, struct segy_geometry *geometry)
{
    segy_geometry_init(geometry);
    geometry->segy.order = (enum segy_order)(choice % 3);
    geometry->by_word = choice & 4;
    geometry->down = choice & 8;
    if (choice & 16)
        geometry->segy.sample_format = 5;
    if (choice & 32)
        geometry->segy.words[SEGY_SHOT] =
            (struct segy_place){SEGY_PLACE, 239, SEGY_TYPE_STANDARD, 0};
    if (choice & 64)
        geometry->segy.words[SEGY_SAMPLES] =
            (struct segy_place){.kind = SEGY_CONSTANT, .constant = 3};
    if (choice & 128)
        geometry->segy.words[SEGY_SOURCE_X] =
            (struct segy_place){SEGY_PLACE, 337, SEGY_FLOAT64, 0};
}

static void scan(const char *path, const struct segy_geometry *geometry, size_t size)
{
    static float once[SAMPLES_MAX], twice[SAMPLES_MAX];
    struct error error;
    struct segy_trace trace, same;
    struct segy *segy = segy_open(path, &geometry->segy, &error);
    uint64_t count = 0;
    while (segy && segy_next(segy, &trace, &error) > 0) {
        uint32_t samples = trace.samples < SAMPLES_MAX ? trace.samples : SAMPLES_MAX;
        FUZZ_CHECK(trace.number == count++ && trace.samples && trace.interval > 0);
        FUZZ_CHECK(trace.offset + trace.header_size +
                       (uint64_t)trace.samples * segy_describe(segy)->sample_bytes <=
                   size);
        if (segy_samples_read(segy, &trace, 0, samples, once, &error) < 0)
            continue;
        FUZZ_CHECK(segy_trace_read(segy, trace.offset, trace.number, &same, &error) == 0);
        FUZZ_CHECK(same.samples == trace.samples && same.header_size == trace.header_size);
        FUZZ_CHECK(segy_samples_read(segy, &same, 0, samples, twice, &error) == 0);
        FUZZ_CHECK(!memcmp(once, twice, samples * sizeof(*once)));
    }
    segy_close(segy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    struct error error;
    struct segy_geometry geometry;
    int fd = memfd_create("fuzz", 0);
    FUZZ_CHECK(fd >= 0);
    if (size && write(fd, data + 1, size - 1) == (ssize_t)(size - 1)) {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        options_choose(data[0], &geometry);
        scan(path, &geometry, size - 1);
        struct segy_index *index = segy_index_open(path, &geometry, "/dev/null", &error);
        if (index)
            FUZZ_CHECK(segy_index_traces(index, segy_index_shots(index), &error));
        segy_index_close(index);
    }
    close(fd);
    return 0;
}
