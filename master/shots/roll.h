/*
 * roll.h - what a survey's farm has done and is doing: waves of shots, and their tasks.
 *
 * A *wave* is one operation on a set of shots with one model: all of it for single operations, a
 * gradient or a line search's trial for inversions. It is worked off in *rounds* of tasks: first
 * one with all its shots; then, where arrays are summed, one that collects the partial sums from
 * those who hold them (before that, where they are many, some in which they give them to each
 * other: reduction.h); and as long as some are gone with their holders, another of each for the
 * shots that are missing. Where one that has taken is gone, what it took is held by the giver
 * again.
 *
 * The roll is nothing but the fold of the driver's notes and of the results in the journal: what a
 * master notes goes through roll_take, and so does what a later master finds noted. Tasks are
 * numbered on through all rounds. Notes are JSON objects of one member:
 *
 *     {"wave":{"operation":"gradient","purpose":"gradient","iteration":2,"band_hz":[0,5],
 *              "shots":[0,1,5],"files":{"velocity.json":"64 hex"},"state":"64 hex",
 *              "illumination":true,"asked":7,"settings":{…}}}
 *     {"tasks":[[5],[0,1]]}                              shots of the present wave, task by task
 *     {"collect":[["16 hex",[[17,1],[18,2]]]]}           holders; tasks and attempts wanted of them
 *     {"fetch":[["16 hex",[[17,1]]]]}                     the same, while others are computed
 *     {"listen":[["16 hex",[[17,1],[18,2]]]]}            holders that are to let others take what
 *                                                        they hold
 *     {"take":[["16 hex",[[17,1]],"16 hex","10.0.0.5",4711]]}  who takes what from whom, and where
 *                                                              that is
 *     {"terms":{…}}                                      what has to stay as it is (terms.h)
 *     {"outside":{…}}                                    files that do not travel (outside.h);
 *                                                        the last one counts
 *     {"finished":"…"}                                    the work is over: what was said of it
 *     {"finished":"…","failed":true}                      the same, and it did not end well
 */
#ifndef BEOFARM_MASTER_SHOTS_ROLL_H
#define BEOFARM_MASTER_SHOTS_ROLL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "common/seismic/shot_task.h"
#include "master/shots/outside.h"
#include "master/shots/terms.h"

struct roll_wave {
    enum shot_operation operation;
    char *purpose;         /* for people */
    int iteration;         /* of an inversion: those that were done before */
    double min_hz, max_hz; /* 0 to INFINITY */
    size_t *shots;         /* of the survey, rising, each once */
    size_t shot_count;
    struct shot_file *files;
    size_t file_count;
    char *settings; /* JSON text; NULL: none */
    bool has_state; /* of an inversion that goes on from this wave, in the farm's store: */
    uint8_t state[MESSAGE_HASH_SIZE];
    bool illumination; /* of an inversion, or asked for: the sources' is summed, too */
    uint64_t asked;    /* the operation that somebody asked for (asked.h); 0: none */
    size_t first;      /* index of its first task in `tasks` */
    bool collecting;   /* its present round is about sums */
};

enum roll_kind { ROLL_SHOTS, ROLL_COLLECT, ROLL_LISTEN, ROLL_TAKE };

struct roll_task {
    size_t wave; /* index */
    enum roll_kind kind;
    size_t *shots; /* of the survey; NULL in tasks of other kinds */
    size_t shot_count;
    uint64_t holder;             /* of other kinds: the worker process that does it; 0: shots */
    struct attempt_id *attempts; /* wanted, or held, in rising order of task */
    size_t attempt_count;
    struct shot_giver giver; /* TAKE: of whom */

    bool ended;
    enum result_status status;
    uint32_t attempt; /* whose result counts */
    uint64_t held_by; /* worker process that holds its arrays; 0: none */
    bool taken; /* its arrays have come home in a collected file; TAKE: its holder has them */
    double misfit;     /* NaN: not known */
    double norm;       /* the same */
    double seconds;    /* the same */
    uint64_t sequence; /* of its result in the journal; 0: durable */
    bool laid;   /* its traces are in the one file, or on the way, if they ever come there */
    char *extra; /* JSON text; NULL: none */
    char *error; /* why it failed, or took nothing; NULL: it did not, or is not known */
};

/* A worker process that was asked to let others take what it holds. */
struct roll_process {
    struct shot_giver at; /* where it does; port 0: it does not, or has not said */
    bool shut;            /* others could not reach it */
    size_t
        shut_wave; /* number of the last wave in which it was tried in vain, for whatever reason */
};

struct roll {
    struct roll_wave *waves;
    size_t wave_count, wave_capacity;
    struct roll_task *tasks; /* task t at t - 1 */
    size_t task_count, task_capacity;
    struct roll_process *processes; /* in the order in which they were asked */
    size_t process_count;
    size_t gifts, refusals; /* sums that were taken, and that could not be, in all */
    size_t round;           /* index of the first task of the present round */
    char *finished;         /* what was said at the end; NULL: it is not over */
    bool failed;            /* that was no good end */
    size_t shots;           /* of the survey: greater indices are refused */
    struct terms terms;     /* of this master; those of the journal must be the same */
    bool agreed;            /* there are some in the journal */
    struct outside outside; /* files that do not travel, as they were; none: not noted */
};

/* An empty roll of a survey with so many shots. */
void roll_init(struct roll *roll, size_t shots);
void roll_fini(struct roll *roll);

/* Take a note. 0, or -1 with a sentence: it is none, or does not fit what was noted before (nothing
 * has changed then), or memory is short. */
int roll_take(struct roll *roll, const void *bytes, size_t size, struct error *ret_error);

/* Take a result; those of tasks that are not known are ignored: false. `sequence` is that of the
 * journal, 0 in a replay. */
bool roll_end(struct roll *roll, const struct result *result, uint64_t sequence);

/* The present wave; NULL before the first. */
struct roll_wave *roll_wave(const struct roll *roll);

/* The number of the present wave, from 1: also that of its sum. */
uint64_t roll_wave_number(const struct roll *roll);

/* Where a shot stands in a wave; SIZE_MAX if it is none of it. */
size_t roll_place_in(const struct roll_wave *wave, size_t shot);

/* Task number `task`, NULL if there is none. */
struct roll_task *roll_task(const struct roll *roll, uint64_t task);

/* Tasks of the present round that have not ended. */
size_t roll_open(const struct roll *roll);

/* The greatest sequence number of results of the present wave; 0: all are durable since long. */
uint64_t roll_sequence(const struct roll *roll);

/* For each shot of the present wave, by its place in wave->shots, the index of the task that has
 * it: a good one whose arrays are held or taken, if there is any (`need_arrays`; else a good one);
 * SIZE_MAX if none has. Caller frees. NULL without memory. */
size_t *roll_holders(const struct roll *roll, bool need_arrays);

/* The last task of the present wave that has this shot; NULL: none. */
const struct roll_task *roll_last_of(const struct roll *roll, size_t shot);

/* Whether a shot of the present wave that no task has (roll_holders) is to be farmed again, by
 * itself: it was computed and its arrays are lost, or the last task that had it failed with others
 * in it, and it is not known whose fault that was (not of shots `encoded` as one, which stay
 * together). */
bool roll_wants_again(const struct roll *roll, size_t shot, bool encoded);

/* The notes. Each is printed into `note`; -1 without memory. `files` of the wave are copied. */
int roll_note_wave(const struct roll_wave *wave, struct buf *note);
/* `sizes` are the shots of each task, which follow each other in `shots`. */
int roll_note_tasks(const size_t *shots, const size_t *sizes, size_t count, struct buf *note);
int roll_note_finished(const char *sentence, bool failed, struct buf *note);

/* The note of a round that collects everything of the present wave that is held somewhere and not
 * taken: a task for each holder. *ret_count: how many. */
int roll_note_collect(const struct roll *roll, struct buf *note, size_t *ret_count);

/* The note of a task that collects what one process holds, in the present round. *ret_count: 1, or
 * 0 if it holds nothing. */
int roll_note_fetch(const struct roll *roll, uint64_t holder, struct buf *note,
                    size_t *ret_count);

/* Who holds something of the present wave: by rising number. *ret_count of them; caller frees. NULL
 * without memory. */
struct roll_holding {
    uint64_t holder;
    size_t attempts; /* how many */
};
struct roll_holding *roll_holdings(const struct roll *roll, size_t *ret_count);

/* The worker process of this number, if it was asked to listen; else NULL. */
struct roll_process *roll_process(const struct roll *roll, uint64_t instance);

/* The note of a round in which these are to listen. */
int roll_note_listen(const struct roll *roll, const uint64_t *holders, size_t count,
                     struct buf *note);

/* The note of a round in which each of these takes all that its giver holds. */
struct roll_gift {
    uint64_t taker;
    struct shot_giver giver;
};
int roll_note_take(const struct roll *roll, const struct roll_gift *gifts, size_t count,
                   struct buf *note);

/* The task that has not ended in which this process delivers, gives or takes; 0: there is none. */
uint64_t roll_fetch(const struct roll *roll, uint64_t holder);

#endif
