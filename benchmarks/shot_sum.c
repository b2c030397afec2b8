/* How fast a worker adds gradients to its partial sum, beside a stream of the same bytes: GB/s of
 * floats, and of memory moved.  shot_sum [MILLIONS OF POINTS] */
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

static void measure(bool exact, uint64_t points, int fd)
{
    struct error error;
    const struct sum_shape shape = {
        .exact = exact, .number = 1, .n = {points, 1, 1}, .array_count = 1, .arrays = {"g"}};
    struct sum *sum = sum_create(&shape, &error);
    double best = 1e9, check = 1e9, bytes = 4e-9 * (double)points;
    for (int i = 0; i < ROUNDS; i++) {
        double took = add_s(sum, fd, (uint64_t)i + 1), checked = check_s(&shape, fd);
        best = i && took < best ? took : best; /* the first takes the memory */
        check = checked < check ? checked : check;
    }
    printf("%-7s add %6.2f GB/s of floats (%.1f of memory), check %.2f\n",
           exact ? "exact" : "double", bytes / best, bytes / best * (exact ? 13.5 : 7),
           check > 0 ? bytes / check : 0);
    sum_destroy(sum);
}

int main(int argc, char **argv)
{
    uint64_t points = (argc > 1 ? strtoul(argv[1], NULL, 10) : 32) * 1000000;
    int fd = make_file(points);
    printf("%.0f MB of floats\n", 4e-6 * (double)points);
    measure(false, points, fd);
    measure(true, points, fd);
    close(fd);
    return 0;
}
