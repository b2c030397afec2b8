/*
 * survey.h - a seismic survey: survey.json, read, checked and typed.
 *
 * The rules of the file are survey.schema.json, compiled in; docs/shots.md explains it. An opened
 * survey knows its model's grid, the place of every source and receiver, and in which bytes of
 * which file every observed trace lies. It keeps no samples and no model values: those are read
 * when asked for, one shot or one box of the model at a time, so that a survey of 100 GB costs a
 * few bytes a trace.
 *
 * Master and beofarm-shot open the same file: the master with SURVEY_CHECK, which looks at all
 * values and all headers before anything is farmed; beofarm-shot without, which looks at what it
 * reads. Every error is ERROR_CONFIG (files that cannot be read: ERROR_SYSTEM) and says where: a
 * JSON path, or file, shot, trace and value.
 *
 * One thread at a time may use an open survey.
 *
 * Units: metres, seconds, Hz, kg/m3, radians. Shots, traces and receivers count from 0 in C; in
 * sentences, traces count from 1, and shots are called by their names (shot_name).
 */
#ifndef BEOFARM_COMMON_SEISMIC_SURVEY_H
#define BEOFARM_COMMON_SEISMIC_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/seismic/grid.h"

enum survey_operation {
    SURVEY_MODEL,    /* F(m): data of each shot */
    SURVEY_BORN,     /* J dm: linearised data of the perturbation */
    SURVEY_RTM,      /* J' d: an image */
    SURVEY_GRADIENT, /* misfit and its gradient */
    SURVEY_FWI,      /* inversion */
};

enum survey_physics { SURVEY_ACOUSTIC, SURVEY_DENSITY, SURVEY_VTI, SURVEY_TTI };

/* The fields of a model, in the units of their values. */
enum survey_field {
    SURVEY_VELOCITY,     /* m/s; files may also hold km/s, slowness or its square */
    SURVEY_RHO,          /* kg/m3; SURVEY_DENSITY alone; 1000 where there is none */
    SURVEY_EPSILON,      /* SURVEY_VTI and SURVEY_TTI; Thomsen's; 0 where there is none */
    SURVEY_DELTA,        /* the same */
    SURVEY_THETA,        /* SURVEY_TTI: tilt of the axis from vertical, radians */
    SURVEY_PHI,          /* SURVEY_TTI in 3-D: its azimuth, from x towards y, radians */
    SURVEY_PERTURBATION, /* SURVEY_BORN: change of the squared slowness, s2/m2 */
    SURVEY_MASK,         /* 0 to 1: what the inversion's update is multiplied by */
    SURVEY_FIELDS
};

/* What computes a shot. */
enum survey_device {
    SURVEY_CPU,    /* the processors of its slot */
    SURVEY_GPU,    /* a graphics processor; it is an error if there is none */
    SURVEY_AUTO,   /* the same, and where there is none, or it cannot, the processors */
    SURVEY_OPENCL, /* any OpenCL device, processors among them (tests; PoCL) */
};

struct survey_numerics {
    int space_order;           /* 4, 8, 12 or 16 */
    unsigned absorbing_points; /* of the PML, on each side that absorbs */
    bool free_surface;         /* the top face is one */
    double dt_s;               /* 0: chosen from the CFL limit (cfl.h) */
    double cfl;                /* the chosen dt's share of the limit, in (0, 1] */
    enum survey_device device;
};

struct survey_wavelet {
    enum { SURVEY_RICKER, SURVEY_SAMPLED } kind;
    double peak_hz; /* SURVEY_RICKER */
    double
        delay_s; /* SURVEY_RICKER: when its peak comes; SURVEY_SAMPLED: of its first sample */
    double amplitude;    /* what its values are multiplied by */
    const float *values; /* SURVEY_SAMPLED; owned by the survey */
    size_t count;
    double interval_s;
};

/* What is recorded of each receiver: sample i at time start_s + i * interval_s, where time 0 is
 * when the wavelet's time is 0. */
struct survey_record {
    size_t samples;
    double interval_s;
    double start_s;
};

struct survey_aperture {
    bool limit;      /* cut the model to a shot's sources and receivers and buffer_m around */
    double buffer_m; /* horizontally; the depth is never cut */
    /* receivers farther (horizontally) from all sources, or nearer to one of them, are left out; 0:
     * none are */
    double max_offset_m, min_offset_m;
};

/* Which part of each trace counts, of observed and modelled data alike (mute.h). */
struct survey_mute {
    enum { SURVEY_KEEP_ALL, SURVEY_KEEP_REFLECTIONS, SURVEY_KEEP_TURNING } keep;
    double velocity_m_s; /* above 0 */
    double delay_s, taper_s;
};

struct survey_misfit {
    enum { SURVEY_L2, SURVEY_NORMALISED, SURVEY_ENVELOPE, SURVEY_HUBER } kind;
    double
        huber_threshold; /* SURVEY_HUBER: share of each trace's RMS of the observed, above 0 */
};

struct survey_memory {
    enum {
        SURVEY_MEMORY_AUTO,
        SURVEY_MEMORY_FULL,        /* keep every needed step of the wavefield */
        SURVEY_MEMORY_CHECKPOINTS, /* revolve */
        SURVEY_MEMORY_BOUNDARY,    /* save the boundary, run backwards */
        SURVEY_MEMORY_FOURIER,     /* on the fly, at frequencies_hz */
    } method;
    uint64_t budget_bytes; /* of one shot's stored wavefields; 0: what the slot can have */
    const double *frequencies_hz; /* SURVEY_MEMORY_FOURIER; owned by the survey */
    size_t frequency_count;
    unsigned subsampling; /* every n-th step is imaged; 0: chosen (survey_subsampling) */
    double product_hz;    /* then: both wavefields' products are below it */
    bool spill;           /* to node disk what the budget does not hold */
    bool compress;        /* what is stored, to 16 bits a value */
};

struct survey_imaging {
    bool illumination; /* divide by the source's */
};

/* What makes a task. */
struct survey_batch {
    size_t shots;   /* side by side in one task; 0: chosen */
    size_t encoded; /* shots summed into one with random signs; 1: none */
    uint64_t seed;
};

struct survey_sum {
    bool exact;        /* bit-identical whoever computed what; else float64 sums */
    double skip_ratio; /* of the shots that a sum may go on without, in [0, 1) */
};

/* One stage of frequency continuation. */
struct survey_band {
    double min_hz, max_hz; /* 0 to INFINITY */
    unsigned iterations;
};

/* What makes up for the decay of gradients with depth (master/shots/fwi.h). */
enum survey_precondition { SURVEY_BY_NOTHING, SURVEY_BY_ILLUMINATION, SURVEY_BY_DEPTH };

struct survey_inversion {
    unsigned iterations;     /* of each band that says none */
    double min_m_s, max_m_s; /* bounds of the velocity; 0 and INFINITY where none */
    struct survey_band
        *bands; /* owned by the survey; one that passes everything where none is given */
    size_t band_count;
    size_t shots_per_iteration; /* random subsets; 0: all shots */
    uint64_t seed;              /* of the subsets */
    bool source_estimation; /* estimate the wavelet's spectrum from the data, each iteration */
    unsigned history;       /* pairs that L-BFGS keeps */
    unsigned line_search;   /* misfits that one line search may ask for */
    double smooth_m;        /* the gradient is smoothed over this length; 0: not */
    enum survey_precondition precondition;
    double frozen_depth_m; /* nothing above this depth is changed */
    double stop_misfit;    /* end when misfit / first misfit is below this; 0: do not */
};

/* What data and models are written as. */
struct survey_output {
    enum { SURVEY_SEGY1, SURVEY_SEGY2 } traces;
    enum { SURVEY_SEGY, SURVEY_RSF } models; /* RSF: besides raw and SEG-Y */
};

struct survey_state;

struct survey {
    cJSON *root;      /* survey.json with all defaults filled in */
    const char *path; /* of survey.json, as opened */
    struct grid grid; /* of the model; all its fields have this one */
    enum survey_operation operation;
    enum survey_physics physics;
    bool has[SURVEY_FIELDS]; /* whether the survey gives the field, as a file or a constant */
    struct survey_numerics numerics;
    struct survey_wavelet wavelet;
    struct survey_record record;
    struct survey_aperture aperture;
    struct survey_mute mute;
    struct survey_misfit misfit;
    struct survey_memory memory;
    struct survey_imaging imaging;
    struct survey_batch batch;
    struct survey_sum sum;
    struct survey_inversion inversion;
    struct survey_output output;
    bool observed;        /* there are observed data */
    size_t shot_count;    /* at least 1 */
    size_t receivers_max; /* of any shot */
    size_t sources_max;   /* the same: above 1 where several are fired at once */
    const char *const
        *program; /* argv of another shot program, NULL at its end; NULL: beofarm-shot */
    double velocity_min_m_s, velocity_max_m_s; /* with SURVEY_CHECK; else 0 until survey_scan */
    struct survey_state *state;                /* private */
};

/* The schema of survey files; NULL with a sentence. */
struct schema *survey_schema_create(struct error *ret_error);

enum survey_flags {
    SURVEY_CHECK = 1, /* look at every model value, header and coordinate (not: every sample) */
    SURVEY_CHECK_LATER = 2, /* when survey_check is called: `operation` may be set before */
};

/* Read the survey file at `path`; other files are found relative to its folder. `cache` is the
 * folder for indices of SEG-Y files, named by path, size and time of change (NULL: beside each file
 * where that can be written, else none is kept). 0, or -1: *ret_survey is untouched. */
int survey_open(const char *path, unsigned flags, const char *cache, struct survey *ret_survey,
                struct error *ret_error);
/* With SURVEY_CHECK_LATER: what SURVEY_CHECK looks at. 0 or -1. */
int survey_check(struct survey *survey, struct error *ret_error);

void survey_close(struct survey *survey); /* a zeroed survey is allowed */

/* One shot: where it is excited and recorded. Owned arrays; the trace of receiver i is row i. */
struct shot {
    size_t index;
    /* Unique in the survey: its number in the headers or the table of places, or its index + 1. */
    char name[32];
    struct point *sources; /* all fired at time 0 with the wavelet times weight */
    double *source_weights;
    size_t source_count; /* at least 1 */
    struct point *receivers;
    size_t receiver_count; /* at least 1; the aperture's offsets have been applied */
    size_t *rows;          /* of each receiver among all those of the shot */
};

/* The geometry of a shot (0 to shot_count - 1). Cheap: no data file is read. 0 or -1. */
int survey_shot_open(const struct survey *survey, size_t index, struct shot *ret_shot,
                     struct error *ret_error);
void survey_shot_close(struct shot *shot); /* a zeroed shot is allowed */

/* What tells tasks apart without opening the shot: where its sources lie (their mean), and how many
 * receivers it has. */
struct survey_shot_size {
    struct point source;
    size_t receivers;
    struct grid_box box; /* of the model that it needs (survey_shot_box) */
};
int survey_shot_measure(const struct survey *survey, size_t index,
                        struct survey_shot_size *ret_size, struct error *ret_error);

/* The part of the model that a shot needs: all of it, or its aperture. */
struct grid_box survey_shot_box(const struct survey *survey, const struct shot *shot);

/* Observed data of a shot: float [receiver_count][record.samples], in the order of shot->receivers,
 * into `traces` (the caller's). Only its bytes of the files are read. Traces whose headers have
 * changed since the index was made, and samples that are not finite, are errors that name file,
 * trace and value. */
int survey_data_read(const struct survey *survey, const struct shot *shot, float *traces,
                     struct error *ret_error);

/* Whether each sample of the observed data is zero or muted. Traces are read until one has another,
 * or `most` samples have been: then, and where one cannot be read, false, for whoever computes
 * shots finds out. */
bool survey_data_are_zero(const struct survey *survey, uint64_t most);

/* Whether a trace is zero throughout: it was not recorded, and does not count. */
bool survey_trace_is_dead(const float *samples, size_t count);

/* Values of a field on a box of the model (float, ordered as grid.h says, in the units of enum
 * survey_field), into `values` (the caller's). A field that the survey does not give is constant:
 * density 1000 kg/m3, mask 1, others 0. Values that are not finite or not plausible are errors that
 * name file, index and value. Memory beyond `values` is bounded. */
int survey_field_read(const struct survey *survey, enum survey_field field,
                      const struct grid_box *box, float *values, struct error *ret_error);

/* Least and largest velocity of the model, kept in the survey. Reads all of it once. */
int survey_scan(struct survey *survey, struct error *ret_error);

/* Call `say` for what is no mistake, but hardly meant, of a survey opened with SURVEY_CHECK:
 * indices of SEG-Y files that were damaged; shots whose traces came apart into two; identical
 * traces (of the first so many millions); receivers that all lie within a cell; a wavelet that is
 * not there while receivers record, or not in an inversion's band; traces of encoded shots, or of
 * several sources; subsampling beyond what the wavelet allows; delta above epsilon, with the place;
 * fewer than three points of the grid for the shortest wave. */
void survey_remarks(const struct survey *survey,
                    void (*say)(void *context, const char *sentence), void *context);

/* The time step: numerics.dt_s, or chosen from the CFL limit for the model's largest velocity
 * (which must be known: SURVEY_CHECK or survey_scan), for all shots alike. Seconds. */
double survey_dt(const struct survey *survey);
/* The limit itself (cfl_limit of what the physics does). */
double survey_dt_limit(const struct survey *survey);

/* Whether traces that are sampled as survey.record says have anything from min_hz on: below half
 * the sampling rate. 0, or -1 with a sentence that begins with `path`, where it is said
 * (ERROR_CONFIG). */
int survey_band_check(const struct survey *survey, const char *path, double min_hz,
                      struct error *ret_error);

/* Every how many time steps of dt_s seconds wavefields are imaged, at least 1: memory.subsampling,
 * or, where that is to be chosen, the most that leave a sum over all steps what it is by the
 * wavelet's spectrum and the data's sampling. */
unsigned survey_subsampling(const struct survey *survey, double dt_s);

/* A file that the survey names. */
struct survey_file {
    const char *path; /* as the survey says it: relative to its folder, or absolute */
    bool model;       /* part of the model: every shot needs it */
    bool index;       /* of a SEG-Y file: made again wherever it does not fit */
};

/* All files that shots need, survey.json first. Borrowed from the survey. */
const struct survey_file *survey_files(const struct survey *survey, size_t *ret_count);

/* Whether traces are what the operation results in. */
bool survey_makes_traces(const struct survey *survey);

/* Write traces of a shot, float [receiver_count][samples], as SEG-Y (output.traces), with all
 * coordinates; interval and start are those of survey.record. The file appears whole. */
int survey_traces_write(const struct survey *survey, const struct shot *shot,
                        const float *traces, const char *path, struct error *ret_error);

#endif
