/* How fast a worker adds a gradient's file to its partial sum: MB/s of floats, the best of some
 * rounds.
 *     shot_sum read|check|double|exact MEGABYTES
 * read: copying the file to memory and no more; check: what is done before a result is told. */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "common/seismic/sum.h"

#define ROUNDS 5

static double now_s(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int make_file(uint64_t points)
{
    uint64_t seed = 1;
    int fd = memfd_create("gradient", MFD_CLOEXEC);
    float *values = malloc(points * sizeof(*values));
    for (uint64_t i = 0; i < points; i++) {
        seed = seed * UINT64_C(6364136223846793005) + 1;
        values[i] = 1e-12f * (float)(int32_t)(seed >> 32) * (float)(1 + (seed >> 10 & 1023));
    }
    for (size_t done = 0, size = points * sizeof(*values); done < size;) {
        ssize_t put = write(fd, (char *)values + done, size - done);
        if (put < 0)
            exit(1);
        done += (size_t)put;
    }
    free(values);
    return fd;
}

static double add_s(struct sum *sum, int fd, uint64_t task)
{
    struct error error;
    bool spoiled;
    const struct shot_ref shot = {task, 1};
    const struct sum_part part = {
        .id = {task, 1}, .shots = &shot, .shot_count = 1, .files = &fd};
    double begin = now_s();
    if (sum_add(sum, &part, &spoiled, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    return now_s() - begin;
}

static double check_s(const struct sum_shape *shape, int fd)
{
    struct error error;
    const struct shot_ref shot = {1, 1};
    const struct sum_part part = {.id = {1, 1}, .shots = &shot, .shot_count = 1, .files = &fd};
    double begin = now_s();
    if (sum_check_part(shape, &part, &error) < 0)
        exit(1);
    return now_s() - begin;
}

static double read_s(int fd, uint64_t points)
{
    static char piece[1 << 20];
    double begin = now_s();
    for (uint64_t place = 0; place < points * 4; place += sizeof(piece))
        if (pread(fd, piece, sizeof(piece), (off_t)place) <= 0)
            exit(1);
    return now_s() - begin;
}

static double once_s(const char *mode, const struct sum_shape *shape, struct sum *sum, int fd,
                     uint64_t round)
{
    if (strcmp(mode, "read") == 0)
        return read_s(fd, shape->n[GRID_X]);
    if (strcmp(mode, "check") == 0)
        return check_s(shape, fd);
    return add_s(sum, fd, round);
}

int main(int argc, char **argv)
{
    struct error error;
    if (argc != 3)
        return 2;
    uint64_t points = strtoull(argv[2], NULL, 10) * 250000;
    const struct sum_shape shape = {.exact = strcmp(argv[1], "exact") == 0,
                                    .number = 1,
                                    .n = {points, 1, 1},
                                    .array_count = 1,
                                    .arrays = {"g"}};
    int fd = make_file(points);
    struct sum *sum = sum_create(&shape, &error);
    double best = 1e9;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        double took = once_s(argv[1], &shape, sum, fd, round);
        if (round > 1 && took < best) /* the first takes the memory */
            best = took;
    }
    printf("%.1f\n", 4e-6 * (double)points / best);
    sum_destroy(sum);
    close(fd);
    return 0;
}
