/*
 * shot_compute.h - the shots of one task, computed.
 */
#ifndef BEOFARM_WORKER_SEISMIC_SHOT_COMPUTE_H
#define BEOFARM_WORKER_SEISMIC_SHOT_COMPUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/seismic/shot_task.h"
#include "common/seismic/survey.h"
#include "worker/seismic/pile.h"
#include "worker/seismic/spectrum.h"

/* All borrowed. */
struct shot_request {
    enum shot_operation operation; /* not SHOT_COLLECT */
    const struct shot_ref *shots;  /* indices of the survey; weights count where encoded */
    size_t shot_count;
    bool encoded;
    double min_hz, max_hz; /* the band that passes, of observed and synthetic data alike */
    int threads;           /* 0: what OpenMP takes */
    uint64_t memory_bytes; /* that the task may use; 0: not limited */
    const char *spill_dir; /* for wavefields on disk */
    const struct spectrum *filter; /* of the wavelet; NULL: none */
    const char *traces_dir;        /* where "shot-NAME.sgy" goes, of SHOT_MODEL and SHOT_BORN */
    const char *traces_path;       /* or this very file, for one shot; NULL: traces_dir */
};

struct shot_answer {
    double misfit, norm; /* SHOT_GRADIENT and SHOT_MISFIT, else NAN; `norm` of SHOT_RTM, too */
    double seconds;      /* of the wall clock */
    uint64_t peak_bytes; /* resident, of the whole process */
    double points;       /* point updates, as common/seismic/shot_cost.h counts them */
    struct pile pile;    /* SHOT_RTM: the image, by the squared slowness; SHOT_GRADIENT: the
                                 gradient, by the velocity; and the illumination, sum of u^2 dt */
    bool has_pile;
    struct buf extra;   /* a JSON object: memory, dt_s, steps; of SHOT_SOURCE the spectra */
    struct buf outputs; /* names of files written to traces_dir, each with a NUL behind it */
};

/* 0, or -1 with a sentence that names the shot. On success the caller calls shot_answer_fini. */
int shot_compute(const struct survey *survey, const struct shot_request *request,
                 struct shot_answer *ret_answer, struct error *ret_error);
void shot_answer_fini(struct shot_answer *answer); /* a zeroed one is allowed */

#endif
