/*
 * shot_task.h - what a task of a survey says, and what its result says.
 *
 * Two kinds of task: those of shots, and those about partial sums, first of all to *collect* one.
 * Both are a list of values (values.h) with the columns of shot_task_columns, so that the journal
 * and results.csv say in plain text what was asked; a column that does not apply is empty.
 *
 * How sums are made
 *
 * The program computes the shots of a task and leaves the arrays that the task names in the task's
 * directory, one file each (below). The worker checks them (size; every value finite) and only then
 * answers the result, which says `holder`: the process in whose keeping they are. When the master
 * accepted that result (its acknowledgement came, and no CANCEL before it), the worker adds the
 * arrays to the partial sum `sum` in its memory under the name of the attempt, and removes the
 * files. A result that the master had no use for (another attempt was first, the task had ended)
 * is not added; its files wait, in case they are wanted after all.
 *
 * A collect task, bound to a holder, names the attempts that the master accepted from there. The
 * worker adds those that still wait, and answers with the file SHOT_SUM_FILE (sum.h) as an output
 * file, which has these attempts and no others; what it cannot deliver (it was started anew, a
 * file was lost) is not in there. So:
 *
 *  - The master wants attempt A of task T, from its holder, if and only if A's result is the one
 *    accepted for T, which is journaled: one attempt of each task, whatever was run how often.
 *  - A worker delivers no attempt that it was not asked for: one in whose sum is something that is
 *    not wanted leaves that sum out as a whole.
 *  - Those that were wanted and are not in the file that came (sum_reader_names tells), and all of
 *    a holder that is gone, are farmed again, as new tasks with the same `sum`, and collected by
 *    another collect task. sum_merge refuses files that have a task or a shot in common.
 *  - After a collect task's result was acknowledged the worker forgets what it delivered. Any task
 *    with a larger keep_from makes it forget all older sums.
 *
 * Where many workers hold parts, they first add them up among themselves. A task that *listens* has
 * a worker open a door (worker/door.h); its result says where, in `extra`:
 * {"host":"10.0.0.5","port":4711}. A task that *takes*, bound to another worker, names the attempts
 * that the first one holds, and that one as `giver`; the worker asks the giver for the sum of
 * these, and holds them from when its result was accepted. That result says how many shots came
 * (`counted`), or none and {"why":"…"}: then they are where they were. The giver keeps what it gave
 * until a larger keep_from, so that where the taker is lost, the giver is asked again.
 *
 * Pure: nothing here knows of workers or masters.
 */
#ifndef BEOFARM_COMMON_SEISMIC_SHOT_TASK_H
#define BEOFARM_COMMON_SEISMIC_SHOT_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "common/seismic/grid.h"

/* What is computed. The words in the journal and in the program's line: "model" ... "take". */
enum shot_operation {
    SHOT_MODEL,    /* F(m): traces, as output files */
    SHOT_BORN,     /* J dm: traces, as output files */
    SHOT_RTM,      /* J' d: arrays */
    SHOT_GRADIENT, /* misfit, and its gradient: arrays */
    SHOT_MISFIT,   /* misfit alone: a line search's trial */
    SHOT_SOURCE,   /* the estimate of the source: `extra` of the result */
    SHOT_COLLECT,  /* no shots: the worker's partial sum, as an output file */
    SHOT_LISTEN,   /* no shots: others are to come for the worker's partial sum */
    SHOT_TAKE,     /* no shots: another worker's partial sum is added to this one's */
    SHOT_OPERATIONS
};
const char *shot_operation_name(enum shot_operation operation); /* "?" if it is none */
/* Whether traces are what it makes, of which nothing is summed and for which no data are needed. */
bool shot_makes_traces(enum shot_operation operation);

/* One shot of a task, and what its sources and data are multiplied by where the shots of a task are
 * fired as one (encoded). */
struct shot_ref {
    uint64_t index; /* in the survey, from 0 */
    double weight;  /* finite; 1 where not encoded */
};

/* A file that the shot needs beyond the farm's files: it is fetched once per worker, and laid into
 * the task's directory. Which content it has is known by the hash alone. */
#define SHOT_NAME_MAX 63
struct shot_file {
    char name[SHOT_NAME_MAX + 1]; /* letters, digits and -_. but no dot at the beginning */
    uint8_t hash[MESSAGE_HASH_SIZE];
};

/* Whom a worker takes a partial sum from. */
#define SHOT_HOST_MAX 63
struct shot_giver {
    uint64_t instance;            /* worker/instance.h; above 0 */
    char host[SHOT_HOST_MAX + 1]; /* numeric address */
    int port;                     /* 1 to 65535 */
};

#define SHOT_ARRAYS_MAX 8
#define SHOT_FILES_MAX  64
#define SHOT_SHOTS_MAX  100000

/* All memory is the struct's own (shot_task_fini) once decoded; for encoding it is borrowed. */
struct shot_task {
    enum shot_operation operation;
    uint64_t
        sum; /* the sum (wave) that its arrays are added to, or that is collected; 0: none */
    /* sums with smaller numbers are forgotten; at most `sum`, or any where that is 0 */
    uint64_t keep_from;
    bool exact; /* how it is summed: sum.h */

    /* Of those with shots: */
    struct shot_ref *shots; /* at least 1, each once */
    size_t shot_count;
    bool encoded; /* fired as one with their weights, rather than one after the other */
    struct shot_file *files;
    size_t file_count;
    uint64_t
        n[GRID_AXES]; /* points of the model, as grid.h orders them; all 0 where no arrays */
    char arrays[SHOT_ARRAYS_MAX]
               [SHOT_NAME_MAX + 1]; /* names, as those of files, without a dot */
    size_t array_count;             /* 0, and sum 0, where nothing is summed */
    double min_hz, max_hz;          /* the band that passes: 0 to INFINITY */
    uint64_t
        memory_bytes; /* what the program will need at most; 0: not known. A task waits until it
                              fits beside those that run on its worker */
    char *settings; /* a JSON object (its text) that goes to the program as it is; NULL: none */

    /* Of the others: what is wanted, or held, in rising order of task. */
    struct attempt_id *attempts;
    size_t attempt_count;
    struct shot_giver giver; /* of those that take */
};

/* The job's "params" and "results": the names of all columns. 0, or -1 without memory. */
int shot_task_put_columns(cJSON *job, struct error *ret_error);

/* Append the task's payload. -1 with a sentence that says what is wrong with the task. */
int shot_task_encode(const struct shot_task *task, struct buf *payload,
                     struct error *ret_error);

/* Read a payload; all that the comments above promise has been checked. 0 or -1 (ERROR_NETWORK). */
int shot_task_decode(const void *bytes, size_t size, struct shot_task *ret_task,
                     struct error *ret_error);
void shot_task_fini(struct shot_task *task); /* of a decoded one; a zeroed one is allowed */

/* What a result says. NAN and 0: not known. */
struct shot_result {
    char holder[17]; /* worker/instance.h; "" where nothing is held there (no arrays) */
    /* Shots whose arrays are held; of tasks that collect or take: that are in the file. */
    uint64_t counted;
    double misfit; /* of the task's shots together */
    double norm; /* of their data, as the misfit would be of zero synthetic data: for shares */
    double seconds;      /* that the program computed */
    uint64_t peak_bytes; /* that it needed */
    double points;       /* grid points times time steps, in all: for estimates of cost */
    bool has_window;     /* the arrays cover a box of the model alone */
    struct grid_box window;
    char *extra; /* a JSON object (its text) of the program's; NULL: none. Owned once decoded */
};

int shot_result_encode(const struct shot_result *result, struct buf *values,
                       struct error *ret_error);
int shot_result_decode(const void *bytes, size_t size, struct shot_result *ret_result,
                       struct error *ret_error);
void shot_result_fini(
    struct shot_result *result); /* of a decoded one; a zeroed one is allowed */

/* The names of a result's columns that the program itself may give, in its reply's "values":
 * misfit, norm, seconds, peak_bytes, points, window ("FIRSTX FIRSTY FIRSTZ NX NY NZ"), extra (JSON
 * text). NULL behind the last. All columns of a result, in the order of the list of values, are
 * "holder", "counted" and these. */
extern const char *const shot_program_columns[];

/* "FIRSTX FIRSTY FIRSTZ NX NY NZ", in points, and whether it lies in a grid of n points. */
int shot_window_parse(const char *text, size_t size, const uint64_t n[GRID_AXES],
                      struct grid_box *ret_window, struct error *ret_error);

/* An array's file in a task's directory: NAME.f32, 32-bit floats, little-endian, of the whole model
 * or the window that the reply names, in the order of grid.h, nothing before or behind. */
#define SHOT_ARRAY_ENDING ".f32"

/* The output file of a collect task. */
#define SHOT_SUM_FILE "sum.bfs"

/* The program, beside beofarm-worker, where the job's work has no "command"; how it is started. */
#define SHOT_PROGRAM        "beofarm-shot"
#define SHOT_PROGRAM_OPTION "--serve"

/*
 * The line that the program is sent for a task (docs/runners.md), on its standard input:
 *
 *   {"task":17,"attempt":1,"dir":"/…/work-17","params":{
 *     "operation":"gradient",
 *     "survey":"/…/survey.json",             the job's work.survey, where it lies on this node; the
 *                                            same place for tasks with the same files
 *     "shots":[12,40],                       indices in the survey, from 0
 *     "weights":[1,-1],                      only if they are fired as one
 *     "files":{"velocity.raw":"/…/velocity.raw"},
 *     "band_hz":[0,12.5],                    null in place of infinity
 *     "arrays":["gradient","illumination"],  to be left in dir as NAME.f32
 *     "grid":[851,1,176],                    points of the model along x, y, z; only with arrays
 *     "memory_bytes":1000000,                0: not limited
 *     "threads":2,                           cores of the slot
 *     "settings":{…}}}
 *
 * and its reply, one line on standard output:
 *
 *   {"task":17,"ok":true,"values":{"misfit":1.5,"seconds":0.8},"outputs":["shot-12.sgy"]}
 */
struct shot_line {
    struct attempt_id id;
    const char *dir;    /* absolute: where arrays and traces go */
    const char *folder; /* absolute; files lie there under their names. NULL: none do */
    const char *survey; /* absolute */
    unsigned threads;
};
/* Append that line, newline included. 0 or -1. */
int shot_task_put_line(const struct shot_task *task, const struct shot_line *line,
                       struct buf *buf, struct error *ret_error);

/* Read such a line, without its newline, for programs in C: everything but arrays' places.
 * *ret_line's texts are allocated; shot_line_fini. -1 with a sentence. */
int shot_line_parse(const char *text, size_t size, struct shot_task *ret_task,
                    struct shot_line *ret_line, struct error *ret_error);
void shot_line_fini(struct shot_line *line);

/* Put the words before a sentence, as error_prefix does, unless it names a shot already ("shot 10",
 * or "shot of index 10"): so a sentence that goes up through several hands names it once. -1. */
int shot_error_name(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
