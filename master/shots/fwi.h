/*
 * fwi.h - full-waveform inversion: which model is tried next, on which shots, in which band.
 *
 * For each band of the survey's inversion (frequency continuation, low to high; Bunks et al. 1995,
 * doi:10.1190/1.1443880), L-BFGS (lbfgs.h) on the velocity, with its bounds. All shots, or a random
 * subset for each iteration (the same ones in all of its evaluations, drawn from the seed and the
 * iteration's number alone); the wavelet is estimated anew before each iteration where that is
 * asked for. Shots that are fired as one (batch.encoded) are grouped and signed anew by the driver
 * for each iteration, the same in all of its evaluations. When the shots, their signs, the wavelet
 * or the band change, value and gradient at the present
 * model are computed once more, as they are another function's; pairs of L-BFGS are forgotten where
 * the band changes.
 *
 * The gradient is zero where the mask is 0, above frozen_depth_m and in water that way; the first
 * factor of H is M W S W M, M being the mask (with the frozen top), S a Gaussian of standard
 * deviation smooth_m, applied along each axis, and W² what makes up for the decay of wavefields
 * with depth (inversion.precondition):
 *   illumination  W = 1 / (I / mean I + 0.1), I being Σ u² dt of all sources' wavefields. The
 *                 diagonal of the Gauss-Newton Hessian is about the illumination by the sources
 *                 times that by the receivers (Plessix and Mulder 2004,
 *                 doi:10.1111/j.1365-246X.2004.02257.x), and that of the sources stands for both.
 *                 Measured anew at every model where a function is begun.
 *   depth         W² = the depth below the top, or below frozen_depth_m (as JUDI's
 *                 judiDepthScaling).
 * On Marmousi with a smooth start this turns the first direction from a cosine of 0.05 with the
 * true change to one of 0.13 (either way). A shot without a misfit (it failed, or was not waited
 * for) is left out of the comparison of two models, in both. A trial of which no shot has a misfit
 * (an unstable model, say) is one with an infinite misfit: the step is shortened. Where even the
 * shortest step has none, or a model that was good before, the inversion is over, and its model is
 * the last good one.
 *
 * Pure but for fwi_save and fwi_load: the answers alone decide what is asked.
 */
#ifndef BEOFARM_MASTER_SHOTS_FWI_H
#define BEOFARM_MASTER_SHOTS_FWI_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/seismic/shot_task.h"
#include "common/seismic/survey.h"

struct fwi;

/* What is to be computed. Borrowed until the next call. */
struct fwi_request {
    enum shot_operation operation; /* SHOT_GRADIENT, SHOT_MISFIT or SHOT_SOURCE */
    const char *purpose;
    int iteration;         /* 0: before the first is done */
    double min_hz, max_hz; /* the band */
    const size_t *shots;   /* rising */
    size_t shot_count;
    const double *velocity; /* m/s, on the survey's grid */
    const char *filter;     /* JSON of the wavelet's filter (shot_settings.h); NULL: none */
    bool illumination;      /* that is wanted, too */
};

/* What came of it. */
struct fwi_answer {
    const double *misfits;     /* of each shot, in the order asked; NaN: none */
    const float *gradient;     /* of the sum of those that are not NaN; for SHOT_GRADIENT */
    const float *illumination; /* the same; NULL: not known */
    const char *const *
        extras; /* JSON texts of SHOT_SOURCE, one for each task, in a fixed order; NULL: none */
    size_t extra_count;
};

/* Begin at `velocity` (m/s), with `mask` (0 to 1); both copied. `survey` is borrowed. NULL with a
 * sentence. */
struct fwi *fwi_create(const struct survey *survey, const float *velocity, const float *mask,
                       struct error *ret_error);
void fwi_destroy(struct fwi *fwi); /* NULL is allowed */

/* The first request (answer NULL), or the next one: 1; 0: the inversion is over, fwi_sentence says
 * how; -1 with a sentence: the answer is of no use. */
int fwi_step(struct fwi *fwi, const struct fwi_answer *answer, struct fwi_request *ret_request,
             struct error *ret_error);

/* Whether the last step ended an iteration: the model is a better one. */
bool fwi_iterated(const struct fwi *fwi);

/* The best model so far; iterations done; its misfit, and the first one of its band: others are
 * other functions; which band that is; the last step. */
const double *fwi_velocity(const struct fwi *fwi);
size_t
fwi_moved(const struct fwi *fwi); /* points that began outside the bounds, where they are now */
int fwi_iteration(const struct fwi *fwi);
double fwi_misfit(const struct fwi *fwi);
double fwi_misfit_first(const struct fwi *fwi);
size_t fwi_band(const struct fwi *fwi); /* index */
double fwi_step_length(const struct fwi *fwi);
const char *fwi_sentence(const struct fwi *fwi);
bool fwi_failed(const struct fwi *fwi); /* it is over because shots failed */

/* Write everything that it knows to a file (it appears whole), so that one created of the same
 * survey and read from it takes the answer to the request that fwi_step gave last, and goes on to
 * the bit. */
int fwi_save(const struct fwi *fwi, const char *path, struct error *ret_error);
int fwi_load(struct fwi *fwi, const char *path, struct error *ret_error);

#endif
