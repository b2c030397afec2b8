/*
 * submission.h - the tasks that a farm is made of, ready to submit: program, files and environment
 * of docs/architecture.md. run submits them, run --dry-run prints the very same.
 */
#ifndef BEOFARM_LAUNCH_SUBMISSION_H
#define BEOFARM_LAUNCH_SUBMISSION_H

#include "common/error.h"
#include "launch/backend.h"

/* What all tasks of a farm share. All borrowed. */
struct submission_farm {
    const char *name, *secret, *network, *log; /* network: NULL for any */
    const char *store_uri;
    const char *run_dir;    /* BEOFARM_RUN_DIR; NULL if the nodes do not see it */
    const char *farm_json;  /* path on this machine */
    const char *files_json; /* path on this machine */
    int machine_workers;    /* so many workers divide one machine; 0: each has its own */
    int worker_nodes;       /* each has so many nodes; 0: one */
};

/* Where workers find the master. All borrowed. */
struct submission_master {
    const char *host, *address; /* address: NULL if not known */
    int port;
};

#define SUBMISSION_VARIABLES_MAX 12

struct submission {
    struct backend_task task; /* points into this struct and what it was made from */
    char id[BACKEND_TASK_ID_MAX + 1];
    char port[16], share[32];
    struct backend_variable variables[SUBMISSION_VARIABLES_MAX];
    struct backend_file files[2];
};

/* `port` is the one that the master tries first. */
void submission_make_master(struct submission *submission, const struct submission_farm *farm,
                            int port, int generation);

/* Worker `number`, from 1, that dials this master. */
void submission_make_worker(struct submission *submission, const struct submission_farm *farm,
                            const struct submission_master *master, int number, int generation);

#endif
