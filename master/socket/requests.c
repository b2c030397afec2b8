/* What a client may ask for: each line is an object whose "do" names the request. */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "master/socket/socket_private.h"

/* What a request is done with. */
struct request {
    struct guest *guest;
    struct driver *driver;
    const char *name;  /* "do" */
    const cJSON *root; /* the whole line */
};

static void refuse(const struct request *request, const cJSON *id, const struct error *error)
{
    guest_complain(request->guest, request->name, id, error->text);
}

/* Ids and tags: a text or a whole number, as JSON text into `buf`. `what` is for the sentence. */
static int label_read(const cJSON *item, const char *what, struct buf *buf,
                      struct error *ret_error)
{
    if (!cJSON_IsString(item) && !json_is_integer(item))
        return error_set(ret_error, ERROR_CONFIG,
                         "\"%s\" must be a text or a whole number, not %s", what,
                         item ? json_type_name(item) : "missing");
    if (cJSON_IsString(item) && strlen(item->valuestring) > SOCKET_TEXT_MAX)
        return error_set(ret_error, ERROR_CONFIG, "\"%s\" is longer than %d bytes", what,
                         SOCKET_TEXT_MAX);
    json_put(buf, item, 0);
    return buf_failed(buf) ? error_set(ret_error, ERROR_SYSTEM, "no memory") : 0;
}

/* ---- submit ---- */

static int priority_read(const cJSON *set, double fallback, double *ret_priority,
                         struct error *ret_error)
{
    const cJSON *item = json_member(set, "priority");
    if (item && (!cJSON_IsNumber(item) || !isfinite(item->valuedouble)))
        return error_set(ret_error, ERROR_CONFIG, "\"priority\" must be a number, not %s",
                         json_type_name(item));
    *ret_priority = item ? item->valuedouble : fallback;
    return 0;
}

/* A known id with the same parameters is the same submission, said again by a client that does
 * not know whether it was heard. */
static int submit_again(const struct request *request, uint32_t entry,
                        const struct submission *new, struct error *ret_error)
{
    struct guest *guest = request->guest;
    struct submission known;
    const struct book_entry *it = book_entry(request->driver->book, entry);
    if (records_read(request->driver, entry, &known, ret_error) < 0)
        return -1;
    if (known.set_size != new->set_size || memcmp(known.set, new->set, new->set_size) != 0)
        return error_set(ret_error, ERROR_CONFIG,
                         "this id was submitted before, with other parameters%s; take another",
                         request->driver->ops->heed ? " (or another choice of results)" : "");
    bool was_told = it->state == BOOK_ENDED && it->seq <= guest->told;
    if (entry_list_add(&guest->unacked, entry) < 0 ||
        (was_told && entry_list_add(&guest->again, entry) < 0))
        return error_set(ret_error, ERROR_SYSTEM, "no memory to answer");
    return 0;
}

/* Why this client cannot submit anything new: -1, or 0 if it can. */
static int submit_may(const struct request *request, struct error *ret_error)
{
    if (socket_is_finished(request->driver, request->guest->client))
        return error_set(ret_error, ERROR_CONFIG,
                         "nothing can be submitted any more: this client, or one for all, has "
                         "said \"finish\"");
    return request->driver->limit ? socket_limit_say(request->driver, ret_error) : 0;
}

/* `label` and `kept` are scratch. */
static int submit_set(const struct request *request, const cJSON *set, double priority,
                      const cJSON *tag, struct buf *label, struct buf *kept,
                      struct error *ret_error)
{
    struct driver *driver = request->driver;
    model_places places = {set, request->root, request->guest->wishes};
    struct submission new = {.client = request->guest->client};
    uint32_t entry;
    const cJSON *own_tag = json_member(set, "tag");
    if (!cJSON_IsObject(set))
        return error_set(ret_error, ERROR_CONFIG, "a set must be an object, not %s",
                         json_type_name(set));
    buf_clear(label);
    buf_clear(kept);
    if (label_read(json_member(set, "id"), "id", label, ret_error) < 0)
        return -1;
    new.id_size = label->size;
    tag = own_tag ? own_tag : tag;
    if ((tag && label_read(tag, "tag", label, ret_error) < 0) ||
        priority_read(set, priority, &new.priority, ret_error) < 0 ||
        driver->ops->take(driver->model, places, kept, ret_error) < 0)
        return -1;
    new.id = label->data;
    new.tag = label->data + new.id_size;
    new.tag_size = label->size - new.id_size;
    new.set = kept->data;
    new.set_size = kept->size;
    entry = records_find(driver, new.client, new.id, new.id_size);
    if (entry)
        return submit_again(request, entry, &new, ret_error);
    if (submit_may(request, ret_error) < 0)
        return -1;
    if (records_submit(driver, &new, &entry, ret_error) < 0)
        return -1;
    return entry_list_add(&request->guest->unacked, entry) < 0
               ? error_set(ret_error, ERROR_SYSTEM, "no memory to answer")
               : 0;
}

static int do_submit(const struct request *request, struct error *ret_error)
{
    const cJSON *sets = json_member(request->root, "sets"), *set;
    const cJSON *tag = sets ? json_member(request->root, "tag") : NULL;
    struct buf label, kept;
    struct error error;
    double priority = 0;
    if (sets && (!cJSON_IsArray(sets) || json_member(request->root, "params")))
        return error_set(ret_error, ERROR_CONFIG,
                         "\"sets\" must be an array of sets, and \"params\" stands in each");
    if (sets && priority_read(request->root, 0, &priority, ret_error) < 0)
        return -1;
    buf_init(&label, 2 * (6 * SOCKET_TEXT_MAX + 2));
    buf_init(&kept, MESSAGE_MAX / 2);
    if (!sets && submit_set(request, request->root, 0, NULL, &label, &kept, &error) < 0)
        refuse(request, json_member(request->root, "id"), &error);
    cJSON_ArrayForEach(
        set, sets) if (submit_set(request, set, priority, tag, &label, &kept, &error) < 0)
        refuse(request, json_member(set, "id"), &error);
    buf_fini(&label);
    buf_fini(&kept);
    ledger_sync(request->driver->ledger);
    return 0;
}

/* ---- attach, results ---- */

static int since_read(const struct request *request, uint64_t *ret_since,
                      struct error *ret_error)
{
    const cJSON *item = json_member(request->root, "since");
    if (item && (!json_is_integer(item) || item->valuedouble < 0))
        return error_set(ret_error, ERROR_CONFIG,
                         "\"since\" must be the \"seq\" of a result, or 0, not %s",
                         json_type_name(item));
    *ret_since = item ? (uint64_t)item->valuedouble : 0;
    return 0;
}

/* After a power cut results may have other places than before: those who know the places of
 * another generation are told all. */
static int generation_check(const struct request *request, uint64_t *since,
                            struct error *ret_error)
{
    int64_t generation;
    if (json_get_integer(request->root, "$", "generation", request->driver->generation,
                         &generation, ret_error) < 0)
        return -1;
    if (generation != request->driver->generation)
        *since = 0;
    return 0;
}

/* What it says of all its sets (model_places) is kept as long as the connection lasts. */
static int wishes_take(const struct request *request, struct error *ret_error)
{
    const struct driver *driver = request->driver;
    model_places places = {request->root};
    if (!driver->ops->heed)
        return 0;
    if (driver->ops->heed(driver->model, places, ret_error) < 0)
        return -1;
    request->guest->wishes = cJSON_Duplicate(request->root, true);
    return request->guest->wishes ? 0 : error_set(ret_error, ERROR_SYSTEM, "no memory");
}

static int do_attach(const struct request *request, struct error *ret_error)
{
    struct guest *guest = request->guest;
    const cJSON *name = json_member(request->root, "client");
    size_t size = cJSON_IsString(name) ? strlen(name->valuestring) : 0;
    uint32_t client;
    uint64_t since = 0;
    if (!size || size > SOCKET_TEXT_MAX)
        return error_set(ret_error, ERROR_CONFIG, "\"client\" must be a name of 1 to %d bytes",
                         SOCKET_TEXT_MAX);
    if (guest->attached || guest->unacked.end)
        return error_set(ret_error, ERROR_CONFIG,
                         "\"attach\" must be the first request of a connection");
    if (since_read(request, &since, ret_error) < 0 ||
        generation_check(request, &since, ret_error) < 0 || wishes_take(request, ret_error) < 0)
        return -1;
    long known = book_client_find(request->driver->book, name->valuestring, size);
    client = (uint32_t)known;
    if (known < 0 &&
        records_add_client(request->driver, name->valuestring, size, &client, ret_error) < 0)
        return -1;
    guest->attached = true;
    guest->client = client;
    guest_seek(guest, since);
    const struct book_client *it = book_client(request->driver->book, client);
    buf_append_text(&guest->out, "{\"event\":\"attached\",\"client\":");
    json_put(&guest->out, name, 0);
    buf_printf(&guest->out,
               ",\"seq\":%zu,\"generation\":%u,\"waiting\":%llu,\"running\":%llu,"
               "\"finished\":%s}\n",
               it->ended_count, request->driver->generation, (unsigned long long)it->waiting,
               (unsigned long long)it->running,
               socket_is_finished(request->driver, client) ? "true" : "false");
    return 0;
}

static int do_results(const struct request *request, struct error *ret_error)
{
    uint64_t since;
    if (since_read(request, &since, ret_error) < 0)
        return -1;
    guest_seek(request->guest, since);
    return 0;
}

/* ---- cancel ---- */

static void cancel_entry(struct driver *driver, uint32_t entry)
{
    const struct book_entry *it = book_entry(driver->book, entry);
    if (it->state == BOOK_WAITING)
        result_cancel_waiting(driver, entry);
    else if (it->state == BOOK_TAKEN && driver->work)
        desk_cancel(driver, entry);
    else if (it->state == BOOK_TAKEN)
        driver->context.cancel(driver->context.wake_context, it->task);
}

/* 1 if it was cancelled, 0 if it had ended, -1: there is no such id. */
static int cancel_id(const struct request *request, const cJSON *id, struct error *ret_error)
{
    struct buf label;
    char quoted[100];
    buf_init(&label, 6 * SOCKET_TEXT_MAX + 2);
    int rc = label_read(id, "id", &label, ret_error);
    uint32_t entry =
        rc < 0 ? 0
               : records_find(request->driver, request->guest->client, label.data, label.size);
    buf_fini(&label);
    if (rc == 0 && !entry)
        rc = error_set(ret_error, ERROR_CONFIG, "this client has submitted no id %s",
                       json_excerpt(id, quoted, sizeof(quoted)));
    if (rc < 0)
        return -1;
    bool ended = book_entry(request->driver->book, entry)->state == BOOK_ENDED;
    cancel_entry(request->driver, entry);
    return !ended;
}

static bool has_tag(struct driver *driver, uint32_t entry, const struct buf *tag)
{
    struct submission it;
    return !tag || (records_read(driver, entry, &it, NULL) == 0 && it.tag_size == tag->size &&
                    memcmp(it.tag, tag->data, tag->size) == 0);
}

/* All that wait or run, or those of them that have the tag. */
static uint64_t cancel_many(const struct request *request, const struct buf *tag)
{
    struct driver *driver = request->driver;
    uint64_t count = 0;
    for (uint32_t entry = 1; entry <= book_count(driver->book); entry++) {
        const struct book_entry *it = book_entry(driver->book, entry);
        if (it->client != request->guest->client || it->state == BOOK_ENDED ||
            !has_tag(driver, entry, tag))
            continue;
        cancel_entry(driver, entry);
        count++;
    }
    return count;
}

static uint64_t cancel_ids(const struct request *request, const cJSON *ids)
{
    const cJSON *id;
    struct error error;
    uint64_t count = 0;
    cJSON_ArrayForEach(id, ids)
    {
        int rc = cancel_id(request, id, &error);
        if (rc < 0)
            refuse(request, id, &error);
        count += rc > 0;
    }
    return count;
}

static int do_cancel(const struct request *request, struct error *ret_error)
{
    const cJSON *id = json_member(request->root, "id"),
                *ids = json_member(request->root, "ids");
    const cJSON *tag = json_member(request->root, "tag");
    bool all = cJSON_IsTrue(json_member(request->root, "all"));
    uint64_t count = 0;
    if (!!id + !!ids + !!tag + all != 1 || (ids && !cJSON_IsArray(ids)))
        return error_set(ret_error, ERROR_CONFIG,
                         "say what to cancel by one of \"id\", \"ids\" (an array), \"tag\" and "
                         "\"all\": true");
    if (id) {
        int rc = cancel_id(request, id, ret_error);
        if (rc < 0)
            return -1;
        count = (uint64_t)rc;
    } else if (tag) {
        struct buf label;
        buf_init(&label, 6 * SOCKET_TEXT_MAX + 2);
        int rc = label_read(tag, "tag", &label, ret_error);
        count = rc < 0 ? 0 : cancel_many(request, &label);
        buf_fini(&label);
        if (rc < 0)
            return -1;
    } else {
        count = all ? cancel_many(request, NULL) : cancel_ids(request, ids);
    }
    buf_printf(&request->guest->out, "{\"event\":\"cancelled\",\"count\":%llu}\n",
               (unsigned long long)count);
    return 0;
}

/* ---- case, status, finish ---- */

static int do_case(const struct request *request, struct error *ret_error)
{
    const struct driver *driver = request->driver;
    struct buf text;
    if (!driver->ops->describe)
        return error_set(ret_error, ERROR_CONFIG,
                         "this farm runs a command; only a PEST case or a survey can be "
                         "described");
    buf_init(&text, SOCKET_OUT_MAX / 2);
    driver->ops->describe(driver->model, &text);
    int rc = buf_failed(&text) ? error_set(ret_error, ERROR_SYSTEM,
                                           "the case is too large to be told in one line (%zu "
                                           "MiB); read its files",
                                           text.max >> 20)
                               : 0;
    if (rc == 0) {
        buf_append_text(&request->guest->out, "{\"event\":\"case\"");
        buf_append(&request->guest->out, text.data, text.size);
        buf_append_text(&request->guest->out, "}\n");
    }
    buf_fini(&text);
    return rc;
}

static void client_put(struct buf *out, const struct book_client *it, bool finished)
{
    buf_append_text(out, "{\"client\":");
    json_put_text(out, it->name, strlen(it->name));
    buf_printf(out,
               ",\"submitted\":%llu,\"waiting\":%llu,\"running\":%llu,\"ended\":%zu,"
               "\"failed\":%llu,\"cancelled\":%llu,\"finished\":%s}",
               (unsigned long long)it->submitted, (unsigned long long)it->waiting,
               (unsigned long long)it->running, it->ended_count, (unsigned long long)it->failed,
               (unsigned long long)it->cancelled, finished ? "true" : "false");
}

static int do_status(const struct request *request, struct error *ret_error)
{
    struct driver *driver = request->driver;
    struct buf *out = &request->guest->out;
    struct book_totals totals = book_totals(driver->book);
    const size_t most = 100; /* of clients, so that the line stays short */
    (void)ret_error;
    buf_printf(out,
               "{\"event\":\"status\",\"slots\":%u,\"connections\":%zu,\"submitted\":%llu,"
               "\"waiting\":%llu,\"running\":%llu,\"ended\":%llu,\"failed\":%llu,"
               "\"cancelled\":%llu,\"clients\":[",
               driver->slots, driver->guest_count, (unsigned long long)totals.submitted,
               (unsigned long long)totals.waiting, (unsigned long long)totals.running,
               (unsigned long long)totals.ended, (unsigned long long)totals.failed,
               (unsigned long long)totals.cancelled);
    for (uint32_t i = 0; i < book_client_count(driver->book) && i < most; i++) {
        buf_append_text(out, i ? "," : "");
        client_put(out, book_client(driver->book, i), socket_is_finished(driver, i));
    }
    buf_append_text(out, "]}\n");
    return 0;
}

static int do_finish(const struct request *request, struct error *ret_error)
{
    struct guest *guest = request->guest;
    bool all;
    if (json_get_bool(request->root, "$", "all", false, &all, ret_error) < 0 ||
        records_finish(request->driver, guest->client, all, ret_error) < 0)
        return -1;
    ledger_sync(request->driver->ledger);
    const struct book_client *it = book_client(request->driver->book, guest->client);
    buf_printf(&guest->out, "{\"event\":\"finishing\",\"waiting\":%llu,\"running\":%llu}\n",
               (unsigned long long)it->waiting, (unsigned long long)it->running);
    return 0;
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    int (*act)(const struct request *request, struct error *ret_error);
} requests[] = {
    {"attach", do_attach},   {"submit", do_submit}, {"cancel", do_cancel},
    {"results", do_results}, {"status", do_status}, {"finish", do_finish},
    {"case", do_case},
};

#define REQUESTS (sizeof(requests) / sizeof(*requests))

static int dispatch(struct request *request, struct error *ret_error)
{
    const char *names[REQUESTS];
    const cJSON *what = json_member(request->root, "do");
    if (!cJSON_IsObject(request->root) || !cJSON_IsString(what))
        return error_set(ret_error, ERROR_CONFIG,
                         "a request is an object with \"do\": \"submit\" (or \"attach\", "
                         "\"cancel\", \"results\", \"case\", \"status\", \"finish\")");
    for (size_t i = 0; i < REQUESTS; i++) {
        names[i] = requests[i].name;
        if (strcmp(what->valuestring, names[i]) == 0) {
            request->name = names[i];
            return requests[i].act(request, ret_error);
        }
    }
    const char *near = nearest_find(what->valuestring, names, REQUESTS);
    return error_set(ret_error, ERROR_CONFIG, "there is no request \"%.100s\"%s",
                     what->valuestring, nearest_hint(near).text);
}

void request_do(struct guest *guest, const char *line, size_t size)
{
    struct request request = {.guest = guest, .driver = guest->driver};
    struct error error;
    cJSON *root = NULL;
    size_t blank = 0;
    while (blank < size && (line[blank] == ' ' || line[blank] == '\t' || line[blank] == '\r'))
        blank++;
    if (blank == size)
        return; /* an empty line is nothing */
    int rc = json_parse(line, size, "request", JSON_STRICT, &root, &error);
    if (rc == 0) {
        request.root = root;
        rc = dispatch(&request, &error);
    }
    if (rc < 0)
        refuse(&request, json_member(root, "id"), &error);
    cJSON_Delete(root);
}
