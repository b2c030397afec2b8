/*
 * azure_image.h - which image the nodes get: checked against those that Batch supports.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_IMAGE_H
#define BEOFARM_LAUNCH_AZURE_AZURE_IMAGE_H

#include "common/error.h"
#include "launch/azure/account.h"
#include "launch/azure/azure_settings.h"

#define AZURE_IMAGE_TEXT 128

/* What a pool is made with. */
struct azure_image_choice {
    bool chosen;
    char publisher[AZURE_IMAGE_TEXT], offer[AZURE_IMAGE_TEXT], sku[AZURE_IMAGE_TEXT],
        version[AZURE_IMAGE_TEXT], agent[AZURE_IMAGE_TEXT];
    const char *id; /* of one's own: instead of the first four; borrowed from the settings */
    int64_t end_ns; /* Batch supports it until then; 0: no end is announced */
};

/* Ask for the supported images and choose: the one that is named; or of those whose node agent the
 * text names ("ubuntu 24.04" is "batch.node.ubuntu 24.04") one that Batch supports longest, which
 * for `containers` is able to run them. -1 with a sentence that lists what there is. */
int azure_image_choose(struct account *account, const struct azure_image *image,
                       bool containers, struct azure_image_choice *ret_choice,
                       struct error *ret_error);

#endif
