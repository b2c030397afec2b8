/*
 * credentials_private.h - what both halves of credentials share: what was found, and its tokens.
 */
#ifndef BEOFARM_LAUNCH_AZURE_CREDENTIALS_PRIVATE_H
#define BEOFARM_LAUNCH_AZURE_CREDENTIALS_PRIVATE_H

#include "launch/azure/credentials.h"
#include "launch/azure/credentials_file.h"
#include "launch/azure/token.h"

#define CREDENTIALS_SOURCES_MAX 4
#define CREDENTIALS_TRIED_MAX   ((size_t)8 << 10)

struct credentials_source {
    char *name; /* "the environment", a file's path; owned */
    struct credentials_fields fields;
};

struct credentials {
    struct credentials_source sources[CREDENTIALS_SOURCES_MAX];
    size_t sources_count;
    struct credentials_fields chosen; /* what holds now */
    struct signing_key batch_key, storage_key;
    const char *batch_source, *storage_source, *principal_source; /* names; NULL: none */
    enum credentials_method method;
    enum credentials_method worked; /* what gave the latest token; AUTO: nothing yet */
    struct token tokens[CREDENTIALS_AUDIENCES];
    char *cache;
    char *metadata_url;
    struct http *http;          /* for tokens alone, so that requests may wait for them */
    struct http *metadata_http; /* impatient: most machines have no such service */
    struct buf tried;           /* what was looked at, for sentences */
};

/* A chosen field, "" where there is none. */
const char *credentials_text(const struct credentials *credentials,
                             enum credentials_field field);

#endif
