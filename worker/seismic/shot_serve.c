#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/processors.h"
#include "common/seismic/shot_settings.h"
#include "worker/seismic/peak.h"
#include "worker/seismic/shot_compute.h"
#include "worker/seismic/shot_serve.h"

#define REPLY_MAX      (64 << 20)
#define LINE_MAX_BYTES (8 << 20) /* docs/runners.md */

/* A survey that stays open, and which file it was read from. */
struct kept {
    struct survey survey;
    char *path; /* NULL: none is open */
    struct stat stat;
};

/* A task, taken apart. */
struct order {
    struct shot_task task;
    struct shot_line line;
    struct spectrum filter;
    bool has_filter, extract;
};

static void kept_close(struct kept *kept)
{
    if (kept->path)
        survey_close(&kept->survey);
    free(kept->path);
    *kept = (struct kept){0};
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Make `path` the survey that is open. */
static int kept_open(struct kept *kept, const char *path, struct error *ret_error)
{
    struct stat now;
    if (stat(path, &now) < 0)
        return error_errno(ret_error, errno, "the survey %s cannot be read", path);
    if (kept->path && strcmp(kept->path, path) == 0 && same_file(&now, &kept->stat))
        return 0;
    kept_close(kept);
    char *copy = strdup(path);
    if (!copy)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    if (survey_open(path, 0, NULL, &kept->survey, ret_error) < 0) {
        free(copy);
        return -1;
    }
    kept->path = copy;
    kept->stat = now;
    return 0;
}

/* The time step depends on the fastest velocity where the survey does not say it. */
static int kept_scan(struct kept *kept, struct error *ret_error)
{
    if (kept->survey.numerics.dt_s > 0 || kept->survey.velocity_max_m_s > 0)
        return 0;
    return survey_scan(&kept->survey, ret_error);
}

static int read_settings(struct order *order, struct error *ret_error)
{
    const cJSON *filter;
    cJSON *settings = NULL;
    const char *text = order->task.settings;
    if (!text)
        return 0;
    if (json_parse(text, strlen(text), "settings", JSON_STRICT, &settings, ret_error) < 0)
        return -1;
    int rc = -1;
    if (json_get_bool(settings, "$", SHOT_SETTING_EXTRACT, false, &order->extract, ret_error) <
            0 ||
        json_get_object(settings, "$", SHOT_SETTING_FILTER, &filter, ret_error) < 0)
        goto out;
    if (filter &&
        spectrum_parse(filter, "$." SHOT_SETTING_FILTER, &order->filter, ret_error) < 0)
        goto out;
    order->has_filter = filter != NULL;
    rc = 0;
out:
    cJSON_Delete(settings);
    return rc;
}

/* The survey that the task means: one of its own files, or the farm's. */
static int survey_path(const struct order *order, char **ret_path, struct error *ret_error)
{
    bool own = false;
    for (size_t i = 0; i < order->task.file_count; i++)
        own = own || strcmp(order->task.files[i].name, SHOT_SURVEY_FILE) == 0;
    int size = own ? asprintf(ret_path, "%s/%s", order->line.folder, SHOT_SURVEY_FILE)
                   : asprintf(ret_path, "%s", order->line.survey);
    return size < 0 ? error_set(ret_error, ERROR_SYSTEM, "no memory for a path") : 0;
}

static void order_fini(struct order *order)
{
    shot_task_fini(&order->task);
    shot_line_fini(&order->line);
    spectrum_fini(&order->filter);
}

static int write_arrays(const struct order *order, const struct shot_answer *answer,
                        struct error *ret_error)
{
    const struct shot_task *task = &order->task;
    for (size_t i = 0; i < task->array_count; i++) {
        const char *name = task->arrays[i];
        const char *image =
            task->operation == SHOT_GRADIENT ? SHOT_ARRAY_GRADIENT : SHOT_ARRAY_IMAGE;
        bool light = strcmp(name, SHOT_ARRAY_ILLUMINATION) == 0;
        char *path = NULL;
        if (!answer->has_pile || (!light && strcmp(name, image) != 0))
            return error_set(ret_error, ERROR_CONFIG, "operation \"%s\" has no array \"%s\"",
                             shot_operation_name(task->operation), name);
        if (asprintf(&path, "%s/%s%s", order->line.dir, name, SHOT_ARRAY_ENDING) < 0)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        int rc = pile_write(&answer->pile, light ? PILE_ILLUMINATION : PILE_IMAGE, NULL, path,
                            ret_error);
        free(path);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static void put_real(struct buf *buf, const char *name, double value)
{
    if (!isfinite(value))
        return;
    buf_printf(buf, "\"%s\":", name);
    json_put_real(buf, value);
    buf_append_text(buf, ",");
}

static void put_answer(const struct order *order, struct shot_answer *answer, struct buf *reply)
{
    const struct grid_box *window = &answer->pile.window;
    buf_printf(reply, "{\"task\":%llu,\"ok\":true,\"values\":{",
               (unsigned long long)order->line.id.task);
    put_real(reply, "misfit", answer->misfit);
    put_real(reply, "norm", answer->norm);
    put_real(reply, "seconds", answer->seconds);
    put_real(reply, "peak_bytes", (double)answer->peak_bytes);
    put_real(reply, "points", answer->points);
    if (answer->has_pile)
        buf_printf(reply, "\"window\":\"%zu %zu %zu %zu %zu %zu\",", window->first[GRID_X],
                   window->first[GRID_Y], window->first[GRID_Z], window->n[GRID_X],
                   window->n[GRID_Y], window->n[GRID_Z]);
    buf_append_text(reply, "\"extra\":");
    json_put_text(reply, answer->extra.data, answer->extra.size);
    buf_append_text(reply, "},\"outputs\":[");
    for (size_t at = 0; at < answer->outputs.size;) {
        const char *name = (const char *)answer->outputs.data + at;
        buf_append_text(reply, at ? "," : "");
        json_put_text(reply, name, strlen(name));
        at += strlen(name) + 1;
    }
    buf_append_text(reply, "]}\n");
}

static int compute(struct kept *kept, struct order *order, struct buf *reply,
                   struct error *ret_error)
{
    struct shot_task *task = &order->task;
    struct shot_answer answer = {0};
    char *path = NULL;
    if (survey_path(order, &path, ret_error) < 0)
        return -1;
    int rc = kept_open(kept, path, ret_error);
    free(path);
    if (rc < 0 || kept_scan(kept, ret_error) < 0)
        return -1;
    for (size_t i = 0; order->extract && i < task->shot_count; i++)
        task->shots[i].index = i;
    const struct shot_request request = {
        .operation = task->operation,
        .shots = task->shots,
        .shot_count = task->shot_count,
        .encoded = task->encoded,
        .min_hz = task->min_hz,
        .max_hz = task->max_hz,
        .threads = (int)order->line.threads,
        .memory_bytes = task->memory_bytes ? task->memory_bytes
                                           : shot_serve_share((int)order->line.threads),
        .spill_dir = order->line.dir,
        .filter = order->has_filter ? &order->filter : NULL,
        .traces_dir = order->line.dir,
    };
    rc = shot_compute(&kept->survey, &request, &answer, ret_error);
    if (rc == 0)
        rc = write_arrays(order, &answer, ret_error);
    if (rc == 0)
        put_answer(order, &answer, reply);
    shot_answer_fini(&answer);
    return rc;
}

static void put_failure(const struct order *order, const struct error *error, struct buf *reply)
{
    buf_clear(reply);
    buf_printf(reply, "{\"task\":%llu,\"ok\":false,\"error\":",
               (unsigned long long)order->line.id.task);
    json_put_text(reply, error->text, strlen(error->text));
    buf_append_text(reply, "}\n");
}

/* One line. */
static int serve_line(struct kept *kept, const char *text, size_t size, int out_fd,
                      struct error *ret_error)
{
    struct order order = {0};
    struct error failure = {0};
    struct buf reply;
    if (shot_line_parse(text, size, &order.task, &order.line, ret_error) < 0)
        return -1;
    buf_init(&reply, REPLY_MAX);
    if (read_settings(&order, &failure) < 0 || compute(kept, &order, &reply, &failure) < 0) {
        put_failure(&order, &failure, &reply);
        /* Perhaps what was read of the survey is damaged: the next task looks again. */
        kept_close(kept);
    }
    int rc = 0;
    if (buf_failed(&reply))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for an answer");
    else if (fd_write(out_fd, reply.data, reply.size) < 0)
        rc = error_errno(ret_error, errno, "an answer cannot be written");
    buf_fini(&reply);
    order_fini(&order);
    return rc;
}

unsigned long long shot_serve_share(int threads)
{
    /* Of all, not of ours alone: whoever has the others needs memory as well. */
    int processors = processors_online();
    double share = threads > 0 && threads < processors ? (double)threads / processors : 1;
    return (unsigned long long)(0.8 * share * (double)peak_available());
}

int shot_serve(int in_fd, int out_fd, struct error *ret_error)
{
    struct kept kept = {0};
    char *line = NULL;
    size_t capacity = 0;
    ssize_t size;
    int rc = 0, copy = dup(in_fd);
    FILE *stream = copy < 0 ? NULL : fdopen(copy, "r");
    if (!stream) {
        if (copy >= 0)
            close(copy);
        return error_errno(ret_error, errno, "tasks cannot be read");
    }
    while (rc == 0 && (size = getline(&line, &capacity, stream)) >= 0) {
        if (size > 0 && line[size - 1] == '\n')
            size--;
        if (size > LINE_MAX_BYTES)
            rc = error_set(ret_error, ERROR_NETWORK, "a task's line of %zd bytes is too long",
                           size);
        else if (size > 0)
            rc = serve_line(&kept, line, (size_t)size, out_fd, ret_error);
    }
    free(line);
    fclose(stream);
    kept_close(&kept);
    return rc;
}
