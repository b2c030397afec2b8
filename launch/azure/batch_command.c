#include "config.h"

#include "launch/azure/batch_command.h"

#include <string.h>

#include "launch/azure/batch_private.h"

static void identity_put(struct batch_writer *writer, cJSON *object, const char *identity)
{
    if (identity)
        batch_put_text(writer, batch_put_object(writer, object, "identityReference"),
                       "resourceId", identity);
}

int batch_resources_put(cJSON *object, const char *key, const struct batch_resource *resources,
                        size_t count)
{
    struct batch_writer writer = {false};
    cJSON *array = count ? batch_put_array(&writer, object, key) : NULL;
    for (size_t i = 0; i < count; i++) {
        const struct batch_resource *resource = &resources[i];
        cJSON *item = batch_put_item(&writer, array);
        batch_put_text(&writer, item, "httpUrl", resource->http_url);
        batch_put_text(&writer, item, "storageContainerUrl", resource->container_url);
        batch_put_text(&writer, item, "autoStorageContainerName", resource->auto_container);
        batch_put_text(&writer, item, "blobPrefix", resource->prefix);
        batch_put_text(&writer, item, "filePath", resource->path);
        batch_put_text(&writer, item, "fileMode", resource->mode);
        identity_put(&writer, item, resource->identity);
    }
    return writer.failed ? -1 : 0;
}

int batch_outputs_put(cJSON *object, const char *key, const struct batch_output *outputs,
                      size_t count)
{
    struct batch_writer writer = {false};
    cJSON *array = count ? batch_put_array(&writer, object, key) : NULL;
    for (size_t i = 0; i < count; i++) {
        const struct batch_output *output = &outputs[i];
        cJSON *item = batch_put_item(&writer, array);
        cJSON *destination = batch_put_object(&writer, item, "destination");
        cJSON *container = batch_put_object(&writer, destination, "container");
        batch_put_text(&writer, item, "filePattern", output->pattern);
        batch_put_text(&writer, container, "containerUrl", output->container_url);
        batch_put_text(&writer, container, "path", output->path);
        identity_put(&writer, container, output->identity);
        batch_put_text(&writer, batch_put_object(&writer, item, "uploadOptions"),
                       "uploadCondition",
                       output->condition ? output->condition : "taskcompletion");
    }
    return writer.failed ? -1 : 0;
}

static void variables_put(struct batch_writer *writer, cJSON *object,
                          const struct batch_command *command)
{
    cJSON *array = command->variables_count
                       ? batch_put_array(writer, object, "environmentSettings")
                       : NULL;
    for (size_t i = 0; i < command->variables_count; i++) {
        cJSON *item = batch_put_item(writer, array);
        batch_put_text(writer, item, "name", command->variables[i].name);
        batch_put_text(writer, item, "value", command->variables[i].value);
    }
}

int batch_command_put(cJSON *object, const struct batch_command *command)
{
    struct batch_writer writer = {false};
    batch_put_text(&writer, object, "commandLine", command->line);
    variables_put(&writer, object, command);
    if (batch_resources_put(object, "resourceFiles", command->resources,
                            command->resources_count) != 0)
        return -1;
    if (command->admin || command->pool_user) {
        cJSON *identity = batch_put_object(&writer, object, "userIdentity");
        cJSON *user = batch_put_object(&writer, identity, "autoUser");
        batch_put_text(&writer, user, "scope", command->pool_user ? "pool" : "task");
        batch_put_text(&writer, user, "elevationLevel", command->admin ? "admin" : "nonadmin");
    }
    if (command->image) {
        cJSON *container = batch_put_object(&writer, object, "containerSettings");
        batch_put_text(&writer, container, "imageName", command->image);
        batch_put_text(&writer, container, "containerRunOptions", command->run_options);
    }
    return writer.failed ? -1 : 0;
}

int batch_quote(struct buf *buf, const char *word)
{
    buf_append_text(buf, "'");
    for (; *word; word++)
        if (*word == '\'')
            buf_append_text(buf, "'\\''");
        else
            buf_append(buf, word, 1);
    return buf_append_text(buf, "'");
}
