#include "config.h"

#include "launch/azure/credentials_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/secret.h"
#include "common/json.h"
#include "common/nearest.h"
#include "common/text_mark.h"
#include "launch/azure/ini.h"

#define FILE_MAX_SIZE ((size_t)1 << 20)

void credentials_fields_fini(struct credentials_fields *fields)
{
    for (size_t i = 0; i < CREDENTIALS_FIELDS; i++) {
        secret_free(fields->text[i]);
        fields->text[i] = NULL;
    }
}

int credentials_fields_set(struct credentials_fields *fields, enum credentials_field field,
                           const char *text)
{
    char *copy = text && *text ? strdup(text) : NULL;
    if (text && *text && !copy)
        return -1;
    secret_free(fields->text[field]);
    fields->text[field] = copy;
    return 0;
}

/* --- the environment ---------------------------------------------------------------------- */

/* Names that the Azure CLI and Microsoft's SDKs go by, too. */
static const struct {
    const char *name;
    enum credentials_field field;
} variables[] = {
    {"AZURE_BATCH_ACCOUNT", FIELD_BATCH_ACCOUNT},
    {"AZURE_BATCH_ENDPOINT", FIELD_BATCH_URL},
    {"AZURE_BATCH_ACCESS_KEY", FIELD_BATCH_KEY},
    {"AZURE_STORAGE_ACCOUNT", FIELD_STORAGE_ACCOUNT},
    {"AZURE_STORAGE_BLOB_ENDPOINT", FIELD_BLOB_URL},
    {"AZURE_STORAGE_KEY", FIELD_STORAGE_KEY},
    {"AZURE_TENANT_ID", FIELD_TENANT},
    {"AZURE_CLIENT_ID", FIELD_CLIENT_ID},
    {"AZURE_CLIENT_SECRET", FIELD_CLIENT_SECRET},
    {"AZURE_CLIENT_CERTIFICATE_PATH", FIELD_CERTIFICATE},
    {"AZURE_CLIENT_CERTIFICATE_PASSWORD", FIELD_CERTIFICATE_PASSWORD},
    {"AZURE_FEDERATED_TOKEN_FILE", FIELD_FEDERATED_FILE},
    {"AZURE_AUTHORITY_HOST", FIELD_AUTHORITY},
    {"AZURE_SUBSCRIPTION_ID", FIELD_SUBSCRIPTION},
    {"AZURE_RESOURCE_GROUP", FIELD_RESOURCE_GROUP},
};

/* A part of "Name=value;Name=value"; NULL, or a copy. */
static char *connection_part(const char *text, const char *name)
{
    while (*text) {
        size_t size = strcspn(text, ";"), key = strcspn(text, "=;");
        if (key < size && strlen(name) == key && strncasecmp(text, name, key) == 0)
            return strndup(text + key + 1, size - key - 1);
        text += size + (text[size] == ';');
    }
    return NULL;
}

static int connection_read(const char *text, struct credentials_fields *fields,
                           struct error *ret_error)
{
    static const struct {
        const char *part;
        enum credentials_field field;
    } parts[] = {{"AccountName", FIELD_STORAGE_ACCOUNT},
                 {"AccountKey", FIELD_STORAGE_KEY},
                 {"BlobEndpoint", FIELD_BLOB_URL}};
    for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
        char *part = connection_part(text, parts[i].part);
        int rc = part ? credentials_fields_set(fields, parts[i].field, part) : 0;
        secret_free(part);
        if (rc != 0)
            return error_set(ret_error, ERROR_SYSTEM, "out of memory for credentials");
    }
    if (!fields->text[FIELD_STORAGE_ACCOUNT])
        return error_set(
            ret_error, ERROR_CONFIG,
            "AZURE_STORAGE_CONNECTION_STRING has no AccountName; copy it whole from "
            "the portal (Storage account, Access keys)");
    return 0;
}

int credentials_environment_read(struct credentials_fields *ret_fields, struct error *ret_error)
{
    const char *connection = getenv("AZURE_STORAGE_CONNECTION_STRING");
    if (connection && *connection && connection_read(connection, ret_fields, ret_error) != 0)
        return -1;
    for (size_t i = 0; i < sizeof(variables) / sizeof(*variables); i++) {
        const char *value = getenv(variables[i].name);
        if (value && *value &&
            credentials_fields_set(ret_fields, variables[i].field, value) != 0)
            return error_set(ret_error, ERROR_SYSTEM, "out of memory for credentials");
    }
    return 0;
}

/* --- our own JSON --------------------------------------------------------------------------- */

struct own_key {
    const char *group, *key;
    enum credentials_field field;
};

static const struct own_key own_keys[] = {
    {"batch", "account", FIELD_BATCH_ACCOUNT},
    {"batch", "url", FIELD_BATCH_URL},
    {"batch", "key", FIELD_BATCH_KEY},
    {"storage", "account", FIELD_STORAGE_ACCOUNT},
    {"storage", "blob_url", FIELD_BLOB_URL},
    {"storage", "key", FIELD_STORAGE_KEY},
    {"principal", "tenant", FIELD_TENANT},
    {"principal", "client_id", FIELD_CLIENT_ID},
    {"principal", "client_secret", FIELD_CLIENT_SECRET},
    {"principal", "certificate", FIELD_CERTIFICATE},
    {"principal", "certificate_password", FIELD_CERTIFICATE_PASSWORD},
    {"principal", "federated_token_file", FIELD_FEDERATED_FILE},
    {"scope", "batch", FIELD_SCOPE_BATCH},
    {"scope", "storage", FIELD_SCOPE_STORAGE},
    {"scope", "management", FIELD_SCOPE_MANAGEMENT},
    {"", "identity", FIELD_IDENTITY},
    {"", "auth", FIELD_AUTH},
    {"", "authority", FIELD_AUTHORITY},
    {"", "subscription", FIELD_SUBSCRIPTION},
    {"", "resource_group", FIELD_RESOURCE_GROUP},
};
#define OWN_KEYS (sizeof(own_keys) / sizeof(*own_keys))

static int own_unknown(const char *name, const char *group, const char *key,
                       struct error *ret_error)
{
    const char *known[2 * OWN_KEYS], *near;
    size_t count = 0;
    for (size_t i = 0; i < OWN_KEYS; i++) {
        if (strcmp(own_keys[i].group, group) == 0)
            known[count++] = own_keys[i].key;
        else if (!*group)
            known[count++] = own_keys[i].group;
    }
    near = nearest_find(key, known, count);
    return error_set(ret_error, ERROR_CONFIG, "%s: $%s%s.%s: unknown key%s", name,
                     *group ? "." : "", group, key, nearest_hint(near).text);
}

static int own_object_read(const cJSON *object, const char *group, const char *name,
                           struct credentials_fields *fields, struct error *ret_error);

static int own_member_read(const cJSON *item, const char *group, const char *name,
                           struct credentials_fields *fields, struct error *ret_error)
{
    for (size_t i = 0; i < OWN_KEYS; i++) {
        const struct own_key *known = &own_keys[i];
        if (!*group && *known->group && strcmp(known->group, item->string) == 0)
            return own_object_read(item, known->group, name, fields, ret_error);
        if (strcmp(known->group, group) != 0 || strcmp(known->key, item->string) != 0)
            continue;
        if (!cJSON_IsString(item))
            return error_set(ret_error, ERROR_CONFIG, "%s: $%s%s.%s must be a text, not %s",
                             name, *group ? "." : "", group, item->string,
                             json_type_name(item));
        if (credentials_fields_set(fields, known->field, item->valuestring) != 0)
            return error_set(ret_error, ERROR_SYSTEM, "out of memory for credentials");
        return 0;
    }
    return own_unknown(name, group, item->string, ret_error);
}

static int own_object_read(const cJSON *object, const char *group, const char *name,
                           struct credentials_fields *fields, struct error *ret_error)
{
    const cJSON *item;
    if (!cJSON_IsObject(object))
        return error_set(ret_error, ERROR_CONFIG, "%s: $%s%s must be an object, not %s", name,
                         *group ? "." : "", group, json_type_name(object));
    cJSON_ArrayForEach(item, object)
    {
        if (own_member_read(item, group, name, fields, ret_error) != 0)
            return -1;
    }
    return 0;
}

/* --- others' files --------------------------------------------------------------------------- */

/* In lower case; both kinds share names that mean the same. */
static const struct {
    const char *key;
    enum credentials_field field;
} foreign_keys[] = {
    {"_batch_account_name", FIELD_BATCH_ACCOUNT},
    {"_batch_account_key", FIELD_BATCH_KEY},
    {"_batch_account_url", FIELD_BATCH_URL},
    {"_storage_account_name", FIELD_STORAGE_ACCOUNT},
    {"_storage_account_key", FIELD_STORAGE_KEY},
    {"_ad_tenant", FIELD_TENANT},
    {"_ad_batch_client_id", FIELD_CLIENT_ID},
    {"_ad_secret_batch", FIELD_CLIENT_SECRET},
};

/* Their audience, "https://batch.core.windows.net/", as the scope that stands for just that. */
static int resource_take(struct credentials_fields *fields, const char *resource)
{
    char scope[512];
    snprintf(scope, sizeof(scope), "%s/.default", resource);
    return credentials_fields_set(fields, FIELD_SCOPE_BATCH, scope);
}

/* The storage account's URL: its name may come before or after its domain. */
static int domain_take(struct credentials_fields *fields, const char *domain)
{
    char url[512];
    const char *name = fields->text[FIELD_STORAGE_ACCOUNT];
    domain += *domain == '.';
    if (!name || !*domain)
        return 0;
    snprintf(url, sizeof(url), "https://%s.%s%s", name,
             strncmp(domain, "blob.", 5) == 0 ? "" : "blob.", domain);
    return credentials_fields_set(fields, FIELD_BLOB_URL, url);
}

struct foreign {
    struct credentials_fields *fields;
    char *domain;
    bool keyless; /* _AUTH_MODE aad: the Batch account takes no key */
    bool failed;
};

static int foreign_take(void *context, const char *section, const char *key, const char *value)
{
    struct foreign *foreign = context;
    (void)section;
    for (size_t i = 0; i < sizeof(foreign_keys) / sizeof(*foreign_keys); i++)
        if (strcasecmp(foreign_keys[i].key, key) == 0)
            foreign->failed |=
                credentials_fields_set(foreign->fields, foreign_keys[i].field, value) != 0;
    if (strcasecmp(key, "_batch_resource") == 0 && *value)
        foreign->failed |= resource_take(foreign->fields, value) != 0;
    if (strcasecmp(key, "_auth_mode") == 0)
        foreign->keyless = strcasecmp(value, "aad") == 0;
    if (strcasecmp(key, "_storage_account_domain") == 0) {
        free(foreign->domain);
        foreign->domain = strdup(value);
        foreign->failed |= !foreign->domain;
    }
    return 0;
}

static int foreign_finish(struct foreign *foreign, const char *name, struct error *ret_error)
{
    bool failed = foreign->failed;
    if (foreign->domain)
        failed |= domain_take(foreign->fields, foreign->domain) != 0;
    if (foreign->keyless)
        credentials_fields_set(foreign->fields, FIELD_BATCH_KEY, NULL);
    free(foreign->domain);
    for (size_t i = 0; !failed && i < CREDENTIALS_FIELDS; i++)
        if (foreign->fields->text[i])
            return 0;
    return failed ? error_set(ret_error, ERROR_SYSTEM, "out of memory for credentials")
                  : error_set(ret_error, ERROR_CONFIG,
                              "%s holds no credentials that beofarm knows; docs/azure.md "
                              "describes the three kinds of files",
                              name);
}

/* The object of an array whose account it is; of one account, that. */
static const cJSON *clusterless_choose(const cJSON *root, const char *account)
{
    const cJSON *item;
    if (!cJSON_IsArray(root))
        return root;
    cJSON_ArrayForEach(item, root)
    {
        const cJSON *url = json_member(item, "_BATCH_ACCOUNT_URL");
        char *name = cJSON_IsString(url) ? credentials_url_account(url->valuestring) : NULL;
        bool same = !account || (name && strcasecmp(name, account) == 0);
        free(name);
        if (same)
            return item;
    }
    return root->child;
}

static int clusterless_read(const cJSON *root, const char *name, const char *account,
                            struct credentials_fields *fields, struct error *ret_error)
{
    struct foreign foreign = {.fields = fields};
    const cJSON *object = clusterless_choose(root, account), *item;
    cJSON_ArrayForEach(item, object)
    {
        if (item->string && cJSON_IsString(item))
            foreign_take(&foreign, "", item->string, item->valuestring);
    }
    return foreign_finish(&foreign, name, ret_error);
}

/* --- telling them apart ---------------------------------------------------------------------- */

static bool is_clusterless(const cJSON *root)
{
    const cJSON *item;
    if (cJSON_IsArray(root))
        return true;
    cJSON_ArrayForEach(item, root)
    {
        if (item->string && item->string[0] == '_')
            return true;
    }
    return false;
}

/* A certificate's path is meant from the file that names it. */
static int paths_resolve(struct credentials_fields *fields, const char *name)
{
    static const enum credentials_field paths[] = {FIELD_CERTIFICATE, FIELD_FEDERATED_FILE};
    const char *slash = strrchr(name, '/');
    for (size_t i = 0; slash && i < sizeof(paths) / sizeof(*paths); i++) {
        const char *path = fields->text[paths[i]];
        char whole[4096];
        if (!path || path[0] == '/')
            continue;
        snprintf(whole, sizeof(whole), "%.*s/%s", (int)(slash - name), name, path);
        if (credentials_fields_set(fields, paths[i], whole) != 0)
            return -1;
    }
    return 0;
}

/* Trees of credentials leave nothing in memory. */
static void tree_cleanse(cJSON *item)
{
    for (; item; item = item->next) {
        if (cJSON_IsString(item) && item->valuestring)
            memset(item->valuestring, '.', strlen(item->valuestring));
        tree_cleanse(item->child);
    }
}

/* Sentences about JSON quote what they stumbled over: of those the place alone is kept. */
static int json_refuse(const char *name, const struct error *error, struct error *ret_error)
{
    const char *place = error_after(error, name);
    if (!place)
        place = "";
    return error_set(ret_error, ERROR_CONFIG,
                     "%s%.*s the file is not well-formed JSON (what is there is not shown)",
                     name, (int)strspn(place, ":0123456789"), place);
}

int credentials_text_read(const char *text, size_t size, const char *name, const char *account,
                          struct credentials_fields *ret_fields, struct error *ret_error)
{
    size_t at = text_mark_size(text, size), next;
    int rc;
    while (at < size && strchr(" \t\r\n", text[at]) && text[at])
        at++;
    for (next = at + 1; next < size && strchr(" \t\r\n", text[next]) && text[next]; next++)
        ;
    bool array = at < size && text[at] == '[' && next < size && text[next] == '{';
    if (array || (at < size && text[at] == '{')) {
        cJSON *root = NULL;
        struct error error = {0};
        if (json_parse(text + at, size - at, name, JSON_COMMENTS, &root, &error) != 0)
            return json_refuse(name, &error, ret_error);
        rc = is_clusterless(root) ? clusterless_read(root, name, account, ret_fields, ret_error)
                                  : own_object_read(root, "", name, ret_fields, ret_error);
        tree_cleanse(root);
        cJSON_Delete(root);
    } else {
        struct foreign foreign = {.fields = ret_fields};
        rc = ini_read(text, size, name, foreign_take, &foreign, ret_error);
        if (rc == 0)
            rc = foreign_finish(&foreign, name, ret_error);
        else
            free(foreign.domain);
    }
    if (rc == 0 && paths_resolve(ret_fields, name) != 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "out of memory for credentials");
    return rc;
}

int credentials_file_read(const char *path, const char *account,
                          struct credentials_fields *ret_fields, struct error *ret_error)
{
    char *text;
    size_t size;
    if (json_read_text(path, FILE_MAX_SIZE, &text, &size, ret_error) != 0)
        return -1;
    int rc = credentials_text_read(text, size, path, account, ret_fields, ret_error);
    secret_free(text);
    if (rc != 0)
        credentials_fields_fini(ret_fields);
    return rc;
}

char *credentials_url_account(const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    size_t size = strcspn(host, ".:/?");
    return size && host[size] == '.' ? strndup(host, size) : NULL;
}
