/*
 * The pool is made with a formula that wants one dedicated node; when the master runs the formula
 * is replaced by one that wants the workers' nodes, too. Batch evaluates a formula as soon as it is
 * given, and every five minutes from then on.
 *
 * A pool that Batch says exists is ours if it bears our run's name as a label (an answer was lost),
 * or if the farm file says to reuse it; else it is somebody else's, and left alone.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "launch/azure/azure_formula.h"
#include "launch/azure/azure_private.h"
#include "launch/azure/azure_script.h"
#include "launch/azure/batch_node.h"
#include "launch/azure/batch_pool.h"

#define LABEL_RUN   "beofarm-run"
#define FORMULA_MAX 8192

const char *azure_pool_id(const struct azure *azure)
{
    if (azure->note.pool[0])
        return azure->note.pool;
    return azure->settings.pool.id ? azure->settings.pool.id : azure->note.run;
}

static int formula_put(const struct azure *azure, struct buf *buf)
{
    const struct azure_settings *settings = &azure->settings;
    int workers = azure->workers - azure->watch.given_up;
    struct azure_nodes_wanted wanted = {.follow = settings->pool.follow,
                                        .min = settings->pool.min};
    if (workers < 0)
        workers = 0;
    if (azure->workers > 0 && settings->pool.formula)
        return buf_append_text(buf, settings->pool.formula);
    wanted.spot = azure_settings_spot(settings, workers);
    wanted.dedicated = 1 + workers - wanted.spot;
    return azure_formula_put(buf, &wanted);
}

/* The registry's password comes from the environment; it goes into the request alone. */
static int registry_fill(const struct azure_start *start, struct batch_registry *registry,
                         struct error *ret_error)
{
    const char *password = start->password_env ? getenv(start->password_env) : NULL;
    if (start->password_env && !password)
        return error_set(ret_error, ERROR_AUTH,
                         "the registry's password is not in the environment: $%s is not set "
                         "($.backend.pool.start.registry.password_env)",
                         start->password_env);
    *registry = (struct batch_registry){.server = start->server,
                                        .user = start->user,
                                        .password = password,
                                        .identity = start->identity};
    return 0;
}

/* What batch_pool_spec points to. */
struct draft {
    struct buf formula, start_line;
    struct batch_command start;
    struct batch_registry registry;
    struct batch_package package;
    struct batch_label labels[2];
};

static void image_fill(const struct azure *azure, struct batch_pool_spec *spec)
{
    const struct azure_image_choice *image = &azure->image;
    spec->agent = image->agent;
    spec->image_id = image->id;
    if (!image->id) {
        spec->publisher = image->publisher;
        spec->offer = image->offer;
        spec->sku = image->sku;
        spec->version = image->version;
    }
}

static int start_fill(const struct azure *azure, struct draft *draft,
                      struct batch_pool_spec *spec, struct error *ret_error)
{
    const struct azure_start *start = &azure->settings.pool.start;
    if (azure_script_start_put(&draft->start_line, start) != 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the start task");
    if (draft->start_line.size > 0) {
        draft->start = (struct batch_command){
            .line = buf_text(&draft->start_line), .admin = true, .pool_user = true};
        spec->start = &draft->start;
        spec->start_retries = start->retries;
    }
    if (start->kind == AZURE_START_APPLICATION) {
        draft->package =
            (struct batch_package){.id = start->application, .version = start->version};
        spec->packages = &draft->package;
        spec->packages_count = 1;
    }
    if (start->kind != AZURE_START_CONTAINER)
        return 0;
    spec->images = &start->image;
    spec->images_count = 1;
    if (start->server || start->user || start->identity) {
        spec->registries = &draft->registry;
        spec->registries_count = 1;
    }
    return registry_fill(start, &draft->registry, ret_error);
}

static int spec_fill(const struct azure *azure, struct draft *draft,
                     struct batch_pool_spec *spec, struct error *ret_error)
{
    const struct azure_settings *settings = &azure->settings;
    buf_init(&draft->formula, FORMULA_MAX);
    buf_init(&draft->start_line, 65536);
    draft->labels[0] = (struct batch_label){LABEL_RUN, azure->note.run};
    draft->labels[1] = (struct batch_label){"beofarm-farm", azure->farm};
    *spec = (struct batch_pool_spec){
        .id = azure_pool_id(azure),
        .vm_size = settings->pool.vm_size,
        .resize_timeout_s = settings->resize_s,
        .formula_interval_s = settings->pool.interval_s,
        .slots_per_node = 1,
        .inter_node = settings->pool.inter_node,
        .subnet_id = settings->pool.subnet,
        .public_ip_less = !settings->pool.public_ip,
        .labels = draft->labels,
        .labels_count = 2,
        .more = settings->pool.more,
    };
    image_fill(azure, spec);
    if (formula_put(azure, &draft->formula) != 0)
        return error_set(ret_error, ERROR_CONFIG, "$.backend.pool.formula: it is too long");
    spec->formula = buf_text(&draft->formula);
    return start_fill(azure, draft, spec, ret_error);
}

static void draft_fini(struct draft *draft)
{
    buf_fini(&draft->formula);
    buf_fini(&draft->start_line);
}

bool azure_pool_ours(const struct azure *azure, const struct batch_pool *pool)
{
    const char *run = batch_label_find(pool->metadata, LABEL_RUN);
    return run && strcmp(run, azure->note.run) == 0;
}

static int pool_recognize(struct azure *azure, const struct batch_pool *pool,
                          struct error *ret_error)
{
    if (pool->state == BATCH_POOL_DELETING)
        return error_set(ret_error, ERROR_BACKEND,
                         "pool \"%s\" is just being deleted; try again in a few minutes",
                         pool->id);
    if (azure_pool_ours(azure, pool))
        return 0;
    return error_set(
        ret_error, ERROR_CONFIG,
        "there is a pool \"%s\" already, which this farm did not make: name another "
        "as $.backend.pool.id, or say \"reuse\": true",
        pool->id);
}

static int pool_known(struct azure *azure, struct error *ret_error)
{
    struct batch_pool pool = {0};
    int rc = batch_pool_get(azure->account, azure_pool_id(azure), &pool, ret_error);
    if (rc == 0)
        rc = pool_recognize(azure, &pool, ret_error);
    batch_pool_fini(&pool);
    if (rc == 0)
        rc = azure_pool_scale(azure, ret_error);
    return rc == 0 ? 0 : -1;
}

static int pool_make(struct azure *azure, struct error *ret_error)
{
    struct draft draft = {0};
    struct batch_pool_spec spec;
    int rc = spec_fill(azure, &draft, &spec, ret_error);
    if (rc == 0)
        rc = batch_pool_add(azure->account, &spec, ret_error);
    draft_fini(&draft);
    return rc == BATCH_ALREADY ? pool_known(azure, ret_error) : rc;
}

static int busy_count(void *context, const struct batch_node *node)
{
    *(int *)context += node->state == BATCH_NODE_RUNNING;
    return 0;
}

/* The pool gets the size that the farm wants: whoever else is at work in it would lose nodes, or
 * the master would wait for theirs. A resumed farm may find workers of its own. */
static int pool_free(struct azure *azure, struct error *ret_error)
{
    int busy = 0;
    if (azure->note.job > 0)
        return 0;
    int rc = batch_node_list(azure->account, azure_pool_id(azure), NULL, busy_count, &busy,
                             ret_error);
    if (rc != 0 || busy == 0)
        return rc == 0 ? 0 : -1;
    return error_set(
        ret_error, ERROR_BACKEND,
        "pool \"%s\" is at work: %d of its nodes run%s tasks; a farm sets its pool's "
        "size, so it takes one that is idle, or one of its own",
        azure_pool_id(azure), busy, busy == 1 ? "s" : "");
}

/* Whether the pool that the farm file names can be used. */
static int pool_fits(struct azure *azure, struct error *ret_error)
{
    struct batch_pool pool = {0};
    int rc = batch_pool_get(azure->account, azure_pool_id(azure), &pool, ret_error);
    if (rc == 0 && pool.slots_per_node > 1)
        rc = error_set(ret_error, ERROR_CONFIG,
                       "pool \"%s\" runs %d tasks on a node at a time; a farm needs one that "
                       "runs one",
                       pool.id, pool.slots_per_node);
    batch_pool_fini(&pool);
    return rc == 0 ? pool_free(azure, ret_error) : -1;
}

int azure_pool_create(struct backend *backend, const struct backend_listener *listener,
                      struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    const struct azure_settings *settings = &azure->settings;
    if (!azure_account(azure, ret_error) || azure_access_open(azure, ret_error) != 0 ||
        azure_bundle_send(azure, ret_error) != 0)
        return -1;
    if (!settings->pool.reuse && !azure->image.chosen &&
        azure_image_choose(azure->account, &settings->pool.image,
                           settings->pool.start.kind == AZURE_START_CONTAINER, &azure->image,
                           ret_error) != 0)
        return -1;
    if (settings->pool.reuse && pool_fits(azure, ret_error) != 0)
        return -1; /* not noted: nobody is to empty it */
    /* Noted before it is made: whoever comes next knows what may be there. */
    azure->workers = 0;
    if (!azure->note.pool[0]) /* else a resumed farm's */
        snprintf(azure->note.pool, sizeof azure->note.pool, "%s", azure_pool_id(azure));
    azure->note.pool_made = !settings->pool.reuse;
    if (azure_note_keep(azure, ret_error) != 0)
        return -1;
    int rc =
        settings->pool.reuse ? azure_pool_scale(azure, ret_error) : pool_make(azure, ret_error);
    if (rc == 0)
        backend_say(listener, "pool %s: %s; one node for the master first",
                    azure_pool_id(azure), settings->pool.reuse ? "found" : "being made");
    return rc;
}

int azure_pool_scale(struct azure *azure, struct error *ret_error)
{
    struct buf formula;
    buf_init(&formula, FORMULA_MAX);
    int rc = formula_put(azure, &formula);
    if (rc != 0)
        error_set(ret_error, ERROR_CONFIG, "$.backend.pool.formula: it is too long");
    else
        rc = batch_pool_autoscale(azure->account, azure_pool_id(azure), buf_text(&formula),
                                  azure->settings.pool.interval_s, ret_error);
    buf_fini(&formula);
    return rc == 0 ? 0 : -1;
}

int azure_pool_resize(struct backend *backend, int nodes, struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    azure->workers = nodes - 1;
    if (!azure_account(azure, ret_error))
        return -1;
    return azure->workers > 0 ? azure_pool_scale(azure, ret_error) : 0;
}

/* 0: the pool that this run made is there; BATCH_MISSING; -1 with a sentence. */
static int pool_find(struct azure *azure, struct error *ret_error)
{
    struct batch_pool pool = {0};
    int rc = batch_pool_get(azure->account, azure_pool_id(azure), &pool, ret_error);
    if (rc == 0 && (pool.state == BATCH_POOL_DELETING || !azure_pool_ours(azure, &pool)))
        rc = BATCH_MISSING;
    batch_pool_fini(&pool);
    return rc;
}

int azure_pool_remove(struct azure *azure, struct error *ret_error)
{
    int rc = pool_find(azure, ret_error);
    return rc == 0 ? batch_pool_delete(azure->account, azure_pool_id(azure), ret_error) : rc;
}

static int pool_zero(struct azure *azure, struct error *ret_error)
{
    struct buf formula;
    int rc = azure->note.pool_made ? pool_find(azure, ret_error) : 0;
    if (rc != 0)
        return rc;
    buf_init(&formula, FORMULA_MAX);
    azure_formula_zero_put(&formula, azure->note.pool_made);
    rc = batch_pool_autoscale(azure->account, azure_pool_id(azure), buf_text(&formula),
                              azure->settings.pool.interval_s, ret_error);
    buf_fini(&formula);
    return rc;
}

int azure_pool_delete(struct backend *backend, const struct backend_listener *listener,
                      struct error *ret_error)
{
    struct azure *azure = azure_of(backend);
    enum azure_cleanup cleanup = azure->settings.pool.cleanup;
    const char *id = azure_pool_id(azure);
    if (!azure->note.pool[0])
        return 0; /* none was ever wanted */
    if (!azure_account(azure, ret_error))
        return -1;
    if (cleanup == AZURE_KEEP) {
        backend_say(listener, "pool %s is kept as it is, as \"cleanup\" says: its nodes cost",
                    id);
        return 0;
    }
    bool zero = cleanup == AZURE_ZERO || !azure->note.pool_made;
    int rc = zero ? pool_zero(azure, ret_error) : azure_pool_remove(azure, ret_error);
    if (rc == 0)
        backend_say(listener,
                    zero ? "pool %s is being emptied: it has no nodes in some minutes"
                         : "pool %s is being deleted",
                    id);
    if (rc >= 0)
        return 0; /* also: it is gone, or going */
    return error_prefix(ret_error,
                        "pool \"%s\" may still have nodes, which cost (`beofarm clean` tries "
                        "again)",
                        id);
}
