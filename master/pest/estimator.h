/*
 * estimator.h - what decides which model runs are wanted next: glm, sweep, ies.
 *
 * Members stand in the array of estimator.c, one per `"mode"`. An estimator is a state machine
 * over waves. A wave is a list of parameter sets; when each of its runs has ended, the estimator
 * digests the observations and names the next wave. It is a pure function of the control file,
 * the options and the runs' results (and of `slots`, which the driver writes down with each wave
 * and gives again on resume): a master that was killed replays the same results and arrives, bit
 * for bit, at the same waves. So: no clock, no random numbers but seeded ones, no threads whose
 * timing shows, sums in a fixed order.
 *
 * All parameter values here are the model-side values of *all* parameters of the control file, in
 * its order, before scale and offset (as in the parameter data section and in .par files). The
 * driver sends value * scale + offset, rounded to what the narrowest template field can hold, and
 * the parameters of a wave that has ended are what the models really saw, scale and offset undone.
 */
#ifndef BEOFARM_MASTER_PEST_ESTIMATOR_H
#define BEOFARM_MASTER_PEST_ESTIMATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/pest/control.h"
#include "master/pest/wave.h"

struct estimator;

enum estimator_next { ESTIMATOR_WAVE, ESTIMATOR_FINISHED, ESTIMATOR_FAILED };

/* Numbers that are not known or make no sense for a mode are NaN. */
struct estimator_stand {
    int iteration; /* 0: before the first */
    double phi;    /* the best so far, or an ensemble's mean */
    double lambda;
};

struct estimator_context {
    struct pest_control *control; /* borrowed until close; ask for `++` options through it */
    const char *folder;           /* where the control file and the files that it names are */
    const char
        *output_base; /* path without extension: output files are output_base.rec …; NULL in
* plan_only */
    bool plan_only;   /* check everything, write nothing, run nothing */
    /* What a value becomes on its way through the templates and back: the nearest value that
     * parameter p's narrowest field can hold (with scale and offset applied and undone). Use it
     * for increments: the value as written is the value used in differences. */
    double (*written)(void *written_context, size_t parameter, double value);
    void *written_context;
    /* Say a line to the user (status, watch, the terminal): "iteration 2: phi 12.3 ...". */
    void (*say)(void *say_context, const char *sentence);
    /* Where the estimation stands, for the line that is drawn again and again; `say` tells the
     * story, this the state. Call it when phi or the iteration changes. */
    void (*stand)(void *say_context, const struct estimator_stand *stand);
    void *say_context;
};

struct estimator_ops {
    const char *mode; /* "glm", "sweep", "ies" */

    struct estimator *(*open)(const struct estimator_context *context, struct error *ret_error);
    void (*close)(struct estimator *estimator); /* NULL is allowed */

    /* Runs in all where known beforehand (sweep), else -1. */
    int64_t (*count)(const struct estimator *estimator);

    /* May take minutes: it is called in a thread beside the event loop (step.h), and nothing else
     * of the estimator is called meanwhile. What it says (`say`, `stand`) is told from the loop's
     * thread. A farm that is stopped ends the process in the middle of it; then output files that
     * are not written whole (whole.h) are left as they are. `ended` is the last wave with its
     * results (run_count 0 at the first call). Fill `wanted` (empty, counts set) with the next
     * wave; `slots` >= 1 is how many runs go on at a time. ESTIMATOR_FAILED with a sentence.
     * `ended` and `wanted` are different waves. */
    enum estimator_next (*step)(struct estimator *estimator, struct wave *ended,
                                struct wave *wanted, uint32_t slots, struct error *ret_error);

    /* One run of the current wave ended (in any order), before the wave as a whole has: for
     * estimators that write results as they come. `observations` is NULL if it failed, with the
     * reason in `sentence`. May be NULL. */
    void (*run_ended)(struct estimator *estimator, size_t run, const double *observations,
                      const char *sentence);

    /* The journal has been replayed up to what is known: from now on steps are new. Output files
     * are written anew in a replay (they end the same), so most need not care. May be NULL. */
    void (*replayed)(struct estimator *estimator);
};

const struct estimator_ops *estimator_find(const char *mode); /* NULL: none */

#endif
