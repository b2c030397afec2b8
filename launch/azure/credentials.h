/*
 * credentials.h - who we are to Azure: names, keys and tokens, found in a documented order.
 *
 * What is wanted are three things, each taken as a whole from the first source that has it:
 *
 *   batch account    its name, URL, and perhaps its key
 *   storage account  its name, URL, and perhaps its key
 *   principal        tenant, client id, and its secret, certificate or federated token
 *
 * Sources, in order: the environment; the file that farm.json names; the file that
 * $BEOFARM_AZURE_CREDENTIALS names; ~/.config/beofarm/azure.json. A file is our own JSON,
 * AzureClusterlessHPC's JSON or the INI of azure_dms_batch: which of them is told by its content
 * (credentials_file.h). A source whose account is not the one that farm.json names is passed over.
 *
 * Then each service is spoken to with the first of these that there is: the account's key
 * (SharedKey; not for management), the principal, a managed identity, the Azure CLI's login. A key
 * that a user-subscription account refuses is not forgotten silently: say "auth": "principal",
 * "identity" or "cli". docs/azure.md has it all for users.
 *
 * Tokens are kept until five minutes before they end, in memory and, where told, in a file (mode
 * 0600) shared by all `beofarm` of a user.
 */
#ifndef BEOFARM_LAUNCH_AZURE_CREDENTIALS_H
#define BEOFARM_LAUNCH_AZURE_CREDENTIALS_H

#include <stdbool.h>

#include "common/azure/http.h"
#include "common/buf.h"
#include "common/error.h"
#include "launch/azure/signing.h"

enum credentials_audience {
    CREDENTIALS_BATCH,
    CREDENTIALS_STORAGE,
    CREDENTIALS_MANAGEMENT,
};
#define CREDENTIALS_AUDIENCES 3

enum credentials_method {
    CREDENTIALS_AUTO = 0, /* the first that there is */
    CREDENTIALS_KEY,
    CREDENTIALS_PRINCIPAL,
    CREDENTIALS_IDENTITY,
    CREDENTIALS_CLI,
};

/* The one of that name: "auto", "key", "principal", "identity", "cli". -1 if it is none of them. */
int credentials_method_find(const char *name, enum credentials_method *ret_method);

/* What the farm file asks for. NULL and zero: nothing in particular. Borrowed during
 * credentials_open alone. */
struct credentials_wishes {
    const char *batch_account, *batch_url; /* "henry", "https://henry.eastus.batch.azure.com" */
    const char *storage_account, *blob_url; /* "henrydata", "https://henrydata.blob.core...." */
    const char *file;                       /* a credentials file */
    const char *tenant, *client_id;         /* of the principal; its secret is elsewhere */
    const char *identity;                   /* client id of a user-assigned managed identity */
    enum credentials_method method;
    const char *scope[CREDENTIALS_AUDIENCES]; /* "https://batch.core.windows.net/.default" */
    const char *authority;                    /* "https://login.microsoftonline.com" */
    const char *token_cache;                  /* a file; NULL: in memory alone */
    const char *metadata_url; /* of the managed identity; default "http://169.254.169.254" */
};

struct credentials;

/* Look through the sources. Asks nobody yet but files and environment. `options` (may be NULL;
 * borrowed until credentials_close) is for the requests for tokens. NULL with a sentence that says
 * what was tried if no batch account can be named. */
struct credentials *credentials_open(const struct credentials_wishes *wishes,
                                     const struct http_options *options,
                                     struct error *ret_error);
void credentials_close(struct credentials *credentials); /* NULL is allowed */

/* Borrowed until credentials_close; "" where not known. URLs have no '/' at their end. */
const char *credentials_batch_account(const struct credentials *credentials);
const char *credentials_batch_url(const struct credentials *credentials);
const char *credentials_storage_account(const struct credentials *credentials);
const char *credentials_blob_url(const struct credentials *credentials);
const char *credentials_subscription(const struct credentials *credentials);
const char *credentials_resource_group(const struct credentials *credentials);

/* The key to sign with, or NULL where this service is spoken to with tokens. Borrowed. */
const struct signing_key *credentials_key(const struct credentials *credentials,
                                          enum credentials_audience audience);

/* A token for this service, valid for at least two minutes, borrowed until the next call. It may
 * be asked of the network, or of the Azure CLI, first. -1 with a sentence that says what was
 * tried, and what to do. */
int credentials_token(struct credentials *credentials, enum credentials_audience audience,
                      const char **ret_token, struct error *ret_error);

/* Drop a token that the service has refused, so that the next call asks for a new one. */
void credentials_token_forget(struct credentials *credentials,
                              enum credentials_audience audience);

/* Append how this service is spoken to, for people: "SharedKey of batch account henry, from the
 * environment (AZURE_BATCH_ACCESS_KEY)"; "managed identity of this machine". No secrets. */
int credentials_describe(const struct credentials *credentials,
                         enum credentials_audience audience, struct buf *ret_text);

#endif
