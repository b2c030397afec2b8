/*
 * disk.h - small things done with files and folders, each with a sentence when it fails.
 *
 * All failures are ERROR_SYSTEM and name the path. Folders with all under them are made and removed
 * by common/tree.h.
 */
#ifndef BEOFARM_LAUNCH_DISK_H
#define BEOFARM_LAUNCH_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/error.h"

/* "FOLDER/NAME", or NAME alone if it is absolute or folder is "". Allocated (caller must free);
 * NULL if memory is short, with the error set. */
char *disk_join(const char *folder, const char *name, struct error *ret_error);

/* An absolute path of something that exists, without "." , ".." or links. Allocated. */
char *disk_resolve(const char *path, struct error *ret_error);

/* Whether anything, a broken link too, has that name. */
bool disk_exists(const char *path);

/* Append a whole file of at most `max` bytes to buf. */
int disk_read(const char *path, size_t max, struct buf *buf, struct error *ret_error);

/* Append up to `max` bytes from `offset` to buf. Returns how many; 0 at the end and where there is
 * no such file; -1 with a sentence. */
int64_t disk_read_range(const char *path, uint64_t offset, size_t max, struct buf *buf,
                        struct error *ret_error);

/* Put a file in place whole: a temporary one beside it, fsync if it must survive a power cut,
 * rename. */
int disk_write(const char *path, const void *bytes, size_t size, mode_t mode, bool durable,
               struct error *ret_error);

/* Copy a file, sharing its blocks where the file system can (FICLONE), with its mode. */
int disk_copy(const char *source, const char *target, struct error *ret_error);

/* Remove a file or a folder with all that is in it; links are removed, not followed. Fine if there
 * is none. */
int disk_remove(const char *path, struct error *ret_error);

/* Files in a folder and below it, and their sizes summed (not following links); 0 and 0 if it is
 * not there. */
void disk_measure(const char *path, uint64_t *ret_files, uint64_t *ret_bytes);

/* "1.2 GB" into text. Returns text. */
char *disk_format_size(uint64_t bytes, char *text, size_t size);

#endif
