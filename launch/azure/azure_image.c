#include "config.h"

#include "launch/azure/azure_image.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "launch/azure/batch_image.h"

#define AGENT_PREFIX "batch.node."
#define LISTED_MAX   900 /* bytes of names in a sentence */

struct search {
    const struct azure_image *wanted;
    bool containers;
    int64_t now_ns;
    struct azure_image_choice best;
    bool ended,
        incapable; /* such an image there is, but: it is at its end; it runs no containers */
    struct buf agents; /* those of Linux that there are */
};

static bool text_same(const char *a, const char *b)
{
    return a && b && strcasecmp(a, b) == 0;
}

static bool image_meant(const struct azure_image *wanted, const struct batch_image *image)
{
    if (wanted->text) {
        const char *agent = image->agent ? image->agent : "";
        size_t skip = strlen(AGENT_PREFIX);
        return text_same(agent, wanted->text) || (strncasecmp(agent, AGENT_PREFIX, skip) == 0 &&
                                                  strcasecmp(agent + skip, wanted->text) == 0);
    }
    return text_same(image->publisher, wanted->publisher) &&
           text_same(image->offer, wanted->offer) && text_same(image->sku, wanted->sku);
}

/* "batch.node.debian 12" once into the list. */
static void agent_note(struct search *search, const struct batch_image *image)
{
    char quoted[AZURE_IMAGE_TEXT];
    if (!image->linux_os || !image->agent)
        return;
    const char *name = image->agent;
    if (strncasecmp(name, AGENT_PREFIX, strlen(AGENT_PREFIX)) == 0)
        name += strlen(AGENT_PREFIX);
    snprintf(quoted, sizeof quoted, "\"%s\"", name);
    const char *listed = buf_text(&search->agents);
    if (listed && !strstr(listed, quoted) && search->agents.size < LISTED_MAX)
        buf_printf(&search->agents, "%s%s", search->agents.size ? ", " : "", quoted);
}

/* Support without an announced end lasts longest. */
static bool lasts_longer(int64_t end_ns, int64_t than_ns)
{
    return than_ns != 0 && (end_ns == 0 || end_ns > than_ns);
}

static void choice_fill(struct azure_image_choice *choice, const struct batch_image *image)
{
    choice->chosen = true;
    choice->end_ns = image->end_ns;
    snprintf(choice->publisher, AZURE_IMAGE_TEXT, "%s",
             image->publisher ? image->publisher : "");
    snprintf(choice->offer, AZURE_IMAGE_TEXT, "%s", image->offer ? image->offer : "");
    snprintf(choice->sku, AZURE_IMAGE_TEXT, "%s", image->sku ? image->sku : "");
    snprintf(choice->version, AZURE_IMAGE_TEXT, "latest");
    snprintf(choice->agent, AZURE_IMAGE_TEXT, "%s", image->agent ? image->agent : "");
}

static int image_look(void *context, const struct batch_image *image)
{
    struct search *search = context;
    bool docker = batch_image_can(image, "DockerCompatible");
    agent_note(search, image);
    if (!image->linux_os || !image_meant(search->wanted, image))
        return 0;
    if (image->end_ns && image->end_ns < search->now_ns)
        search->ended = true;
    else if (search->containers && !docker)
        search->incapable = true;
    else if (!search->best.chosen || lasts_longer(image->end_ns, search->best.end_ns))
        choice_fill(&search->best, image);
    return 0;
}

static int search_refuse(struct search *search, struct error *ret_error)
{
    const struct azure_image *wanted = search->wanted;
    char name[4 * AZURE_IMAGE_TEXT];
    const char *agents = buf_text(&search->agents);
    if (wanted->text)
        snprintf(name, sizeof name, "%s", wanted->text);
    else
        snprintf(name, sizeof name, "%s %s %s", wanted->publisher, wanted->offer, wanted->sku);
    if (search->incapable)
        return error_set(
            ret_error, ERROR_CONFIG,
            "$.backend.pool.image: Batch's images of \"%s\" run no containers; one "
            "that can is needed for \"kind\": \"container\"",
            name);
    return error_set(ret_error, ERROR_CONFIG,
                     "$.backend.pool.image: Batch %s \"%s\"; it has images for %s",
                     search->ended ? "no longer supports" : "supports no image", name,
                     agents && *agents ? agents : "no Linux at all");
}

int azure_image_choose(struct account *account, const struct azure_image *image,
                       bool containers, struct azure_image_choice *ret_choice,
                       struct error *ret_error)
{
    struct search search = {
        .wanted = image, .containers = containers, .now_ns = clock_wall_ns()};
    if (image->id) {
        *ret_choice = (struct azure_image_choice){.chosen = true, .id = image->id};
        snprintf(ret_choice->agent, AZURE_IMAGE_TEXT, "%s", image->agent);
        return 0;
    }
    buf_init(&search.agents, LISTED_MAX + AZURE_IMAGE_TEXT);
    /* What is named exactly may be one that Batch has not verified. */
    int rc = batch_image_list(account, image->text != NULL, image_look, &search, ret_error);
    if (rc == 0 && !search.best.chosen)
        rc = search_refuse(&search, ret_error);
    if (rc == 0) {
        *ret_choice = search.best;
        if (image->version)
            snprintf(ret_choice->version, AZURE_IMAGE_TEXT, "%s", image->version);
        if (image->agent)
            snprintf(ret_choice->agent, AZURE_IMAGE_TEXT, "%s", image->agent);
    }
    buf_fini(&search.agents);
    return rc;
}
