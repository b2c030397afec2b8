#include "config.h"

#include "master/socket/ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/thread.h"
#include "common/wire.h"
#include "master/lock_file.h"

#define HEAD_SIZE  9 /* size, check sum, kind */
#define MAGIC_SIZE (sizeof(LEDGER_MAGIC) - 1)
#define RETRY_S    1

struct ledger {
    char *path;
    int fd, lock_fd, event_fd;
    uint64_t end; /* where the next record goes */
    struct buf scratch;
    struct loop_watch *watch;
    struct ledger_events events;

    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t wanted_more, synced_more;
    /* Under the mutex: */
    uint64_t wanted, synced;
    int failure; /* errno of the last fdatasync, 0 if it went well */
    bool closing;
};

static uint32_t check_sum(uint8_t kind, const uint8_t *body, size_t size)
{
    uint32_t sum = (UINT32_C(2166136261) ^ kind) * UINT32_C(16777619);
    for (size_t i = 0; i < size; i++)
        sum = (sum ^ body[i]) * UINT32_C(16777619);
    return sum;
}

/* The thread */

static void sync_once(struct ledger *ledger)
{
    uint64_t until = ledger->wanted;
    pthread_mutex_unlock(&ledger->mutex);
    int failure = fdatasync(ledger->fd) < 0 ? errno : 0;
    pthread_mutex_lock(&ledger->mutex);
    ledger->failure = failure;
    if (!failure)
        ledger->synced = until;
    pthread_cond_broadcast(&ledger->synced_more);
    uint64_t one = 1;
    if (write(ledger->event_fd, &one, sizeof(one)) < 0)
        return; /* only if it counts 2^64 - 1 already: it is readable, then */
}

static void wait_to_retry(struct ledger *ledger)
{
    struct timespec until = thread_deadline(RETRY_S * CLOCK_SECOND_NS);
    pthread_cond_timedwait(&ledger->wanted_more, &ledger->mutex, &until);
}

static void *sync_always(void *context)
{
    struct ledger *ledger = context;
    pthread_mutex_lock(&ledger->mutex);
    while (!ledger->closing || (ledger->synced < ledger->wanted && !ledger->failure)) {
        if (ledger->synced < ledger->wanted)
            sync_once(ledger);
        if (ledger->closing)
            continue;
        if (ledger->failure)
            wait_to_retry(ledger);
        else if (ledger->synced >= ledger->wanted)
            pthread_cond_wait(&ledger->wanted_more, &ledger->mutex);
    }
    pthread_mutex_unlock(&ledger->mutex);
    return NULL;
}

static void synced(unsigned events, void *context)
{
    (void)events;
    struct ledger *ledger = context;
    uint64_t count;
    if (read(ledger->event_fd, &count, sizeof(count)) == (ssize_t)sizeof(count))
        ledger->events.synced(ledger->events.context);
}

/* Opening */

/* Read exactly `size` bytes: 1, or 0 where the file ends before, or -1. */
static int read_at(const struct ledger *ledger, uint64_t at, void *bytes, size_t size)
{
    size_t got = 0;
    while (got < size) {
        ssize_t more = pread(ledger->fd, (char *)bytes + got, size - got, (off_t)(at + got));
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0)
            return more < 0 ? -1 : 0;
        got += (size_t)more;
    }
    return 1;
}

static int broken(const struct ledger *ledger, struct error *ret_error)
{
    return error_errno(ret_error, errno, "\"%s\" cannot be read", ledger->path);
}

/* The record at `at` into scratch: 1, 0 where there is no whole one, -1. */
static int record_read(struct ledger *ledger, uint64_t at, struct buf *body, uint8_t *ret_kind,
                       struct error *ret_error)
{
    uint8_t head[HEAD_SIZE];
    struct wire_reader reader;
    int rc = read_at(ledger, at, head, sizeof(head));
    if (rc <= 0)
        return rc < 0 ? broken(ledger, ret_error) : 0;
    wire_reader_init(&reader, head, sizeof(head));
    uint32_t size = wire_get_u32(&reader), sum = wire_get_u32(&reader);
    *ret_kind = wire_get_u8(&reader);
    buf_clear(body);
    if (size > LEDGER_RECORD_MAX || size > body->max)
        return 0;
    uint8_t *bytes = buf_reserve(body, size ? size : 1);
    if (!bytes)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read \"%s\"", ledger->path);
    rc = read_at(ledger, at + HEAD_SIZE, bytes, size);
    if (rc < 0)
        return broken(ledger, ret_error);
    if (rc == 0 || check_sum(*ret_kind, bytes, size) != sum)
        return 0;
    buf_commit(body, size);
    return 1;
}

static int replay(struct ledger *ledger, struct error *ret_error)
{
    struct ledger_record record;
    int rc;
    ledger->end = MAGIC_SIZE;
    while ((rc = record_read(ledger, ledger->end, &ledger->scratch, &record.kind, ret_error)) >
           0) {
        record.at = ledger->end;
        record.body = ledger->scratch.data;
        record.size = ledger->scratch.size;
        ledger->end += HEAD_SIZE + record.size;
        if (ledger->events.found(ledger->events.context, &record, ret_error) < 0)
            return error_prefix(ret_error, "%s", ledger->path);
    }
    return rc;
}

static int begin(struct ledger *ledger, struct error *ret_error)
{
    if (pwrite(ledger->fd, LEDGER_MAGIC, MAGIC_SIZE, 0) != (ssize_t)MAGIC_SIZE)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", ledger->path);
    ledger->end = MAGIC_SIZE;
    return 0;
}

static int load(struct ledger *ledger, uint64_t *ret_cut, struct error *ret_error)
{
    struct stat status;
    char magic[MAGIC_SIZE];
    if (fstat(ledger->fd, &status) < 0)
        return broken(ledger, ret_error);
    int rc = read_at(ledger, 0, magic, MAGIC_SIZE);
    if (rc < 0)
        return broken(ledger, ret_error);
    if (rc == 0 && status.st_size < (off_t)MAGIC_SIZE)
        return begin(ledger, ret_error);
    if (memcmp(magic, LEDGER_MAGIC, MAGIC_SIZE) != 0)
        return error_set(ret_error, ERROR_SYSTEM,
                         "\"%s\" is not a record of submissions of this version of beofarm",
                         ledger->path);
    if (replay(ledger, ret_error) < 0)
        return -1;
    *ret_cut = (uint64_t)status.st_size - ledger->end;
    if (*ret_cut && ftruncate(ledger->fd, (off_t)ledger->end) < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be written", ledger->path);
    return 0;
}

static int start(struct ledger *ledger, struct loop *loop, struct error *ret_error)
{
    ledger->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (ledger->event_fd < 0)
        return error_errno(ret_error, errno, "no descriptor for the ledger");
    ledger->watch =
        loop_watch_add(loop, ledger->event_fd, LOOP_READ, synced, ledger, ret_error);
    if (!ledger->watch)
        return -1;
    int why = pthread_create(&ledger->thread, NULL, sync_always, ledger);
    if (why)
        return error_errno(ret_error, why, "no thread for the ledger");
    ledger->started = true;
    return 0;
}

struct ledger *ledger_open(const char *path, struct loop *loop,
                           const struct ledger_events *events, uint64_t *ret_cut,
                           struct error *ret_error)
{
    uint64_t cut = 0;
    struct ledger *ledger = calloc(1, sizeof(*ledger));
    if (!ledger || !(ledger->path = strdup(path))) {
        free(ledger);
        error_set(ret_error, ERROR_SYSTEM, "no memory for the ledger");
        return NULL;
    }
    ledger->fd = ledger->event_fd = -1;
    ledger->events = *events;
    buf_init(&ledger->scratch, LEDGER_RECORD_MAX + HEAD_SIZE);
    pthread_mutex_init(&ledger->mutex, NULL);
    thread_condition_init(&ledger->wanted_more);
    pthread_cond_init(&ledger->synced_more, NULL);
    ledger->lock_fd = lock_file_take(path, ret_error);
    if (ledger->lock_fd < 0)
        goto fail;
    ledger->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (ledger->fd < 0) {
        error_errno(ret_error, errno, "\"%s\" cannot be opened", path);
        goto fail;
    }
    if (load(ledger, &cut, ret_error) < 0 || start(ledger, loop, ret_error) < 0)
        goto fail;
    if (ret_cut)
        *ret_cut = cut;
    return ledger;
fail:
    ledger_close(ledger);
    return NULL;
}

/* Records */

int ledger_append(struct ledger *ledger, uint8_t kind, const void *body, size_t size,
                  uint64_t *ret_at, struct error *ret_error)
{
    struct buf *record = &ledger->scratch;
    buf_clear(record);
    wire_put_u32(record, (uint32_t)size);
    wire_put_u32(record, check_sum(kind, body, size));
    wire_put_u8(record, kind);
    buf_append(record, body, size);
    if (size > LEDGER_RECORD_MAX || buf_failed(record))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a record of %zu bytes", size);
    size_t written = 0;
    while (written < record->size) {
        ssize_t more = pwrite(ledger->fd, record->data + written, record->size - written,
                              (off_t)(ledger->end + written));
        if (more < 0 && errno == EINTR)
            continue;
        if (more <= 0) {
            int why = more < 0 ? errno : ENOSPC;
            if (ftruncate(ledger->fd, (off_t)ledger->end) < 0)
                why = errno; /* its check sum will tell that it is not whole */
            return error_errno(ret_error, why, "\"%s\" cannot be written", ledger->path);
        }
        written += (size_t)more;
    }
    if (ret_at)
        *ret_at = ledger->end;
    ledger->end += record->size;
    return 0;
}

int ledger_read(struct ledger *ledger, uint64_t at, struct buf *body, struct error *ret_error)
{
    uint8_t kind;
    int rc = record_read(ledger, at, body, &kind, ret_error);
    if (rc > 0)
        return 0;
    return rc < 0 ? -1
                  : error_set(ret_error, ERROR_SYSTEM,
                              "\"%s\" is damaged at byte %llu; has another program written it?",
                              ledger->path, (unsigned long long)at);
}

/* Durability */

void ledger_sync(struct ledger *ledger)
{
    pthread_mutex_lock(&ledger->mutex);
    if (ledger->wanted < ledger->end) {
        ledger->wanted = ledger->end;
        pthread_cond_signal(&ledger->wanted_more);
    }
    pthread_mutex_unlock(&ledger->mutex);
}

int ledger_sync_wait(struct ledger *ledger, struct error *ret_error)
{
    ledger_sync(ledger);
    pthread_mutex_lock(&ledger->mutex);
    while (ledger->synced < ledger->wanted && !ledger->failure)
        pthread_cond_wait(&ledger->synced_more, &ledger->mutex);
    int failure = ledger->failure;
    pthread_mutex_unlock(&ledger->mutex);
    return failure
               ? error_errno(ret_error, failure, "\"%s\" cannot be made durable", ledger->path)
               : 0;
}

uint64_t ledger_synced(struct ledger *ledger)
{
    pthread_mutex_lock(&ledger->mutex);
    uint64_t until = ledger->synced;
    pthread_mutex_unlock(&ledger->mutex);
    return until;
}

bool ledger_trouble(struct ledger *ledger, struct error *ret_error)
{
    pthread_mutex_lock(&ledger->mutex);
    int failure = ledger->failure;
    pthread_mutex_unlock(&ledger->mutex);
    if (failure)
        error_errno(ret_error, failure, "\"%s\" cannot be made durable", ledger->path);
    return failure != 0;
}

void ledger_close(struct ledger *ledger)
{
    if (!ledger)
        return;
    if (ledger->started) {
        ledger_sync(ledger);
        pthread_mutex_lock(&ledger->mutex);
        ledger->closing = true;
        pthread_cond_signal(&ledger->wanted_more);
        pthread_mutex_unlock(&ledger->mutex);
        pthread_join(ledger->thread, NULL);
    }
    loop_watch_remove(ledger->watch);
    if (ledger->event_fd >= 0)
        close(ledger->event_fd);
    if (ledger->fd >= 0)
        close(ledger->fd);
    if (ledger->lock_fd >= 0)
        close(ledger->lock_fd);
    pthread_cond_destroy(&ledger->synced_more);
    pthread_cond_destroy(&ledger->wanted_more);
    pthread_mutex_destroy(&ledger->mutex);
    buf_fini(&ledger->scratch);
    free(ledger->path);
    free(ledger);
}
