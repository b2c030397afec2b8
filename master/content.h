/*
 * content.h - answers workers' FETCH messages: pieces of the farm's files, by content hash.
 *
 * What it serves: the manifest itself (its text, hashed) and whatever lies in the store. It also
 * lays the files out for drivers that read some of them inside the master.
 */
#ifndef BEOFARM_MASTER_CONTENT_H
#define BEOFARM_MASTER_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "common/store.h"

struct content;

/* `manifest_path` is files.json; if it does not exist the farm has no files. `store_uri` may be
 * NULL where the manifest is empty. Where it is a container, RUN_DIR/store takes a copy of what is
 * in there (content_gather). NULL with a sentence. */
struct content *content_open(const char *manifest_path, const char *store_uri,
                             const char *run_dir, struct error *ret_error);
void content_close(struct content *content); /* NULL is allowed */

/* Before anything is read: bring the files of the manifest from the container, if it is one. It may
 * take long. 0, or -1 with a sentence. */
int content_gather(struct content *content, const char *run_dir, struct error *ret_error);

/* The manifest's hash as the job names it. Borrowed. */
const char *content_manifest_hash(const struct content *content);

/* Answer a FETCH: a DATA message into `reply`, with the piece at the asked offset, or one that
 * says that there is no such file (the sentence, for a notice, in *ret_error and -1 returned; the
 * reply is to be sent all the same). */
int content_answer(struct content *content, const struct file_piece *asked, struct buf *reply,
                   struct error *ret_error);

/* The hash of a file of the manifest, by its path; false if there is none. */
bool content_hash(const struct content *content, const char *path, uint8_t *ret_hash);

/* Put a file that the driver made into the store: workers may FETCH it by its hash; and if it is to
 * be `lasting` into the container, if there is one. -1 with a sentence where the farm has no store,
 * or it cannot be written. This and the next two open what they need for themselves, so a thread
 * beside the loop's may call them. */
int content_put(struct content *content, const char *path, bool lasting, uint8_t *ret_hash,
                struct error *ret_error);

/* See to it that what was put is in the store: from the container, if it is not; and copy it to
 * `path` (NULL: do not). -1 with a sentence. */
int content_get(struct content *content, const uint8_t *hash, const char *path,
                struct error *ret_error);

/* Remove what was put; files of the manifest stay. */
void content_drop(struct content *content, const uint8_t *hash);

/* Lay every file of the manifest under `folder` (made if missing) with its mode, unless a file
 * of that size is there already. */
int content_lay(struct content *content, const char *folder, struct error *ret_error);

#endif
