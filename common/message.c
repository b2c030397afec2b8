#include "config.h"

#include <string.h>

#include "common/message.h"

static const char *const type_names[MESSAGE_TYPES] = {
    [MESSAGE_JOB] = "JOB",         [MESSAGE_READY] = "READY",
    [MESSAGE_CREDIT] = "CREDIT",   [MESSAGE_LEASE] = "LEASE",
    [MESSAGE_STARTED] = "STARTED", [MESSAGE_RESULTS] = "RESULTS",
    [MESSAGE_ACK] = "ACK",         [MESSAGE_CANCEL] = "CANCEL",
    [MESSAGE_RECALL] = "RECALL",   [MESSAGE_HANDBACK] = "HANDBACK",
    [MESSAGE_FETCH] = "FETCH",     [MESSAGE_DATA] = "DATA",
    [MESSAGE_OUTPUT] = "OUTPUT",   [MESSAGE_LEAVING] = "LEAVING",
    [MESSAGE_STOP] = "STOP",       [MESSAGE_LINKED] = "LINKED",
    [MESSAGE_PAUSED] = "PAUSED",
};

static const char *const status_names[RESULT_STATUSES] = {
    "ok", "exit", "signal", "timeout", "no-start", "no-value", "lost", "cancelled",
};

const char *message_type_name(int type)
{
    return type > 0 && type < MESSAGE_TYPES ? type_names[type] : "?";
}

const char *result_status_name(int status)
{
    return status >= 0 && status < RESULT_STATUSES ? status_names[status] : "?";
}

void message_begin(struct buf *buf, enum message_type type)
{
    buf_clear(buf);
    wire_put_u8(buf, (uint8_t)type);
}

int message_type(const struct buf *message)
{
    return message->size ? message->data[0] : 0;
}

struct wire_reader message_body(const struct buf *message)
{
    struct wire_reader reader;
    wire_reader_init(&reader, message->size ? message->data + 1 : NULL,
                     message->size ? message->size - 1 : 0);
    return reader;
}

static int damaged(struct error *ret_error, enum message_type type)
{
    return error_set(ret_error, ERROR_NETWORK, "a %s message is damaged",
                     message_type_name((int)type));
}

static void put_attempt(struct buf *buf, struct attempt_id id)
{
    wire_put_varint(buf, id.task);
    wire_put_varint(buf, id.attempt);
}

/* Tasks and attempts count from 1. */
static struct attempt_id get_attempt(struct wire_reader *reader)
{
    struct attempt_id id;
    id.task = wire_get_varint(reader);
    uint64_t attempt = wire_get_varint(reader);
    if (id.task == 0 || attempt == 0 || attempt > UINT32_MAX)
        reader->failed = true;
    id.attempt = (uint32_t)attempt;
    return id;
}

void message_add_attempt(struct buf *buf, struct attempt_id id)
{
    put_attempt(buf, id);
}

void message_add_lease(struct buf *buf, struct attempt_id id, const void *payload, size_t size)
{
    put_attempt(buf, id);
    wire_put_bytes(buf, payload, size);
}

int message_put_folder(struct buf *buf, struct attempt_id id, uint64_t instance)
{
    return buf_printf(buf, "outputs/%llu.%u.%016llx", (unsigned long long)id.task, id.attempt,
                      (unsigned long long)instance);
}

void message_add_result(struct buf *buf, const struct result *result)
{
    put_attempt(buf, result->id);
    wire_put_u8(buf, (uint8_t)result->status);
    wire_put_varint(buf, (uint32_t)result->code);
    wire_put_varint(buf, result->slot);
    wire_put_varint(buf, (uint64_t)result->started_ns);
    wire_put_double(buf, result->elapsed_s);
    wire_put_double(buf, result->cpu_s);
    wire_put_varint(buf, (uint64_t)result->max_rss_bytes);
    wire_put_varint(buf, result->output_files);
    wire_put_bytes(buf, result->values, result->values_size);
    wire_put_bytes(buf, result->error, result->error_size);
    wire_put_bytes(buf, result->stderr_tail, result->stderr_size);
    wire_put_u8(buf, result->stored);
}

/* 1 after a good entry, 0 where the batch ended cleanly before it, -1 if it is damaged. */
static int entry_done(const struct wire_reader *reader, enum message_type type,
                      struct error *ret_error)
{
    return reader->failed ? damaged(ret_error, type) : 1;
}

int message_next_attempt(struct wire_reader *reader, struct attempt_id *ret_id,
                         struct error *ret_error)
{
    if (!reader->failed && wire_left(reader) == 0)
        return 0;
    *ret_id = get_attempt(reader);
    return entry_done(reader, MESSAGE_ACK, ret_error);
}

int message_next_lease(struct wire_reader *reader, struct attempt_id *ret_id,
                       const void **ret_payload, size_t *ret_size, struct error *ret_error)
{
    if (!reader->failed && wire_left(reader) == 0)
        return 0;
    *ret_id = get_attempt(reader);
    *ret_payload = wire_get_bytes(reader, ret_size);
    return entry_done(reader, MESSAGE_LEASE, ret_error);
}

int message_next_result(struct wire_reader *reader, struct result *ret_result,
                        struct error *ret_error)
{
    if (!reader->failed && wire_left(reader) == 0)
        return 0;
    struct result *r = ret_result;
    *r = (struct result){.id = get_attempt(reader)};
    uint8_t status = wire_get_u8(reader);
    r->status = (enum result_status)status;
    r->code = (int32_t)(uint32_t)wire_get_varint(reader);
    r->slot = (uint32_t)wire_get_varint(reader);
    r->started_ns = (int64_t)wire_get_varint(reader);
    r->elapsed_s = wire_get_double(reader);
    r->cpu_s = wire_get_double(reader);
    r->max_rss_bytes = (int64_t)wire_get_varint(reader);
    r->output_files = (uint32_t)wire_get_varint(reader);
    r->values = wire_get_bytes(reader, &r->values_size);
    r->error = wire_get_bytes(reader, &r->error_size);
    r->stderr_tail = wire_get_bytes(reader, &r->stderr_size);
    r->stored = wire_get_u8(reader) != 0;
    if (status >= RESULT_LOST || r->stderr_size > MESSAGE_STDERR_MAX)
        reader->failed = true;
    return entry_done(reader, MESSAGE_RESULTS, ret_error);
}

void message_put_count(struct buf *buf, enum message_type type, uint32_t count)
{
    message_begin(buf, type);
    wire_put_varint(buf, count);
}

int message_get_count(const struct buf *message, uint32_t *ret_count, struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    uint64_t count = wire_get_varint(&reader);
    if (reader.failed || wire_left(&reader) || count > UINT32_MAX)
        return damaged(ret_error, (enum message_type)message_type(message));
    *ret_count = (uint32_t)count;
    return 0;
}

void message_put_ready(struct buf *buf, const struct ready *ready)
{
    message_begin(buf, MESSAGE_READY);
    wire_put_bytes(buf, ready->host, ready->host_size);
    wire_put_varint(buf, (uint64_t)ready->pid);
    wire_put_varint(buf, ready->slots);
    wire_put_varint(buf, ready->credits);
    wire_put_varint(buf, ready->instance);
}

int message_get_ready(struct wire_reader *reader, struct ready *ret_ready,
                      struct error *ret_error)
{
    ret_ready->host = wire_get_bytes(reader, &ret_ready->host_size);
    ret_ready->pid = (int64_t)wire_get_varint(reader);
    uint64_t slots = wire_get_varint(reader);
    uint64_t credits = wire_get_varint(reader);
    ret_ready->instance = wire_get_varint(reader);
    if (reader->failed || ret_ready->host_size > 255 || slots == 0 || slots > 65536 ||
        credits > UINT32_MAX)
        return damaged(ret_error, MESSAGE_READY);
    ret_ready->slots = (uint32_t)slots;
    ret_ready->credits = (uint32_t)credits;
    return 0;
}

void message_put_fetch(struct buf *buf, const uint8_t *hash, uint64_t offset)
{
    message_begin(buf, MESSAGE_FETCH);
    buf_append(buf, hash, MESSAGE_HASH_SIZE);
    wire_put_varint(buf, offset);
}

void message_put_data(struct buf *buf, const struct file_piece *piece)
{
    message_begin(buf, MESSAGE_DATA);
    buf_append(buf, piece->hash, MESSAGE_HASH_SIZE);
    wire_put_varint(buf, piece->offset);
    wire_put_varint(buf, piece->total_size);
    wire_put_bytes(buf, piece->bytes, piece->size);
}

static void get_hash(struct wire_reader *reader, uint8_t *hash)
{
    if (wire_left(reader) < MESSAGE_HASH_SIZE) {
        reader->failed = true;
        return;
    }
    memcpy(hash, reader->next, MESSAGE_HASH_SIZE);
    reader->next += MESSAGE_HASH_SIZE;
}

int message_get_fetch(const struct buf *message, struct file_piece *ret_piece,
                      struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    *ret_piece = (struct file_piece){0};
    get_hash(&reader, ret_piece->hash);
    ret_piece->offset = wire_get_varint(&reader);
    if (reader.failed || wire_left(&reader))
        return damaged(ret_error, MESSAGE_FETCH);
    return 0;
}

int message_get_data(const struct buf *message, struct file_piece *ret_piece,
                     struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    *ret_piece = (struct file_piece){0};
    get_hash(&reader, ret_piece->hash);
    ret_piece->offset = wire_get_varint(&reader);
    ret_piece->total_size = wire_get_varint(&reader);
    ret_piece->bytes = wire_get_bytes(&reader, &ret_piece->size);
    if (reader.failed || wire_left(&reader) || ret_piece->size > MESSAGE_CHUNK ||
        ret_piece->offset > ret_piece->total_size ||
        ret_piece->size > ret_piece->total_size - ret_piece->offset)
        return damaged(ret_error, MESSAGE_DATA);
    return 0;
}

void message_put_output(struct buf *buf, const struct output_piece *piece)
{
    message_begin(buf, MESSAGE_OUTPUT);
    put_attempt(buf, piece->id);
    wire_put_bytes(buf, piece->path, piece->path_size);
    wire_put_varint(buf, piece->mode);
    wire_put_varint(buf, piece->offset);
    wire_put_varint(buf, piece->total_size);
    wire_put_bytes(buf, piece->bytes, piece->size);
}

bool message_path_is_safe(const char *path, size_t size)
{
    if (size == 0 || size > MESSAGE_PATH_MAX || memchr(path, 0, size))
        return false;
    const char *end = path + size;
    for (const char *part = path; part <= end;) {
        const char *slash = memchr(part, '/', (size_t)(end - part));
        size_t length = (size_t)((slash ? slash : end) - part);
        if (length == 0 || (length == 1 && part[0] == '.') ||
            (length == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += length + 1;
    }
    return true;
}

int message_get_output(const struct buf *message, struct output_piece *ret_piece,
                       struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    struct output_piece *p = ret_piece;
    *p = (struct output_piece){.id = get_attempt(&reader)};
    p->path = wire_get_bytes(&reader, &p->path_size);
    p->mode = (uint32_t)wire_get_varint(&reader) & 0777;
    p->offset = wire_get_varint(&reader);
    p->total_size = wire_get_varint(&reader);
    p->bytes = wire_get_bytes(&reader, &p->size);
    if (reader.failed || wire_left(&reader) || p->size > MESSAGE_CHUNK ||
        !message_path_is_safe(p->path, p->path_size) || p->offset > p->total_size ||
        p->size > p->total_size - p->offset)
        return damaged(ret_error, MESSAGE_OUTPUT);
    return 0;
}

void message_put_linked(struct buf *buf, const struct output_link *link)
{
    message_begin(buf, MESSAGE_LINKED);
    put_attempt(buf, link->id);
    wire_put_bytes(buf, link->path, link->path_size);
    wire_put_varint(buf, link->mode);
    wire_put_varint(buf, link->total_size);
    wire_put_bytes(buf, link->name, link->name_size);
}

int message_get_linked(const struct buf *message, struct output_link *ret_link,
                       struct error *ret_error)
{
    struct wire_reader reader = message_body(message);
    struct output_link *l = ret_link;
    *l = (struct output_link){.id = get_attempt(&reader)};
    l->path = wire_get_bytes(&reader, &l->path_size);
    l->mode = (uint32_t)wire_get_varint(&reader) & 0777;
    l->total_size = wire_get_varint(&reader);
    l->name = wire_get_bytes(&reader, &l->name_size);
    if (reader.failed || wire_left(&reader) || l->name_size > MESSAGE_LINK_MAX ||
        !message_path_is_safe(l->path, l->path_size) ||
        !message_path_is_safe(l->name, l->name_size) || memchr(l->name, '/', l->name_size))
        return damaged(ret_error, MESSAGE_LINKED);
    return 0;
}

void message_put_paused(struct buf *buf, const char *sentence)
{
    message_begin(buf, MESSAGE_PAUSED);
    buf_append(buf, sentence, strlen(sentence));
}

int message_get_paused(const struct buf *message, const char **ret_sentence, size_t *ret_size,
                       struct error *ret_error)
{
    if (message->size < 1 || message->size > 1 + ERROR_TEXT_MAX)
        return damaged(ret_error, MESSAGE_PAUSED);
    *ret_sentence = (const char *)message->data + 1;
    *ret_size = message->size - 1;
    return 0;
}

int message_get_job(const struct buf *message, const char **ret_json, size_t *ret_size,
                    struct error *ret_error)
{
    if (message->size < 2)
        return damaged(ret_error, MESSAGE_JOB);
    *ret_json = (const char *)message->data + 1;
    *ret_size = message->size - 1;
    return 0;
}
