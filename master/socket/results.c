/* What clients are told of an entry's end: the result as JSON, written into the ledger and sent. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/values.h"
#include "master/socket/socket_private.h"

static void value_put(struct buf *text, const struct value *value)
{
    if (value->kind == VALUE_TEXT)
        json_put_text(text, value->text, value->text_size);
    else if (value->kind == VALUE_REAL)
        json_put_real(text, value->real);
    else if (value->kind == VALUE_INTEGER)
        value_format(text, value);
    else
        buf_append_text(text, "null");
}

static void values_put(const struct driver *driver, struct buf *text,
                       const struct result *result)
{
    struct value *values = NULL;
    size_t count = 0;
    if (!result->values_size ||
        values_decode(result->values, result->values_size, &values, &count, NULL) < 0)
        count = 0;
    buf_append_text(text, ",\"values\":{");
    for (size_t i = 0; i < count && i < driver->value_count; i++) {
        buf_append_text(text, i ? "," : "");
        buf_append(text, driver->values[i].data, driver->values[i].size);
        value_put(text, &values[i]);
    }
    buf_append_text(text, "}");
    free(values);
}

static void failure_put(struct buf *text, const struct result *result)
{
    if (result->status == RESULT_EXIT || result->status == RESULT_SIGNAL)
        buf_printf(text, ",\"code\":%d", (int)result->code);
    buf_append_text(text, ",\"sentence\":");
    if (result->error_size)
        json_put_text(text, result->error, result->error_size);
    else
        buf_printf(text, "\"%s %d\"", result_status_name(result->status), result->code);
}

/* All after "seq". */
static int result_put(struct driver *driver, uint32_t entry, const struct result *result,
                      struct error *ret_error)
{
    const struct book_entry *it = book_entry(driver->book, entry);
    struct submission submission;
    struct buf *text = &driver->text;
    buf_clear(text);
    if (records_read(driver, entry, &submission, ret_error) < 0)
        return -1;
    buf_append_text(text, "\"id\":");
    buf_append(text, submission.id, submission.id_size);
    if (submission.tag_size) {
        buf_append_text(text, ",\"tag\":");
        buf_append(text, submission.tag, submission.tag_size);
    }
    buf_printf(text, ",\"status\":\"%s\"", result_status_name(result->status));
    if (result->status == RESULT_OK)
        values_put(driver, text, result);
    else
        failure_put(text, result);
    if (it->task) {
        buf_printf(text, ",\"task\":%u,\"attempts\":%u,\"elapsed_s\":", it->task,
                   driver->attempts);
        json_put_real(text, result->elapsed_s);
        buf_append_text(text, ",\"worker\":");
        json_put_text(text, driver->worker, strlen(driver->worker));
    }
    return buf_append_text(text, "}");
}

void result_end(struct driver *driver, uint32_t entry, const struct result *result)
{
    struct error error;
    if (result_put(driver, entry, result, &error) < 0 ||
        records_end(driver, entry, result->status, &driver->text, &error) < 0) {
        error_prefix(&error, "a result cannot be told to its client before the run is resumed");
        socket_tell(driver, error.text);
        return;
    }
    ledger_sync(driver->ledger);
    guests_flush_soon(driver);
}

void result_cancel_waiting(struct driver *driver, uint32_t entry)
{
    static const char sentence[] = "it was cancelled before it began";
    const struct result result = {
        .status = RESULT_CANCELLED, .error = sentence, .error_size = sizeof(sentence) - 1};
    result_end(driver, entry, &result);
}
