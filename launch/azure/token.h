/*
 * token.h - bearer tokens from those who issue them: Microsoft Entra (for a principal), a node's
 * metadata service (for its managed identity), the Azure CLI (for whoever is logged in).
 */
#ifndef BEOFARM_LAUNCH_AZURE_TOKEN_H
#define BEOFARM_LAUNCH_AZURE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

#include "common/azure/http.h"
#include "common/error.h"

struct token {
    char *text;        /* owned; secret; NULL: there is none */
    int64_t expires_s; /* since 1970 */
};

void token_fini(struct token *token); /* one of zeros is allowed */

/* Borrowed texts; one of secret, certificate and federated_file is given. */
struct token_principal {
    const char *authority; /* "https://login.microsoftonline.com" */
    const char *tenant, *client_id;
    const char *secret;
    const char *certificate; /* a file with certificate and private key: PEM or PKCS 12 */
    const char *certificate_password; /* NULL: none */
    const char *federated_file;
};

/* Each returns 0, or -1 with a sentence that says what to do and shows no secret. `scope` ends in
 * "/.default". */
int token_principal_get(struct http *http, const struct token_principal *principal,
                        const char *scope, struct token *ret_token, struct error *ret_error);

/* `client_id` names one of several identities; NULL: the only one. */
int token_identity_get(struct http *http, const char *metadata_url, const char *client_id,
                       const char *scope, struct token *ret_token, struct error *ret_error);

/* Whether a metadata service answers here. Takes 2 s at most. */
bool token_identity_probe(struct http *http, const char *metadata_url);

/* `tenant` may be NULL: the login's own. */
int token_cli_get(const char *tenant, const char *scope, struct token *ret_token,
                  struct error *ret_error);

/* Read what an issuer answers: {"access_token", "expires_in" or "expires_on"}, numbers as such or
 * as texts. */
int token_read(const char *text, size_t size, const char *issuer, struct token *ret_token,
               struct error *ret_error);

#endif
