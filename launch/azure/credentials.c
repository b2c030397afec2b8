/*
 * Opening gathers what every source says and chooses, for each group of fields that belong
 * together, the first source that has the group; fields are never mixed across sources, lest the
 * key of one account be tried on another. Tokens are asked for when they are first needed.
 */
#include "config.h"

#include "launch/azure/credentials_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_AUTHORITY "https://login.microsoftonline.com"
#define DEFAULT_METADATA  "http://169.254.169.254"

static const char *const method_names[] = {"auto", "key", "principal", "identity", "cli"};

int credentials_method_find(const char *name, enum credentials_method *ret_method)
{
    for (size_t i = 0; i < sizeof(method_names) / sizeof(*method_names); i++) {
        if (strcmp(method_names[i], name) == 0) {
            *ret_method = (enum credentials_method)i;
            return 0;
        }
    }
    return -1;
}

/* --- sources ---------------------------------------------------------------------------------- */

static void tried_add(struct credentials *credentials, const char *what, const char *result)
{
    struct buf *tried = &credentials->tried;
    buf_printf(tried, "%s%s: %s", tried->size ? "; " : "", what, result);
}

static struct credentials_source *source_add(struct credentials *credentials, const char *name)
{
    struct credentials_source *source = &credentials->sources[credentials->sources_count];
    source->name = strdup(name);
    if (source->name)
        credentials->sources_count++;
    return source->name ? source : NULL;
}

static int file_add(struct credentials *credentials, const char *path, const char *account,
                    struct error *ret_error)
{
    struct credentials_source *source = source_add(credentials, path);
    if (!source)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for credentials");
    return credentials_file_read(path, account, &source->fields, ret_error);
}

/* The user's own file is not required to be there. */
static int home_add(struct credentials *credentials, const char *account,
                    struct error *ret_error)
{
    char path[4096];
    const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    if (config && *config)
        snprintf(path, sizeof(path), "%s/beofarm/azure.json", config);
    else if (home && *home)
        snprintf(path, sizeof(path), "%s/.config/beofarm/azure.json", home);
    else
        return 0;
    if (access(path, F_OK) != 0) {
        tried_add(credentials, path, "not there");
        return 0;
    }
    return file_add(credentials, path, account, ret_error);
}

static int sources_read(struct credentials *credentials,
                        const struct credentials_wishes *wishes, struct error *ret_error)
{
    const char *named = getenv("BEOFARM_AZURE_CREDENTIALS");
    struct credentials_source *environment = source_add(credentials, "the environment");
    if (!environment)
        return error_set(ret_error, ERROR_SYSTEM, "out of memory for credentials");
    if (credentials_environment_read(&environment->fields, ret_error) != 0)
        return -1;
    if (wishes->file && *wishes->file &&
        file_add(credentials, wishes->file, wishes->batch_account, ret_error) != 0)
        return -1;
    if (named && *named && file_add(credentials, named, wishes->batch_account, ret_error) != 0)
        return -1;
    return home_add(credentials, wishes->batch_account, ret_error);
}

/* --- choosing --------------------------------------------------------------------------------- */

/* A source's account: its name, or the one in its URL. Caller frees. */
static char *account_of(const struct credentials_fields *fields, enum credentials_field name,
                        enum credentials_field url)
{
    if (fields->text[name])
        return strdup(fields->text[name]);
    return fields->text[url] ? credentials_url_account(fields->text[url]) : NULL;
}

struct group {
    const char *what; /* "batch account" */
    enum credentials_field name, url, key;
    const char *wished_name, *wished_url;
};

static int take(struct credentials *credentials, enum credentials_field field, const char *text)
{
    return credentials_fields_set(&credentials->chosen, field, text);
}

/* The first source that has this group, for the account that is wished for. Returns its name. */
static const char *group_choose(struct credentials *credentials, const struct group *group)
{
    char *wished = group->wished_name && *group->wished_name ? strdup(group->wished_name)
                   : group->wished_url && *group->wished_url
                       ? credentials_url_account(group->wished_url)
                       : NULL;
    const char *found = NULL;
    for (size_t i = 0; !found && i < credentials->sources_count; i++) {
        struct credentials_source *source = &credentials->sources[i];
        char *account = account_of(&source->fields, group->name, group->url), text[256];
        if (!account) {
            snprintf(text, sizeof(text), "no %s", group->what);
            tried_add(credentials, source->name, text);
        } else if (wished && strcasecmp(wished, account) != 0) {
            snprintf(text, sizeof(text), "the %s is %.64s, not %.64s", group->what, account,
                     wished);
            tried_add(credentials, source->name, text);
        } else {
            found = source->name;
            take(credentials, group->name, account);
            take(credentials, group->url, source->fields.text[group->url]);
            take(credentials, group->key, source->fields.text[group->key]);
        }
        free(account);
    }
    if (!found && wished)
        take(credentials, group->name, wished);
    if (group->wished_url && *group->wished_url)
        take(credentials, group->url, group->wished_url);
    free(wished);
    return found;
}

static bool has_proof(const struct credentials_fields *fields)
{
    return fields->text[FIELD_CLIENT_SECRET] || fields->text[FIELD_CERTIFICATE] ||
           fields->text[FIELD_FEDERATED_FILE];
}

static bool differs(const char *wished, const char *given)
{
    return wished && *wished && given && strcasecmp(wished, given) != 0;
}

static void principal_choose(struct credentials *credentials,
                             const struct credentials_wishes *wishes)
{
    static const enum credentials_field group[] = {FIELD_TENANT,
                                                   FIELD_CLIENT_ID,
                                                   FIELD_CLIENT_SECRET,
                                                   FIELD_CERTIFICATE,
                                                   FIELD_CERTIFICATE_PASSWORD,
                                                   FIELD_FEDERATED_FILE};
    for (size_t i = 0; i < credentials->sources_count; i++) {
        struct credentials_source *source = &credentials->sources[i];
        char *const *text = source->fields.text;
        const char *tenant = text[FIELD_TENANT] ? text[FIELD_TENANT] : wishes->tenant;
        const char *client = text[FIELD_CLIENT_ID] ? text[FIELD_CLIENT_ID] : wishes->client_id;
        if (!tenant || !client || !has_proof(&source->fields) ||
            differs(wishes->tenant, tenant) || differs(wishes->client_id, client))
            continue;
        for (size_t j = 0; j < sizeof(group) / sizeof(*group); j++)
            take(credentials, group[j], text[group[j]]);
        take(credentials, FIELD_TENANT, tenant);
        take(credentials, FIELD_CLIENT_ID, client);
        credentials->principal_source = source->name;
        return;
    }
    take(credentials, FIELD_TENANT, wishes->tenant);
}

/* What stands alone: the farm file's wish, else the first source that has it. */
static void singles_choose(struct credentials *credentials,
                           const struct credentials_wishes *wishes)
{
    const struct {
        enum credentials_field field;
        const char *wish, *fallback;
    } singles[] = {
        {FIELD_IDENTITY, wishes->identity, NULL},
        {FIELD_AUTH, NULL, NULL},
        {FIELD_SCOPE_BATCH, wishes->scope[CREDENTIALS_BATCH],
         "https://batch.core.windows.net/.default"},
        {FIELD_SCOPE_STORAGE, wishes->scope[CREDENTIALS_STORAGE],
         "https://storage.azure.com/.default"},
        {FIELD_SCOPE_MANAGEMENT, wishes->scope[CREDENTIALS_MANAGEMENT],
         "https://management.azure.com/.default"},
        {FIELD_AUTHORITY, wishes->authority, DEFAULT_AUTHORITY},
        {FIELD_SUBSCRIPTION, NULL, NULL},
        {FIELD_RESOURCE_GROUP, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(singles) / sizeof(*singles); i++) {
        const char *text = singles[i].wish;
        for (size_t j = 0; !text && j < credentials->sources_count; j++)
            text = credentials->sources[j].fields.text[singles[i].field];
        take(credentials, singles[i].field, text ? text : singles[i].fallback);
    }
}

static int method_choose(struct credentials *credentials,
                         const struct credentials_wishes *wishes, struct error *ret_error)
{
    const char *auth = credentials->chosen.text[FIELD_AUTH];
    credentials->method = wishes->method;
    if (credentials->method == CREDENTIALS_AUTO && auth &&
        credentials_method_find(auth, &credentials->method) != 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "\"auth\" is \"%s\"; it must be auto, key, principal, identity or cli",
                         auth);
    return 0;
}

static void url_tidy(struct credentials *credentials, enum credentials_field field)
{
    char *url = credentials->chosen.text[field];
    size_t size = url ? strlen(url) : 0;
    char whole[1024];
    while (size && url[size - 1] == '/')
        url[--size] = '\0';
    /* The Azure CLI and AzureClusterlessHPC leave the scheme out. */
    if (size && !strstr(url, "://")) {
        snprintf(whole, sizeof(whole), "https://%s", url);
        take(credentials, field, whole);
    }
}

static int urls_complete(struct credentials *credentials, struct error *ret_error)
{
    char url[512];
    char **text = credentials->chosen.text;
    url_tidy(credentials, FIELD_BATCH_URL);
    url_tidy(credentials, FIELD_BLOB_URL);
    url_tidy(credentials, FIELD_AUTHORITY);
    if (!text[FIELD_BATCH_ACCOUNT])
        return error_set(ret_error, ERROR_CONFIG,
                         "no Batch account is named. Looked at: %s. Set AZURE_BATCH_ACCOUNT, "
                         "AZURE_BATCH_ENDPOINT and AZURE_BATCH_ACCESS_KEY, or name a "
                         "credentials file (docs/azure.md)",
                         buf_text(&credentials->tried));
    if (!text[FIELD_BATCH_URL])
        return error_set(ret_error, ERROR_CONFIG,
                         "the URL of batch account %s is not known, which its name does not "
                         "tell: set AZURE_BATCH_ENDPOINT, or \"url\", to the account endpoint "
                         "(portal: Batch account, Keys), such as "
                         "https://%s.REGION.batch.azure.com",
                         text[FIELD_BATCH_ACCOUNT], text[FIELD_BATCH_ACCOUNT]);
    if (text[FIELD_STORAGE_ACCOUNT] && !text[FIELD_BLOB_URL]) {
        snprintf(url, sizeof(url), "https://%s.blob.core.windows.net",
                 text[FIELD_STORAGE_ACCOUNT]);
        take(credentials, FIELD_BLOB_URL, url);
    }
    return 0;
}

static int keys_take(struct credentials *credentials, struct error *ret_error)
{
    char **text = credentials->chosen.text;
    bool wanted =
        credentials->method == CREDENTIALS_AUTO || credentials->method == CREDENTIALS_KEY;
    if (wanted && text[FIELD_BATCH_KEY] &&
        signing_key_init(&credentials->batch_key, text[FIELD_BATCH_ACCOUNT],
                         text[FIELD_BATCH_KEY], ret_error) != 0)
        return error_prefix(ret_error, "%s", credentials->batch_source);
    if (wanted && text[FIELD_STORAGE_KEY] &&
        signing_key_init(&credentials->storage_key, text[FIELD_STORAGE_ACCOUNT],
                         text[FIELD_STORAGE_KEY], ret_error) != 0)
        return error_prefix(ret_error, "%s", credentials->storage_source);
    if (credentials->method == CREDENTIALS_KEY && !credentials->batch_key.bytes)
        return error_set(
            ret_error, ERROR_CONFIG,
            "\"auth\" is \"key\", but there is no key for batch account %s. Looked "
            "at: %s. Set AZURE_BATCH_ACCESS_KEY beside AZURE_BATCH_ACCOUNT, or "
            "use another \"auth\"",
            text[FIELD_BATCH_ACCOUNT], buf_text(&credentials->tried));
    return 0;
}

static int choose(struct credentials *credentials, const struct credentials_wishes *wishes,
                  struct error *ret_error)
{
    const struct group batch = {"batch account", FIELD_BATCH_ACCOUNT,   FIELD_BATCH_URL,
                                FIELD_BATCH_KEY, wishes->batch_account, wishes->batch_url};
    const struct group storage = {"storage account", FIELD_STORAGE_ACCOUNT,   FIELD_BLOB_URL,
                                  FIELD_STORAGE_KEY, wishes->storage_account, wishes->blob_url};
    credentials->batch_source = group_choose(credentials, &batch);
    credentials->storage_source = group_choose(credentials, &storage);
    principal_choose(credentials, wishes);
    singles_choose(credentials, wishes);
    if (method_choose(credentials, wishes, ret_error) != 0 ||
        urls_complete(credentials, ret_error) != 0)
        return -1;
    return keys_take(credentials, ret_error);
}

static int http_make(struct credentials *credentials, const struct http_options *options,
                     struct error *ret_error)
{
    struct http_options impatient = options ? *options : (struct http_options){0};
    impatient.connect_timeout_s = 2;
    credentials->http = http_create(options, ret_error);
    credentials->metadata_http = http_create(&impatient, ret_error);
    return credentials->http && credentials->metadata_http ? 0 : -1;
}

struct credentials *credentials_open(const struct credentials_wishes *wishes,
                                     const struct http_options *options,
                                     struct error *ret_error)
{
    struct credentials *credentials = calloc(1, sizeof(*credentials));
    if (!credentials) {
        error_set(ret_error, ERROR_SYSTEM, "out of memory for credentials");
        return NULL;
    }
    buf_init(&credentials->tried, CREDENTIALS_TRIED_MAX);
    credentials->metadata_url =
        strdup(wishes->metadata_url ? wishes->metadata_url : DEFAULT_METADATA);
    credentials->cache = wishes->token_cache ? strdup(wishes->token_cache) : NULL;
    if (http_make(credentials, options, ret_error) != 0 ||
        sources_read(credentials, wishes, ret_error) != 0 ||
        choose(credentials, wishes, ret_error) != 0) {
        credentials_close(credentials);
        return NULL;
    }
    return credentials;
}

void credentials_close(struct credentials *credentials)
{
    if (!credentials)
        return;
    for (size_t i = 0; i < CREDENTIALS_SOURCES_MAX; i++) {
        free(credentials->sources[i].name);
        credentials_fields_fini(&credentials->sources[i].fields);
    }
    for (size_t i = 0; i < CREDENTIALS_AUDIENCES; i++)
        token_fini(&credentials->tokens[i]);
    credentials_fields_fini(&credentials->chosen);
    signing_key_fini(&credentials->batch_key);
    signing_key_fini(&credentials->storage_key);
    http_destroy(credentials->http);
    http_destroy(credentials->metadata_http);
    free(credentials->cache);
    free(credentials->metadata_url);
    buf_fini(&credentials->tried);
    free(credentials);
}

/* --- what was found ----------------------------------------------------------------------- */

const char *credentials_text(const struct credentials *credentials,
                             enum credentials_field field)
{
    const char *text = credentials->chosen.text[field];
    return text ? text : "";
}

const char *credentials_batch_account(const struct credentials *credentials)
{
    return credentials_text(credentials, FIELD_BATCH_ACCOUNT);
}

const char *credentials_batch_url(const struct credentials *credentials)
{
    return credentials_text(credentials, FIELD_BATCH_URL);
}

const char *credentials_storage_account(const struct credentials *credentials)
{
    return credentials_text(credentials, FIELD_STORAGE_ACCOUNT);
}

const char *credentials_blob_url(const struct credentials *credentials)
{
    return credentials_text(credentials, FIELD_BLOB_URL);
}

const char *credentials_subscription(const struct credentials *credentials)
{
    return credentials_text(credentials, FIELD_SUBSCRIPTION);
}

const char *credentials_resource_group(const struct credentials *credentials)
{
    return credentials_text(credentials, FIELD_RESOURCE_GROUP);
}

const struct signing_key *credentials_key(const struct credentials *credentials,
                                          enum credentials_audience audience)
{
    const struct signing_key *key = audience == CREDENTIALS_BATCH ? &credentials->batch_key
                                    : audience == CREDENTIALS_STORAGE
                                        ? &credentials->storage_key
                                        : NULL;
    return key && key->bytes ? key : NULL;
}
