#include "config.h"

#include <stdlib.h>

#include "master/attempts.h"
#include "master/journal.h"

struct printing {
    uint64_t task;
    FILE *stream;
};

static int print_row(void *context, const struct journal_row *row, struct error *ret_error)
{
    const struct printing *printing = context;
    const struct result *result = &row->result;
    (void)ret_error;
    if (result->id.task != printing->task || result->status == RESULT_OK)
        return 0;
    fprintf(printing->stream, "attempt %u on %s: %.*s\n", result->id.attempt, row->worker,
            (int)result->error_size, result->error ? result->error : "");
    if (result->stderr_size) {
        fwrite(result->stderr_tail, 1, result->stderr_size, printing->stream);
        if (result->stderr_tail[result->stderr_size - 1] != '\n')
            fputc('\n', printing->stream);
    }
    return 0;
}

int attempts_print(const char *run_dir, uint64_t task, FILE *stream, struct error *ret_error)
{
    struct printing printing = {.task = task, .stream = stream};
    char *path = journal_path(run_dir, ret_error);
    if (!path)
        return -1;
    struct journal *journal = journal_open(path, JOURNAL_READ, NULL, ret_error);
    int rc = journal ? 0 : -1;
    if (rc == 0)
        rc = journal_replay_failures(journal, print_row, &printing, ret_error);
    if (rc == 0)
        rc = journal_replay(journal, print_row, &printing, ret_error);
    if (rc == 0 && fflush(stream) != 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "what was asked for cannot be written");
    journal_close(journal, NULL);
    free(path);
    return rc;
}
