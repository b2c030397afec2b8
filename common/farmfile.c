/*
 * A farm file is a document (document.h). What is read into the struct once it has been checked can
 * only fail for want of memory; the types are read with the checked getters all the same.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/farmfile_private.h"
#include "common/json.h"

static const struct document_kind kind = {.schema = farm_schema_bytes,
                                          .schema_size = &farm_schema_size,
                                          .schema_name = "farm.schema.json",
                                          .check = farmfile_check_rules,
                                          .remedy = "; `beofarm check` lists them"};

struct schema *farmfile_schema_create(struct error *ret_error)
{
    return document_schema_create(&kind, ret_error);
}

int farmfile_check_text(const char *text, size_t size, const char *name,
                        void (*report)(void *context, const char *sentence), void *context,
                        struct error *ret_error)
{
    cJSON *root = NULL;
    int count = document_check(&kind, text, size, name, report, context, &root, ret_error);
    cJSON_Delete(root);
    return count;
}

int farmfile_check(const char *path, void (*report)(void *context, const char *sentence),
                   void *context, struct error *ret_error)
{
    char *text;
    size_t size;
    if (farmfile_read(path, &text, &size, ret_error) < 0)
        return -1;
    int count = farmfile_check_text(text, size, path, report, context, ret_error);
    free(text);
    return count;
}

/* "auto" is 0. */
static int read_count(const cJSON *worker, const char *key, uint32_t *ret_count,
                      struct error *ret_error)
{
    const cJSON *item = json_member(worker, key);
    int64_t count = 0;
    bool is_auto = cJSON_IsString(item) && !strcmp(item->valuestring, "auto");
    if (!is_auto && json_get_integer(worker, "$.worker", key, 0, &count, ret_error) < 0)
        return -1;
    if (count < 0 || count > 4096)
        return error_set(ret_error, ERROR_CONFIG, "$.worker.%s: expected 1 to 4096", key);
    *ret_count = (uint32_t)count;
    return 0;
}

int farmfile_read_worker(const cJSON *worker, struct farmfile_worker *ret_worker,
                         struct error *ret_error)
{
    static const char path[] = "$.worker";
    struct farmfile_worker read = {0};
    const char *gpus;
    if (read_count(worker, "slots", &read.slots, ret_error) < 0 ||
        read_count(worker, "threads_per_slot", &read.threads_per_slot, ret_error) < 0 ||
        json_get_bool(worker, path, "pin", true, &read.pin, ret_error) < 0 ||
        json_get_bool(worker, path, "smt", false, &read.smt, ret_error) < 0 ||
        json_get_text(worker, path, "gpus", "auto", &gpus, ret_error) < 0 ||
        json_get_real(worker, path, "drain_s", 30, &read.drain_s, ret_error) < 0 ||
        json_get_real(worker, path, "rejoin_s", 60, &read.rejoin_s, ret_error) < 0 ||
        json_get_real(worker, path, "disk_wait_s", 600, &read.disk_wait_s, ret_error) < 0 ||
        json_get_text(worker, path, "dir", NULL, &read.dir, ret_error) < 0)
        return -1;
    read.gpus = strcmp(gpus, "none") != 0;
    *ret_worker = read;
    return 0;
}

static int read_limits(const cJSON *root, struct farmfile_limits *limits,
                       struct error *ret_error)
{
    static const char path[] = "$.limits";
    const cJSON *object;
    int64_t attempts, tasks, restarts;
    if (json_get_object(root, "$", "limits", &object, ret_error) < 0 ||
        json_get_integer(object, path, "attempts", 0, &attempts, ret_error) < 0 ||
        json_get_integer(object, path, "tasks", 0, &tasks, ret_error) < 0 ||
        json_get_integer(object, path, "worker_restarts", 3, &restarts, ret_error) < 0 ||
        json_get_real(object, path, "task_timeout_s", 0, &limits->task_timeout_s, ret_error) <
            0 ||
        json_get_real(object, path, "heartbeat_timeout_s", 15, &limits->heartbeat_timeout_s,
                      ret_error) < 0 ||
        json_get_real(object, path, "join_timeout_s", 10, &limits->join_timeout_s, ret_error) <
            0 ||
        json_get_real(object, path, "idle_stop_s", 0, &limits->idle_stop_s, ret_error) < 0 ||
        json_get_bool(object, path, "duplicates", true, &limits->duplicates, ret_error) < 0)
        return -1;
    limits->attempts = (uint32_t)attempts;
    limits->tasks = (uint64_t)tasks;
    limits->worker_restarts = (uint32_t)restarts;
    return 0;
}

static int read_files(struct farmfile *farm, struct error *ret_error)
{
    const cJSON *files, *item;
    if (json_get_array(farm->root, "$", "files", &files, ret_error) < 0)
        return -1;
    size_t count = files ? (size_t)cJSON_GetArraySize(files) : 0;
    farm->files = calloc(count + 1, sizeof(*farm->files));
    if (!farm->files)
        return error_set(ret_error, ERROR_SYSTEM, "no memory left");
    cJSON_ArrayForEach(item, files)
    {
        struct farmfile_entry *entry = &farm->files[farm->file_count];
        entry->path = item->valuestring;
        if (cJSON_IsObject(item) &&
            (json_get_text(item, "$.files[]", "path", "", &entry->path, ret_error) < 0 ||
             json_get_bool(item, "$.files[]", "copy", false, &entry->copy, ret_error) < 0))
            return -1;
        farm->file_count++;
    }
    return 0;
}

static const char *const transport_names[] = {
    [FARMFILE_AUTO] = "auto", [FARMFILE_MPI] = "mpi", [FARMFILE_TCP] = "tcp"};

static int read_network(struct farmfile *farm, struct error *ret_error)
{
    const cJSON *root = farm->root, *mpi;
    const char *transport;
    int64_t port, foreign_port;
    /* The foreign master's port is its own: ours gives way, unless the user chose both. */
    if (json_get_integer(farm->work, "$.work", "port", 0, &foreign_port, ret_error) < 0 ||
        json_get_integer(root, "$", "port", foreign_port == FARMFILE_PORT ? 0 : FARMFILE_PORT,
                         &port, ret_error) < 0 ||
        json_get_text(root, "$", "transport", "auto", &transport, ret_error) < 0 ||
        json_get_text(root, "$", "network", NULL, &farm->network, ret_error) < 0 ||
        json_get_object(root, "$", "mpi", &mpi, ret_error) < 0 ||
        json_get_object(mpi, "$.mpi", "mca", &farm->mpi_mca, ret_error) < 0)
        return -1;
    for (int i = FARMFILE_AUTO; i <= FARMFILE_TCP; i++) {
        if (!strcmp(transport, transport_names[i]))
            farm->transport = (enum farmfile_transport)i;
    }
    farm->port = (uint16_t)port;
    return 0;
}

static int read_farm(struct farmfile *farm, struct error *ret_error)
{
    const cJSON *root = farm->root;
    if (json_get_text(root, "$", "name", "", &farm->name, ret_error) < 0 ||
        json_get_object(root, "$", "backend", &farm->backend, ret_error) < 0 ||
        json_get_object(root, "$", "work", &farm->work, ret_error) < 0 ||
        json_get_object(root, "$", "worker", &farm->worker, ret_error) < 0 ||
        json_get_text(farm->backend, "$.backend", "kind", "", &farm->backend_kind, ret_error) <
            0 ||
        json_get_text(farm->work, "$.work", "kind", "", &farm->work_kind, ret_error) < 0)
        return -1;
    if (farmfile_read_worker(farm->worker, &farm->workers, ret_error) < 0 ||
        read_limits(root, &farm->limits, ret_error) < 0 || read_files(farm, ret_error) < 0)
        return -1;
    return read_network(farm, ret_error);
}

int farmfile_parse(const char *text, size_t size, const char *name, struct farmfile *ret_farm,
                   struct error *ret_error)
{
    struct farmfile farm = {0};
    if (document_parse(&kind, text, size, name, &farm.root, ret_error) < 0)
        return -1;
    if (read_farm(&farm, ret_error) < 0) {
        farmfile_close(&farm);
        return error_prefix(ret_error, "%s", name);
    }
    *ret_farm = farm;
    return 0;
}

int farmfile_open(const char *path, struct farmfile *ret_farm, struct error *ret_error)
{
    char *text;
    size_t size;
    if (farmfile_read(path, &text, &size, ret_error) < 0)
        return -1;
    int status = farmfile_parse(text, size, path, ret_farm, ret_error);
    free(text);
    return status;
}

void farmfile_close(struct farmfile *farm)
{
    free(farm->files);
    cJSON_Delete(farm->root);
    *farm = (struct farmfile){0};
}

static bool backend_is(const cJSON *root, const char *wanted)
{
    const char *said = cJSON_GetStringValue(json_member(json_member(root, "backend"), "kind"));
    return strcmp(said ? said : "local", wanted) == 0; /* the schema's default */
}

bool farmfile_nodes_are_here(const cJSON *root)
{
    return backend_is(root, "local");
}

bool farmfile_master_moves(const cJSON *root)
{
    return backend_is(root, "azure");
}
