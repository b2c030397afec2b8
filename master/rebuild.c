#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "master/folders.h"
#include "master/journal.h"
#include "master/rebuild.h"
#include "master/replica.h"
#include "master/results.h"
#include "master/ship.h"

struct paths {
    char *journal, *results, *outputs;
};

static int tables_write(const struct paths *paths, bool folders_too, struct error *ret_error)
{
    struct folders *folders = NULL;
    struct results *results = NULL;
    struct journal *journal = journal_open(paths->journal, JOURNAL_READ, NULL, ret_error);
    int rc = -1;
    if (journal)
        results = results_open(paths->results, journal, ret_error);
    if (results)
        rc = results_rewrite(results, journal, NULL, ret_error);
    if (rc == 0 && folders_too)
        rc = (folders = folders_open(paths->outputs, journal, ret_error)) ? 0 : -1;
    journal_close(journal, NULL);
    folders_close(folders);
    results_close(results);
    return rc;
}

static int copy_bring(const struct container_target *target, const char *path,
                      struct error *ret_error)
{
    const struct replica_options options = {.store = target->store, .run = target->run};
    struct replica *replica = replica_open(&options, ret_error);
    int rc = replica ? replica_restore(replica, path, ret_error) : -1;
    replica_close(replica);
    return rc;
}

static int tables_ship(const struct container_target *target, const struct paths *paths,
                       struct error *ret_error)
{
    struct container *container = container_open(target->store, target->run, NULL, ret_error);
    int rc = container ? ship_file(container, paths->results, "results.csv", ret_error) : -1;
    if (rc == 0)
        rc = ship_file(container, paths->outputs, "outputs.csv", ret_error);
    container_close(container);
    return rc;
}

int rebuild_results(const char *run_dir, struct error *ret_error)
{
    struct container_target target = container_target_get();
    struct paths paths = {.journal = journal_path(run_dir, ret_error)};
    bool away = target.store && target.run;
    int rc = paths.journal ? 0 : -1;
    if (rc == 0 && (asprintf(&paths.results, "%s/results.csv", run_dir) < 0 ||
                    asprintf(&paths.outputs, "%s/outputs.csv", run_dir) < 0))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (rc == 0 && away)
        rc = copy_bring(&target, paths.journal, ret_error);
    bool empty = rc == 0 && away && access(paths.journal, F_OK) != 0; /* nothing ever ended */
    if (rc == 0 && !empty)
        rc = tables_write(&paths, away, ret_error);
    if (rc == 0 && away && !empty)
        rc = tables_ship(&target, &paths, ret_error);
    free(paths.journal);
    free(paths.results);
    free(paths.outputs);
    return rc;
}
