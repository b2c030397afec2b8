/*
 * assertion.h - a JSON Web Token that proves the possession of a certificate's key (RFC 7523), as
 * Microsoft Entra takes it in place of a client secret.
 */
#ifndef BEOFARM_LAUNCH_AZURE_ASSERTION_H
#define BEOFARM_LAUNCH_AZURE_ASSERTION_H

#include <stdint.h>

#include "common/buf.h"
#include "common/error.h"

/* Append the token: signed with RS256, valid from now_s for ten minutes; `audience` is the token
 * endpoint's URL, `id` a GUID. 0, or -1 with a sentence. */
int assertion_make(const char *certificate, const char *password, const char *audience,
                   const char *client_id, const char *id, int64_t now_s, struct buf *ret_token,
                   struct error *ret_error);

#endif
