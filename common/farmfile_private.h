/*
 * farmfile_private.h - shared by the farmfile*.c files and the generated farm_schema.c alone.
 */
#ifndef BEOFARM_COMMON_FARMFILE_PRIVATE_H
#define BEOFARM_COMMON_FARMFILE_PRIVATE_H

#include "common/farmfile.h"

/* common/farm.schema.json, byte for byte, and a NUL behind it that is not counted. */
extern const unsigned char farm_schema_bytes[];
extern const size_t farm_schema_size;

/* Call `report` for each mistake that a schema cannot say, in a document that is valid against
 * the schema (defaults need not be filled in). Returns how many. */
size_t farmfile_check_rules(const cJSON *root,
                            void (*report)(void *context, const char *path,
                                           const char *sentence),
                            void *context);

/* Where the rules tell mistakes. */
struct farmfile_rules {
    void (*report)(void *context, const char *path, const char *sentence);
    void *context;
    size_t count;
};

void farmfile_note(struct farmfile_rules *rules, const char *path, const char *sentence);

/* The rules of an "azure" backend. */
void farmfile_check_azure(struct farmfile_rules *rules, const cJSON *backend);

/* The rules for tasks of several nodes there. */
void farmfile_check_azure_nodes(struct farmfile_rules *rules, const cJSON *backend,
                                double nodes);

#endif
