#include "config.h"

#include "launch/azure/azure_quota.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/azure_error.h"
#include "common/json.h"
#include "launch/azure/batch.h"

#define URL_MAX_BYTES 8192
#define PAGES_MAX     50

int azure_quota_cores(const char *vm_size)
{
    const char *next = strncasecmp(vm_size, "Standard_", 9) == 0 ? vm_size + 9 : vm_size;
    const char *family = next;
    while (isalpha((unsigned char)*next))
        next++;
    size_t letters = (size_t)(next - family);
    long cores = strtol(next, (char **)&next, 10);
    if (*next == '-') /* constrained: "M8-4ms" */
        cores = strtol(next + 1, (char **)&next, 10);
    /* D11, DS12_v2, A8: numbers of a list. From the third version on they are cores. */
    bool listed = (letters == 1 && strchr("DA", *family)) ||
                  (letters == 2 && strncasecmp(family, "DS", 2) == 0);
    const char *version = strstr(next, "_v");
    long number = version ? strtol(version + 2, NULL, 10) : 1;
    if (listed && number < 3 && !(*family == 'A' && number == 2))
        return 0;
    return cores > 0 && cores < 10000 ? (int)cores : 0;
}

static int management_ask(struct account *account, const char *url, const char *doing,
                          cJSON **ret_json, struct error *ret_error)
{
    struct http_request request;
    struct http_response response = {0};
    account_management_request(account, "GET", &request);
    request.url = url;
    if (http_perform(account_http(account), &request, &response, ret_error) != 0)
        return -1;
    int rc = response.status == 200
                 ? json_parse((const char *)response.body.data, response.body.size, doing,
                              JSON_STRICT, ret_json, ret_error)
                 : azure_error_refuse(AZURE_MANAGEMENT, &response, doing, ret_error);
    http_response_fini(&response);
    return rc;
}

static int integer_get(const cJSON *object, const char *key)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 1e9
               ? item->valueint
               : -1;
}

static int account_read(struct account *account, const char *url, cJSON **ret_json,
                        struct azure_quota *quota, struct error *ret_error)
{
    if (management_ask(account, url, "reading the Batch account's quotas", ret_json,
                       ret_error) != 0)
        return -1;
    const cJSON *properties = json_member(*ret_json, "properties"), *mode;
    const char *location = cJSON_GetStringValue(json_member(*ret_json, "location"));
    const cJSON *modes = json_member(properties, "allowedAuthenticationModes");
    quota->dedicated = integer_get(properties, "dedicatedCoreQuota");
    quota->spot = integer_get(properties, "lowPriorityCoreQuota");
    quota->pools = integer_get(properties, "poolQuota");
    quota->by_family =
        cJSON_IsTrue(json_member(properties, "dedicatedCoreQuotaPerVMFamilyEnforced"));
    quota->keys = !cJSON_IsArray(modes);
    cJSON_ArrayForEach(mode, modes)
    {
        quota->keys |= cJSON_IsString(mode) && strcmp(mode->valuestring, "SharedKey") == 0;
    }
    snprintf(quota->location, sizeof quota->location, "%s", location ? location : "");
    return 0;
}

/* One of the VM sizes of the region; its family goes to ret_family. */
static void size_read(const cJSON *item, struct azure_quota *quota, char *ret_family,
                      size_t size)
{
    const cJSON *capability;
    const char *family = cJSON_GetStringValue(json_member(item, "familyName"));
    const char *end = cJSON_GetStringValue(json_member(item, "batchSupportEndOfLife"));
    quota->size_known = true;
    snprintf(ret_family, size, "%s", family ? family : "");
    if (end && batch_time_parse(end, &quota->end_ns) != 0)
        quota->end_ns = 0;
    cJSON_ArrayForEach(capability, json_member(item, "capabilities"))
    {
        const char *name = cJSON_GetStringValue(json_member(capability, "name"));
        const char *value = cJSON_GetStringValue(json_member(capability, "value"));
        if (name && value && strcasecmp(name, "vCPUs") == 0)
            quota->cores = (int)strtol(value, NULL, 10);
    }
}

static int sizes_read(struct account *account, const char *first, const char *vm_size,
                      struct azure_quota *quota, char *ret_family, size_t size,
                      struct error *ret_error)
{
    char *url = strdup(first);
    int rc = url ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory for a URL");
    for (int page = 0; rc == 0 && url && page < PAGES_MAX && !quota->size_known; page++) {
        cJSON *json = NULL;
        const cJSON *item;
        rc = management_ask(account, url, "listing the region's VM sizes", &json, ret_error);
        cJSON_ArrayForEach(item, json_member(json, "value"))
        {
            const char *name = cJSON_GetStringValue(json_member(item, "name"));
            if (name && strcasecmp(name, vm_size) == 0)
                size_read(item, quota, ret_family, size);
        }
        const char *next = cJSON_GetStringValue(json_member(json, "nextLink"));
        free(url);
        url = next && *next ? strdup(next) : NULL;
        cJSON_Delete(json);
    }
    quota->size_listed = rc == 0;
    free(url);
    return rc;
}

static void family_read(const cJSON *json, const char *family, struct azure_quota *quota)
{
    const cJSON *item, *properties = json_member(json, "properties");
    cJSON_ArrayForEach(item, json_member(properties, "dedicatedCoreQuotaPerVMFamily"))
    {
        const char *name = cJSON_GetStringValue(json_member(item, "name"));
        if (name && *family && strcasecmp(name, family) == 0)
            quota->family = integer_get(item, "coreQuota");
    }
}

int azure_quota_get(struct account *account, const char *url, const char *vm_size,
                    struct azure_quota *ret_quota, struct error *ret_error)
{
    const struct credentials *credentials = account_credentials(account);
    const char *subscription = credentials_subscription(credentials);
    const char *group = credentials_resource_group(credentials);
    char family[128] = "";
    cJSON *json = NULL;
    struct buf text;
    *ret_quota = (struct azure_quota){.dedicated = -1, .spot = -1, .family = -1, .pools = -1};
    if (!*subscription || !*group)
        return 1;
    buf_init(&text, URL_MAX_BYTES);
    buf_printf(&text,
               "%s/subscriptions/%s/resourceGroups/%s/providers/Microsoft.Batch/batchAccounts/"
               "%s?api-version=" AZURE_MANAGEMENT_VERSION,
               url ? url : AZURE_MANAGEMENT_URL, subscription, group,
               credentials_batch_account(credentials));
    int rc = account_read(account, buf_text(&text), &json, ret_quota, ret_error);
    buf_clear(&text);
    buf_printf(&text,
               "%s/subscriptions/%s/providers/Microsoft.Batch/locations/%s/"
               "virtualMachineSkus?api-version=" AZURE_MANAGEMENT_VERSION,
               url ? url : AZURE_MANAGEMENT_URL, subscription, ret_quota->location);
    if (rc == 0 && vm_size && ret_quota->location[0])
        rc = sizes_read(account, buf_text(&text), vm_size, ret_quota, family, sizeof family,
                        ret_error);
    if (rc == 0)
        family_read(json, family, ret_quota);
    cJSON_Delete(json);
    buf_fini(&text);
    return rc;
}
