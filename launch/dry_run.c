#include "config.h"

#include "launch/dry_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "launch/disk.h"
#include "launch/submission.h"

#define FILES_SHOWN 20 /* by name, of the largest lists; --json has them all */

/* What is not known before the run stands in angle brackets. */
static const struct submission_master master = {
    .host = "<the master's hostname>", .address = "<its address>", .port = 0};

static cJSON *variables_describe(const struct backend_task *task)
{
    cJSON *object = cJSON_CreateObject();
    for (size_t i = 0; i < task->variables_count; i++) {
        const char *name = task->variables[i].name, *value = task->variables[i].value;
        cJSON_AddStringToObject(object, name,
                                strcmp(name, "BEOFARM_SECRET") == 0 ? "****" : value);
    }
    return object;
}

static cJSON *task_describe(const struct backend_task *task, struct backend *backend, int count)
{
    struct buf path;
    cJSON *object = cJSON_CreateObject();
    buf_init(&path, 4096);
    if (backend->ops->program_find(backend, task->program, &path, NULL) != 0)
        buf_printf(&path, "%s (not found)", task->program);
    cJSON_AddStringToObject(object, "id", task->id);
    cJSON_AddNumberToObject(object, "count", count);
    cJSON_AddStringToObject(object, "program", buf_text(&path));
    cJSON_AddItemToObject(object, "environment", variables_describe(task));
    cJSON *files = cJSON_AddArrayToObject(object, "files");
    for (size_t i = 0; i < task->files_count; i++)
        cJSON_AddItemToArray(files, cJSON_CreateString(task->files[i].path));
    buf_fini(&path);
    return object;
}

static cJSON *files_describe(const struct inputs *inputs)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < inputs->count; i++) {
        cJSON *object = cJSON_CreateObject();
        cJSON_AddStringToObject(object, "path", inputs->items[i].path);
        cJSON_AddNumberToObject(object, "size", (double)inputs->items[i].size);
        cJSON_AddBoolToObject(object, "common", inputs->items[i].common);
        cJSON_AddBoolToObject(object, "copy", inputs->items[i].copy);
        cJSON_AddItemToArray(list, object);
    }
    return list;
}

static cJSON *run_describe(const struct preparation *preparation, struct backend *backend,
                           const char *run_dir)
{
    const struct request *request = &preparation->request;
    const char *network = request->farm.network;
    struct submission submission;
    struct submission_farm farm = {
        .name = request->farm.name,
        .secret = "****",
        .machine_workers = backend->ops->one_machine ? request->workers : 0,
        .worker_nodes = backend->ops->one_machine ? 1 : request->nodes,
        .network = network ? network : backend->ops->network(backend),
        .log = getenv("BEOFARM_LOG") ? getenv("BEOFARM_LOG") : "info",
        .store_uri = backend->ops->store_uri(backend),
        .run_dir = backend->ops->run_dir(backend),
    };
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "farm", farm.name);
    cJSON_AddStringToObject(root, "run_dir", run_dir);
    cJSON_AddStringToObject(root, "backend", backend->ops->kind);
    cJSON_AddNumberToObject(root, "nodes", request->workers * farm.worker_nodes + 1);
    cJSON_AddNumberToObject(root, "tasks", (double)prepare_tasks(preparation));
    cJSON *tasks = cJSON_AddArrayToObject(root, "submissions");
    submission_make_master(&submission, &farm, request->farm.port, 1);
    cJSON_AddItemToArray(tasks, task_describe(&submission.task, backend, 1));
    submission_make_worker(&submission, &farm, &master, 1, 1);
    snprintf(submission.port, sizeof submission.port, "<its port>");
    if (request->workers > 0)
        cJSON_AddItemToArray(tasks, task_describe(&submission.task, backend, request->workers));
    cJSON_AddNumberToObject(root, "bytes", (double)preparation->inputs.bytes);
    cJSON_AddItemToObject(root, "files", files_describe(&preparation->inputs));
    return root;
}

static void sentence_add(void *context, const char *sentence)
{
    cJSON_AddItemToArray(context, cJSON_CreateString(sentence));
}

/* What the backend says of it: what would be rented, and what it costs. That it cannot be asked, or
 * would refuse, is said, too. */
static void rent_describe(cJSON *root, struct backend *backend, int workers)
{
    struct error error;
    if (!backend->ops->check)
        return;
    cJSON *list = cJSON_AddArrayToObject(root, "rent");
    struct backend_listener listener = {.say = sentence_add, .context = list};
    if (backend->ops->check(backend, workers, &listener, &error) != 0)
        cJSON_AddStringToObject(root, "refused", error.text);
}

static void line_show(const char *title, const char *text)
{
    fputs(title, stdout);
    screen_put_text(stdout, text);
    putchar('\n');
}

static void rent_show(const cJSON *root)
{
    const cJSON *item, *refused = json_member(root, "refused");
    cJSON_ArrayForEach(item, json_member(root, "rent"))
    {
        line_show("  ", item->valuestring);
    }
    if (refused)
        line_show("  would be refused: ", refused->valuestring);
}

static void task_show(const cJSON *task)
{
    int count = (int)cJSON_GetNumberValue(json_member(task, "count"));
    const cJSON *item;
    printf("\ntask %s", json_member(task, "id")->valuestring);
    if (count > 1)
        printf(" (and so on: %d of them)", count);
    putchar('\n');
    line_show("  program  ", json_member(task, "program")->valuestring);
    cJSON_ArrayForEach(item, json_member(task, "files"))
    {
        line_show("  file     wd/", item->valuestring);
    }
    cJSON_ArrayForEach(item, json_member(task, "environment"))
    {
        printf("  %s", item->string);
        line_show("=", item->valuestring);
    }
}

static void files_show(const struct inputs *inputs)
{
    char size[32];
    printf("\nfiles: %zu, %s\n", inputs->count,
           disk_format_size(inputs->bytes, size, sizeof size));
    for (size_t i = 0; i < inputs->count && i < FILES_SHOWN; i++) {
        const struct input *item = &inputs->items[i];
        printf("  %10s  ", disk_format_size(item->size, size, sizeof size));
        screen_put_text(stdout, item->path);
        printf("%s%s\n", item->common ? "" : "  (only for tasks that name it)",
               item->copy ? "  (each task gets a copy)" : "");
    }
    if (inputs->count > FILES_SHOWN)
        printf("  and %zu more; --json has them all\n", inputs->count - FILES_SHOWN);
}

static void run_show(const cJSON *root, const struct preparation *preparation)
{
    const cJSON *task;
    char contents[256];
    int64_t tasks = prepare_tasks(preparation);
    printf("farm %s", json_member(root, "farm")->valuestring);
    line_show(" in ", json_member(root, "run_dir")->valuestring);
    if (preparation->plan.contents)
        printf("to compute: %s\n", prepare_describe(preparation, contents, sizeof contents));
    else if (tasks >= 0)
        printf("tasks to compute: %lld\n", (long long)tasks);
    else
        printf("tasks to compute: not known beforehand\n");
    printf("pool on backend %s: %d nodes\n", json_member(root, "backend")->valuestring,
           (int)json_member(root, "nodes")->valuedouble);
    rent_show(root);
    cJSON_ArrayForEach(task, json_member(root, "submissions"))
    {
        task_show(task);
    }
    files_show(&preparation->inputs);
    printf("\nnothing was submitted\n");
}

int dry_run_print(const struct preparation *preparation, const char *run_dir, bool json,
                  struct error *ret_error)
{
    char place[4096];
    snprintf(place, sizeof place, "runs/%s-<number>", preparation->request.farm.name);
    struct backend_context context = {.run_dir = run_dir ? run_dir : place,
                                      .settings = preparation->request.farm.backend,
                                      .farm = preparation->request.farm.name,
                                      .folder = preparation->request.folder};
    struct backend *backend = backend_open(&context, ret_error);
    if (!backend)
        return -1;
    cJSON *root = run_describe(preparation, backend, context.run_dir);
    rent_describe(root, backend, preparation->request.workers * preparation->request.nodes);
    char *text = json ? cJSON_PrintUnformatted(root) : NULL;
    if (text)
        puts(text);
    else if (!json)
        run_show(root, preparation);
    int rc = json && !text ? error_set(ret_error, ERROR_SYSTEM, "no memory to print") : 0;
    free(text);
    cJSON_Delete(root);
    backend_close(backend);
    return rc;
}
