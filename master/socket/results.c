/* What clients are told of an entry's end: the result as JSON, written into the ledger and sent. */
#include "config.h"

#include <string.h>

#include "common/json.h"
#include "master/socket/socket_private.h"

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

/* All after "seq"; driver->digest has what a good result brings. */
static int result_put(struct driver *driver, const struct book_entry *it,
                      const struct submission *submission, const struct result *result)
{
    struct buf *text = &driver->text;
    buf_clear(text);
    buf_append_text(text, "\"id\":");
    buf_append(text, submission->id, submission->id_size);
    if (submission->tag_size) {
        buf_append_text(text, ",\"tag\":");
        buf_append(text, submission->tag, submission->tag_size);
    }
    buf_printf(text, ",\"status\":\"%s\"", result_status_name(result->status));
    buf_append(text, driver->digest.data, driver->digest.size);
    if (result->status != RESULT_OK)
        failure_put(text, result);
    if (it->task && !driver->work) {
        buf_printf(text, ",\"task\":%u,\"attempts\":%u,\"elapsed_s\":", it->task,
                   driver->attempts);
        json_put_real(text, result->elapsed_s);
        buf_append_text(text, ",\"worker\":");
        json_put_text(text, driver->worker, strlen(driver->worker));
    }
    return buf_append_text(text, "}");
}

/* A good result of which the model says that it is not: `error` says why. */
static struct result spoiled(const struct result *result, const struct error *error)
{
    struct result told = *result;
    told.status = RESULT_NO_VALUE;
    told.error = error->text;
    told.error_size = strlen(error->text);
    return told;
}

static int result_write(struct driver *driver, uint32_t entry, const struct result *result,
                        struct error *ret_error)
{
    const struct book_entry *it = book_entry(driver->book, entry);
    struct submission submission;
    struct result told = *result;
    struct error why;
    if (records_read(driver, entry, &submission, ret_error) < 0)
        return -1;
    buf_clear(&driver->digest);
    if ((told.status == RESULT_OK || driver->work) &&
        driver->ops->digest(driver->model, submission.set, submission.set_size, result,
                            &driver->digest, &why) < 0) {
        buf_clear(&driver->digest);
        told = spoiled(result, &why);
    }
    if (!book_may_end(it, told.status))
        return 0;
    result_put(driver, it, &submission, &told);
    return records_end(driver, entry, told.status, &driver->text, ret_error);
}

void result_end(struct driver *driver, uint32_t entry, const struct result *result)
{
    struct error error;
    if (result_write(driver, entry, result, &error) < 0) {
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
