#include "config.h"

#include "launch/azure/batch_image.h"

#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "launch/azure/batch_private.h"

static void image_read(const cJSON *item, struct batch_image *ret_image)
{
    const cJSON *reference = json_member(item, "imageReference");
    const char *os = batch_text(item, "osType");
    const char *verification = batch_text(item, "verificationType");
    *ret_image = (struct batch_image){
        .publisher = batch_text(reference, "publisher"),
        .offer = batch_text(reference, "offer"),
        .sku = batch_text(reference, "sku"),
        .version = batch_text(reference, "version"),
        .agent = batch_text(item, "nodeAgentSKUId"),
        .linux_os = os && strcasecmp(os, "linux") == 0,
        .verified = verification && strcasecmp(verification, "verified") == 0,
        .capabilities = batch_array(item, "capabilities"),
        .end_ns = batch_time(item, "batchSupportEndOfLife"),
    };
}

bool batch_image_can(const struct batch_image *image, const char *capability)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, image->capabilities)
    {
        if (cJSON_IsString(item) && strcasecmp(item->valuestring, capability) == 0)
            return true;
    }
    return false;
}

struct visitor {
    int (*visit)(void *context, const struct batch_image *image);
    void *context;
};

static int image_visit(void *context, const cJSON *item)
{
    const struct visitor *visitor = context;
    struct batch_image image;
    image_read(item, &image);
    return visitor->visit(visitor->context, &image);
}

int batch_image_list(struct account *account, bool verified,
                     int (*visit)(void *context, const struct batch_image *image),
                     void *context, struct error *ret_error)
{
    struct visitor visitor = {visit, context};
    struct batch_query query = {.filter = verified ? "verificationType eq 'verified'" : NULL};
    return batch_pages(account, "/supportedimages", &query, NULL,
                       "listing the supported images", image_visit, &visitor, ret_error);
}
