/*
 * glm_search.h - the lambda search of one iteration: which upgrades to try, and when to stop.
 *
 * PEST tries one lambda after another (RLAMBDA1, RLAMFAC, PHIRATSUF, PHIREDLAM, NUMLAM); PEST++
 * tries fifteen upgrades at once. Here every trial is chosen by what is known when it is chosen:
 *
 * - The model (glm_model.h) is exact at all parameter sets run so far, so each trial teaches the
 *   next ones, and bases of earlier iterations go on teaching.
 * - How far the model can be believed is measured: at each trial, the length e of what it missed at
 *   the distance d from the nearest parameter set known. At a distance x it is expected to miss
 *   e x / d where x < d and e (x / d)² beyond ("doubt"; or 0.3 times what the trial before
 *   says, if that is more), and the square of this is added to the phi that the model foretells.
 * - Of upgrades for lambdas from large to small the one with the least phi so expected is tried;
 *   with more slots than one, others that differ from it by a quarter of its length or more.
 *   Before there is a doubt, lambda begins with RLAMBDA1 / 100 (the diagonal of JᵗQJ being the
 *   unit, unless ++glm_normal_form says otherwise).
 * - A failed run (or one with a phi that is not finite) halves the distance allowed.
 *
 * A search ends after NUMLAM trials; or when phi has fallen and the next upgrade promises less
 * per run (in ln phi) than the iteration has brought so far, its Jacobian included, or less than
 * PHIREDLAM of phi and not five times that: then a new Jacobian is worth more (this is what
 * PHIRATSUF is a rule of thumb for; where phi has fallen below PHIRATSUF times the old one, twice
 * as much must be promised, and after six trials, or half as many again as the Jacobian's runs if
 * that is more, it ends in any case). It ends, too, where phi has hardly moved (by less than
 * PHIREDSTP) and four trials on end were no better. It ends without a better parameter set when no
 * upgrade promises any gain; but before that, what other parameter sets taught is forgotten, and
 * shorter and shorter steps are tried.
 */
#ifndef BEOFARM_MASTER_PEST_GLM_SEARCH_H
#define BEOFARM_MASTER_PEST_GLM_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "master/pest/glm_limits.h"
#include "master/pest/glm_model.h"
#include "master/pest/glm_options.h"
#include "master/pest/glm_regul.h"

/* Trials on end without a better one: what the model promises is not to be had. */
#define GLM_SEARCH_DISAPPOINTED 4

/* A step proposed. */
struct glm_candidate {
    double lambda, scale;
    double *step;                       /* [n] */
    double measurement, regularisation; /* foretold */
    double expected;                    /* merit, doubt included */
    double doubt;                       /* what of it is doubt */
};

struct glm_search {
    size_t n;
    const struct pest_control *control;
    const struct glm_options *options;
    struct glm_model *model;
    struct glm_regul *regul;
    const struct glm_box *box;

    struct {
        double distance, missed; /* distance 0: not known yet */
    } doubts[2];                 /* of the latest trial, and of the one before it */
    /* in units of glm_model_unit; of the best trial so far, of the iteration before at first */
    double lambda;
    double reach;    /* largest |step|² allowed after failures; HUGE_VAL: no limit */
    double shortest; /* |step|² of the shortest trial of this iteration; HUGE_VAL: none yet */

    double base_measurement, base_regularisation;
    double best_measurement, best_regularisation;
    bool improved;
    double *best;  /* [n] the best step so far; 0 at first */
    double *known; /* [known_count][n] steps at which results are known; the base (0) not among
                    * them */
    size_t known_count, known_capacity;
    size_t trials, failures, rounds; /* of this iteration */
    size_t since;                    /* trials since the best, in this iteration */
    size_t spent;                    /* runs of this iteration's Jacobian */
    bool plain;                      /* the Jacobian alone, with shorter and shorter steps */
    bool closing;    /* the estimation is to end: go on while the model promises TINY gains */
    double missed;   /* by the model at the best trial; NAN: no trial was better */
    double promised; /* merit expected of the last candidate that was not tried, for reports */

    struct glm_candidate *candidates; /* scratch */
    size_t candidate_count, candidate_capacity;
    double *scratch;
};

int glm_search_init(struct glm_search *search, size_t n, const struct pest_control *control,
                    const struct glm_options *options, struct error *ret_error);
void glm_search_fini(struct glm_search *search);

/* A new iteration: the model is at its base, where phi has these parts. `spent`: runs that its
 * Jacobian cost. */
void glm_search_begin(struct glm_search *search, struct glm_model *model,
                      struct glm_regul *regul, const struct glm_box *box, double measurement,
                      double regularisation, size_t spent);

/* A point known from before (a step from this base). Not a trial. -1: no memory. */
int glm_search_know(struct glm_search *search, const double *step);

/* Squared distance (in the model's metric) of a step to the nearest parameter set known; whether
 * anything is known of how far the model can be believed; and by how much it is expected to miss
 * at a step. */
double glm_search_nearest(const struct glm_search *search, const double *step);
bool glm_search_doubts(const struct glm_search *search);
double glm_search_doubt(const struct glm_search *search, const double *step);

/* The next trials: at most `slots` and what NUMLAM leaves. *ret_count of them, in
 * search->candidates (valid until the next call); 0: the search is over. -1 with a sentence. */
int glm_search_propose(struct glm_search *search, uint32_t slots, size_t *ret_count,
                       struct error *ret_error);

/* A trial ended at `step` (as written). `missed`: glm_model_miss there, taken before anything of
 * its wave was learnt. Returns whether it is the best so far. -1: no memory. */
int glm_search_take(struct glm_search *search, const double *step, double lambda,
                    double measurement, double regularisation, double missed,
                    struct error *ret_error);
/* No trial was better: NUMLAM more, with the Jacobian alone, each at most half as long as the one
 * before it. */
void glm_search_plain(struct glm_search *search);
/* A trial failed. */
void glm_search_fail(struct glm_search *search, const double *step);

/* The part of merit by which the model hopes to lower it from the base, doubts aside: 0 to 1. */
int glm_search_hope(struct glm_search *search, double *ret_part, struct error *ret_error);

#endif
