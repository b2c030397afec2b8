/*
 * roster.h - the farm's tasks in the backend, and their names.
 *
 * A master is "master", a worker "worker-N" (N from 1). One that is submitted again, because it
 * died or the farm is resumed, gets a generation behind it, from 2: "master-2", "worker-3-2". The
 * highest generation is the one that counts.
 */
#ifndef BEOFARM_LAUNCH_ROSTER_H
#define BEOFARM_LAUNCH_ROSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "launch/backend.h"

struct roster_task {
    char id[BACKEND_TASK_ID_MAX + 1];
    bool master;
    int number;     /* of a worker; 0 for a master */
    int generation; /* from 1 */
    struct backend_status status;
};

struct roster {
    struct roster_task *tasks; /* masters first, then workers by number, each by generation */
    size_t count;
};

/* Ask the backend. Tasks with other names are passed by. */
int roster_read(struct backend *backend, struct roster *ret_roster, struct error *ret_error);

/* Free; a zeroed one is allowed. */
void roster_close(struct roster *roster);

/* The master, or worker `number`, of the highest generation; NULL if there is none. */
const struct roster_task *roster_master(const struct roster *roster);
const struct roster_task *roster_worker(const struct roster *roster, int number);

/* The highest number of a worker; 0 if there is none. */
int roster_workers(const struct roster *roster);

/* "master-2", "worker-3" into id (BACKEND_TASK_ID_MAX + 1 bytes). Number 0 means the master. */
void roster_id_format(int number, int generation, char *id);

/* The opposite: 0, or -1 if it is no such name. */
int roster_id_parse(const char *id, int *ret_number, int *ret_generation);

#endif
