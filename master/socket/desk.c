/*
 * Where a set is an operation of many tasks: the entries that clients submit are handed, one after
 * the other, to the driver that makes tasks of them (asked.h), and how they ended to the clients.
 * The book's task number of an entry is the operation's number; tasks of the farm are that driver's
 * alone.
 *
 * An entry is taken (a record) before the operation begins, and its end is a record before the next
 * one does. So a resumed master goes on with the one that was taken and has not ended, which the
 * other driver finds in the journal's notes, or begins anew where it had not got so far.
 */
#include "config.h"

#include <string.h>

#include "common/json.h"
#include "master/socket/socket_private.h"

static int entry_read(struct driver *driver, uint32_t entry, cJSON **ret_asked)
{
    struct submission it;
    struct error error;
    if (records_read(driver, entry, &it, &error) == 0 &&
        json_parse((const char *)it.set, it.set_size, "a submission", JSON_STRICT, ret_asked,
                   &error) == 0)
        return 0;
    socket_tell(driver, error.text);
    return -1;
}

/* What an earlier master took, and nobody has ended; then what waits. 0: nothing. */
static uint32_t entry_next(struct driver *driver)
{
    struct error error;
    while (driver->given < book_tasks(driver->book)) {
        uint32_t entry = book_task_entry(driver->book, ++driver->given);
        if (entry && book_entry(driver->book, entry)->state == BOOK_TAKEN)
            return entry;
    }
    uint32_t entry = book_first(driver->book);
    if (!entry || driver->limit || !socket_number_is_ready(driver))
        return 0;
    if (records_take(driver, entry, &error) < 0) {
        socket_tell(driver, error.text);
        return 0;
    }
    driver->given = book_tasks(driver->book);
    return entry;
}

static int asker_next(void *context, uint64_t *ret_number, cJSON **ret_asked)
{
    struct driver *driver = context;
    uint32_t entry = entry_next(driver);
    *ret_number = driver->given;
    return entry && entry_read(driver, entry, ret_asked) == 0;
}

static bool asker_wanted(void *context, uint64_t number)
{
    const struct driver *driver = context;
    const struct book_entry *it =
        book_entry(driver->book, book_task_entry(driver->book, number));
    return it && it->state == BOOK_TAKEN;
}

static void asker_told(void *context, uint64_t number, enum result_status status,
                       const char *sentence, const char *members)
{
    struct driver *driver = context;
    const struct result result = {.status = status,
                                  .error = sentence,
                                  .error_size = strlen(sentence),
                                  .values = members,
                                  .values_size = strlen(members)};
    uint32_t entry = book_task_entry(driver->book, number);
    if (entry)
        result_end(driver, entry, &result);
}

void desk_open(struct driver *driver)
{
    driver->asker = (struct asker){
        .next = asker_next, .wanted = asker_wanted, .told = asker_told, .context = driver};
    driver->work = driver->ops->work(driver->model);
    asked_serve(driver->work, &driver->asker);
}

void desk_cancel(struct driver *driver, uint32_t entry)
{
    uint32_t number = book_entry(driver->book, entry)->task;
    asker_told(driver, number, RESULT_CANCELLED, "it was cancelled", "");
    asked_cancel(driver->work, number);
}

enum driver_next desk_next(struct driver *driver)
{
    if (socket_end_if_over(driver))
        return DRIVER_FINISHED;
    enum driver_next next = driver->ops->work_ops->next(driver->work, driver->slots);
    if (next != DRIVER_FINISHED)
        return next;
    /* It cannot go on: `outcome` says why. */
    driver->ended = true;
    guests_end(driver, false);
    return DRIVER_FINISHED;
}
