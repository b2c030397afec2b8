#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/store.h"
#include "common/tree.h"
#include "common/values.h"
#include "tests/worker/runner_rig.h"

static void too_late(void *context)
{
    (void)context;
    fail_msg("nothing came within %d s", RIG_LIMIT_S);
}

struct waiting {
    struct rig *rig;
    bool (*done)(void *context);
    void *context;
};

static int64_t turn(void *context)
{
    struct waiting *waiting = context;
    if (waiting->done(waiting->context))
        loop_stop(waiting->rig->loop);
    return CLOCK_MS_NS * 5;
}

void rig_wait_until(struct rig *rig, bool (*done)(void *context), void *context)
{
    struct error error = {0};
    struct waiting waiting = {rig, done, context};
    struct loop_timer *timer = loop_timer_add(rig->loop, too_late, NULL);
    loop_timer_arm(timer, clock_monotonic_ns() + RIG_LIMIT_S * CLOCK_SECOND_NS);
    loop_set_turn(rig->loop, turn, &waiting);
    if (!done(context) && loop_run(rig->loop, &error) < 0)
        fail_msg("%s", error.text);
    loop_timer_remove(timer);
}

static bool has_wanted(void *context)
{
    struct rig *rig = context;
    return rig->count >= rig->wanted;
}

void rig_wait(struct rig *rig, size_t count)
{
    rig->wanted = count;
    if (rig->ops->flush)
        rig->ops->flush(rig->runner);
    rig_wait_until(rig, has_wanted, rig);
}

static char *copy_text(const char *text, size_t size)
{
    return text ? strndup(text, size) : strdup("");
}

static void read_outputs(struct rig_result *kept, struct workdir *workdir)
{
    struct output_piece piece;
    struct error error = {0};
    struct buf text;
    int rc;
    buf_init(&text, 64 << 20);
    while ((rc = workdir_next_piece(workdir, &piece, &error)) == 1) {
        if (piece.offset == 0)
            buf_printf(&text, "%.*s=", (int)piece.path_size, piece.path);
        buf_append(&text, piece.bytes, piece.size);
        if (piece.offset + piece.size == piece.total_size)
            buf_append_text(&text, "\n");
    }
    if (rc < 0)
        fail_msg("%s", error.text);
    free(kept->outputs);
    kept->outputs_size = text.size;
    kept->outputs = malloc(text.size + 1);
    memcpy(kept->outputs, buf_text(&text), text.size + 1);
    buf_fini(&text);
    workdir_destroy(workdir);
}

static void keep(void *context, struct runner *runner, const struct result *result,
                 struct workdir *workdir)
{
    struct rig *rig = context;
    struct error error = {0};
    (void)runner;
    assert_true(rig->count < RIG_RESULTS);
    struct rig_result *kept = &rig->results[rig->count++];
    kept->result = *result;
    kept->values_bytes = malloc(result->values_size + 1);
    memcpy(kept->values_bytes, result->values, result->values_size);
    if (values_decode(kept->values_bytes, result->values_size, &kept->values,
                      &kept->value_count, &error) < 0)
        fail_msg("%s", error.text);
    kept->error = copy_text(result->error, result->error_size);
    kept->stderr_tail = copy_text(result->stderr_tail, result->stderr_size);
    kept->outputs = strdup("");
    assert_int_equal(workdir != NULL, result->output_files > 0);
    if (workdir)
        read_outputs(kept, workdir);
}

/* The master's part: files by hash. Answers come from the loop, as on a link. */
struct asked {
    struct rig *rig;
    uint8_t hash[MESSAGE_HASH_SIZE];
    uint64_t offset;
    struct loop_timer *timer;
};

static void answer(void *context)
{
    struct asked *asked = context;
    struct file_piece piece = {.offset = asked->offset, .total_size = UINT64_MAX};
    memcpy(piece.hash, asked->hash, sizeof(piece.hash));
    for (const struct rig_file *file = asked->rig->files; file && file->path; file++) {
        uint8_t hash[MESSAGE_HASH_SIZE];
        size_t size = strlen(file->content);
        store_hash_bytes(file->content, size, hash);
        if (memcmp(hash, asked->hash, sizeof(hash)) != 0)
            continue;
        piece.total_size = size;
        piece.bytes = file->content + asked->offset;
        piece.size = size - asked->offset;
        if (piece.size > MESSAGE_CHUNK)
            piece.size = MESSAGE_CHUNK;
    }
    cache_take(asked->rig->cache, &piece);
    loop_timer_remove(asked->timer);
    free(asked);
}

static void fetch(void *context, const uint8_t *hash, uint64_t offset)
{
    struct rig *rig = context;
    struct asked *asked = calloc(1, sizeof(*asked));
    asked->rig = rig;
    asked->offset = offset;
    memcpy(asked->hash, hash, sizeof(asked->hash));
    asked->timer = loop_timer_add(rig->loop, answer, asked);
    loop_timer_arm(asked->timer, clock_monotonic_ns());
}

static struct manifest *make_manifest(const struct rig_file *files)
{
    struct error error = {0};
    cJSON *root = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(root, "files");
    for (const struct rig_file *file = files; file && file->path; file++) {
        uint8_t hash[MESSAGE_HASH_SIZE];
        char text[STORE_HASH_TEXT], mode[16];
        cJSON *item = cJSON_CreateObject();
        store_hash_bytes(file->content, strlen(file->content), hash);
        store_hash_format(hash, text);
        snprintf(mode, sizeof(mode), "%04o", file->mode ? file->mode : 0644);
        cJSON_AddStringToObject(item, "path", file->path);
        cJSON_AddStringToObject(item, "hash", text);
        cJSON_AddNumberToObject(item, "size", (double)strlen(file->content));
        cJSON_AddStringToObject(item, "mode", mode);
        cJSON_AddBoolToObject(item, "common", file->common);
        cJSON_AddBoolToObject(item, "copy", file->copy);
        cJSON_AddItemToArray(list, item);
    }
    char *text = cJSON_PrintUnformatted(root);
    struct manifest *manifest = manifest_create(text, strlen(text), &error);
    if (!manifest)
        fail_msg("%s", error.text);
    free(text);
    cJSON_Delete(root);
    return manifest;
}

const char *rig_path(struct rig *rig, const char *name)
{
    static char paths[4][4096];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", rig->root, name);
    return path;
}

void rig_open_place(struct rig *rig, const struct rig_file *files)
{
    struct error error = {0};
    memset(rig, 0, sizeof(*rig));
    rig->files = files;
    strcpy(rig->root, "/tmp/beofarm-test-XXXXXX");
    assert_non_null(mkdtemp(rig->root));
    rig->loop = loop_create(&error);
    if (!rig->loop || !(rig->children = children_create(rig->loop, &error)) ||
        !(rig->cache = cache_open(rig_path(rig, "cache"), &error)))
        fail_msg("%s", error.text);
    struct cache_source source = {fetch, rig};
    cache_set_source(rig->cache, &source);
    rig->manifest = make_manifest(files);
    if (!(rig->place =
              workplace_create(rig_path(rig, "work"), rig->cache, rig->manifest, &error)))
        fail_msg("%s", error.text);
}

static void broken(void *context, const struct error *error)
{
    struct rig *rig = context;
    rig->trouble = *error;
}

struct runner *rig_open_slot(struct rig *rig, uint32_t slot)
{
    struct error error = {0};
    struct runner_context context = {.job = rig->job,
                                     .slot_number = slot,
                                     .workplace = rig->place,
                                     .children = rig->children,
                                     .loop = rig->loop,
                                     .owner = {.done = keep, .broken = broken, .context = rig}};
    struct runner *runner = rig->ops->open(&context, &error);
    if (!runner)
        fail_msg("%s", error.text);
    return runner;
}

void rig_open(struct rig *rig, const char *job, const struct rig_file *files)
{
    rig_open_place(rig, files);
    rig->job = cJSON_Parse(job);
    if (!rig->job)
        fail_msg("the test's job is no JSON: %s", job);
    rig->ops = runner_find(cJSON_GetObjectItem(rig->job, "runner")->valuestring);
    assert_non_null(rig->ops);
    rig->runner = rig_open_slot(rig, 3);
}

void rig_close(struct rig *rig)
{
    if (rig->runner)
        rig->ops->close(rig->runner);
    workplace_destroy(rig->place);
    manifest_destroy(rig->manifest);
    cache_close(rig->cache);
    children_destroy(rig->children);
    loop_destroy(rig->loop);
    cJSON_Delete(rig->job);
    for (size_t i = 0; i < rig->count; i++) {
        free(rig->results[i].values);
        free(rig->results[i].values_bytes);
        free(rig->results[i].error);
        free(rig->results[i].stderr_tail);
        free(rig->results[i].outputs);
    }
    tree_remove(AT_FDCWD, rig->root);
}

void rig_start(struct rig *rig, uint64_t task, const char *const *params, size_t count)
{
    struct value values[16];
    struct buf payload;
    buf_init(&payload, 1 << 20);
    for (size_t i = 0; i < count; i++)
        values[i] = (struct value){
            .kind = VALUE_TEXT, .text = params[i], .text_size = strlen(params[i])};
    values_encode(&payload, values, count);
    rig->ops->start(rig->runner, (struct attempt_id){task, 1}, payload.data, payload.size);
    buf_fini(&payload);
}

void rig_start_reals(struct rig *rig, uint64_t task, const double *params, size_t count)
{
    struct buf payload;
    buf_init(&payload, 1 << 20);
    values_encode_reals(&payload, params, count);
    rig->ops->start(rig->runner, (struct attempt_id){task, 1}, payload.data, payload.size);
    buf_fini(&payload);
}

struct rig_result *rig_result(struct rig *rig, uint64_t task)
{
    for (size_t i = 0; i < rig->count; i++)
        if (rig->results[i].result.id.task == task)
            return &rig->results[i];
    fail_msg("there is no result of task %llu", (unsigned long long)task);
    return NULL;
}

int rig_count_processes(const char *text)
{
    int count = 0;
    DIR *dir = opendir("/proc");
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[300], line[4096];
        snprintf(path, sizeof(path), "/proc/%s/cmdline", entry->d_name);
        int fd = atoi(entry->d_name) > 0 ? open(path, O_RDONLY) : -1;
        ssize_t got = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);
        if (fd >= 0)
            close(fd);
        for (ssize_t i = 0; i < got; i++)
            if (!line[i])
                line[i] = ' ';
        line[got > 0 ? got : 0] = 0;
        count += got > 0 && strstr(line, text) != NULL;
    }
    closedir(dir);
    return count;
}
