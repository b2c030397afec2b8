/*
 * token_cache.h - tokens kept in a file, shared by all `beofarm` of a user.
 *
 * One JSON object, {"tokens": {DIGEST: {"token", "expires"}}}, where the digest is of who signs in
 * for what. The file is written whole, with mode 0600; one that others may read, or that is
 * somebody else's, is not believed.
 */
#ifndef BEOFARM_LAUNCH_AZURE_TOKEN_CACHE_H
#define BEOFARM_LAUNCH_AZURE_TOKEN_CACHE_H

#include "common/error.h"
#include "launch/azure/token.h"

/* The token kept under `name`, if it is valid for `spare_s` from now on. 0, or -1 if there is
 * none (for whatever reason: a cache is not needed). */
int token_cache_find(const char *path, const char *name, int64_t spare_s,
                     struct token *ret_token);

/* Keep a token; those that have expired go. 0, or -1 with a sentence. */
int token_cache_keep(const char *path, const char *name, const struct token *token,
                     struct error *ret_error);

/* Remove one that was refused. */
void token_cache_forget(const char *path, const char *name);

#endif
