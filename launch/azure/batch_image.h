/*
 * batch_image.h - the images that Batch supports, and until when.
 */
#ifndef BEOFARM_LAUNCH_AZURE_BATCH_IMAGE_H
#define BEOFARM_LAUNCH_AZURE_BATCH_IMAGE_H

#include "launch/azure/batch.h"

struct batch_image {
    const char *publisher, *offer, *sku, *version; /* "canonical", "ubuntu-24_04-lts", ... */
    const char *agent;         /* nodeAgentSKUId: "batch.node.ubuntu 24.04" */
    bool linux_os;             /* osType */
    bool verified;             /* verificationType */
    const cJSON *capabilities; /* array of texts: "DockerCompatible", ...; NULL */
    int64_t end_ns;            /* batchSupportEndOfLife; 0: not announced */
};

/* Whether it can do this ("DockerCompatible"). */
bool batch_image_can(const struct batch_image *image, const char *capability);

/* GET /supportedimages: call `visit` for each, borrowed during the call, until it returns non-zero.
 * `verified` alone where told. Returns what visit returned, 0, or -1 with a sentence "listing the
 * supported images: ...". */
int batch_image_list(struct account *account, bool verified,
                     int (*visit)(void *context, const struct batch_image *image),
                     void *context, struct error *ret_error);

#endif
