/*
 * azure_note.h - what a run is made of: RUN_DIR/backend/azure.json, and RUN/run.json in the
 * container.
 *
 *     {"run": "henry-20261121-090000-3f2a", "farm": "henry", "job": 1, "pool": "henry-...",
 *      "pool_made": true, "container": "beofarm-henry", "begun_s": 1795251600}
 *
 * It is written before what it names is made.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_NOTE_H
#define BEOFARM_LAUNCH_AZURE_AZURE_NOTE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "launch/azure/batch.h"

struct azure_note {
    char run[BATCH_ID_MAX + 1];  /* "": no run was begun */
    char pool[BATCH_ID_MAX + 1]; /* its pool; "": none was wanted yet */
    bool pool_made;              /* it is ours: may be deleted */
    int job;                     /* the run's how many-th job, from 1; 0: none yet */
    int64_t begun_s;             /* since 1970 */
};

/* Choose a new run's name for a farm: at most 60 bytes, so that a job's number fits behind it. */
int azure_note_begin(struct azure_note *note, const char *farm, struct error *ret_error);

/* "RUN" for the first job of a run, "RUN-2" for the second. Returns text. */
char *azure_note_job(const struct azure_note *note, char text[BATCH_ID_MAX + 1]);

/* The part of a run's name that comes from the farm's, with the '-' behind it, into text: what all
 * names of its runs begin with. */
#define AZURE_STEM_SIZE 41
void azure_note_stem(const char *farm, char text[AZURE_STEM_SIZE]);

/* "beofarm-" and the farm's name in the letters that containers may have, into text. */
#define AZURE_CONTAINER_SIZE 64
void azure_note_container(const char *farm, char text[AZURE_CONTAINER_SIZE]);

/* As JSON (caller frees; NULL: no memory), and back (-1: that is no note). */
char *azure_note_print(const struct azure_note *note);
int azure_note_parse(const char *text, size_t size, const char *name,
                     struct azure_note *ret_note, struct error *ret_error);

/* RUN_DIR/backend/azure.json. Reading one that is not there leaves a note of zeros. */
int azure_note_read(const char *run_dir, struct azure_note *ret_note, struct error *ret_error);
int azure_note_write(const char *run_dir, const struct azure_note *note,
                     struct error *ret_error);

#endif
