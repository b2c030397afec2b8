#include "config.h"

#include "master/socket/book.h"

#include <stdlib.h>
#include <string.h>

struct book {
    struct book_entry *entries; /* entry n at n - 1 */
    uint32_t count, capacity;
    uint32_t *heap; /* of entries, place p at p - 1 */
    uint32_t heap_count, heap_capacity;
    uint32_t *tasks; /* task t at t - 1: its entry */
    uint32_t task_count, task_capacity;
    uint32_t *slots; /* of the table of ids; a power of two of them */
    uint32_t slot_count;
    struct book_client *clients;
    size_t client_count, client_capacity;
    struct book_totals totals;
};

struct book *book_create(void)
{
    return calloc(1, sizeof(struct book));
}

void book_destroy(struct book *book)
{
    if (!book)
        return;
    for (size_t i = 0; i < book->client_count; i++) {
        free(book->clients[i].name);
        free(book->clients[i].ended);
    }
    free(book->clients);
    free(book->entries);
    free(book->heap);
    free(book->tasks);
    free(book->slots);
    free(book);
}

/* Make room for one more in an array of uint32_t. */
static int reserve(uint32_t **array, uint32_t *capacity, uint32_t count)
{
    if (count < *capacity)
        return 0;
    uint32_t wanted = *capacity ? *capacity * 2 : 64;
    uint32_t *grown = reallocarray(*array, wanted, sizeof(**array));
    if (!grown)
        return -1;
    *array = grown;
    *capacity = wanted;
    return 0;
}

/* Clients */

long book_client_find(const struct book *book, const char *name, size_t size)
{
    for (size_t i = 0; i < book->client_count; i++) {
        const char *known = book->clients[i].name;
        if (strlen(known) == size && memcmp(known, name, size) == 0)
            return (long)i;
    }
    return -1;
}

long book_client_add(struct book *book, const char *name, size_t size)
{
    if (book->client_count >= BOOK_CLIENTS_MAX)
        return -1;
    if (book->client_count == book->client_capacity) {
        size_t wanted = book->client_capacity ? 2 * book->client_capacity : 8;
        struct book_client *grown = reallocarray(book->clients, wanted, sizeof(*grown));
        if (!grown)
            return -1;
        book->clients = grown;
        book->client_capacity = wanted;
    }
    struct book_client *client = &book->clients[book->client_count];
    *client = (struct book_client){.name = strndup(name, size)};
    return client->name ? (long)book->client_count++ : -1;
}

size_t book_client_count(const struct book *book)
{
    return book->client_count;
}

struct book_client *book_client(const struct book *book, uint32_t client)
{
    return client < book->client_count ? &book->clients[client] : NULL;
}

/* The table of ids */

uint64_t book_hash(uint32_t client, const void *id, size_t size)
{
    /* FNV-1a, 64 bits, over the client's number and the id. */
    const uint8_t *bytes = id;
    uint64_t hash = (UINT64_C(14695981039346656037) ^ client) * UINT64_C(1099511628211);
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ bytes[i]) * UINT64_C(1099511628211);
    return hash;
}

static uint32_t *slot_of(const struct book *book, uint64_t hash)
{
    return &book->slots[(hash ^ hash >> 32) & (book->slot_count - 1)];
}

static void slot_put(struct book *book, uint32_t entry)
{
    struct book_entry *it = &book->entries[entry - 1];
    uint32_t *slot = slot_of(book, it->hash);
    it->next = *slot;
    *slot = entry;
}

static int slots_grow(struct book *book)
{
    if (book->count < book->slot_count)
        return 0;
    uint32_t wanted = book->slot_count ? book->slot_count * 2 : 256;
    uint32_t *slots = calloc(wanted, sizeof(*slots));
    if (!slots)
        return -1;
    free(book->slots);
    book->slots = slots;
    book->slot_count = wanted;
    for (uint32_t entry = 1; entry <= book->count; entry++)
        slot_put(book, entry);
    return 0;
}

static uint32_t find_from(const struct book *book, uint32_t entry, uint64_t hash)
{
    while (entry && book->entries[entry - 1].hash != hash)
        entry = book->entries[entry - 1].next;
    return entry;
}

uint32_t book_find(const struct book *book, uint64_t hash)
{
    return book->slot_count ? find_from(book, *slot_of(book, hash), hash) : 0;
}

uint32_t book_find_next(const struct book *book, uint32_t entry)
{
    const struct book_entry *it = &book->entries[entry - 1];
    return find_from(book, it->next, it->hash);
}

/* The heap */

static bool goes_before(const struct book *book, uint32_t a, uint32_t b)
{
    double first = book->entries[a - 1].priority, second = book->entries[b - 1].priority;
    return first > second || (first == second && a < b);
}

static void heap_put(struct book *book, uint32_t place, uint32_t entry)
{
    book->heap[place - 1] = entry;
    book->entries[entry - 1].place = place;
}

static void heap_rise(struct book *book, uint32_t place)
{
    uint32_t entry = book->heap[place - 1];
    while (place > 1 && goes_before(book, entry, book->heap[place / 2 - 1])) {
        heap_put(book, place, book->heap[place / 2 - 1]);
        place /= 2;
    }
    heap_put(book, place, entry);
}

static void heap_sink(struct book *book, uint32_t place)
{
    uint32_t entry = book->heap[place - 1];
    for (;;) {
        uint32_t child = 2 * place;
        if (child > book->heap_count)
            break;
        if (child < book->heap_count &&
            goes_before(book, book->heap[child], book->heap[child - 1]))
            child++;
        if (!goes_before(book, book->heap[child - 1], entry))
            break;
        heap_put(book, place, book->heap[child - 1]);
        place = child;
    }
    heap_put(book, place, entry);
}

static void heap_leave(struct book *book, struct book_entry *it)
{
    uint32_t place = it->place;
    uint32_t last = book->heap[--book->heap_count];
    it->place = 0;
    if (place > book->heap_count)
        return;
    heap_put(book, place, last);
    heap_rise(book, place);
    heap_sink(book, book->entries[last - 1].place);
}

/* Entries */

static int entries_grow(struct book *book)
{
    if (book->count < book->capacity)
        return 0;
    uint32_t wanted = book->capacity ? book->capacity * 2 : 64;
    struct book_entry *grown = reallocarray(book->entries, wanted, sizeof(*grown));
    if (!grown)
        return -1;
    book->entries = grown;
    book->capacity = wanted;
    return 0;
}

uint32_t book_add(struct book *book, uint32_t client, double priority, uint64_t hash,
                  uint64_t at)
{
    if (client >= book->client_count || book->count >= BOOK_ENTRIES_MAX ||
        entries_grow(book) < 0 || slots_grow(book) < 0 ||
        reserve(&book->heap, &book->heap_capacity, book->heap_count) < 0)
        return 0;
    uint32_t entry = ++book->count;
    book->entries[entry - 1] = (struct book_entry){
        .at = at, .hash = hash, .priority = priority, .client = client, .state = BOOK_WAITING};
    slot_put(book, entry);
    heap_put(book, ++book->heap_count, entry);
    heap_rise(book, book->heap_count);
    book->clients[client].submitted++;
    book->clients[client].waiting++;
    book->totals.submitted++;
    book->totals.waiting++;
    return entry;
}

uint32_t book_count(const struct book *book)
{
    return book->count;
}

struct book_entry *book_entry(const struct book *book, uint32_t entry)
{
    return entry && entry <= book->count ? &book->entries[entry - 1] : NULL;
}

uint32_t book_first(const struct book *book)
{
    return book->heap_count ? book->heap[0] : 0;
}

uint32_t book_take(struct book *book, uint32_t entry)
{
    struct book_entry *it = book_entry(book, entry);
    if (book->task_count >= BOOK_ENTRIES_MAX ||
        reserve(&book->tasks, &book->task_capacity, book->task_count) < 0)
        return 0;
    book->tasks[book->task_count++] = entry;
    if (!it || it->state != BOOK_WAITING)
        return book->task_count;
    heap_leave(book, it);
    it->state = BOOK_TAKEN;
    it->task = book->task_count;
    book->clients[it->client].waiting--;
    book->clients[it->client].running++;
    book->totals.waiting--;
    book->totals.running++;
    return book->task_count;
}

uint32_t book_tasks(const struct book *book)
{
    return book->task_count;
}

uint32_t book_task_entry(const struct book *book, uint64_t task)
{
    return task && task <= book->task_count ? book->tasks[task - 1] : 0;
}

static int ended_append(struct book_client *client, uint32_t entry)
{
    if (client->ended_count == client->ended_capacity) {
        size_t wanted = client->ended_capacity ? 2 * client->ended_capacity : 64;
        uint32_t *grown = reallocarray(client->ended, wanted, sizeof(*grown));
        if (!grown)
            return -1;
        client->ended = grown;
        client->ended_capacity = wanted;
    }
    client->ended[client->ended_count++] = entry;
    return 0;
}

static bool is_failure(enum result_status status)
{
    return status != RESULT_OK && status != RESULT_CANCELLED;
}

bool book_may_end(const struct book_entry *it, enum result_status status)
{
    return it->state != BOOK_ENDED || (is_failure(it->status) && status == RESULT_OK);
}

/* An entry is about to end: it is not what it was any more. */
static void leave_state(struct book *book, struct book_entry *it)
{
    struct book_client *client = &book->clients[it->client];
    switch (it->state) {
    case BOOK_WAITING:
        heap_leave(book, it);
        client->waiting--;
        book->totals.waiting--;
        break;
    case BOOK_TAKEN:
        client->running--;
        book->totals.running--;
        break;
    default: /* it failed, and was run once more */
        client->failed--;
        book->totals.failed--;
        book->totals.ended--;
        break;
    }
}

uint64_t book_end(struct book *book, uint32_t entry, enum result_status status, uint64_t end_at)
{
    struct book_entry *it = book_entry(book, entry);
    if (!it || !book_may_end(it, status))
        return 0;
    struct book_client *client = &book->clients[it->client];
    if (ended_append(client, entry) < 0)
        return 0;
    leave_state(book, it);
    it->state = BOOK_ENDED;
    it->end_at = end_at;
    it->seq = (uint32_t)client->ended_count;
    it->status = (uint8_t)status;
    client->failed += is_failure(status);
    book->totals.failed += is_failure(status);
    client->cancelled += status == RESULT_CANCELLED;
    book->totals.cancelled += status == RESULT_CANCELLED;
    book->totals.ended++;
    return client->ended_count;
}

struct book_totals book_totals(const struct book *book)
{
    return book->totals;
}
