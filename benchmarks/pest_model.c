/*
 * pest_model - a model that takes as long as it is told: pest_model spin|sleep SECONDS
 *
 * Reads ten numbers, one per line, from model.in and writes twenty, "oN VALUE", to model.out.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PARAMETERS   10
#define OBSERVATIONS 20

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
    while (file && count < PARAMETERS && fgets(line, sizeof line, file))
        parameters[count++] = strtod(line, NULL);
    if (file)
        fclose(file);
    return count == PARAMETERS ? 0 : -1;
}

int main(int argc, char **argv)
{
    double parameters[PARAMETERS];
    if (argc != 3 || parameters_read(parameters) < 0) {
        fputs("usage: pest_model spin|sleep SECONDS, with ten numbers in model.in\n", stderr);
        return 2;
    }
    pass(argv[1], strtod(argv[2], NULL));
    FILE *file = fopen("model.out", "w");
    if (!file)
        return 1;
    for (int o = 0; o < OBSERVATIONS; o++) {
        double sum = 0;
        for (int p = 0; p < PARAMETERS; p++)
            sum += parameters[p] * cos((o + 1) * (p + 1));
        fprintf(file, "o%d %.15e\n", o + 1, sum);
    }
    return fclose(file) == 0 ? 0 : 1;
}
