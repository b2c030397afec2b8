/*
 * credentials_file.h - what one source of credentials knows: the environment, or a file.
 *
 * Three kinds of files are told apart by their content:
 *
 *   our own JSON         {"batch": {"account", "url", "key"}, "storage": {"account", "blob_url",
 *                        "key"}, "principal": {"tenant", "client_id", "client_secret",
 *                        "certificate", "certificate_password"}, "identity", "auth",
 *                        "scope": {"batch", "storage", "management"}, "authority",
 *                        "subscription", "resource_group"}
 *   AzureClusterlessHPC  JSON with _BATCH_ACCOUNT_URL, _AD_TENANT ...; or an array of such, one for
 *                        each account
 *   azure_dms_batch      INI with [DEFAULT] _BATCH_ACCOUNT_NAME ...
 *
 * Ours is read strictly (an unknown key is a mistake); of the others unknown keys are left alone.
 */
#ifndef BEOFARM_LAUNCH_AZURE_CREDENTIALS_FILE_H
#define BEOFARM_LAUNCH_AZURE_CREDENTIALS_FILE_H

#include <stddef.h>

#include "common/error.h"

enum credentials_field {
    FIELD_BATCH_ACCOUNT,
    FIELD_BATCH_URL,
    FIELD_BATCH_KEY,
    FIELD_STORAGE_ACCOUNT,
    FIELD_BLOB_URL,
    FIELD_STORAGE_KEY,
    FIELD_TENANT,
    FIELD_CLIENT_ID,
    FIELD_CLIENT_SECRET,
    FIELD_CERTIFICATE, /* a file: PEM or PKCS 12 */
    FIELD_CERTIFICATE_PASSWORD,
    FIELD_FEDERATED_FILE, /* a file with a token of another issuer */
    FIELD_IDENTITY,
    FIELD_AUTH,
    FIELD_SCOPE_BATCH,
    FIELD_SCOPE_STORAGE,
    FIELD_SCOPE_MANAGEMENT,
    FIELD_AUTHORITY,
    FIELD_SUBSCRIPTION,
    FIELD_RESOURCE_GROUP,
    CREDENTIALS_FIELDS
};

/* What a source says; NULL where it says nothing. Texts are owned. */
struct credentials_fields {
    char *text[CREDENTIALS_FIELDS];
};

void credentials_fields_fini(struct credentials_fields *fields);

/* Set one (copied; an empty text counts as none). 0, or -1 (out of memory). */
int credentials_fields_set(struct credentials_fields *fields, enum credentials_field field,
                           const char *text);

/* Read the environment. 0, or -1 with a sentence. */
int credentials_environment_read(struct credentials_fields *ret_fields,
                                 struct error *ret_error);

/* Read a file; of several accounts in it, the one named `account` (NULL: the first). 0, or -1
 * with a sentence that names the place (never a value). */
int credentials_file_read(const char *path, const char *account,
                          struct credentials_fields *ret_fields, struct error *ret_error);

/* The same for a text, which errors call `name`; a certificate's relative path is taken from the
 * folder of `name`. */
int credentials_text_read(const char *text, size_t size, const char *name, const char *account,
                          struct credentials_fields *ret_fields, struct error *ret_error);

/* The account's name in "https://NAME.region.batch.azure.com", copied (caller must free); NULL if
 * the URL has none. */
char *credentials_url_account(const char *url);

#endif
