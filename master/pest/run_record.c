#include "config.h"

#include "master/pest/run_record.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
    char *name;
    uint64_t runs, failed;
    double seconds; /* of the runs that did not fail */
};

struct run_record {
    FILE *file;
    char *path;
    struct node *nodes;
    size_t node_count;
    uint64_t first; /* task of the wave's first run */
    double seconds, cpu_seconds;
    int64_t started_ns, ended_ns; /* the first start and the last end; wall clocks of nodes */
};

struct run_record *run_record_open(const char *path, const char *name, struct error *ret_error)
{
    struct run_record *record = calloc(1, sizeof *record);
    if (record)
        record->path = strdup(path);
    if (!record || !record->path) {
        free(record);
        error_set(ret_error, ERROR_SYSTEM, "no memory for the record of model runs");
        return NULL;
    }
    record->first = 1;
    record->file = fopen(path, "we");
    if (!record->file) {
        error_errno(ret_error, errno, "\"%s\" cannot be written", path);
        run_record_close(record);
        return NULL;
    }
    fprintf(record->file, "beofarm: run management record: case %s\n", name);
    return record;
}

void run_record_close(struct run_record *record)
{
    if (!record)
        return;
    if (record->file)
        fclose(record->file);
    for (size_t i = 0; i < record->node_count; i++)
        free(record->nodes[i].name);
    free(record->nodes);
    free(record->path);
    free(record);
}

void run_record_wave(struct run_record *record, uint64_t number, const char *purpose,
                     uint64_t first, size_t runs, uint32_t slots)
{
    record->first = first;
    fprintf(record->file, "\nwave %" PRIu64 ": %s, %zu model run%s, %u at a time\n", number,
            purpose, runs, runs == 1 ? "" : "s", slots);
    fflush(record->file);
}

/* NULL without memory: the run then counts in the totals alone. */
static struct node *node_find(struct run_record *record, const char *name)
{
    for (size_t i = 0; i < record->node_count; i++)
        if (strcmp(record->nodes[i].name, name) == 0)
            return &record->nodes[i];
    size_t count = record->node_count;
    struct node *nodes = reallocarray(record->nodes, count + 1, sizeof *nodes);
    if (!nodes)
        return NULL;
    record->nodes = nodes;
    nodes[count] = (struct node){.name = strdup(name)};
    if (!nodes[count].name)
        return NULL;
    record->node_count++;
    return &nodes[count];
}

static void times_add(struct run_record *record, const struct result *result)
{
    int64_t ended_ns = result->started_ns + (int64_t)(result->elapsed_s * 1e9);
    record->seconds += result->elapsed_s;
    record->cpu_seconds += result->cpu_s;
    if (result->started_ns > 0 &&
        (!record->started_ns || result->started_ns < record->started_ns))
        record->started_ns = result->started_ns;
    if (ended_ns > record->ended_ns)
        record->ended_ns = ended_ns;
}

void run_record_run(struct run_record *record, const struct result *result, const char *node,
                    uint32_t attempts)
{
    bool good = result->status == RESULT_OK;
    struct node *known = node[0] ? node_find(record, node) : NULL;
    fprintf(record->file, "  model run %" PRIu64 " %s on node %s, slot %u, in %.6g s",
            result->id.task - record->first + 1, good ? "completed" : "failed",
            node[0] ? node : "(none)", result->slot, result->elapsed_s);
    if (attempts > 1)
        fprintf(record->file, ", attempt %u", attempts);
    if (!good)
        fprintf(record->file, ": %.*s", (int)result->error_size,
                result->error_size ? result->error : "");
    fputc('\n', record->file);
    fflush(record->file);
    times_add(record, result);
    if (!known)
        return;
    known->runs += good;
    known->failed += !good;
    known->seconds += good ? result->elapsed_s : 0;
}

int run_record_finish(struct run_record *record, struct error *ret_error)
{
    double elapsed = (double)(record->ended_ns - record->started_ns) * 1e-9;
    FILE *file = record->file;
    fprintf(file, "\n%-32s %10s %10s %12s\n", "node", "runs", "failed", "mean s");
    for (size_t i = 0; i < record->node_count; i++) {
        const struct node *node = &record->nodes[i];
        fprintf(file, "%-32s %10" PRIu64 " %10" PRIu64 " %12.6g\n", node->name, node->runs,
                node->failed, node->runs ? node->seconds / (double)node->runs : 0.0);
    }
    fprintf(file, "\nTotal time of model runs : %.6g s\n", record->seconds);
    fprintf(file, "Total CPU time           : %.6g s\n", record->cpu_seconds);
    fprintf(file, "Total elapsed time       : %.6g s\n", elapsed > 0 ? elapsed : 0.0);
    if (elapsed > 0)
        fprintf(file, "Speedup                  : %.4g\n", record->seconds / elapsed);
    if (fflush(file) == 0 && !ferror(file))
        return 0;
    return error_errno(ret_error, errno, "\"%s\" cannot be written", record->path);
}
