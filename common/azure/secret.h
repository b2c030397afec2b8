/*
 * secret.h - keeps secrets out of what is written.
 *
 * What must not be shown are keys, tokens and the signatures of SAS. They are kept out at the
 * source: no module puts one into a sentence. This is the second line: texts of others (a server's
 * answer, a program's stderr, a URL) pass through here before they are shown.
 */
#ifndef BEOFARM_COMMON_AZURE_SECRET_H
#define BEOFARM_COMMON_AZURE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

/* Append a URL fit to be shown: of its query, values stay only of parameters known to be harmless
 * (api-version, comp, restype, timeout, maxresults, prefix, delimiter, blockid, $select, $filter,
 * include ...); the others, above all sig, become "...". User information before '@' goes. 0, or
 * -1 (buf failed). */
int secret_put_url(struct buf *buf, const char *url);

/* Append free text fit to be shown: what follows "sig=", "SharedKey NAME:", "Bearer ",
 * "AccountKey=", "client_secret=", "client_assertion=" and the like, and every JSON Web Token, is
 * replaced by "...". Control characters become blanks. 0, or -1 (buf failed). */
int secret_put_text(struct buf *buf, const char *text, size_t size);

/* Whether a header's value is a secret (Authorization and its like). */
bool secret_is_header(const char *name);

/* Overwrite and free a text (NULL is allowed). */
void secret_free(char *text);

/* Overwrite and empty a buffer. */
void secret_buf_fini(struct buf *buf);

#endif
