/*
 * Reads JSON documents from stdin, a line each, and prints "valid" or "invalid" for each: what
 * farm.schema.json says of it through common/schema.h. schema_parity.py compares that.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/farmfile.h"
#include "common/json.h"
#include "common/schema.h"

static int print_verdict(const struct schema *schema, const char *line, size_t size)
{
    struct error error;
    cJSON *root;
    if (json_parse(line, size, "document", JSON_STRICT, &root, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return -1;
    }
    puts(schema_check(schema, root, NULL, NULL) ? "invalid" : "valid");
    cJSON_Delete(root);
    return 0;
}

int main(void)
{
    struct error error;
    struct schema *schema = farmfile_schema_create(&error);
    if (!schema) {
        fprintf(stderr, "%s\n", error.text);
        return error.code;
    }
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int status = 0;
    while (!status && (size = getline(&line, &capacity, stdin)) > 0)
        status = print_verdict(schema, line, (size_t)size);
    free(line);
    schema_destroy(schema);
    return status ? ERROR_CONFIG : 0;
}
