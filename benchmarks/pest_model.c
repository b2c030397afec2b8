/*
 * pest_model - a linear model that takes as long as it is told: pest_model spin|sleep SECONDS COUNT
 *
 * Reads numbers, one per line, from model.in and writes COUNT of them, "oN VALUE", to model.out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARAMETERS_MAX 10000

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void pass(const char *how, double seconds)
{
    if (strcmp(how, "spin") == 0) {
        for (double end = now_s() + seconds; now_s() < end;)
            continue;
    } else {
        struct timespec time = {.tv_sec = (time_t)seconds,
                                .tv_nsec = (long)(1e9 * (seconds - floor(seconds)))};
        nanosleep(&time, NULL);
    }
}

static int parameters_read(double *parameters)
{
    char line[100];
    FILE *file = fopen("model.in", "r");
    int count = 0;
    while (file && count < PARAMETERS_MAX && fgets(line, sizeof line, file))
        parameters[count++] = strtod(line, NULL);
    if (file)
        fclose(file);
    return count;
}

/* One large entry and two small ones in each row: a matrix that is far from singular. */
static double observation(const double *parameters, int count, int number)
{
    return 2 * parameters[number % count] + 0.3 * parameters[(number * 7 + 1) % count] -
           0.2 * parameters[(number * 13 + 5) % count];
}

int main(int argc, char **argv)
{
    static double parameters[PARAMETERS_MAX];
    int count = argc == 4 ? parameters_read(parameters) : 0;
    if (count == 0) {
        fputs("usage: pest_model spin|sleep SECONDS COUNT, with numbers in model.in\n", stderr);
        return 2;
    }
    pass(argv[1], strtod(argv[2], NULL));
    FILE *file = fopen("model.out", "w");
    if (!file)
        return 1;
    for (int o = 0; o < (int)strtol(argv[3], NULL, 10); o++)
        fprintf(file, "o%d %.15e\n", o + 1, observation(parameters, count, o));
    return fclose(file) == 0 ? 0 : 1;
}
