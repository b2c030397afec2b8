/*
 * azure_script.h - command lines for nodes: pure text.
 *
 * A task's command line is `/bin/sh -c '...'`: it unpacks the bundle once per node, below
 * $AZ_BATCH_NODE_SHARED_DIR, and becomes the program. A start task's installs what is missing.
 * Neither holds a secret: what tasks need of these is in their environment.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_SCRIPT_H
#define BEOFARM_LAUNCH_AZURE_AZURE_SCRIPT_H

#include "common/buf.h"
#include "launch/azure/azure_settings.h"

#define AZURE_BUNDLE_FILE "beofarm-bundle.tar.gz"

/* Append where `program` lies on a node, for a shell's "...". `bundle` is the bundle's hash, ""
 * where none travels. 0, or -1 (buf failed). */
int azure_script_program_put(struct buf *buf, const struct azure_start *start,
                             const char *bundle, const char *program);

/* Append a task's command line. `args` after the program's name, NULL-terminated, may be NULL. */
int azure_script_task_put(struct buf *buf, const struct azure_start *start, const char *bundle,
                          const char *program, const char *const *args);

/* The same for a task of several nodes: what is left to do on its own when azure_script_mate_put's
 * command has ended on all. That one unpacks the bundle, which lies in $AZ_BATCH_TASK_SHARED_DIR,
 * and starts a worker's mate (worker/mate.h) on each node but the first. */
int azure_script_gang_put(struct buf *buf, const struct azure_start *start, const char *bundle,
                          const char *program, const char *const *args);
int azure_script_mate_put(struct buf *buf, const struct azure_start *start, const char *bundle);

/* Append the options with which Batch makes a task's container: those of the farm file, and, where
 * they name no network, the node's own. For a container's is hidden behind the node: nobody would
 * find a master that listens in it. 0, or -1 (buf failed). */
int azure_script_options_put(struct buf *buf, const struct azure_start *start);

/* Append a start task's command line; nothing where the nodes need none. */
int azure_script_start_put(struct buf *buf, const struct azure_start *start);

#endif
