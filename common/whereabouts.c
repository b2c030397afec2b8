#include "config.h"

#include "common/whereabouts.h"

#include <stdio.h>
#include <string.h>

#include "common/json.h"

#define TEXT_MAX 4096

static void text_add(struct buf *buf, const char *key, const char *text)
{
    buf_printf(buf, "\"%s\":", key);
    json_put_text(buf, text, strlen(text));
}

int whereabouts_put(struct container *container, const struct whereabouts *whereabouts,
                    struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct buf text;
    if (container_place(container, name, &place, ret_error, "master.json") != 0)
        return -1;
    buf_init(&text, TEXT_MAX);
    buf_append_text(&text, "{");
    if (*whereabouts->ended) {
        text_add(&text, "ended", whereabouts->ended);
    } else {
        text_add(&text, "host", whereabouts->host);
        buf_append_text(&text, ",");
        text_add(&text, "address", whereabouts->address);
        buf_printf(&text, ",\"port\":%d,", whereabouts->port);
        text_add(&text, "instance", whereabouts->instance);
    }
    buf_append_text(&text, "}\n");
    int rc = buf_failed(&text)
                 ? error_set(ret_error, ERROR_SYSTEM, "no memory to say where the master is")
                 : blob_put(container_service(container), &place, text.data, text.size,
                            BLOB_OVERWRITE, ret_error);
    buf_fini(&text);
    return rc == 0 ? 0 : -1;
}

static int text_read(const cJSON *root, const char *key, char *text, size_t size,
                     struct error *ret_error)
{
    const char *value;
    if (json_get_text(root, "$", key, "", &value, ret_error) < 0)
        return -1;
    if ((size_t)snprintf(text, size, "%s", value) >= size)
        return error_set(ret_error, ERROR_NETWORK, "$.%s is too long", key);
    return 0;
}

static int whereabouts_read(const cJSON *root, struct whereabouts *whereabouts,
                            struct error *ret_error)
{
    int64_t port;
    if (text_read(root, "ended", whereabouts->ended, sizeof(whereabouts->ended), ret_error) < 0)
        return -1;
    if (*whereabouts->ended)
        return 0;
    if (text_read(root, "host", whereabouts->host, sizeof(whereabouts->host), ret_error) < 0 ||
        text_read(root, "address", whereabouts->address, sizeof(whereabouts->address),
                  ret_error) < 0 ||
        text_read(root, "instance", whereabouts->instance, sizeof(whereabouts->instance),
                  ret_error) < 0 ||
        json_get_integer(root, "$", "port", 0, &port, ret_error) < 0)
        return -1;
    if (port < 1 || port > 65535 || (!*whereabouts->host && !*whereabouts->address))
        return error_set(ret_error, ERROR_NETWORK, "it names no host and port");
    whereabouts->port = (int)port;
    return 0;
}

int whereabouts_get(struct container *container, struct whereabouts *ret_whereabouts,
                    struct error *ret_error)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct buf text;
    cJSON *root = NULL;
    bool missing = false;
    memset(ret_whereabouts, 0, sizeof(*ret_whereabouts));
    if (container_place(container, name, &place, ret_error, "master.json") != 0)
        return -1;
    buf_init(&text, TEXT_MAX);
    int rc = blob_get(container_service(container), &place, 0, TEXT_MAX, &text, &missing,
                      ret_error) < 0
                 ? -1
                 : json_parse((const char *)text.data, text.size, name, JSON_STRICT, &root,
                              ret_error);
    if (rc == 0)
        rc = whereabouts_read(root, ret_whereabouts, ret_error);
    if (rc < 0 && root)
        error_prefix(ret_error, "%s", name);
    cJSON_Delete(root);
    buf_fini(&text);
    return missing ? BLOB_MISSING : rc;
}
