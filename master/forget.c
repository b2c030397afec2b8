#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "common/json.h"
#include "master/driver.h"
#include "master/forget.h"
#include "master/journal.h"
#include "master/journal_db.h"
#include "master/lock_file.h"
#include "master/replica.h"

static int work_check(const char *run_dir, struct error *ret_error)
{
    char *path;
    cJSON *farm = NULL;
    if (asprintf(&path, "%s/farm.json", run_dir) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    int rc = json_read_file(path, JSON_STRICT, &farm, ret_error);
    free(path);
    if (rc < 0)
        return -1;
    const char *kind = cJSON_GetStringValue(json_member(json_member(farm, "work"), "kind"));
    const struct driver_ops *ops = kind ? driver_find(kind) : NULL;
    if (!ops || !ops->independent)
        rc = error_set(ret_error, ERROR_USAGE,
                       "failed tasks of \"%s\" work cannot be run again: what came after them "
                       "was decided knowing that they failed",
                       kind ? kind : "?");
    cJSON_Delete(farm);
    return rc;
}

/* Where the journal has a copy in a container, that is what the next master reads. */
static int copy_forget(const char *path, struct replica **ret_replica, struct error *ret_error)
{
    struct container_target target = container_target_get();
    const struct replica_options options = {.store = target.store, .run = target.run};
    *ret_replica = NULL;
    if (!target.store)
        return 0;
    if (!target.run)
        return error_set(ret_error, ERROR_USAGE, "BEOFARM_RUN is not set");
    *ret_replica = replica_open(&options, ret_error);
    return *ret_replica && replica_restore(*ret_replica, path, ret_error) == 0
               ? replica_forget(*ret_replica, ret_error)
               : -1;
}

static int journal_forget(const char *path, uint64_t *ret_count, struct error *ret_error)
{
    bool fresh = false;
    int rc = -1, lock;
    struct replica *replica = NULL;
    struct journal_db *db = NULL;
    if (!container_target_get().store && access(path, F_OK) != 0)
        return error_set(ret_error, ERROR_USAGE, "no task has ended yet: there is no \"%s\"",
                         path);
    lock = lock_file_take(path, ret_error);
    if (lock < 0)
        return -1;
    if (copy_forget(path, &replica, ret_error) == 0)
        db = journal_db_open(path, true, &fresh, ret_error);
    *ret_count = 0;
    if (db)
        rc = fresh ? 0 : journal_db_forget_failed(db, ret_count, ret_error);
    journal_db_close(db);
    replica_close(replica);
    close(lock);
    return rc;
}

int forget_failed(const char *run_dir, FILE *stream, struct error *ret_error)
{
    uint64_t count;
    if (work_check(run_dir, ret_error) < 0)
        return -1;
    char *path = journal_path(run_dir, ret_error);
    if (!path)
        return -1;
    int rc = journal_forget(path, &count, ret_error);
    free(path);
    if (rc == 0)
        fprintf(stream, "%" PRIu64 "\n", count);
    return rc;
}
