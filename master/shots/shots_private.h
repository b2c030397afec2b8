/*
 * shots_private.h - what the parts of the driver share.
 *
 *   shots.c        the seam: tasks, results, the end; the job
 *   shots_open.c   opening and closing
 *   shots_wave.c   what comes next: rounds of a wave, the next wave
 *   shots_held.c   what workers hold, on its way to the master
 *   shots_task.c   payloads
 *   shots_files.c  which files travel, and what has to stay as it is
 *   shots_survey.c the survey that a wave means, with the files that it hands its tasks
 *   shots_extract.c a task's own data
 *   shots_laying.c traces go into their one file as they come
 *   asked.c        operations that somebody asks for (asked.h)
 *   asked_model.c  the models that they name
 *   shots_sums.c   the sums that came home
 *   shots_digest.c done in a thread when a wave is through: sums merged, results written, the
 *                  inversion's next step
 */
#ifndef BEOFARM_MASTER_SHOTS_SHOTS_PRIVATE_H
#define BEOFARM_MASTER_SHOTS_SHOTS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/errand.h"
#include "common/loop.h"
#include "common/seismic/survey.h"
#include "master/driver.h"
#include "master/shots/asked.h"
#include "master/shots/devices.h"
#include "master/shots/roll.h"
#include "master/shots/fwi.h"
#include "master/shots/order.h"

#define SHOTS_NOTE_MAX ((size_t)64 << 20)

/* What an earlier master left in the farm's store: an inversion's state, the files of its wave. */
enum shots_restored { SHOTS_UNKNOWN, SHOTS_RESTORED, SHOTS_UNRESTORED };

enum shots_phase { SHOTS_WORK, SHOTS_FINISHED, SHOTS_FAILED };

/* What a wave's digestion says. */
enum shots_verdict {
    SHOTS_MISSING,   /* shots that were computed are gone with their holders: farm them again */
    SHOTS_NEXT_WAVE, /* `next` is another one */
    SHOTS_OVER,      /* `text` says how it ended */
    SHOTS_TOLD,      /* what was asked for has come to `answer` */
    SHOTS_BROKEN,    /* `error` does */
};

struct shots_digest {
    struct errand *errand; /* NULL in plan_only */
    bool done;             /* a verdict is there */
    enum shots_verdict verdict;
    struct roll_wave next; /* owned */
    char text[ERROR_TEXT_MAX];
    bool failed; /* SHOTS_OVER: that is no good end */
    struct {
        enum result_status status;
        char sentence[ERROR_TEXT_MAX];
        struct buf members;
    } answer;
    struct error error;
    struct driver_estimate estimate;
    bool told; /* `estimate` and `notice` are to be told */
    char notice[ERROR_TEXT_MAX];
    bool amiss; /* what `notice`, or `text`, tells: no news alone */
};

/* A shot's traces that are to be laid. */
struct shots_piece {
    size_t shot; /* where it stands in the wave */
    uint64_t task;
};

/* The one file of traces, while it grows. */
struct shots_laying {
    struct errand *errand;     /* NULL in plan_only */
    uint64_t wave;             /* whose it is: its number; 0: nobody's */
    bool vain;                 /* nothing comes of it: the files are joined at the end */
    struct gathers *gathers;   /* NULL: not begun, in vain, or committed */
    struct expected *expected; /* the files, in their order */
    size_t *places;            /* of the wave's i-th shot among them */
    size_t count;              /* of both */
    size_t first;              /* index of the first task that is not dealt with */
    struct shots_piece *pieces;
    size_t piece_count, piece_capacity;
    char **leftovers; /* files whose traces are in a file that was committed */
    size_t leftover_count;
};

struct driver {
    struct driver_context context;
    struct survey survey;
    char *survey_file; /* as the farm file says it, relative to its folder */
    char *survey_path; /* where it lies here */
    char *home;        /* its folder, relative to the farm's: "." or below */
    char *output_base; /* RUN_DIR/out/master/NAME */
    char *laying_path; /* in `scratch`: the one file of traces, until it is whole */
    char *scratch; /* RUN_DIR/shots: states and models of an inversion while they are made */
    enum survey_operation operation;
    const char *operation_name; /* static */
    bool exact, one_file;
    bool extract;                /* tasks get their own shots' data, not all of them */
    struct roll_wave **extracts; /* of task t at t - 1: its files; NULL: not made */
    size_t extract_count;
    double skip_ratio;
    struct order_costs costs;
    struct devices devices; /* what was told of them */
    bool untaken_told;      /* that a worker cannot be reached by others */
    uint64_t *bytes;        /* of each shot, that its operation needs; 0: not known */
    uint64_t *bytes_less;   /* the same for its data alone */
    uint64_t working_bytes; /* what a time step of the largest shot streams; 0: not known */

    struct outside outside; /* files that do not travel, as this master found them */
    const char *touched;    /* one of them that was since, by the digest's thread; NULL: none */
    bool touched_told;
    struct roll roll;
    uint64_t handed_out; /* tasks that `next` has given */
    uint64_t durable;    /* sequence number up to which the journal is */
    uint64_t noted;      /* that of the last note */
    bool running;        /* `next` was asked: the replay is over */
    bool stopped;        /* by the user: nobody is given up any more */
    int64_t opened_ns;
    struct loop_timer
        *timer; /* to look again: skips, holders that may come back; NULL in plan_only */
    int64_t skip_due_ns; /* when the last shots are given up; INT64_MAX: not */
    unsigned rounds;     /* of the present wave, for shots that were gone */

    enum shots_restored restored;
    struct fwi *fwi; /* NULL: no inversion, or not begun */
    struct {
        bool served; /* operations are asked for, rather than one said by the survey */
        const struct asker *from; /* NULL in plan_only */
        uint64_t number;          /* of the operation that is being made a wave */
        cJSON *said;              /* the same; owned */
        uint64_t done;            /* number of the last one that was told */
        struct buf description;   /* asked_describe */
    } asked;
    struct shots_digest digest;
    struct shots_laying laying;
    enum shots_phase phase;
    struct error error; /* of SHOTS_FAILED */
};

/* shots.c */
void shots_fail(struct driver *driver, const struct error *error);
/* Journal a note, take it, and end the buffer. -1: the driver has failed. */
int shots_note(struct driver *driver, struct buf *note);
void shots_say(struct driver *driver, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void shots_news(struct driver *driver, const char *sentence);

/* shots_wave.c: go on as far as can be done now. False: nothing to do before something ends. */
bool shots_advance(struct driver *driver, uint32_t slots);
/* shots_wave.c: a shot's task ended; perhaps the last ones are not waited for. */
void shots_look_at_skips(struct driver *driver);
/* shots_wave.c: go on at this time at the latest. */
void shots_wake_at(struct driver *driver, int64_t at_ns);
/* shots_wave.c: that time has come; `context` is the driver. */
void shots_look_again(void *context);

/* shots_held.c: whether workers hold something of the present wave. */
bool shots_is_held(const struct driver *driver);
/* shots_held.c: the next round about it. False: not yet, or the driver has failed. */
bool shots_held_begin(struct driver *driver);
/* shots_held.c: whether tasks about sums can go out: those who hold them are here, or had time to
 * come back. */
bool shots_holders_ready(struct driver *driver);
/* shots_held.c: driver_ops.fetch. */
int64_t shots_fetch(struct driver *driver, uint64_t instance);
/* shots_held.c: driver_ops.stopped. */
int64_t shots_stopped(struct driver *driver);

/* shots_task.c */

/* What the program may use for a shot that needs `bytes` (0: not known): it reckons its buffers,
 * too, and with just that it would keep less of the wavefield, and compute more. */
uint64_t shots_allowance(uint64_t bytes);

int shots_payload(struct driver *driver, uint64_t task, struct buf *payload);
/* What chance does with shots that are fired as one in a wave (index) depends on this number and
 * batch.seed: all waves of an inversion's iteration have the same, for misfits are compared. */
uint64_t shots_draw(const struct driver *driver, size_t wave);
/* What a wave sums: names of arrays, and how many; 0: nothing. */
size_t shots_arrays(const struct driver *driver, const struct roll_wave *wave,
                    char arrays[SHOT_ARRAYS_MAX][SHOT_NAME_MAX + 1]);
/* Whether the present wave does. */
bool shots_sums(const struct driver *driver);

/* shots_files.c */
int shots_files(const struct driver *driver,
                int (*add)(void *context, const char *path, bool common, bool copy),
                void *context, struct error *ret_error);
/* A path of the survey's, relative to the farm's folder; caller frees. NULL without memory. */
char *shots_farm_path(const struct driver *driver, const char *path);
/* Whether the file stays with the master, because each task gets its own share of it. */
bool shots_is_data(const struct driver *driver, const struct survey_file *file);
/* Whether results would take the place of a file that does not travel; then -1, a sentence. */
int shots_overwrites_check(const struct driver *driver, struct error *ret_error);
/* What has to stay for as long as the run goes on, as it is now. */
struct terms shots_terms(const struct driver *driver);
/* Note that in a new run. -1: the driver has failed. */
int shots_terms_begin(struct driver *driver);
/* Whether the files that do not travel are as they were when the run began; else -1 and a sentence
 * (ERROR_CHANGED). From any thread. */
int shots_outside_check(const struct driver *driver, struct error *ret_error);
/* In the digest's thread, after that: set driver->touched. */
void shots_outside_look(struct driver *driver);
/* Before anything is handed out: check that, or in a new run note how they are. -1: the driver has
 * failed. */
int shots_outside_begin(struct driver *driver);

/* shots_survey.c: fields of a wave's own, in files of its own (shot_settings.h). */
struct shots_own {
    bool velocity, perturbation;
};

/* Which of them a wave has. */
struct shots_own shots_own_of(const struct roll_wave *wave);
/* Write the survey as tasks are to see it: with these fields of its own, and these SEG-Y files (0:
 * as they are), all by their names. */
int shots_survey_write(const struct driver *driver, struct shots_own own,
                       const char *const *data, size_t data_count, const char *path,
                       struct error *ret_error);
/* Whether the files of an inversion can be handed to its tasks by their names alone; else -1, a
 * sentence. */
int shots_names_check(const struct driver *driver, struct error *ret_error);
/* List in wave->files what of the farm's files a task with a survey of its own needs beside it, but
 * for those of the fields that it has of its own. */
int shots_files_carry(struct driver *driver, struct shots_own own, struct roll_wave *wave,
                      struct error *ret_error);
/* Put all files of a folder into the store (`lasting`: driver.h), and list them in wave->files. */
int shots_folder_put(struct driver *driver, const char *folder, bool lasting,
                     struct roll_wave *wave, struct error *ret_error);
/* Write the survey whose velocity is `velocity` (floats on the grid), and whose perturbation is the
 * other (NULL: the survey's own), with all files that it names, put them into the store, and list
 * them in wave->files (wave->file_count of them, allocated). */
int shots_survey_make(struct driver *driver, const float *velocity, const float *perturbation,
                      struct roll_wave *wave, struct error *ret_error);

/* The time step that the survey, and all models that are put in its place, are to be computed with;
 * 0: each has its own. With bounds, one serves all models, so that misfits compare. */
double shots_step(const struct driver *driver);

/* Remove the model and the state of a wave (index) from the store, unless a later one wants them.
 * In the thread, for it may speak to a container; a later master does not miss them. */
void shots_models_drop(const struct driver *driver, size_t wave);

/* shots_extract.c: whether tasks are to get data of their own; 0 or -1. */
int shots_extract_choose(struct driver *driver, struct error *ret_error);
/* The files of a task (index) with its own data, made when they are first asked for. Borrowed. NULL
 * with a sentence. */
const struct roll_wave *shots_extract(struct driver *driver, size_t task,
                                      struct error *ret_error);
void shots_extracts_fini(struct driver *driver);

/* asked.c: the next wave of what was asked, or what is to be told of it. In a thread. */
void asked_make_work(void *context);
/* asked.c: whether the present wave is still to be told. */
bool asked_is_under_way(const struct driver *driver);
/* asked.c: begin what is asked next. False: nothing is. */
bool asked_begin(struct driver *driver);
/* asked.c: tell what the digest has come to. */
void asked_tell(struct driver *driver);
/* asked.c: what was asked comes to nothing but this sentence: before its wave was begun
 * (RESULT_NO_START), or when that is through. */
void asked_refuse(struct driver *driver, enum result_status status, const struct error *error);
/* asked.c: what the present wave comes to, which is through; `holders` as of roll_holders. */
int asked_finish(struct driver *driver, const size_t *holders, const double *misfits,
                 struct error *ret_error);
/* asked_model.c: read the fields that were asked for (allocated; *ret_perturbation may be NULL). -1
 * with a sentence for who asked. */
int asked_model_read(const struct driver *driver, const cJSON *asked, float **ret_velocity,
                     float **ret_perturbation, struct error *ret_error);

/* shots_open.c */
struct driver *shots_create(const struct driver_context *context, bool served,
                            struct error *ret_error);
void shots_close(struct driver *driver); /* NULL is allowed */

/* driver_ops.takes: of the shot that needs the most memory. Its absorbing layers are not among the
 * points. */
void shots_takes(const struct driver *driver, char *text, size_t size);
/* shots_open.c: -1 with that sentence if all observed data are zero and few enough to be looked
 * at; of what a program of somebody's own reads nothing is known. */
int shots_zero_check(const struct driver *driver, struct error *ret_error);
/* shots_open.c: set the sentence that the observed data of `first` and, with it, `count` shots are
 * zero. -1. */
int shots_zero_say(const struct driver *driver, size_t first, size_t count,
                   enum error_code code, struct error *ret_error);

/* shots_digest.c: what comes of the present wave, or, before there is any, of the work's beginning.
 * In a thread; `digest` has the verdict afterwards. */
void shots_digest_work(void *context);
/* In a thread, before a resumed master hands out anything: see to it that what its wave needs is
 * here. driver->restored and digest.error say how it went. */
void shots_restore_work(void *context);
/* Free what a wave that was not noted owns. */
void shots_wave_fini(struct roll_wave *wave);

/* shots_sums.c: the files that workers' sums of the present wave came home in. */
struct shots_sums {
    const char **paths;
    size_t count;
};
/* Those that are there; *sums is zeroed before, and is freed by shots_sums_fini either way. */
int shots_sums_find(const struct driver *driver, struct shots_sums *sums,
                    struct error *ret_error);
void shots_sums_fini(struct shots_sums *sums);
/* Set `taken` of the wave's tasks by which attempts are in these files: that alone counts. */
int shots_sums_compare(struct driver *driver, const struct shots_sums *sums,
                       struct error *ret_error);
/* An array, on the survey's grid, from all of them; caller frees. */
float *shots_sums_read(const struct driver *driver, const struct shots_sums *sums,
                       const char *array, struct error *ret_error);
/* Remove the collected sums of a wave (index) that is done with. */
void shots_sums_remove(const struct driver *driver, size_t wave);

/* shots_output.c */
/* Where the files of a task's result lie: RUN_DIR/out/TASK/NAME; caller frees. NULL without
 * memory. */
char *shots_output_path(const struct driver *driver, uint64_t task, const char *name);
/* NAME in RUN_DIR/out/master, without an ending, of the present wave's results; caller frees. */
char *shots_base(const struct driver *driver);
/* Why nothing came of a shot, in the present wave. Borrowed. */
const char *shots_reason(const struct driver *driver, size_t shot);
/* Write array `values` as NAME.WHAT in raw and, for people, SEG-Y. `units` may be NULL. */
int shots_array_write(const struct driver *driver, const char *what, const char *units,
                      const float *values, struct error *ret_error);
/* Gather the traces that the wave's tasks brought. */
int shots_gathers_write(struct driver *driver, struct error *ret_error);
/* Where they come to, of the present wave; caller frees. NULL without memory. */
char *shots_gathers_path(const struct driver *driver);

/* shots_laying.c: lay what is durable and is not laid yet, where the wave's traces come into one
 * file. True: there was nothing to do; false: it is being done in a thread, and the farm is woken
 * afterwards. */
bool shots_lay(struct driver *driver);
/* In the digest's thread: what was laid, if it is these files in this order, to be committed;
 * otherwise NULL, and it is gone. */
struct gathers *shots_laid(struct driver *driver, const char *const *paths, size_t count);
/* In the digest's thread: these files (taken, with the list) are not wanted any more. */
void shots_leave(struct driver *driver, char **paths, size_t count);
/* Have such files removed, in a thread. */
void shots_leftovers_remove(struct driver *driver);
/* Waits for what is under way. */
void shots_laying_fini(struct shots_laying *laying);
/* NAME.fwi.csv: what every wave came to. Written anew each time, from the roll alone. */
int shots_history_write(const struct driver *driver, struct error *ret_error);
/* How many waves went without shots of theirs. */
size_t shots_lacking(const struct driver *driver);
/* Which shots are in the result and which are not, and why: NAME.shots.json. */
int shots_list_write(const struct driver *driver, const size_t *holders,
                     struct error *ret_error);

#endif
