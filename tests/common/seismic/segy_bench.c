#include "config.h"

#include "tests/common/seismic/segy_bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void segy_bench_init(struct segy_bench *bench, bool little)
{
    buf_init(&bench->bytes, (size_t)64 << 20);
    bench->little = little;
    segy_bench_append(bench, 3600);
}

void segy_bench_fini(struct segy_bench *bench)
{
    buf_fini(&bench->bytes);
}

void segy_bench_put(struct segy_bench *bench, uint64_t byte, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++) {
        unsigned shift = 8 * (bench->little ? i : size - 1 - i);
        bench->bytes.data[byte - 1 + i] = (uint8_t)(value >> shift);
    }
}

void segy_bench_put_double(struct segy_bench *bench, uint64_t byte, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, 8);
    segy_bench_put(bench, byte, 8, bits);
}

void segy_bench_binary(struct segy_bench *bench, unsigned revision, unsigned format,
                       unsigned samples, unsigned interval)
{
    segy_bench_put(bench, 3217, 2, interval);
    segy_bench_put(bench, 3221, 2, samples);
    segy_bench_put(bench, 3225, 2, format);
    bench->bytes.data[3500] = (uint8_t)revision;
    if (revision == 2)
        segy_bench_put(bench, 3297, 4, 0x01020304);
    if (revision)
        segy_bench_put(bench, 3503, 2, 1);
}

uint64_t segy_bench_append(struct segy_bench *bench, size_t size)
{
    uint64_t byte = bench->bytes.size + 1;
    uint8_t *room = buf_reserve(&bench->bytes, size);
    if (!room)
        abort();
    memset(room, 0, size);
    buf_commit(&bench->bytes, size);
    return byte;
}

static uint32_t ibm_encode(double value)
{
    uint32_t sign = value < 0 ? 0x80000000u : 0;
    int exponent = 64;
    value = fabs(value);
    if (value == 0)
        return 0;
    for (; value >= 1; value /= 16)
        exponent++;
    for (; value < 1.0 / 16; value *= 16)
        exponent--;
    return sign | (uint32_t)exponent << 24 | (uint32_t)(value * 16777216);
}

void segy_bench_sample(struct segy_bench *bench, unsigned format, double value)
{
    static const unsigned sizes[] = {0, 4, 4, 2, 4, 4, 8, 3, 1, 8, 4, 2, 8, 0, 0, 3, 1};
    uint64_t byte = segy_bench_append(bench, sizes[format]), bits = (uint64_t)(int64_t)value;
    float single = (float)value;
    uint32_t single_bits;
    memcpy(&single_bits, &single, 4);
    if (format == 1)
        bits = ibm_encode(value);
    else if (format == 4)
        bits &= 0xffff; /* no gain */
    else if (format == 5)
        bits = single_bits;
    else if (format == 6)
        memcpy(&bits, &value, 8);
    segy_bench_put(bench, byte, sizes[format], bits);
}

uint64_t segy_bench_trace(struct segy_bench *bench, unsigned format, unsigned extensions,
                          int32_t shot, int32_t source_x, int32_t receiver_x, unsigned samples)
{
    uint64_t at = segy_bench_append(bench, 240 * (1 + extensions)) - 1;
    segy_bench_put(bench, at + 9, 4, (uint32_t)shot);
    segy_bench_put(bench, at + 29, 2, 1);
    segy_bench_put(bench, at + 73, 4, (uint32_t)source_x);
    segy_bench_put(bench, at + 81, 4, (uint32_t)receiver_x);
    segy_bench_put(bench, at + 115, 2, samples);
    for (unsigned k = 0; k < samples; k++)
        segy_bench_sample(bench, format, k + 1);
    return at + 1;
}

void segy_bench_save(const struct segy_bench *bench, const char *path)
{
    FILE *file = fopen(path, "w");
    if (!file || fwrite(bench->bytes.data, 1, bench->bytes.size, file) != bench->bytes.size ||
        fclose(file) != 0)
        abort();
}
