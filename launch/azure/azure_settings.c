#include "config.h"

#include "launch/azure/azure_settings.h"

#include <string.h>

#include "common/json.h"

static const char *text_get(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(json_member(object, key));
}

static double real_get(const cJSON *object, const char *key, double fallback)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static bool bool_get(const cJSON *object, const char *key, bool fallback)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsBool(item) ? cJSON_IsTrue(item) : fallback;
}

/* Where a text stands in a list; the first if it is missing. */
static int choice_get(const cJSON *object, const char *key, const char *const *names)
{
    const char *text = text_get(object, key);
    for (int i = 0; text && names[i]; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return 0;
}

static void image_read(const cJSON *item, struct azure_image *image)
{
    image->text = cJSON_GetStringValue(item);
    if (!item)
        image->text = "ubuntu 24.04";
    image->publisher = text_get(item, "publisher");
    image->offer = text_get(item, "offer");
    image->sku = text_get(item, "sku");
    image->version = text_get(item, "version");
    image->id = text_get(item, "id");
    image->agent = text_get(item, "agent");
}

static void start_read(const cJSON *item, struct azure_start *start)
{
    static const char *const kinds[] = {"packages", "container", "application", "none", NULL};
    const cJSON *registry = json_member(item, "registry");
    start->kind = (enum azure_start_kind)choice_get(item, "kind", kinds);
    start->packages = json_member(item, "packages");
    start->command = text_get(item, "command");
    start->image = text_get(item, "image");
    start->run_options = text_get(item, "run_options");
    start->server = text_get(registry, "server");
    start->user = text_get(registry, "user");
    start->password_env = text_get(registry, "password_env");
    start->identity = text_get(registry, "identity");
    start->application = text_get(item, "application");
    start->version = text_get(item, "version");
    start->retries = (int)real_get(item, "retries", 1);
}

static void pool_read(const cJSON *item, struct azure_settings *settings)
{
    static const char *const cleanups[] = {"delete", "zero", "keep", NULL};
    settings->pool.id = text_get(item, "id");
    settings->pool.vm_size = text_get(item, "vm_size");
    settings->pool.formula = text_get(item, "formula");
    settings->pool.subnet = text_get(item, "subnet");
    settings->pool.reuse = bool_get(item, "reuse", false);
    settings->pool.inter_node = bool_get(item, "inter_node", true);
    settings->pool.public_ip = bool_get(item, "public_ip", true);
    settings->pool.follow = json_member(item, "min");
    settings->pool.min = (int)real_get(item, "min", 0);
    settings->pool.idle_s = real_get(item, "idle_s", 120);
    settings->pool.spot = (int)real_get(item, "spot", 0);
    settings->pool.interval_s = (int64_t)real_get(item, "interval_s", 300);
    settings->pool.cleanup = (enum azure_cleanup)choice_get(item, "cleanup", cleanups);
    settings->pool.more = json_member(item, "more");
    image_read(json_member(item, "image"), &settings->pool.image);
    start_read(json_member(item, "start"), &settings->pool.start);
}

static int wishes_read(const cJSON *json, struct credentials_wishes *wishes,
                       struct error *ret_error)
{
    static const char *const audiences[CREDENTIALS_AUDIENCES] = {"batch", "storage",
                                                                 "management"};
    const char *auth = text_get(json, "auth");
    wishes->batch_account = text_get(json, "account");
    wishes->batch_url = text_get(json, "url");
    wishes->storage_account = text_get(json, "storage");
    wishes->blob_url = text_get(json, "blob_url");
    wishes->file = text_get(json, "credentials");
    wishes->tenant = text_get(json, "tenant");
    wishes->client_id = text_get(json, "client_id");
    wishes->identity = text_get(json, "identity");
    wishes->authority = text_get(json, "authority");
    wishes->token_cache = text_get(json, "token_cache");
    for (int i = 0; i < CREDENTIALS_AUDIENCES; i++)
        wishes->scope[i] = text_get(json_member(json, "scope"), audiences[i]);
    if (auth && credentials_method_find(auth, &wishes->method) != 0)
        return error_set(ret_error, ERROR_CONFIG, "$.backend.auth: \"%s\" is unknown", auth);
    return 0;
}

int azure_settings_read(const cJSON *json, struct azure_settings *ret_settings,
                        struct error *ret_error)
{
    const cJSON *waits = json_member(json, "waits"), *failures = json_member(json, "failures");
    struct azure_settings settings = {
        .management_url = text_get(json, "management_url"),
        .api_version = text_get(json, "api_version"),
        .container = text_get(json, "container"),
        .bundle = text_get(json, "bundle"),
        .plain = bool_get(json, "plain", false),
        .workers = (int)real_get(json, "workers", 1),
        .node_start_s = real_get(waits, "node_start_s", 2400),
        .master_s = real_get(waits, "master_s", 300),
        .resize_s = (int64_t)real_get(waits, "resize_s", 900),
        .poll_s = real_get(waits, "poll_s", 1),
        .nodes_s = real_get(waits, "nodes_s", 30),
        .node_failures = (int)real_get(failures, "nodes", 3),
        .resize_failures = (int)real_get(failures, "resizes", 3),
        .sas_h = real_get(json, "sas_h", 168),
        .retention_h = real_get(json, "retention_h", 168),
        .wall_h = real_get(json, "wall_h", 0),
        .prices = json_member(json, "prices"),
        .currency = text_get(json, "currency"),
    };
    pool_read(json_member(json, "pool"), &settings);
    if (wishes_read(json, &settings.wishes, ret_error) != 0)
        return -1;
    *ret_settings = settings;
    return 0;
}

int azure_settings_spot(const struct azure_settings *settings, int workers)
{
    int spot = settings->pool.spot;
    return spot < 0 || spot > workers ? workers : spot;
}
