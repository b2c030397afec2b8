/*
 * batch_file.h - files of tasks and nodes: listed, measured, and read by ranges, since the stdout
 * of a running task grows.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_FILE_H
#define BEOFARM_LAUNCH_AZURE_BATCH_FILE_H

#include "launch/azure/batch.h"

/* Whose: a task's (job and task) or a node's (pool and node); the others are NULL. */
struct batch_file_owner {
    const char *job, *task;
    const char *pool, *node;
};

struct batch_file {
    const char *name; /* "stdout.txt", "wd/out.csv"; of a node: "startup/stderr.txt" */
    bool folder;
    uint64_t size; /* 0 of folders */
    int64_t changed_ns;
};

/* GET .../files?recursive, 200. A task that has not begun has none: BATCH_MISSING before any visit,
 * as when job, task, pool or node are unknown. "listing the files of task \"T\" of job \"J\": ...".
 */
int batch_file_list(struct account *account, const struct batch_file_owner *owner,
                    bool recursive, int (*visit)(void *context, const struct batch_file *file),
                    void *context, struct error *ret_error);

/* HEAD .../files/{path}, 200. BATCH_MISSING: there is no such file, not yet or no more (the error's
 * sentence tells). ret_changed_ns may be NULL. "measuring \"PATH\" of task \"T\" ...: ...". */
int batch_file_measure(struct account *account, const struct batch_file_owner *owner,
                       const char *path, uint64_t *ret_size, int64_t *ret_changed_ns,
                       struct error *ret_error);

/* GET .../files/{path} with ocp-range, 200 or 206: append up to `max` bytes from `offset`. Returns
 * how many; 0: there is nothing (yet) at that offset, or no such file (yet, or no more); -1.
 * "reading \"PATH\" of task \"T\" ...: ...". */
int64_t batch_file_read(struct account *account, const struct batch_file_owner *owner,
                        const char *path, uint64_t offset, size_t max, struct buf *ret_bytes,
                        struct error *ret_error);

#endif
