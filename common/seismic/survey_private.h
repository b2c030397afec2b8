/*
 * survey_private.h - shared by the survey*.c files and the generated survey_schema.c alone.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SURVEY_PRIVATE_H
#define BEOFARM_COMMON_SEISMIC_SURVEY_PRIVATE_H

#include "common/document.h"
#include "common/seismic/model.h"
#include "common/seismic/places.h"
#include "common/seismic/segy_index.h"
#include "common/seismic/survey.h"

/* common/survey.schema.json, byte for byte, and a NUL behind it that is not counted. */
extern const unsigned char survey_schema_bytes[];
extern const size_t survey_schema_size;

/* How a file's values become those of a field: (value * scale) to the power -1/root where root >
 * 0. */
struct survey_conversion {
    double scale;
    int root; /* 0: as they are; 1: of slowness; 2: of its square */
};

struct survey_part {
    struct model *model; /* owned; NULL: constant */
    double constant;
    struct survey_conversion conversion;
    char *path; /* owned: "$.model.velocity", for errors */
};

/* SEG-Y files of which each shot is a part of one. */
struct survey_segy {
    struct segy_geometry geometry;
    bool projected; /* coordinates are told to be turned: y is dropped in 2-D */
    char **paths;   /* owned; as they are opened */
    const char *
        *names; /* the same as the survey says them; owned, the texts are those of paths */
    struct segy_index **indices; /* owned */
    size_t file_count;
    struct survey_segy_shot {
        uint32_t file;
        const struct segy_index_shot *shot;
    } * shots; /* owned */
    size_t shot_count;
    bool picked; /* there are others in the files, which are not wanted */
    bool unique; /* no two shots have one number */
};

struct survey_state {
    char *path, *folder,
        *cache; /* owned; folder ends in a slash or is empty; cache may be NULL */
    struct survey_part parts[SURVEY_FIELDS];
    struct survey_segy *data,
        *geometry;                    /* owned; NULL: none; geometry: NULL where places are */
    struct places sources, receivers; /* where geometry is NULL and data are not its source */
    bool has_places;
    bool checking; /* SURVEY_CHECK: indices are those of the files as they are now */
    /* All shots have all of `receivers` (a streamer's: behind their own source). */
    bool spread_shared;
    struct point spread_least, spread_most; /* then: the box around them */
    double anisotropy_max;                  /* largest of epsilon and delta, at least 0 */
    struct survey_file *files;              /* owned, with their paths */
    size_t file_count, file_capacity;
    float *wavelet;
    double *frequencies;
    struct survey_band *bands;
    const char **program;
};

/* SEG-Y files that say where sources and receivers are; NULL: places do. */
const struct survey_segy *survey_geometry_segy(const struct survey *survey);

/* The box around a shot's sources and receivers, without looking at each of these; false where
 * shots have receivers of their own, which must be looked at. */
bool survey_shot_extent(const struct survey *survey, size_t index, struct point *ret_least,
                        struct point *ret_most);

/* survey_read.c: settings out of survey->root, whose defaults are filled in. */
int survey_settings_read(struct survey *survey, struct error *ret_error);

/* survey_rules.c: note what the schema cannot say (struct document_kind). */
void survey_check_rules(struct document_rules *rules, const cJSON *root);

/* survey_model.c: model files opened, the grid found. */
int survey_model_open(struct survey *survey, struct error *ret_error);

/* survey_segy.c: what "data" or "geometry.segy" says, its files indexed. */
int survey_segy_open(struct survey *survey, const cJSON *said, const char *path,
                     struct survey_segy **ret_segy, struct error *ret_error);
void survey_segy_close(struct survey_segy *segy);
/* The traces of shot `index`, segy->shots[index].shot->count of them (segy_index_traces). */
const struct segy_index_trace *survey_segy_traces(const struct survey_segy *segy, size_t index,
                                                  struct error *ret_error);
/* "headers" of `object` into words. */
int survey_headers_read(const cJSON *object, struct segy_options *options,
                        struct error *ret_error);

/* survey_geometry.c: data and geometry opened; record and shots known. */
int survey_geometry_open(struct survey *survey, struct error *ret_error);

/* survey_wavelet.c */
int survey_wavelet_read(struct survey *survey, struct error *ret_error);

/* survey_spectrum.c: the wavelet's amplitude spectrum, in a unit of its own; the highest frequency
 * that counts (0 of zeros): beyond it there is less than this share of its peak; the frequency, Hz,
 * below which all products of the source's wavefield and the residual's are: where the wavelet
 * ends, and half the data's sampling rate; and how many steps of dt_s seconds apart samples of
 * these still have their sum (docs/shots.md has the rule), at least 1. */
#define SURVEY_SIGNIFICANT 0.05
double survey_wavelet_amplitude(const struct survey_wavelet *wavelet, double hz);
double survey_wavelet_highest(const struct survey_wavelet *wavelet);
double survey_product_hz(const struct survey *survey);
unsigned survey_subsampling_below(double product_hz, double dt_s);

/* survey_check.c: what SURVEY_CHECK asks for. */
int survey_look(struct survey *survey, struct error *ret_error);

/* survey_twins.c: the remark on traces that stand there twice. */
void survey_twins_remark(const struct survey *survey,
                         void (*say)(void *context, const char *sentence), void *context);

/* survey_data.c: whether output.traces can say what is recorded, where traces are the result. */
int survey_traces_check(const struct survey *survey, struct error *ret_error);

/* A path of the survey file as it is opened (caller frees; NULL without memory), and back: one that
 * was found beside what the survey names `said`. */
char *survey_path(const struct survey *survey, const char *said);
const char *survey_name(const struct survey *survey, const char *path, const char *said);

/* Note a file that shots need, by its name. */
int survey_file_add(struct survey *survey, const char *said, bool model,
                    struct error *ret_error);

/* A list of x, z or x, y, z of a model with `dims` dimensions. 0 or -1. */
int survey_triple_read(const cJSON *list, const char *path, int dims, double triple[GRID_AXES],
                       struct error *ret_error);

#endif
