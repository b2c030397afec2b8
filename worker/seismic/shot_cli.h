/*
 * shot_cli.h - beofarm-shot's command line: one shot by hand.
 */
#ifndef BEOFARM_WORKER_SEISMIC_SHOT_CLI_H
#define BEOFARM_WORKER_SEISMIC_SHOT_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/seismic/shot_task.h"

struct shot_cli {
    bool serve, help, version;
    enum shot_operation operation;
    const char *survey, *shot; /* path; name. Of argv */
    const char *output; /* a SEG-Y file, or an image's raw floats; NULL where none is made */
    const char *illumination; /* raw floats; NULL: not wanted */
    const char *spill_dir;
    double min_hz, max_hz;
    int threads;           /* 0: OMP_NUM_THREADS, or all */
    uint64_t memory_bytes; /* 0: what the machine has */
};

/* Read the options. -1 with ERROR_USAGE and a sentence. */
int shot_cli_parse(struct shot_cli *ret_cli, int argc, char **argv, struct error *ret_error);

/* What --help prints. */
extern const char shot_cli_help[];

/* Compute the shot, write its files, and print the answer on standard output, a JSON line. */
int shot_cli_run(const struct shot_cli *cli, struct error *ret_error);

#endif
