/*
 * results.c - see results.h.
 *
 * Lines are put together in one buffer and written with one write per group. The file always ends
 * with a whole line: what a failing write left behind is cut off again.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/csv.h"
#include "common/fd.h"
#include "common/values.h"
#include "master/results.h"

#define LINES_MAX   ((size_t)1 << 30) /* bytes of one group's lines */
#define BLOCK_BYTES ((size_t)1 << 20) /* bytes of one write while rewriting */

static const char *const built_in[] = {"task",      "status", "code",     "error",
                                       "elapsed_s", "worker", "attempts", NULL};

struct results {
    char *path;
    int fd; /* appending */
    char *header;
    size_t params, values; /* how many columns of each; 0 where the journal says "brief" */
    struct buf lines;      /* of the group being appended */

    pthread_mutex_t lock; /* trouble is set by the journal's thread, read by the owner's */
    bool troubled;
    struct error trouble;
};

/* --- columns ------------------------------------------------------------------------------ */

static bool name_in(const cJSON *names, const char *name)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, names) if (cJSON_IsString(item) &&
                                        strcmp(item->valuestring, name) == 0) return true;
    return false;
}

static int name_check_built_in(const cJSON *names, const char *what, struct error *ret_error)
{
    for (const char *const *name = built_in; *name; name++)
        if (name_in(names, *name))
            return error_set(
                ret_error, ERROR_CONFIG,
                "a %s cannot be called \"%s\": results.csv has a column of that name "
                "(task, status, code, elapsed_s, worker, attempts and error are "
                "taken)",
                what, *name);
    return 0;
}

int results_check_names(const cJSON *params, const cJSON *values, struct error *ret_error)
{
    const cJSON *item;

    if (name_check_built_in(params, "parameter", ret_error) < 0 ||
        name_check_built_in(values, "value", ret_error) < 0)
        return -1;
    cJSON_ArrayForEach(
        item,
        values) if (cJSON_IsString(item) &&
                    name_in(
                        params,
                        item->valuestring)) return error_set(ret_error, ERROR_CONFIG,
                                                             "the value \"%s\" is called like "
                                                             "a parameter, and results.csv can "
                                                             "have but one column of that "
                                                             "name; rename the value",
                                                             item->valuestring);
    return 0;
}

/* Append the names of a JSON array, each with a comma behind it; *ret_count says how many. */
static int names_put(struct buf *buf, const char *json, size_t *ret_count)
{
    cJSON *names = json ? cJSON_Parse(json) : NULL, *item;
    int rc = cJSON_IsArray(names) ? 0 : -1;

    *ret_count = 0;
    cJSON_ArrayForEach(item, names)
    {
        if (!cJSON_IsString(item)) {
            rc = -1;
            break;
        }
        csv_put_field(buf, item->valuestring, strlen(item->valuestring));
        buf_append(buf, ",", 1);
        ++*ret_count;
    }
    cJSON_Delete(names);
    return rc;
}

static int header_make(struct results *results, const struct journal *journal,
                       struct error *ret_error)
{
    const char *brief = journal_meta_get(journal, "brief");
    bool wide = brief && strcmp(brief, "1") == 0;
    struct buf buf;
    int rc = 0;

    buf_init(&buf, LINES_MAX);
    buf_append_text(&buf, "task,");
    if (wide)
        results->params = results->values = 0;
    else if (names_put(&buf, journal_meta_get(journal, "params"), &results->params) < 0 ||
             names_put(&buf, journal_meta_get(journal, "results"), &results->values) < 0)
        rc = error_set(ret_error, ERROR_SYSTEM,
                       "the journal is broken: it does not name its columns");
    buf_append_text(&buf, "status,code,elapsed_s,worker,attempts,error\n");
    if (rc == 0 && (buf_failed(&buf) || !(results->header = strdup(buf_text(&buf)))))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for %s", results->path);
    buf_fini(&buf);
    return rc;
}

/* --- lines -------------------------------------------------------------------------------- */

/* A number in decimal, with at least `digits` digits. printf would take a third of a line's time,
 * and lines are written at the pace of results. */
static void number_put(struct buf *buf, uint64_t number, int digits)
{
    char text[24], *at = text + sizeof text;

    do {
        *--at = (char)('0' + number % 10);
        number /= 10;
    } while (--digits > 0 || number);
    buf_append(buf, at, (size_t)(text + sizeof text - at));
}

static void integer_put(struct buf *buf, int64_t number)
{
    if (number < 0)
        buf_append(buf, "-", 1);
    number_put(buf, number < 0 ? -(uint64_t)number : (uint64_t)number, 1);
}

/* Seconds to the microsecond. */
static void seconds_put(struct buf *buf, double seconds)
{
    uint64_t us;

    if (!(seconds >= 0 && seconds < 1e12)) /* a worker's mistake; also NaN */
        return;
    us = (uint64_t)(seconds * 1e6 + 0.5);
    number_put(buf, us / 1000000, 1);
    buf_append(buf, ".", 1);
    number_put(buf, us % 1000000, 6);
}

static void value_put(struct buf *buf, const struct value *value)
{
    if (value->kind == VALUE_TEXT)
        csv_put_field(buf, value->text, value->text_size);
    else if (value->kind == VALUE_INTEGER)
        integer_put(buf, value->integer);
    else
        value_format(buf, value);
}

/* A list as `columns` fields with a comma behind each. Workers are not trusted to send as many
 * as the job says: what is missing stays empty, what is too much is left out. */
static void list_put(struct buf *buf, const void *bytes, size_t size, size_t columns)
{
    struct value *values = NULL;
    size_t count = 0;

    if (size && columns && values_decode(bytes, size, &values, &count, NULL) < 0)
        count = 0;
    for (size_t i = 0; i < columns; i++) {
        if (i < count)
            value_put(buf, &values[i]);
        buf_append(buf, ",", 1);
    }
    free(values);
}

static void line_put(const struct results *results, struct buf *buf,
                     const struct journal_row *row)
{
    const struct result *result = &row->result;

    number_put(buf, result->id.task, 1);
    buf_append(buf, ",", 1);
    list_put(buf, row->params, row->params_size, results->params);
    list_put(buf, result->values, result->values_size, results->values);
    buf_append_text(buf, result_status_name((int)result->status));
    buf_append(buf, ",", 1);
    if (result->status == RESULT_EXIT || result->status == RESULT_SIGNAL)
        integer_put(buf, result->code);
    buf_append(buf, ",", 1);
    seconds_put(buf, result->elapsed_s);
    buf_append(buf, ",", 1);
    csv_put_field(buf, row->worker, strlen(row->worker));
    buf_append(buf, ",", 1);
    number_put(buf, row->attempts, 1);
    buf_append(buf, ",", 1);
    if (result->error_size)
        csv_put_field(buf, result->error, result->error_size);
    buf_append(buf, "\n", 1);
}

static void trouble_set(struct results *results, int errno_value)
{
    pthread_mutex_lock(&results->lock);
    results->troubled = true;
    error_errno(&results->trouble, errno_value,
                "cannot append to %s (the journal has all results; "
                "results.csv is written again at the end)",
                results->path);
    pthread_mutex_unlock(&results->lock);
}

void results_append(void *context, const struct journal_row *rows, size_t count)
{
    struct results *results = context;
    off_t before;

    if (results_trouble(results, NULL) < 0)
        return; /* a gap would look like tasks that have not ended */
    buf_clear(&results->lines);
    for (size_t i = 0; i < count; i++)
        if (rows[i].ended)
            line_put(results, &results->lines, &rows[i]);
    if (buf_failed(&results->lines)) {
        trouble_set(results, ENOMEM);
        return;
    }
    before = lseek(results->fd, 0, SEEK_END);
    if (fd_write(results->fd, results->lines.data, results->lines.size) == 0)
        return;
    trouble_set(results, errno);
    while (before >= 0 && ftruncate(results->fd, before) < 0 && errno == EINTR)
        ;
}

int results_trouble(struct results *results, struct error *ret_error)
{
    bool troubled;

    pthread_mutex_lock(&results->lock);
    troubled = results->troubled;
    if (troubled && ret_error)
        *ret_error = results->trouble;
    pthread_mutex_unlock(&results->lock);
    return troubled ? -1 : 0;
}

/* --- rewriting ---------------------------------------------------------------------------- */

struct rewrite {
    struct results *results;
    const char *path;
    int fd;
    struct buf block;
    uint64_t rows;
};

static int rewrite_flush(struct rewrite *rewrite, struct error *ret_error)
{
    if (buf_failed(&rewrite->block))
        return error_set(ret_error, ERROR_SYSTEM, "no memory to write %s", rewrite->path);
    if (fd_write(rewrite->fd, rewrite->block.data, rewrite->block.size) < 0)
        return error_errno(ret_error, errno, "cannot write %s", rewrite->path);
    buf_clear(&rewrite->block);
    return 0;
}

static int rewrite_row(void *context, const struct journal_row *row, struct error *ret_error)
{
    struct rewrite *rewrite = context;

    line_put(rewrite->results, &rewrite->block, row);
    rewrite->rows++;
    return rewrite->block.size < BLOCK_BYTES ? 0 : rewrite_flush(rewrite, ret_error);
}

/* Make a rename in the folder of `path` durable. */
static int folder_sync(const char *path, struct error *ret_error)
{
    char *copy = strdup(path);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int rc = fd < 0 || fsync(fd) < 0 ? -1 : 0;

    if (rc < 0)
        error_errno(ret_error, errno, "cannot make %s durable", path);
    if (fd >= 0)
        close(fd);
    free(copy);
    return rc;
}

static int rewrite_fill(struct rewrite *rewrite, struct journal *journal,
                        struct error *ret_error)
{
    rewrite->fd =
        open(rewrite->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0666);
    if (rewrite->fd < 0)
        return error_errno(ret_error, errno, "cannot make %s", rewrite->path);
    buf_append_text(&rewrite->block, rewrite->results->header);
    if (journal_replay(journal, rewrite_row, rewrite, ret_error) < 0 ||
        rewrite_flush(rewrite, ret_error) < 0)
        return -1;
    if (fsync(rewrite->fd) < 0)
        return error_errno(ret_error, errno, "cannot make %s durable", rewrite->path);
    if (rename(rewrite->path, rewrite->results->path) < 0)
        return error_errno(ret_error, errno, "cannot put %s in place", rewrite->results->path);
    return folder_sync(rewrite->results->path, ret_error);
}

int results_rewrite(struct results *results, struct journal *journal, uint64_t *ret_rows,
                    struct error *ret_error)
{
    size_t room = strlen(results->path) + sizeof ".tmp";
    char *path = malloc(room);
    struct rewrite rewrite = {.results = results, .path = path, .fd = -1};

    if (!path)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to write %s", results->path);
    snprintf(path, room, "%s.tmp", results->path);
    buf_init(&rewrite.block, LINES_MAX);
    if (rewrite_fill(&rewrite, journal, ret_error) < 0)
        goto fail;
    close(results->fd);
    results->fd = rewrite.fd;
    pthread_mutex_lock(&results->lock);
    results->troubled = false;
    pthread_mutex_unlock(&results->lock);
    if (ret_rows)
        *ret_rows = rewrite.rows;
    buf_fini(&rewrite.block);
    free(path);
    return 0;
fail:
    if (rewrite.fd >= 0) {
        close(rewrite.fd);
        unlink(path);
    }
    buf_fini(&rewrite.block);
    free(path);
    return -1;
}

/* --- opening and closing ------------------------------------------------------------------ */

static int file_begin(struct results *results, struct error *ret_error)
{
    off_t size;

    results->fd = open(results->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (results->fd < 0)
        return error_errno(ret_error, errno, "cannot open %s", results->path);
    size = lseek(results->fd, 0, SEEK_END);
    if (size < 0)
        return error_errno(ret_error, errno, "cannot append to %s", results->path);
    if (size == 0 && fd_write(results->fd, results->header, strlen(results->header)) < 0)
        return error_errno(ret_error, errno, "cannot write %s", results->path);
    return 0;
}

struct results *results_open(const char *path, struct journal *journal, struct error *ret_error)
{
    struct results *results = calloc(1, sizeof *results);

    if (!results || !(results->path = strdup(path))) {
        free(results);
        error_set(ret_error, ERROR_SYSTEM, "no memory for %s", path);
        return NULL;
    }
    results->fd = -1;
    buf_init(&results->lines, LINES_MAX);
    pthread_mutex_init(&results->lock, NULL);
    if (header_make(results, journal, ret_error) < 0 || file_begin(results, ret_error) < 0) {
        results_close(results);
        return NULL;
    }
    return results;
}

void results_close(struct results *results)
{
    if (!results)
        return;
    if (results->fd >= 0)
        close(results->fd);
    buf_fini(&results->lines);
    pthread_mutex_destroy(&results->lock);
    free(results->header);
    free(results->path);
    free(results);
}
