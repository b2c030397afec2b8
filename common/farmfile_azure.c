/*
 * The rules between the keys of an "azure" backend.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/farmfile_private.h"
#include "common/json.h"

static bool text_is(const cJSON *item, const char *text)
{
    return cJSON_IsString(item) && strcmp(item->valuestring, text) == 0;
}

static void check_image(struct document_rules *rules, const cJSON *image)
{
    bool own = json_member(image, "id");
    bool named = json_member(image, "publisher") && json_member(image, "offer") &&
                 json_member(image, "sku");
    bool any = json_member(image, "publisher") || json_member(image, "offer") ||
               json_member(image, "sku");
    if (!cJSON_IsObject(image))
        return;
    if (own ? any : !named)
        document_note(
            rules, "$.backend.pool.image",
            "needs \"publisher\", \"offer\" and \"sku\"; or \"id\" alone, an image of "
            "your own");
    if (own && !json_member(image, "agent"))
        document_note(
            rules, "$.backend.pool.image",
            "an image of your own needs \"agent\": which node agent goes with it, such "
            "as \"batch.node.ubuntu 24.04\"");
}

static void check_registry(struct document_rules *rules, const cJSON *registry)
{
    if (registry && !json_member(registry, "user") != !json_member(registry, "password_env"))
        document_note(rules, "$.backend.pool.start.registry",
                      "\"user\" and \"password_env\" belong together");
    if (registry && !json_member(registry, "user") && !json_member(registry, "identity"))
        document_note(rules, "$.backend.pool.start.registry",
                      "needs \"user\" and \"password_env\", or \"identity\"");
}

/* Keys that go with one kind of start alone. */
static void check_start(struct document_rules *rules, const cJSON *start)
{
    static const struct {
        const char *kind, *key, *path;
        bool required;
    } table[] = {
        {"container", "image", "$.backend.pool.start.image", true},
        {"container", "run_options", "$.backend.pool.start.run_options", false},
        {"container", "registry", "$.backend.pool.start.registry", false},
        {"application", "application", "$.backend.pool.start.application", true},
        {"application", "version", "$.backend.pool.start.version", false},
    };
    const cJSON *kind = json_member(start, "kind");
    char sentence[128];
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        bool meant = text_is(kind, table[i].kind), there = json_member(start, table[i].key);
        snprintf(sentence, sizeof sentence, "is for \"kind\": \"%s\"", table[i].kind);
        if (there && !meant)
            document_note(rules, table[i].path, sentence);
        snprintf(sentence, sizeof sentence, "\"kind\": \"%s\" needs \"%s\"", table[i].kind,
                 table[i].key);
        if (meant && table[i].required && !there)
            document_note(rules, "$.backend.pool.start", sentence);
    }
    if (!text_is(kind, "packages") && cJSON_GetArraySize(json_member(start, "packages")) > 0)
        document_note(rules, "$.backend.pool.start.packages", "is for \"kind\": \"packages\"");
    check_registry(rules, json_member(start, "registry"));
}

void farmfile_check_azure(struct document_rules *rules, const cJSON *backend)
{
    const cJSON *pool = json_member(backend, "pool");
    bool reuse = cJSON_IsTrue(json_member(pool, "reuse"));
    if (reuse && !json_member(pool, "id"))
        document_note(rules, "$.backend.pool", "\"reuse\" needs \"id\": which pool?");
    if (!reuse && !json_member(pool, "vm_size"))
        document_note(
            rules, "$.backend.pool",
            "needs \"vm_size\", such as \"Standard_D4s_v5\"; or \"id\" and \"reuse\": "
            "true, for a pool that is there");
    if (json_member(pool, "min") && json_member(pool, "formula"))
        document_note(rules, "$.backend.pool.formula",
                      "takes the place of \"min\": name one of them");
    if (cJSON_IsFalse(json_member(pool, "public_ip")) && !json_member(pool, "subnet"))
        document_note(rules, "$.backend.pool.public_ip",
                      "nodes without public addresses need \"subnet\", with a way out");
    check_image(rules, json_member(pool, "image"));
    check_start(rules, json_member(pool, "start"));
}

/* With inter-node communication a pool has at most so many nodes. */
#define TALKING_NODES_MAX 100

void farmfile_check_azure_nodes(struct document_rules *rules, const cJSON *backend,
                                double nodes)
{
    const cJSON *pool = json_member(backend, "pool"),
                *workers = json_member(backend, "workers");
    double wanted = nodes * (workers ? workers->valuedouble : 1) + 1;
    char sentence[200];
    if (nodes < 2)
        return;
    if (wanted > TALKING_NODES_MAX) {
        snprintf(
            sentence, sizeof sentence,
            "%g workers of %g nodes and the master are %g nodes, but a pool whose nodes talk "
            "to each other has %d at most",
            workers ? workers->valuedouble : 1, nodes, wanted, TALKING_NODES_MAX);
        document_note(rules, "$.work.nodes", sentence);
    }
    if (cJSON_IsFalse(json_member(pool, "inter_node")))
        document_note(rules, "$.backend.pool.inter_node",
                      "tasks of several nodes (work.nodes) need it");
    if (json_member(pool, "min"))
        document_note(
            rules, "$.backend.pool.min",
            "does not go with tasks of several nodes (work.nodes): Batch counts such a "
            "task as one");
    if (text_is(json_member(json_member(pool, "start"), "kind"), "container"))
        document_note(
            rules, "$.backend.pool.start.kind",
            "\"container\" does not go with tasks of several nodes (work.nodes): what "
            "these start on the others would end with a container");
}
