/*
 * A new SAS is looked for when a quarter of what is left of the old one's life has passed: so there
 * are some forty chances in a week, and an asking costs little. What one container of this process
 * has found all have.
 */
#include "config.h"

#include "common/azure/container.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/azure/right.h"
#include "common/azure/sas_time.h"
#include "common/azure/secret.h"
#include "common/clock.h"

#define LOOK_MIN_S INT64_C(2)
#define ENDED_S    INT64_C(60) /* between looks in vain */
#define LOOK_MAX_S INT64_C(21600)
#define SAS_MAX    4096

struct container {
    struct blob_service service; /* url and sas are ours */
    char *url, *name, *run, *sas;
    int64_t expiry_s, look_s; /* when the SAS ends; when to look for another */
};

bool container_is(const char *store)
{
    return store && strncmp(store, CONTAINER_SCHEME, strlen(CONTAINER_SCHEME)) == 0;
}

struct container_target container_target_get(void)
{
    struct container_target target = {getenv("BEOFARM_STORE"), getenv("BEOFARM_RUN")};
    if (!container_is(target.store))
        target.store = NULL;
    if (!target.run || !*target.run)
        target.run = getenv("BEOFARM_FARM");
    return target;
}

static int64_t now_s(void)
{
    return clock_wall_ns() / CLOCK_SECOND_NS;
}

/* The value of "se" in a SAS, INT64_MAX if there is none. */
static int64_t expiry_read(const char *sas)
{
    int64_t expiry_s = INT64_MAX;
    struct buf text;
    const char *at = strncmp(sas, "se=", 3) == 0 ? sas : strstr(sas, "&se=");
    if (!at)
        return INT64_MAX;
    at = strchr(at, '=') + 1;
    buf_init(&text, 256);
    if (http_decode(&text, at, strcspn(at, "&")) == 0 && buf_text(&text) &&
        sas_time_parse(buf_text(&text), &expiry_s) != 0)
        expiry_s = INT64_MAX;
    buf_fini(&text);
    return expiry_s;
}

static void look_plan(struct container *container)
{
    int64_t now = now_s();
    if (container->expiry_s == INT64_MAX) {
        container->look_s = INT64_MAX;
        return;
    }
    int64_t left = container->expiry_s - now;
    int64_t wait = left > 0 ? left / 4 : ENDED_S;
    wait = wait < LOOK_MIN_S ? LOOK_MIN_S : wait > LOOK_MAX_S ? LOOK_MAX_S : wait;
    container->look_s = now + wait;
}

/* Take a SAS over. It is ours from now on. */
static void sas_take(struct container *container, char *sas)
{
    secret_free(container->sas);
    container->sas = sas;
    container->service.sas = sas;
    container->expiry_s = expiry_read(sas);
}

/* One that somebody else in this process has found. */
static void sas_share(struct container *container)
{
    char *sas = right_get(container->url, container->name, container->expiry_s);
    if (!sas)
        return;
    sas_take(container, sas);
    look_plan(container);
}

/* Look for a SAS that lasts longer; if there is none, the old one stays. */
static void sas_look(struct container *container)
{
    char name[CONTAINER_NAME_SIZE];
    struct blob_place place;
    struct buf text;
    struct error error;
    if (!container->run || now_s() < container->look_s ||
        container_place(container, name, &place, &error, "sas") != 0)
        return;
    look_plan(container);
    buf_init(&text, SAS_MAX);
    if (blob_get(&container->service, &place, 0, SAS_MAX - 1, &text, NULL, &error) > 0 &&
        buf_text(&text)) {
        char *sas = strndup(buf_text(&text), strcspn(buf_text(&text), " \r\n"));
        if (sas && *sas && expiry_read(sas) > container->expiry_s) {
            sas_take(container, sas);
            right_note(container->url, container->name, sas, container->expiry_s);
            look_plan(container);
        } else {
            secret_free(sas);
        }
    }
    secret_buf_fini(&text);
}

struct blob_service *container_service(struct container *container)
{
    sas_share(container);
    sas_look(container);
    return &container->service;
}

const char *container_name(const struct container *container)
{
    return container->name;
}

int64_t container_expiry_s(const struct container *container)
{
    return container->expiry_s;
}

int64_t container_look_s(const struct container *container)
{
    return container->look_s;
}

/* "https://host/CONTAINER" or "http://host/ACCOUNT/CONTAINER", and what stands behind '?'. */
static int url_split(struct container *container, const char *url)
{
    size_t length = strcspn(url, "?");
    const char *scheme_end = strstr(url, "://");
    while (length > 0 && url[length - 1] == '/')
        length--;
    container->url = strndup(url, length);
    container->sas = strdup(url[strcspn(url, "?")] ? strchr(url, '?') + 1 : "");
    char *slash = container->url ? strrchr(container->url, '/') : NULL;
    if (!container->sas || !slash || !scheme_end ||
        slash < container->url + (scheme_end - url) + 4)
        return -1;
    *slash = '\0';
    container->name = strdup(slash + 1);
    return container->name && blob_container_valid(container->name) ? 0 : -1;
}

struct container *container_open(const char *store, const char *run,
                                 const struct http_options *http, struct error *ret_error)
{
    struct container *container = calloc(1, sizeof(*container));
    if (!container || (run && !(container->run = strdup(run)))) {
        container_close(container);
        error_set(ret_error, ERROR_SYSTEM, "no memory for a container");
        return NULL;
    }
    if (!container_is(store) || url_split(container, store + strlen(CONTAINER_SCHEME)) != 0) {
        error_set(ret_error, ERROR_CONFIG,
                  "BEOFARM_STORE begins with \"blob:\", but no URL of a container follows: "
                  "https://ACCOUNT.blob.core.windows.net/CONTAINER?SAS");
        container_close(container);
        return NULL;
    }
    container->service.http = http_create(http, ret_error);
    if (!container->service.http) {
        container_close(container);
        return NULL;
    }
    container->service.url = container->url;
    container->service.sas = *container->sas ? container->sas : NULL;
    container->service.plain = true; /* whoever gave an http URL speaks to an emulator */
    container->expiry_s = expiry_read(container->sas);
    look_plan(container);
    return container;
}

void container_close(struct container *container)
{
    if (!container)
        return;
    http_destroy(container->service.http);
    free(container->url);
    free(container->name);
    free(container->run);
    secret_free(container->sas);
    free(container);
}

static int name_print(char name[CONTAINER_NAME_SIZE], const char *run, const char *format,
                      va_list args, struct error *ret_error)
{
    int prefix = run ? snprintf(name, CONTAINER_NAME_SIZE, "%s/", run) : 0;
    int rest =
        prefix < 0 || prefix >= CONTAINER_NAME_SIZE
            ? -1
            : vsnprintf(name + prefix, CONTAINER_NAME_SIZE - (size_t)prefix, format, args);
    if (rest >= 0 && rest < CONTAINER_NAME_SIZE - prefix)
        return 0;
    return error_set(ret_error, ERROR_CONFIG,
                     "a blob would have a name of more than the %d bytes that Azure allows",
                     BLOB_NAME_MAX);
}

int container_place(const struct container *container, char name[CONTAINER_NAME_SIZE],
                    struct blob_place *ret_place, struct error *ret_error, const char *format,
                    ...)
{
    va_list args;
    va_start(args, format);
    int rc = name_print(name, container->run ? container->run : "", format, args, ret_error);
    va_end(args);
    *ret_place = (struct blob_place){.container = container->name, .name = name};
    return rc;
}

int container_place_shared(const struct container *container, char name[CONTAINER_NAME_SIZE],
                           struct blob_place *ret_place, struct error *ret_error,
                           const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int rc = name_print(name, NULL, format, args, ret_error);
    va_end(args);
    *ret_place = (struct blob_place){.container = container->name, .name = name};
    return rc;
}
