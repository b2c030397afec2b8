/*
 * sas.h - shared access signatures: URLs that may do a few things for a while.
 *
 * Three kinds. A service SAS (a blob or a container) and an account SAS are signed with the
 * account's key; a user delegation SAS with a key that the storage service lends to a token's owner
 * for up to seven days. Layouts are those of sv 2020-12-06 to 2021-12-02, from "Create a service
 * SAS", "... an account SAS" and "... a user delegation SAS" of the Storage REST reference.
 * Appended queries have no leading '?' and are secrets: they go into URLs, never into sentences.
 */
#ifndef BEOFARM_LAUNCH_AZURE_SAS_H
#define BEOFARM_LAUNCH_AZURE_SAS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/azure/blob_service.h"
#include "common/azure/sas_time.h"
#include "common/buf.h"
#include "common/error.h"
#include "launch/azure/signing.h"

#define SAS_VERSION BLOB_SERVICE_VERSION /* the storage version that we speak, too */

/* Times are "2026-11-21T09:00:00Z" (sas_time_format). NULL stands for "not given" where said. */
struct sas {
    const char *permissions; /* of "racwdxyltmeopi", in this order; NULL only with identifier */
    const char *start;       /* NULL: at once */
    const char *expiry;      /* NULL only with identifier */
    const char *protocol;    /* "https", "https,http"; NULL: both */
    const char *ip;          /* "10.0.0.4" or "10.0.0.4-10.0.0.9"; NULL: any */
    const char *identifier;  /* of a stored access policy; NULL: none (service SAS alone) */
    const char *version;     /* NULL: SAS_VERSION */
    const char *container;   /* its name */
    const char *blob;        /* the blob's name, not encoded; NULL: the container */
    const char *snapshot;    /* of the blob; NULL: none */
    const char *encryption_scope; /* NULL: none */
    /* What the answer's headers shall say; NULL: as the blob has them. */
    const char *cache_control, *content_disposition, *content_encoding, *content_language,
        *content_type;
    /* User delegation SAS alone; NULL: none. */
    const char *authorized_oid, *unauthorized_oid, *correlation_id;
};

int sas_service(const struct signing_key *key, const struct sas *sas, struct buf *ret_query,
                struct error *ret_error);

struct sas_account {
    const char *permissions;    /* of "rwdxylacuptfi", in this order */
    const char *services;       /* of "bqtf" */
    const char *resource_types; /* of "sco" */
    const char *start, *expiry, *protocol, *ip, *version, *encryption_scope; /* as above */
};

int sas_account(const struct signing_key *key, const struct sas_account *sas,
                struct buf *ret_query, struct error *ret_error);

/* What POST /?restype=service&comp=userdelegationkey answers. Texts are owned. */
struct sas_delegation_key {
    char *oid, *tid, *start, *expiry, *service, *version;
    char *value; /* base64: secret */
};

/* Read that answer (XML). 0, or -1 with a sentence that does not show the value. */
int sas_delegation_key_read(const char *xml, size_t size, struct sas_delegation_key *ret_key,
                            struct error *ret_error);
void sas_delegation_key_fini(struct sas_delegation_key *key);

int sas_delegation(const char *account, const struct sas_delegation_key *key,
                   const struct sas *sas, struct buf *ret_query, struct error *ret_error);

#endif
