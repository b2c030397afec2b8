/*
 * model_folder.h - a slot's own copy of the model folder, in which it runs one model after another.
 *
 * ROOT/slot-K/model holds the farm's common files: those of up to MODEL_FOLDER_COPY bytes as copies
 * (reflinks where the file system has them), larger ones as reflinks or, failing that, hard links
 * to the node's read-only cache. Model files that templates give and instructions read are not
 * laid, but the folders are made in which they lie.
 *
 * A model that writes into a hard link changes what all slots of the node read. One stat per link
 * after each run notices that (model_folder_check); such files are mended, and given as copies
 * from then on.
 */
#ifndef BEOFARM_WORKER_MODEL_FOLDER_H
#define BEOFARM_WORKER_MODEL_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/message.h"
#include "worker/model_case.h"
#include "worker/workdir.h"

#define MODEL_FOLDER_COPY (1 << 20) /* bytes: larger files are links */

struct model_folder;

/* Nothing is laid yet. `place` and `model` are borrowed and must outlive it. NULL with a
 * sentence. */
struct model_folder *model_folder_create(struct workplace *place, uint32_t slot,
                                         struct model_case *model, struct error *ret_error);
/* Removes it. NULL is allowed. */
void model_folder_destroy(struct model_folder *folder);

/* Where the model runs: absolute path, known from the beginning; and a descriptor, -1 until laid.
 * Both are owned by the folder. */
const char *model_folder_path(const struct model_folder *folder);
int model_folder_fd(const struct model_folder *folder);

/* Whether it is laid. */
bool model_folder_is_ready(const struct model_folder *folder);

/* Remove what is there and lay all files, which must be in the cache. In any thread; nothing else
 * may be asked of the folder meanwhile. 0, or -1 with a sentence, errno ENOENT where the cache
 * lacks a file. */
int model_folder_lay(struct model_folder *folder, struct error *ret_error);

/* After a run: have links been written into, or touched? Cheap. */
bool model_folder_check(struct model_folder *folder);

/* Where they have: look closer. True if inputs were changed, so that a run which ended since is
 * worth nothing; then the cache has lost them. Reads whole files: in any thread. */
bool model_folder_is_harmed(struct model_folder *folder);

/* The files that model_folder_check found, a list owned by the folder: to be had again from the
 * cache before model_folder_mend. */
size_t model_folder_touched(struct model_folder *folder,
                            const uint8_t (**ret_hashes)[MESSAGE_HASH_SIZE]);

/* All slots give them as copies from now on: to be called before model_folder_mend. A sentence for
 * the log where they were written into, naming those for which that is new; false if there is
 * none. */
bool model_folder_set_copied(struct model_folder *folder, char *text, size_t size);

/* Lay them again. In any thread. As model_folder_lay. */
int model_folder_mend(struct model_folder *folder, struct error *ret_error);

/* Whether any file is a hard link, which models cannot write into unless they run as root. */
bool model_folder_has_links(const struct model_folder *folder);

/* Whether its disk is as good as full. */
bool model_folder_is_full(const struct model_folder *folder);

#endif
