#include "config.h"

#include "master/replica_frame.h"

#include <openssl/evp.h>
#include <string.h>

#include "common/message.h"

enum row_kind { ROW_FAILED, ROW_ENDED, ROW_NOTE };

/* --- writing --- */

static void digest_make(const uint8_t *head, const void *content, size_t size,
                        uint8_t digest[8])
{
    uint8_t whole[EVP_MAX_MD_SIZE] = {0};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && EVP_DigestInit_ex(context, EVP_sha256(), NULL) &&
        EVP_DigestUpdate(context, head, 16) && EVP_DigestUpdate(context, content, size))
        EVP_DigestFinal_ex(context, whole, NULL);
    EVP_MD_CTX_free(context);
    memcpy(digest, whole, 8);
}

/* Leave room for a head, to be filled by frame_end. Returns where it begins. */
static size_t frame_begin(struct buf *buf, enum replica_kind kind)
{
    static const uint8_t blank[REPLICA_HEAD];
    size_t begin = buf->size;
    buf_append(buf, blank, sizeof(blank));
    wire_put_u8(buf, (uint8_t)kind);
    return begin;
}

static int frame_end(struct buf *buf, size_t begin, uint64_t number)
{
    struct buf head;
    if (buf_failed(buf))
        return -1;
    size_t size = buf->size - begin - REPLICA_HEAD;
    buf_init(&head, REPLICA_HEAD);
    wire_put_u32(&head, REPLICA_MAGIC);
    wire_put_u32(&head, (uint32_t)size);
    wire_put_u32(&head, (uint32_t)number);
    wire_put_u32(&head, (uint32_t)(number >> 32));
    if (!buf_failed(&head)) {
        memcpy(buf->data + begin, head.data, 16);
        digest_make(head.data, buf->data + begin + REPLICA_HEAD, size, buf->data + begin + 16);
    }
    int rc = buf_failed(&head) ? -1 : 0;
    buf_fini(&head);
    return rc;
}

int replica_put_meta(struct buf *buf, uint64_t number, const char *const *texts, size_t count)
{
    size_t begin = frame_begin(buf, REPLICA_META);
    for (size_t i = 0; i < count; i++)
        wire_put_bytes(buf, texts[i], strlen(texts[i]) + 1); /* with the NUL */
    return frame_end(buf, begin, number);
}

static void row_put(struct buf *buf, const struct journal_row *row)
{
    struct result result = row->result;
    if (row->note) {
        wire_put_u8(buf, ROW_NOTE);
        wire_put_bytes(buf, row->params, row->params_size);
        return;
    }
    wire_put_u8(buf, row->ended ? ROW_ENDED : ROW_FAILED);
    wire_put_u8(buf, (uint8_t)result.status);
    wire_put_varint(buf, row->attempts);
    wire_put_bytes(buf, row->worker, strlen(row->worker) + 1);
    wire_put_bytes(buf, row->folder, strlen(row->folder) + 1);
    wire_put_bytes(buf, row->params, row->params_size);
    wire_put_varint(buf, result.id.attempt);
    /* Messages know neither the statuses that masters say, nor tasks that ended unattempted. */
    result.status = RESULT_OK;
    result.id.attempt = 1;
    message_add_result(buf, &result);
}

size_t replica_put_rows(struct buf *buf, uint64_t number, const struct journal_row *rows,
                        size_t count)
{
    size_t begin = frame_begin(buf, REPLICA_ROWS), done = 0;
    while (done < count && buf->size - begin < REPLICA_ROWS_SIZE)
        row_put(buf, &rows[done++]);
    return frame_end(buf, begin, number) == 0 ? done : 0;
}

int replica_put_mark(struct buf *buf, uint64_t number, enum replica_kind kind)
{
    return frame_end(buf, frame_begin(buf, kind), number);
}

/* --- reading --- */

static int damaged(uint64_t number, const char *how, struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "frame %llu %s", (unsigned long long)number, how);
}

int replica_get_frame(const void *bytes, size_t size, uint64_t number,
                      enum replica_kind *ret_kind, struct wire_reader *ret_content,
                      size_t *ret_size, struct error *ret_error)
{
    struct wire_reader head;
    uint8_t digest[8];
    const uint8_t *at = bytes;
    *ret_size = 0;
    if (size < REPLICA_HEAD)
        return 0;
    wire_reader_init(&head, at, REPLICA_HEAD);
    uint32_t magic = wire_get_u32(&head), content = wire_get_u32(&head);
    uint64_t found = wire_get_u32(&head);
    found |= (uint64_t)wire_get_u32(&head) << 32;
    if (magic != REPLICA_MAGIC || content == 0 || content > REPLICA_FRAME_MAX)
        return damaged(number, "is no frame", ret_error);
    if (found != number)
        return damaged(number, "is missing: another stands in its place", ret_error);
    *ret_size = REPLICA_HEAD + (size_t)content;
    if (size < *ret_size)
        return 0;
    digest_make(at, at + REPLICA_HEAD, content, digest);
    if (memcmp(digest, at + 16, sizeof(digest)) != 0)
        return damaged(number, "does not have its checksum", ret_error);
    wire_reader_init(ret_content, at + REPLICA_HEAD, content);
    *ret_kind = (enum replica_kind)wire_get_u8(ret_content);
    return 1;
}

static const char *text_get(struct wire_reader *content)
{
    size_t size;
    const char *text = wire_get_bytes(content, &size);
    if (text && size && text[size - 1] == '\0' && strlen(text) == size - 1)
        return text;
    content->failed = true;
    return "";
}

int replica_next_text(struct wire_reader *content, const char **ret_text)
{
    if (!content->failed && wire_left(content) == 0)
        return 0;
    *ret_text = text_get(content);
    return content->failed ? -1 : 1;
}

int replica_next_row(struct wire_reader *content, struct journal_row *ret_row,
                     struct error *ret_error)
{
    struct journal_row *row = ret_row;
    if (!content->failed && wire_left(content) == 0)
        return 0;
    *row = (struct journal_row){.worker = "", .folder = ""};
    uint8_t kind = wire_get_u8(content);
    row->note = kind == ROW_NOTE;
    row->ended = kind == ROW_ENDED;
    if (row->note) {
        row->params = wire_get_bytes(content, &row->params_size);
    } else {
        uint8_t status = wire_get_u8(content);
        row->attempts = (uint32_t)wire_get_varint(content);
        row->worker = text_get(content);
        row->folder = text_get(content);
        row->params = wire_get_bytes(content, &row->params_size);
        uint32_t attempt = (uint32_t)wire_get_varint(content);
        if (kind > ROW_NOTE || status >= RESULT_STATUSES ||
            message_next_result(content, &row->result, ret_error) != 1)
            content->failed = true;
        row->result.status = (enum result_status)status;
        row->result.id.attempt = attempt;
    }
    return content->failed ? error_set(ret_error, ERROR_SYSTEM, "a row is damaged") : 1;
}
