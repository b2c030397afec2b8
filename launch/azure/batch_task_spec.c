/*
 * The JSON of a task to add.
 */
#include "config.h"

#include "launch/azure/batch_private.h"
#include "launch/azure/batch_task.h"

static void constraints_put(struct batch_writer *writer, cJSON *task,
                            const struct batch_task_spec *spec)
{
    cJSON *constraints = batch_put_object(writer, task, "constraints");
    batch_put_duration(writer, constraints, "maxWallClockTime", spec->max_wall_s);
    batch_put_duration(writer, constraints, "retentionTime", spec->retention_s);
    batch_put_integer(writer, constraints, "maxTaskRetryCount", spec->retries);
}

static void instances_put(struct batch_writer *writer, cJSON *task,
                          const struct batch_task_spec *spec)
{
    if (spec->instances <= 1)
        return;
    cJSON *settings = batch_put_object(writer, task, "multiInstanceSettings");
    batch_put_integer(writer, settings, "numberOfInstances", spec->instances);
    batch_put_text(writer, settings, "coordinationCommandLine",
                   spec->coordination ? spec->coordination : "/bin/true");
    if (!settings || batch_resources_put(settings, "commonResourceFiles", spec->common,
                                         spec->common_count) != 0)
        writer->failed = true;
}

cJSON *batch_task_spec_json(const struct batch_task_spec *spec)
{
    struct batch_writer writer = {false};
    cJSON *task = cJSON_CreateObject();
    batch_put_text(&writer, task, "id", spec->id);
    batch_put_text(&writer, task, "displayName", spec->display_name);
    if (!task || batch_command_put(task, &spec->command) != 0 ||
        batch_outputs_put(task, "outputFiles", spec->outputs, spec->outputs_count) != 0)
        writer.failed = true;
    if (spec->slots > 1)
        batch_put_integer(&writer, task, "requiredSlots", spec->slots);
    constraints_put(&writer, task, spec);
    if (spec->affinity_id)
        batch_put_text(&writer, batch_put_object(&writer, task, "affinityInfo"), "affinityId",
                       spec->affinity_id);
    instances_put(&writer, task, spec);
    batch_put_more(&writer, task, spec->more);
    return batch_writer_end(&writer, task);
}
