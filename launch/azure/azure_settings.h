/*
 * azure_settings.h - farm.json's "backend" of kind "azure", read into a struct. What the keys mean
 * is said in common/farm.schema.json.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_SETTINGS_H
#define BEOFARM_LAUNCH_AZURE_AZURE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"
#include "launch/azure/account.h"

enum azure_start_kind {
    AZURE_START_PACKAGES,
    AZURE_START_CONTAINER,
    AZURE_START_APPLICATION,
    AZURE_START_NONE
};

enum azure_cleanup { AZURE_DELETE, AZURE_ZERO, AZURE_KEEP };

struct azure_image {
    const char *text; /* "ubuntu 24.04"; NULL: one of the following */
    const char *publisher, *offer, *sku, *version;
    const char *id, *agent;
};

struct azure_start {
    enum azure_start_kind kind;
    const cJSON *packages; /* array of texts */
    const char *command;
    const char *image, *run_options;
    const char *server, *user, *password_env, *identity; /* of the registry */
    const char *application, *version;
    int retries;
};

/* Texts are borrowed from the JSON; NULL where nothing is said. */
struct azure_settings {
    struct credentials_wishes wishes; /* `file` as written: relative to the farm file */
    const char *management_url, *api_version, *container, *bundle;
    bool plain;
    int workers;
    struct {
        const char *id, *vm_size, *formula, *subnet;
        bool reuse, inter_node, public_ip, follow; /* follow: `min` is given */
        struct azure_image image;
        int spot, min; /* spot: -1 all */
        double idle_s;
        int64_t interval_s;
        enum azure_cleanup cleanup;
        const cJSON *more;
        struct azure_start start;
    } pool;
    double node_start_s, master_s, poll_s, nodes_s;
    int64_t resize_s;
    int node_failures, resize_failures;
    double sas_h, retention_h, wall_h; /* wall_h: 0: no limit */
    const cJSON *prices;
    const char *currency;
};

/* `json` is valid against the schema and has its defaults, or is what a run.json has kept of it. */
int azure_settings_read(const cJSON *json, struct azure_settings *ret_settings,
                        struct error *ret_error);

/* How many of `workers` nodes are spot nodes. */
int azure_settings_spot(const struct azure_settings *settings, int workers);

#endif
