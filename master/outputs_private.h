/*
 * outputs_private.h - what the parts of outputs share.
 *
 *   outputs.c         files that come in pieces; attempts sealed, and made durable
 *   outputs_linked.c  files that come whole
 */
#ifndef BEOFARM_MASTER_OUTPUTS_PRIVATE_H
#define BEOFARM_MASTER_OUTPUTS_PRIVATE_H

#include <sys/types.h>

#include "master/arrivals.h"
#include "master/outputs.h"

#define OUTPUTS_NEAR "near" /* of the run directory */

struct outputs {
    char *run_dir;
    int out_fd, partial_fd; /* -1 until first needed */
    int near_fd;            /* RUN_DIR/near; -1: none was offered */
    mode_t mask;            /* the umask, which counts for linked files, too */
    struct arrivals *arrivals;
};

/* The sentence (ERROR_NETWORK) for a piece that should not have been sent; -1. */
int outputs_piece_bad(const struct output_piece *piece, const char *why,
                      struct error *ret_error);

/* Whether it has a relative path whose components are names. On success *ret_path is a copy (caller
 * frees). */
int outputs_path_check(const struct output_piece *piece, char **ret_path,
                       struct error *ret_error);

/* out/ and out/.partial/, made on first use. */
int outputs_folders_make(struct outputs *outputs, struct error *ret_error);

/* Open the folder that holds `path` of this attempt, made if there is none; *ret_name is the file's
 * name in it. -1 with errno. */
int outputs_parent_open(struct outputs *outputs, struct arrival_key key, char *path,
                        char **ret_name);

#endif
