/*
 * The body that makes a pool.
 */
#include "config.h"

#include "launch/azure/batch_pool.h"
#include "launch/azure/batch_private.h"

static void image_put(struct batch_writer *writer, cJSON *machine,
                      const struct batch_pool_spec *spec)
{
    cJSON *image = batch_put_object(writer, machine, "imageReference");
    batch_put_text(writer, image, "publisher", spec->publisher);
    batch_put_text(writer, image, "offer", spec->offer);
    batch_put_text(writer, image, "sku", spec->sku);
    batch_put_text(writer, image, "version", spec->version);
    batch_put_text(writer, image, "virtualMachineImageId", spec->image_id);
    batch_put_text(writer, machine, "nodeAgentSKUId", spec->agent);
}

static void registries_put(struct batch_writer *writer, cJSON *container,
                           const struct batch_pool_spec *spec)
{
    cJSON *array = spec->registries_count
                       ? batch_put_array(writer, container, "containerRegistries")
                       : NULL;
    for (size_t i = 0; i < spec->registries_count; i++) {
        const struct batch_registry *registry = &spec->registries[i];
        cJSON *item = batch_put_item(writer, array);
        batch_put_text(writer, item, "registryServer", registry->server);
        batch_put_text(writer, item, "username", registry->user);
        batch_put_text(writer, item, "password", registry->password);
        if (registry->identity)
            batch_put_text(writer, batch_put_object(writer, item, "identityReference"),
                           "resourceId", registry->identity);
    }
}

static void containers_put(struct batch_writer *writer, cJSON *machine,
                           const struct batch_pool_spec *spec)
{
    if (!spec->images_count)
        return;
    cJSON *container = batch_put_object(writer, machine, "containerConfiguration");
    batch_put_text(writer, container, "type", "dockerCompatible");
    cJSON *names = batch_put_array(writer, container, "containerImageNames");
    for (size_t i = 0; i < spec->images_count; i++) {
        cJSON *name = cJSON_CreateString(spec->images[i]);
        if (!name || !cJSON_AddItemToArray(names, name)) {
            cJSON_Delete(name);
            writer->failed = true;
        }
    }
    registries_put(writer, container, spec);
}

static void scale_put(struct batch_writer *writer, cJSON *pool,
                      const struct batch_pool_spec *spec)
{
    batch_put_duration(writer, pool, "resizeTimeout",
                       spec->formula ? 0 : spec->resize_timeout_s);
    if (spec->formula) {
        batch_put_bool(writer, pool, "enableAutoScale", true);
        batch_put_text(writer, pool, "autoScaleFormula", spec->formula);
        batch_put_duration(writer, pool, "autoScaleEvaluationInterval",
                           spec->formula_interval_s);
        return;
    }
    batch_put_bool(writer, pool, "enableAutoScale", false);
    batch_put_integer(writer, pool, "targetDedicatedNodes", spec->dedicated);
    batch_put_integer(writer, pool, "targetLowPriorityNodes", spec->spot);
}

static void network_put(struct batch_writer *writer, cJSON *pool,
                        const struct batch_pool_spec *spec)
{
    batch_put_bool(writer, pool, "enableInterNodeCommunication", spec->inter_node);
    if (!spec->subnet_id && !spec->public_ip_less)
        return;
    cJSON *network = batch_put_object(writer, pool, "networkConfiguration");
    batch_put_text(writer, network, "subnetId", spec->subnet_id);
    if (spec->public_ip_less)
        batch_put_text(writer,
                       batch_put_object(writer, network, "publicIPAddressConfiguration"),
                       "provision", "nopublicipaddresses");
}

static void start_put(struct batch_writer *writer, cJSON *pool,
                      const struct batch_pool_spec *spec)
{
    if (!spec->start)
        return;
    cJSON *start = batch_put_object(writer, pool, "startTask");
    if (!start || batch_command_put(start, spec->start) != 0)
        writer->failed = true;
    batch_put_integer(writer, start, "maxTaskRetryCount", spec->start_retries);
    batch_put_bool(writer, start, "waitForSuccess", true);
}

static void packages_put(struct batch_writer *writer, cJSON *pool,
                         const struct batch_pool_spec *spec)
{
    cJSON *array = spec->packages_count
                       ? batch_put_array(writer, pool, "applicationPackageReferences")
                       : NULL;
    for (size_t i = 0; i < spec->packages_count; i++) {
        cJSON *item = batch_put_item(writer, array);
        batch_put_text(writer, item, "applicationId", spec->packages[i].id);
        batch_put_text(writer, item, "version", spec->packages[i].version);
    }
}

cJSON *batch_pool_spec_json(const struct batch_pool_spec *spec)
{
    struct batch_writer writer = {false};
    cJSON *pool = cJSON_CreateObject();
    batch_put_text(&writer, pool, "id", spec->id);
    batch_put_text(&writer, pool, "displayName", spec->display_name);
    batch_put_text(&writer, pool, "vmSize", spec->vm_size);
    cJSON *machine = batch_put_object(&writer, pool, "virtualMachineConfiguration");
    image_put(&writer, machine, spec);
    containers_put(&writer, machine, spec);
    scale_put(&writer, pool, spec);
    batch_put_integer(&writer, pool, "taskSlotsPerNode",
                      spec->slots_per_node > 0 ? spec->slots_per_node : 1);
    batch_put_text(&writer, batch_put_object(&writer, pool, "taskSchedulingPolicy"),
                   "nodeFillType", spec->pack ? "pack" : "spread");
    network_put(&writer, pool, spec);
    start_put(&writer, pool, spec);
    packages_put(&writer, pool, spec);
    batch_put_labels(&writer, pool, spec->labels, spec->labels_count);
    batch_put_more(&writer, pool, spec->more);
    return batch_writer_end(&writer, pool);
}
