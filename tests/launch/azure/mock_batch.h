/*
 * mock_batch.h - the Batch service as far as launch speaks to it: pools that allocate over several
 * polls, their nodes, jobs, tasks that begin and end as they are looked at, their files, lists in
 * pages. States move on when something is read, not with the time.
 */
#ifndef BEOFARM_TESTS_LAUNCH_AZURE_MOCK_BATCH_H
#define BEOFARM_TESTS_LAUNCH_AZURE_MOCK_BATCH_H

#include <cjson/cJSON.h>

#include "tests/launch/azure/mock.h"

struct mock_batch {
    struct server *server;
    struct mock_faults faults;
    cJSON *pools, *jobs;    /* objects by id; a job's "tasks" is an object by id */
    int polls_to_steady;    /* how often a pool is read before its nodes are there */
    int nodes_missing;      /* so many nodes never come: a resize error says why */
    int page;               /* items of a page */
    int body_max;           /* bytes of a task collection, beyond which it is 413; 0: 1 MB */
    int64_t many;           /* a job "many" has so many tasks, made up page by page */
    const char *task_error; /* code with which tasks whose id begins with "bad" are refused */
    int server_errors;      /* so many tasks of collections fail by servererror first */
    int silent;             /* so many tasks of collections are not mentioned in answers */
    const char *file;       /* content of every task's stdout.txt; NULL: no files */
    bool whole_files;       /* ranges are not honoured */
    int collections;        /* task collections that came */
    size_t largest;         /* bytes of the largest that was taken */
    int most;               /* tasks of the longest that was taken */
    char last_body[8192];   /* of the latest POST, PUT or PATCH */
    char last_query[2048];
};

void mock_batch_start(struct mock_batch *mock);
void mock_batch_stop(struct mock_batch *mock);

#endif
