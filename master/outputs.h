/*
 * outputs.h - the declared output files of tasks: RUN_DIR/out/TASK/.
 *
 * Pieces of an attempt's files are written under RUN_DIR/out/.partial/TASK.ATTEMPT.WORKER/ as they
 * arrive. When the attempt's result has been accepted, outputs_seal checks that every file is
 * whole; before the result is committed, the journal's thread makes the files durable (one
 * syncfs for a group of many files, fsync for a few) and renames the directory to out/TASK
 * (outputs_prepare). So a task that the journal calls ended has all of its files, durably; and
 * out/TASK of a task that it does not know (a crash in between) is replaced by the next attempt.
 *
 * Paths come from the network and are checked: relative, no empty, "." or ".." component, no NUL;
 * and no symbolic link is followed on the way.
 */
#ifndef BEOFARM_MASTER_OUTPUTS_H
#define BEOFARM_MASTER_OUTPUTS_H

#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "common/message.h"
#include "master/journal.h"

struct outputs;

/* Use RUN_DIR/out, made when first needed. What an earlier master left in .partial is removed. */
struct outputs *outputs_open(const char *run_dir, struct error *ret_error);

/* Write a piece that worker number `worker` sent. The pieces of a file come in order, and the files
 * of an attempt one after the other. 0, or -1:
 * ERROR_NETWORK: the peer sent what it should not (bad path, gap, a file twice); drop the link.
 * ERROR_SYSTEM: the disk is full or failing; nothing has changed, and the same piece may be tried
 * again later. */
int outputs_add(struct outputs *outputs, uint32_t worker, const struct output_piece *piece,
                struct error *ret_error);

/* Offer workers of this machine a folder of ours (common/near.h), RUN_DIR/near: it goes into the
 * job. Where that cannot be, their files come in pieces as those of others. */
void outputs_offer_near(struct outputs *outputs, cJSON *job);

/* Take a whole file that a worker linked there. As outputs_add. */
int outputs_take(struct outputs *outputs, uint32_t worker, const struct output_link *link,
                 struct error *ret_error);

/* Nobody wants it. */
void outputs_refuse(struct outputs *outputs, const struct output_link *link);

/* The attempt's result was accepted: check that `files` files (result.output_files) came, all
 * whole. Call it before journal_add. -1 with a sentence (ERROR_NETWORK) if not. Nothing to do,
 * and 0, for 0 files. */
int outputs_seal(struct outputs *outputs, uint32_t worker, struct attempt_id id, uint32_t files,
                 struct error *ret_error);

/* Remove what came of this attempt (it failed, lost the race, or its link was lost: a worker that
 * comes back sends every file again from the start). Nothing if there is nothing, or if it is
 * sealed. */
void outputs_discard(struct outputs *outputs, uint32_t worker, struct attempt_id id);

/* The same for all attempts of a worker (its link is lost). */
void outputs_discard_worker(struct outputs *outputs, uint32_t worker);

/* The journal's `prepare` hook; `context` is the struct outputs. */
int outputs_prepare(void *context, const struct journal_row *rows, size_t count,
                    struct error *ret_error);

void outputs_close(struct outputs *outputs); /* NULL is allowed; after journal_close */

#endif
