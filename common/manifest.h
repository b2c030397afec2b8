/*
 * manifest.h - which files the farm has, by path and content hash (docs/architecture.md).
 */
#ifndef BEOFARM_COMMON_MANIFEST_H
#define BEOFARM_COMMON_MANIFEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/message.h"

struct manifest;

struct manifest_file {
    const char *path; /* relative, no ".." component, no empty one; owned by the manifest */
    uint8_t hash[MESSAGE_HASH_SIZE];
    uint64_t size; /* bytes */
    unsigned mode; /* permission bits, 0 to 0777 */
    bool common;   /* lies in every task's work directory */
    bool copy;     /* tasks get their own copy, because they write into it */
};

/* Read a manifest's JSON text. NULL with a sentence (ERROR_CONFIG) that names the entry; a path
 * that leaves the work directory is refused, and so is one path given twice. */
struct manifest *manifest_create(const char *json, size_t size, struct error *ret_error);
void manifest_destroy(struct manifest *manifest); /* NULL is allowed */

/* The files, ordered by path. */
size_t manifest_count(const struct manifest *manifest);
const struct manifest_file *manifest_get(const struct manifest *manifest, size_t index);

/* The file at `path`, NULL if there is none. */
const struct manifest_file *manifest_find(const struct manifest *manifest, const char *path);

#endif
