#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "master/journal.h"
#include "master/rebuild.h"
#include "master/results.h"

int rebuild_results(const char *run_dir, struct error *ret_error)
{
    char *path = NULL, *csv = NULL;
    struct journal *journal = NULL;
    struct results *results = NULL;
    int rc = -1;
    if (asprintf(&path, "%s/journal.db", run_dir) < 0 ||
        asprintf(&csv, "%s/results.csv", run_dir) < 0) {
        error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        goto out;
    }
    journal = journal_open(path, JOURNAL_READ, NULL, ret_error);
    if (journal)
        results = results_open(csv, journal, ret_error);
    if (results)
        rc = results_rewrite(results, journal, NULL, ret_error);
out:
    journal_close(journal, NULL);
    results_close(results);
    free(path);
    free(csv);
    return rc;
}
