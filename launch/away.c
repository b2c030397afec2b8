#include "config.h"

#include "launch/away.h"

#include <stdlib.h>
#include <string.h>

#include "launch/disk.h"

static int journal_point(struct backend *backend, struct error *ret_error)
{
    struct buf store, run;
    buf_init(&store, 16384);
    buf_init(&run, 1024);
    int rc = backend->ops->journal_put(backend, &store, &run, ret_error);
    if (rc == 0 && (!buf_text(&store) || !buf_text(&run) ||
                    setenv("BEOFARM_STORE", buf_text(&store), 1) != 0 ||
                    setenv("BEOFARM_RUN", buf_text(&run), 1) != 0))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for an environment");
    if (store.size)
        explicit_bzero(store.data, store.size);
    buf_fini(&store);
    buf_fini(&run);
    return rc;
}

static int copy_remove(const struct rundir *rundir, struct error *ret_error)
{
    static const char *const names[] = {"journal.db", "journal.db-wal", "journal.db-shm"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof names / sizeof names[0]; i++) {
        char *path = rundir_path(rundir, names[i], ret_error);
        rc = path ? disk_remove(path, ret_error) : -1;
        free(path);
    }
    return rc;
}

int away_ask(struct backend *backend, const struct rundir *rundir, const char *const *args,
             int limit_s, struct program_answer *ret_answer, struct error *ret_error)
{
    bool away = backend->ops->journal_put;
    struct error ignored;
    memset(ret_answer, 0, sizeof *ret_answer);
    int rc = away ? journal_point(backend, ret_error) : 0;
    if (rc == 0)
        rc = program_ask("beofarm-master", args, limit_s, ret_answer, ret_error);
    if (rc == 0 && ret_answer->exit_code != 0)
        rc = program_answer_refuse("beofarm-master", ret_answer, ret_error);
    if (!away)
        return rc;
    unsetenv("BEOFARM_STORE");
    unsetenv("BEOFARM_RUN");
    return copy_remove(rundir, rc == 0 ? ret_error : &ignored) == 0 ? rc : -1;
}
