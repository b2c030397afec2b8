/*
 * workdir.h - the directory a task runs in: laying its files, finding its outputs.
 *
 * A workplace is what all slots of a worker share: the root folder, the cache, the manifest. A
 * workdir is one task's directory, ROOT/slot-K/work-N. Common files of the manifest
 * are hard links to the cache (or copies where the manifest says "copy", or linking fails); a
 * task's own inputs are laid over them. A task that writes into a hard link harms every other
 * task's input, so links are checked when the task ended: see workdir_check_inputs.
 *
 * Paths given to a workdir are relative to it and may not leave it: "..", a leading '/', and
 * symbolic links on the way are refused. Names are bytes: blanks, quotes, newlines are all
 * legal.
 */
#ifndef BEOFARM_WORKER_WORKDIR_H
#define BEOFARM_WORKER_WORKDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/message.h"
#include "worker/cache.h"
#include "common/manifest.h"

struct workplace;
struct workdir;

/* `root` is made if missing, and work directories that an earlier worker left there are
 * removed. cache and manifest are borrowed and must outlive the workplace (manifest may be
 * NULL: no files). The cache's folder should lie on the same file system, or nothing can be
 * linked. */
struct workplace *workplace_create(const char *root, struct cache *cache,
                                   const struct manifest *manifest, struct error *ret_error);
/* Waits for deletions that are under way, and removes what it made. NULL is allowed. */
void workplace_destroy(struct workplace *place);

/* What it was created with. */
struct cache *workplace_cache(struct workplace *place);
const struct manifest *workplace_manifest(const struct workplace *place);

/* The hashes of all common files, for cache_request: *ret_hashes is owned by the workplace. */
size_t workplace_common(const struct workplace *place,
                        const uint8_t (**ret_hashes)[MESSAGE_HASH_SIZE]);

/* Make the directory of slot `slot`, ROOT/slot-K: absolute path, owned by the workplace; NULL
 * with a sentence. Making it again is allowed and returns the same. */
const char *workplace_slot_dir(struct workplace *place, uint32_t slot, struct error *ret_error);

/* Whether the disk of the work directories has no room (for us), or had none a moment ago, when a
 * task's directory was removed. Where the system does not tell (quotas,
 * disks without a size), it has. */
bool workplace_is_full(const struct workplace *place);

/* Make a task's directory and lay the common files, all of which must be in the cache. */
struct workdir *workdir_create(struct workplace *place, uint32_t slot, struct attempt_id id,
                               struct error *ret_error);
/* The same without common files. */
struct workdir *workdir_create_bare(struct workplace *place, uint32_t slot,
                                    struct attempt_id id, struct error *ret_error);

/* Whether tasks may have this directory one after the other: no common file in it is a copy that
 * they may write into, and all are there, with the time that they were laid with. */
bool workdir_is_sharable(const struct workdir *workdir);

/* Whether a file of the directory is there, with the time that it was laid with. */
bool workdir_is_untouched(const struct workdir *workdir, const char *path);

/* Remove the directory with all that is in it, and free. Large trees are removed in another
 * thread. NULL is allowed. */
void workdir_destroy(struct workdir *workdir);

const char *workdir_path(const struct workdir *workdir); /* absolute; owned by the workdir */
int workdir_fd(const struct workdir *workdir);           /* the directory; owned */

/* Lay the manifest's file `from` at `to` (over whatever is there), making directories on the
 * way. */
int workdir_lay(struct workdir *workdir, const char *from, const char *to, bool copy,
                struct error *ret_error);

/* Write a file at `to` (over whatever is there), making directories on the way: a filled
 * template, say. */
int workdir_write(struct workdir *workdir, const char *to, const void *bytes, size_t size,
                  unsigned mode, struct error *ret_error);

/* Open a regular file for reading without leaving the directory: a descriptor (CLOEXEC) that
 * the caller must close; -1 with a sentence, errno ENOENT where it is not there. */
int workdir_open_file(struct workdir *workdir, const char *path, struct error *ret_error);

/* After the task ended: -1 with a sentence if it (or a task beside it) wrote into a hard-linked
 * input. Such inputs are fetched again, and given as copies from then on, by this workplace. */
int workdir_check_inputs(struct workdir *workdir, struct error *ret_error);

/* --- Outputs --- */

struct workdir_output {
    const char *path; /* relative; owned by the workdir */
    unsigned mode;    /* permission bits */
    uint64_t size;    /* bytes, when it was found */
};

/* Find the outputs that `globs` name: *, ?, [...] within a name, and ** for any directories.
 * Regular files only; links are not followed. An input that was not changed is an output only
 * if it is named without wildcards. -1 (ERROR_TASKS) with a sentence naming the first glob that
 * found nothing. */
int workdir_collect(struct workdir *workdir, const char *const *globs, size_t count,
                    struct error *ret_error);

/* Add one file, by name (a persistent runner's "outputs"). */
int workdir_collect_path(struct workdir *workdir, const char *path, struct error *ret_error);

/* What was collected, each once, ordered by path. */
size_t workdir_output_count(const struct workdir *workdir);

/* One of them. Owned by the workdir, valid until more is collected. */
const struct workdir_output *workdir_output_get(const struct workdir *workdir, size_t index);

/* Link the next output, if none of it was read yet, into the folder near_fd, under a name with
 * `owner` in it: true and *ret_link (its texts borrowed until the next call). False: that cannot be
 * (another file system, a file with other links, of somebody else, or that somebody has open for
 * writing), and it is to be read in pieces. */
bool workdir_link_next(struct workdir *workdir, int near_fd, const char *owner,
                       struct output_link *ret_link);

/* Iterate over the pieces of all outputs, in order: 1 and *ret_piece (its bytes borrowed until
 * the next call), 0 at the end, -1 with a sentence if a file cannot be read or has shrunk. An
 * empty file is one piece of size 0. The caller sets nothing: id, path, mode, offset and sizes
 * are filled. */
int workdir_next_piece(struct workdir *workdir, struct output_piece *ret_piece,
                       struct error *ret_error);

/* Start over with the first piece of the first output (the link was lost, another one is there). */
void workdir_rewind(struct workdir *workdir);

#endif
