/*
 * inputs.h - the files that travel to the nodes: found by farm.json's "files" and by the plan.
 *
 * Entries of "files" are paths or globs inside the farm file's folder; a folder means everything
 * below it. Left out everywhere but where named outright: the farm file itself, .git, folders
 * called runs beside the farm file, run directories, what .farmignore files say (ignore.h) and they
 * themselves, and what the plan's patterns leave out. A link is followed where it leads inside the
 * folder; one that leads outside is an error if named outright, and else left out and counted.
 */
#ifndef BEOFARM_LAUNCH_INPUTS_H
#define BEOFARM_LAUNCH_INPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"
#include "common/store.h"
#include "launch/plan.h"
#include "launch/request.h"

struct input {
    char *path; /* relative to the folder; UTF-8 */
    uint64_t size;
    mode_t mode;                   /* permission bits */
    bool common;                   /* lies in every task's work directory */
    bool copy;                     /* tasks get copies of their own */
    uint8_t hash[STORE_HASH_SIZE]; /* after inputs_hash or inputs_put */
};

struct inputs {
    char *folder;
    struct input *items; /* sorted by path, each path once */
    size_t count;
    uint64_t bytes;        /* in all */
    size_t links_left_out; /* they lead outside the folder */
    char *link_left_out;   /* one of them; NULL if none */
};

/* Find them. `plan` may be NULL. -1 with a sentence that names the entry. */
int inputs_find(const struct request *request, const struct plan *plan,
                struct inputs *ret_inputs, struct error *ret_error);

/* What the user should know of them, as a sentence into text. False if there is nothing. */
bool inputs_warn(const struct inputs *inputs, char *text, size_t size);

/* Free; a zeroed one is allowed. */
void inputs_close(struct inputs *inputs);

/* Put all of them into the store, except those whose known[i] is true (`known` may be NULL): their
 * content is there, under the hash they have. Fills sizes and hashes with what was read. `shown`
 * (may be NULL) is called after each file with the bytes done. */
int inputs_put(struct inputs *inputs, struct store *store, const bool *known,
               void (*shown)(void *context, uint64_t bytes, uint64_t total), void *context,
               struct error *ret_error);

/* Fill the hashes, and the sizes, by reading. */
int inputs_hash(struct inputs *inputs, struct error *ret_error);

#endif
