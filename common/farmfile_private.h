/*
 * farmfile_private.h - shared by the farmfile*.c files and the generated farm_schema.c alone.
 */
#ifndef BEOFARM_COMMON_FARMFILE_PRIVATE_H
#define BEOFARM_COMMON_FARMFILE_PRIVATE_H

#include "common/document.h"
#include "common/farmfile.h"

/* common/farm.schema.json, byte for byte, and a NUL behind it that is not counted. */
extern const unsigned char farm_schema_bytes[];
extern const size_t farm_schema_size;

/* Note what the schema cannot say (struct document_kind). */
void farmfile_check_rules(struct document_rules *rules, const cJSON *root);

/* The rules of an "azure" backend. */
void farmfile_check_azure(struct document_rules *rules, const cJSON *backend);

/* The rules for tasks of several nodes there. */
void farmfile_check_azure_nodes(struct document_rules *rules, const cJSON *backend,
                                double nodes);

#endif
