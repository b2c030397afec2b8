/*
 * Every service puts code, message and further values elsewhere; the readers below fill the same
 * struct. A sentence has a fixed room (common/error.h): the values share what is left after code,
 * message, advice and request id, so that none of these is ever cut off by a long value (Batch
 * quotes a whole string to sign).
 */
#include "config.h"

#include "common/azure/azure_error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/azure/sas_time.h"
#include "common/azure/secret.h"
#include "common/azure/xml.h"
#include "common/clock.h"
#include "common/json.h"

#define MESSAGE_MAX 4096 /* bytes kept of a message or value */
#define SHOWN_MAX   320  /* bytes shown of a message */

void azure_error_fini(struct azure_error *error)
{
    free(error->message);
    for (size_t i = 0; i < error->values_count; i++) {
        free(error->values[i].key);
        free(error->values[i].value);
    }
    error->message = NULL;
    error->values_count = 0;
}

bool azure_error_is(const struct azure_error *error, const char *code)
{
    return strcmp(error->code, code) == 0;
}

/* What a service adds to each message for itself: that is told elsewhere. */
static size_t message_size(const char *text)
{
    static const char *const tails[] = {
        "\nRequestId:", "\nTime:", "\r\nTrace ID:", " Trace ID:", "\nTrace ID:"};
    size_t size = strlen(text);
    for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
        const char *tail = strstr(text, tails[i]);
        if (tail && (size_t)(tail - text) < size)
            size = (size_t)(tail - text);
    }
    while (size && strchr(" \r\n\t", text[size - 1]))
        size--;
    return size;
}

/* A copy fit to be shown, its blanks run together; NULL for lack of memory. */
static char *shown(const char *text, size_t size)
{
    struct buf clean, narrow;
    buf_init(&clean, 2 * MESSAGE_MAX);
    buf_init(&narrow, 2 * MESSAGE_MAX);
    secret_put_text(&clean, text, size < MESSAGE_MAX ? size : MESSAGE_MAX);
    for (size_t i = 0; i < clean.size; i++)
        if (clean.data[i] != ' ' || (narrow.size && narrow.data[narrow.size - 1] != ' '))
            buf_append(&narrow, clean.data + i, 1);
    const char *plain = buf_text(&narrow);
    char *copy = plain ? strdup(plain) : NULL;
    secret_buf_fini(&clean);
    buf_fini(&narrow);
    return copy;
}

static void code_take(struct azure_error *error, const char *code)
{
    /* Codes are words; anything else would be somebody's page. */
    size_t size = strspn(code, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                               "_-. ");
    if (code[size] == '\0')
        snprintf(error->code, sizeof(error->code), "%s", code);
}

static void message_take(struct azure_error *error, const char *message)
{
    free(error->message);
    error->message = shown(message, message_size(message));
}

static void value_take(struct azure_error *error, const char *key, const char *value)
{
    if (error->values_count == AZURE_VALUES_MAX || !*value)
        return;
    struct azure_value pair = {shown(key, strlen(key)), shown(value, strlen(value))};
    if (pair.key && pair.value) {
        error->values[error->values_count++] = pair;
    } else {
        free(pair.key);
        free(pair.value);
    }
}

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *item = json_member(object, key);
    return cJSON_IsString(item) ? item->valuestring : NULL;
}

/* {"key" or "name": K, "value": V} of Batch, {"code": K, "message": V} of Resource Manager. */
static void pairs_read(const cJSON *array, struct azure_error *error)
{
    static const char *const keys[] = {"key", "name", "code"};
    const cJSON *item;
    cJSON_ArrayForEach(item, array)
    {
        const char *key = NULL, *value = text_of(item, "value");
        for (size_t i = 0; !key && i < sizeof(keys) / sizeof(*keys); i++)
            key = text_of(item, keys[i]);
        if (!value)
            value = text_of(item, "message");
        if (value)
            value_take(error, key ? key : "detail", value);
    }
}

static void item_read(const cJSON *item, struct azure_error *error)
{
    const char *code = text_of(item, "code"), *message = text_of(item, "message");
    if (!message)
        message = text_of(json_member(item, "message"), "value");
    if (code)
        code_take(error, code);
    if (message)
        message_take(error, message);
    pairs_read(json_member(item, "values"), error);
    pairs_read(json_member(item, "details"), error);
}

/* Entra's: {"error": "invalid_client", "error_description": "AADSTS7000215: ...", "trace_id"}. */
static void oauth_read(const cJSON *root, struct azure_error *error)
{
    const char *code = text_of(root, "error"), *text = text_of(root, "error_description");
    const char *trace = text_of(root, "trace_id");
    if (code)
        code_take(error, code);
    if (text)
        message_take(error, text);
    if (text && strncmp(text, "AADSTS", 6) == 0) {
        char number[32];
        snprintf(number, sizeof(number), "%.*s", (int)strcspn(text, ": "), text);
        code_take(error, number);
    }
    if (trace && strlen(trace) < sizeof(error->request_id))
        snprintf(error->request_id, sizeof(error->request_id), "%s", trace);
}

static bool json_read(const char *text, size_t size, struct azure_error *error)
{
    cJSON *root = NULL;
    if (json_parse(text, size, "answer", JSON_STRICT, &root, NULL) != 0)
        return false;
    const cJSON *inner = json_member(root, "error");
    if (!inner)
        inner = json_member(root, "odata.error");
    if (cJSON_IsString(inner))
        oauth_read(root, error);
    else
        item_read(cJSON_IsObject(inner) ? inner : root, error);
    cJSON_Delete(root);
    return true;
}

/* <Error><Code/><Message/><Anything else/></Error> */
static bool xml_read(const char *text, size_t size, struct azure_error *error)
{
    struct xml xml;
    bool fine = true;
    xml_init(&xml, text, size);
    if (xml_next(&xml) != XML_START || strcmp(xml.name, "Error") != 0)
        fine = false;
    while (fine && xml.depth > 0) {
        enum xml_event event = xml_next(&xml);
        char name[XML_NAME_MAX];
        struct buf value;
        fine = event != XML_BROKEN;
        if (event != XML_START)
            continue;
        snprintf(name, sizeof(name), "%s", xml.name);
        buf_init(&value, MESSAGE_MAX * 4);
        fine = xml_read_text(&xml, &value) == 0 && buf_text(&value);
        if (fine && strcmp(name, "Code") == 0)
            code_take(error, buf_text(&value));
        else if (fine && strcmp(name, "Message") == 0)
            message_take(error, buf_text(&value));
        else if (fine)
            value_take(error, name, buf_text(&value));
        secret_buf_fini(&value);
    }
    xml_fini(&xml);
    return fine;
}

static void headers_read(const struct http_response *response, struct azure_error *error)
{
    static const char *const ids[] = {"x-ms-request-id", "request-id", "x-ms-requestid"};
    const char *code = http_response_header(response, "x-ms-error-code");
    const char *id = NULL;
    for (size_t i = 0; !id && i < sizeof(ids) / sizeof(*ids); i++)
        id = http_response_header(response, ids[i]);
    if (code)
        code_take(error, code);
    char *clean = shown(id ? id : response->id, strlen(id ? id : response->id));
    snprintf(error->request_id, sizeof(error->request_id), "%s", clean ? clean : "");
    free(clean);
}

/* Statuses that come without a code: HEAD has no body, and proxies know none. */
static const char *status_name(int status)
{
    static const struct {
        int status;
        const char *name;
    } names[] = {
        {400, "BadRequest"},   {401, "Unauthorized"},        {403, "Forbidden"},
        {404, "NotFound"},     {407, "ProxyAuthentication"}, {408, "RequestTimeout"},
        {409, "Conflict"},     {412, "ConditionNotMet"},     {413, "RequestBodyTooLarge"},
        {416, "InvalidRange"}, {429, "TooManyRequests"},     {500, "InternalError"},
        {502, "BadGateway"},   {503, "ServerBusy"},          {504, "GatewayTimeout"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (names[i].status == status)
            return names[i].name;
    return "UnexpectedAnswer";
}

static void foreign_read(const struct http_response *response, struct azure_error *error)
{
    const char *type = http_response_header(response, "content-type");
    char text[256], *clean = shown(type ? type : "text", strlen(type ? type : "text"));
    snprintf(text, sizeof(text),
             "the answer (%.80s) is none of Azure's: a proxy or firewall in between?",
             clean ? clean : "");
    free(clean);
    message_take(error, text);
}

void azure_error_read(enum azure_service service, const struct http_response *response,
                      struct azure_error *ret_error)
{
    const char *text = (const char *)response->body.data;
    size_t size = response->body.size;
    bool understood = size == 0;
    (void)service; /* what the body is shows by itself: proxies' pages come from all services */
    memset(ret_error, 0, sizeof(*ret_error));
    ret_error->status = response->status;
    ret_error->skew_s = response->skew_s;
    headers_read(response, ret_error);
    if (size)
        understood = json_read(text, size, ret_error) || xml_read(text, size, ret_error);
    if (!understood && !ret_error->code[0])
        foreign_read(response, ret_error);
    if (!ret_error->code[0])
        snprintf(ret_error->code, sizeof(ret_error->code), "%s", status_name(response->status));
}

static size_t cut(const char *text, size_t most)
{
    size_t size = strlen(text);
    if (size <= most)
        return size;
    while (most && ((unsigned char)text[most] & 0xc0) == 0x80) /* not within a character */
        most--;
    return most;
}

static void put_cut(struct buf *buf, const char *text, size_t most)
{
    size_t size = cut(text, most);
    buf_append(buf, text, size);
    if (text[size])
        buf_append_text(buf, "...");
}

/* "; KEY: VALUE", all of them within `room` bytes. */
static void put_values(struct buf *buf, const struct azure_error *error, size_t room)
{
    size_t share = error->values_count ? room / error->values_count : 0;
    for (size_t i = 0; i < error->values_count; i++) {
        const struct azure_value *pair = &error->values[i];
        size_t key = strlen(pair->key) + 7; /* "; ", ": " and "..." */
        buf_printf(buf, "; %s: ", pair->key);
        put_cut(buf, pair->value, share > key ? share - key : 0);
    }
}

static void put_code_and_message(struct buf *buf, const struct azure_error *error)
{
    buf_append_text(buf, error->code);
    if (error->status)
        buf_printf(buf, " (%d)", error->status);
    if (error->message && *error->message) {
        size_t size = strlen(error->message);
        buf_append_text(buf, ": ");
        if (size <= SHOWN_MAX) /* the full stop comes after the values */
            buf_append(buf, error->message, size - (error->message[size - 1] == '.'));
        else
            put_cut(buf, error->message, SHOWN_MAX);
    }
}

static void put_end(struct buf *buf, const struct azure_error *error, const char *advice)
{
    char time[SAS_TIME_SIZE];
    buf_printf(buf, ".%s%s", advice ? " " : "", advice ? advice : "");
    if (error->request_id[0])
        buf_printf(buf, " [request %s, %s]", error->request_id,
                   sas_time_format(clock_wall_ns() / CLOCK_SECOND_NS + error->skew_s, time));
}

static enum error_code code_of(enum azure_service service, const struct azure_error *error)
{
    bool token = service == AZURE_ENTRA || service == AZURE_IDENTITY;
    if (error->status == 401 || error->status == 403 || (token && error->status < 429))
        return ERROR_AUTH;
    return ERROR_BACKEND;
}

int azure_error_set(enum azure_service service, const struct azure_error *error,
                    const char *doing, struct error *ret_error)
{
    struct buf head, end;
    buf_init(&head, 64 << 10);
    buf_init(&end, 8192);
    buf_printf(&head, "%s: ", doing);
    put_code_and_message(&head, error);
    put_end(&end, error, azure_error_advice(service, error));
    size_t used = head.size + end.size + 1;
    put_values(&head, error, used < ERROR_TEXT_MAX ? ERROR_TEXT_MAX - used : 0);
    error_set(ret_error, code_of(service, error), "%s%s", buf_text(&head), buf_text(&end));
    buf_fini(&head);
    buf_fini(&end);
    return -1;
}

int azure_error_refuse(enum azure_service service, const struct http_response *response,
                       const char *doing, struct error *ret_error)
{
    struct azure_error error;
    azure_error_read(service, response, &error);
    azure_error_set(service, &error, doing, ret_error);
    azure_error_fini(&error);
    return -1;
}

int azure_error_put_json(struct buf *buf, const struct cJSON *item)
{
    struct azure_error error = {0};
    item_read(item, &error);
    const char *advice = azure_error_advice(AZURE_BATCH, &error);
    if (!error.code[0])
        snprintf(error.code, sizeof(error.code), "unnamed error");
    put_code_and_message(buf, &error);
    put_values(buf, &error, ERROR_TEXT_MAX / 2);
    if (advice)
        buf_printf(buf, ". %s", advice);
    azure_error_fini(&error);
    return buf_failed(buf) ? -1 : 0;
}
