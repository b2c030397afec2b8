/*
 * What must outlive the master stands in RUN_DIR/driver.ledger, as records:
 *
 *   OPENED   the machine's boot id: a master began to write
 *   CLIENT   a client's name; clients are numbered in this order, from 0
 *   SUBMIT   client, priority, id, tag, set; entries are numbered in this order, from 1
 *   TAKE     entry: it becomes the next task; or 0: that task number must never be used
 *   RESERVE  task numbers up to this may be in use
 *   END      entry, status, the result as it is told
 *   FINISH   client, whether for all: no more will be submitted
 *
 * Why not the journal's notes: results are told to clients before the journal has committed them
 * (an optimiser waits for each), and are read again, by their place in this file, for clients that
 * come back or read slowly. A record is written before anything follows from it, so it survives
 * the death of the master; it survives a power cut once it is synced.
 *
 * A submission is acknowledged when it is synced, but it may run before: a round trip would
 * otherwise wait for the disk. If the power is cut then, a worker may still hold the task of a
 * submission, or of a TAKE, that nobody knows any more. Its number must not come to mean
 * something else. Hence RESERVE, which is synced before the numbers it covers are used: after a
 * reboot, those that no TAKE accounts for are given up.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/boot.h"
#include "common/wire.h"
#include "master/socket/socket_private.h"

#define RESERVE_AHEAD 256

enum record_kind {
    RECORD_OPENED = 1,
    RECORD_CLIENT,
    RECORD_SUBMIT,
    RECORD_TAKE,
    RECORD_RESERVE,
    RECORD_END,
    RECORD_FINISH,
};

/* Reading */

static void submission_get(struct wire_reader *reader, struct submission *ret)
{
    ret->client = (uint32_t)wire_get_varint(reader);
    ret->priority = wire_get_double(reader);
    ret->id = wire_get_bytes(reader, &ret->id_size);
    ret->tag = wire_get_bytes(reader, &ret->tag_size);
    ret->set = wire_get_bytes(reader, &ret->set_size);
}

static bool found_submission(struct driver *driver, struct wire_reader *reader, uint64_t at)
{
    struct submission it;
    submission_get(reader, &it);
    return !reader->failed && book_add(driver->book, it.client, it.priority,
                                       book_hash(it.client, it.id, it.id_size), at) != 0;
}

static bool found_end(struct driver *driver, struct wire_reader *reader, uint64_t at)
{
    uint32_t entry = (uint32_t)wire_get_varint(reader);
    uint8_t status = wire_get_u8(reader);
    return !reader->failed && status < RESULT_STATUSES &&
           book_end(driver->book, entry, status, at) != 0;
}

static bool found_finish(struct driver *driver, struct wire_reader *reader)
{
    struct book_client *client = book_client(driver->book, (uint32_t)wire_get_varint(reader));
    if (wire_get_u8(reader))
        driver->closing_all = true;
    else if (client)
        client->finished = true;
    return client && !reader->failed;
}

/* Whether the machine has gone down since the master before. */
static bool is_another_boot(const struct driver *driver, const char *boot, size_t size)
{
    return *driver->boot &&
           (size != strlen(driver->boot) || size == 0 || memcmp(boot, driver->boot, size) != 0);
}

static bool take_up(struct driver *driver, const struct ledger_record *record)
{
    struct wire_reader reader;
    const char *text;
    size_t size;
    uint32_t number;
    wire_reader_init(&reader, record->body, record->size);
    switch (record->kind) {
    case RECORD_OPENED:
        text = wire_get_bytes(&reader, &size);
        if (size >= sizeof(driver->boot))
            return false;
        driver->generation += is_another_boot(driver, text ? text : "", size);
        memset(driver->boot, 0, sizeof(driver->boot));
        memcpy(driver->boot, text ? text : "", size);
        return !reader.failed;
    case RECORD_CLIENT:
        text = wire_get_bytes(&reader, &size);
        return !reader.failed && book_client_add(driver->book, text ? text : "", size) >= 0;
    case RECORD_SUBMIT:
        return found_submission(driver, &reader, record->at);
    case RECORD_TAKE:
        number = (uint32_t)wire_get_varint(&reader);
        return !reader.failed && number <= book_count(driver->book) &&
               book_take(driver->book, number) != 0;
    case RECORD_RESERVE:
        number = (uint32_t)wire_get_varint(&reader);
        driver->reserved = number > driver->reserved ? number : driver->reserved;
        return !reader.failed;
    case RECORD_END:
        return found_end(driver, &reader, record->at);
    case RECORD_FINISH:
        return found_finish(driver, &reader);
    default:
        return false;
    }
}

static int found(void *context, const struct ledger_record *record, struct error *ret_error)
{
    struct driver *driver = context;
    if (take_up(driver, record))
        return 0;
    return error_set(ret_error, ERROR_SYSTEM,
                     "the record of kind %u at byte %llu makes no sense (or memory is short); "
                     "was it written by a newer beofarm?",
                     record->kind, (unsigned long long)record->at);
}

/* Writing */

static struct buf *record_begin(struct driver *driver)
{
    buf_clear(&driver->record);
    return &driver->record;
}

static int record_write(struct driver *driver, enum record_kind kind, uint64_t *ret_at,
                        struct error *ret_error)
{
    if (buf_failed(&driver->record))
        return error_set(ret_error, ERROR_SYSTEM, "no memory to write down what was said");
    return ledger_append(driver->ledger, (uint8_t)kind, driver->record.data,
                         driver->record.size, ret_at, ret_error);
}

/* The book could not follow what is written already; a resumed master's will. */
static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for more submissions");
}

int records_add_client(struct driver *driver, const char *name, size_t size,
                       uint32_t *ret_client, struct error *ret_error)
{
    if (book_client_count(driver->book) >= BOOK_CLIENTS_MAX)
        return error_set(ret_error, ERROR_SYSTEM, "there have been too many clients (%d)",
                         BOOK_CLIENTS_MAX);
    wire_put_bytes(record_begin(driver), name, size);
    if (record_write(driver, RECORD_CLIENT, NULL, ret_error) < 0)
        return -1;
    long client = book_client_add(driver->book, name, size);
    if (client < 0)
        return no_memory(ret_error);
    *ret_client = (uint32_t)client;
    return 0;
}

int records_submit(struct driver *driver, const struct submission *submission,
                   uint32_t *ret_entry, struct error *ret_error)
{
    struct buf *record = record_begin(driver);
    uint64_t at;
    if (book_count(driver->book) >= BOOK_ENTRIES_MAX)
        return error_set(ret_error, ERROR_SYSTEM, "a farm has at most %u submissions",
                         BOOK_ENTRIES_MAX);
    wire_put_varint(record, submission->client);
    wire_put_double(record, submission->priority);
    wire_put_bytes(record, submission->id, submission->id_size);
    wire_put_bytes(record, submission->tag, submission->tag_size);
    wire_put_bytes(record, submission->set, submission->set_size);
    if (record_write(driver, RECORD_SUBMIT, &at, ret_error) < 0)
        return -1;
    *ret_entry =
        book_add(driver->book, submission->client, submission->priority,
                 book_hash(submission->client, submission->id, submission->id_size), at);
    return *ret_entry ? 0 : no_memory(ret_error);
}

int records_take(struct driver *driver, uint32_t entry, struct error *ret_error)
{
    wire_put_varint(record_begin(driver), entry);
    if (record_write(driver, RECORD_TAKE, NULL, ret_error) < 0)
        return -1;
    return book_take(driver->book, entry) ? 0 : no_memory(ret_error);
}

int records_reserve(struct driver *driver, uint32_t tasks, struct error *ret_error)
{
    wire_put_varint(record_begin(driver), tasks + RESERVE_AHEAD);
    if (record_write(driver, RECORD_RESERVE, &driver->reserved_at, ret_error) < 0)
        return -1;
    driver->reserved = tasks + RESERVE_AHEAD;
    return 0;
}

int records_end(struct driver *driver, uint32_t entry, enum result_status status,
                const struct buf *text, struct error *ret_error)
{
    struct buf *record = record_begin(driver);
    uint64_t at;
    wire_put_varint(record, entry);
    wire_put_u8(record, (uint8_t)status);
    buf_append(record, text->data, text->size);
    if (record_write(driver, RECORD_END, &at, ret_error) < 0)
        return -1;
    return book_end(driver->book, entry, status, at) ? 0 : no_memory(ret_error);
}

int records_finish(struct driver *driver, uint32_t client, bool all, struct error *ret_error)
{
    struct buf *record = record_begin(driver);
    wire_put_varint(record, client);
    wire_put_u8(record, all);
    if (record_write(driver, RECORD_FINISH, NULL, ret_error) < 0)
        return -1;
    if (all)
        driver->closing_all = true;
    else
        book_client(driver->book, client)->finished = true;
    return 0;
}

/* Reading again */

int records_read(struct driver *driver, uint32_t entry, struct submission *ret_submission,
                 struct error *ret_error)
{
    struct wire_reader reader;
    if (ledger_read(driver->ledger, book_entry(driver->book, entry)->at, &driver->body,
                    ret_error) < 0)
        return -1;
    wire_reader_init(&reader, driver->body.data, driver->body.size);
    submission_get(&reader, ret_submission);
    return reader.failed
               ? error_set(ret_error, ERROR_BUG, "submission %u is not readable", entry)
               : 0;
}

int records_read_end(struct driver *driver, uint32_t entry, const uint8_t **ret_text,
                     size_t *ret_size, struct error *ret_error)
{
    struct wire_reader reader;
    if (ledger_read(driver->ledger, book_entry(driver->book, entry)->end_at, &driver->body,
                    ret_error) < 0)
        return -1;
    wire_reader_init(&reader, driver->body.data, driver->body.size);
    wire_get_varint(&reader);
    wire_get_u8(&reader);
    *ret_text = reader.next;
    *ret_size = wire_left(&reader);
    return 0;
}

uint32_t records_find(struct driver *driver, uint32_t client, const void *id, size_t size)
{
    struct submission it;
    uint32_t entry = book_find(driver->book, book_hash(client, id, size));
    for (; entry; entry = book_find_next(driver->book, entry))
        if (book_entry(driver->book, entry)->client == client &&
            records_read(driver, entry, &it, NULL) == 0 && it.id_size == size &&
            memcmp(it.id, id, size) == 0)
            return entry;
    return 0;
}

/* Opening */

/* What was written but not synced is there unless the machine itself went down. */
static int give_up_numbers(struct driver *driver, const char *boot, struct error *ret_error)
{
    if (!is_another_boot(driver, boot, strlen(boot)))
        return 0;
    driver->generation++;
    while (book_tasks(driver->book) < driver->reserved)
        if (records_take(driver, 0, ret_error) < 0)
            return -1;
    return 0;
}

static void synced(void *context)
{
    struct driver *driver = context;
    struct error error;
    if (ledger_synced(driver->ledger) > driver->reserved_at)
        driver->reserved_durable = driver->reserved;
    bool troubled = ledger_trouble(driver->ledger, &error);
    if (troubled && !driver->ledger_troubled)
        socket_tell(driver, error.text);
    driver->ledger_troubled = troubled;
    guests_pump(driver);
}

int records_open(struct driver *driver, struct error *ret_error)
{
    const struct ledger_events events = {.found = found, .synced = synced, .context = driver};
    char *path = NULL, boot[BOOT_MAX];
    uint64_t cut = 0;
    if (asprintf(&path, "%s/driver.ledger", driver->context.run_dir) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    driver->ledger = ledger_open(path, driver->context.loop, &events, &cut, ret_error);
    free(path);
    if (!driver->ledger)
        return -1;
    if (cut)
        socket_tell(driver, "the end of driver.ledger had not been written whole, and was cut "
                            "off; it was never acknowledged");
    boot_read(boot);
    if (give_up_numbers(driver, boot, ret_error) < 0)
        return -1;
    wire_put_text(record_begin(driver), boot);
    if (record_write(driver, RECORD_OPENED, NULL, ret_error) < 0 ||
        records_reserve(driver, book_tasks(driver->book), ret_error) < 0 ||
        ledger_sync_wait(driver->ledger, ret_error) < 0)
        return -1;
    driver->reserved_durable = driver->reserved;
    return 0;
}
