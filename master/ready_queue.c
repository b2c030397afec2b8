#include "config.h"

#include <stdbool.h>
#include <stdlib.h>

#include "master/ready_queue.h"

#define ENTRIES_AT_FIRST 64

static bool before(const struct ready_entry *a, const struct ready_entry *b)
{
    return a->key != b->key ? a->key < b->key : a->task < b->task;
}

static int heap_push(struct ready_heap *heap, struct ready_entry entry)
{
    if (heap->count == heap->capacity) {
        size_t capacity = heap->capacity ? heap->capacity * 2 : ENTRIES_AT_FIRST;
        struct ready_entry *entries = realloc(heap->entries, capacity * sizeof(*entries));
        if (!entries)
            return -1;
        heap->entries = entries;
        heap->capacity = capacity;
    }
    size_t at = heap->count++;
    while (at && before(&entry, &heap->entries[(at - 1) / 2])) {
        heap->entries[at] = heap->entries[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap->entries[at] = entry;
    return 0;
}

static void heap_pop(struct ready_heap *heap)
{
    struct ready_entry last = heap->entries[--heap->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= heap->count)
            break;
        if (child + 1 < heap->count && before(&heap->entries[child + 1], &heap->entries[child]))
            child++;
        if (!before(&heap->entries[child], &last))
            break;
        heap->entries[at] = heap->entries[child];
        at = child;
    }
    heap->entries[at] = last;
}

void ready_queue_init(struct ready_queue *queue, struct task_table *tasks)
{
    *queue = (struct ready_queue){
        .tasks = tasks, .fresh = 1, .picky_first = TROUBLE_NONE, .picky_last = TROUBLE_NONE};
}

void ready_queue_fini(struct ready_queue *queue)
{
    free(queue->returned.entries);
    free(queue->delayed.entries);
    ready_queue_init(queue, queue->tasks);
}

size_t ready_queue_bytes(const struct ready_queue *queue)
{
    return (queue->returned.capacity + queue->delayed.capacity) * sizeof(struct ready_entry);
}

static void picky_append(struct ready_queue *queue, struct trouble *trouble, int64_t now_ns)
{
    uint32_t index = (uint32_t)(trouble - queue->tasks->troubles);
    trouble->due_ns = now_ns;
    trouble->prev = queue->picky_last;
    trouble->next = TROUBLE_NONE;
    if (queue->picky_last != TROUBLE_NONE)
        queue->tasks->troubles[queue->picky_last].next = index;
    else
        queue->picky_first = index;
    queue->picky_last = index;
    task_place_set(queue->tasks, trouble->task, TASK_PICKY);
}

static void picky_unlink(struct ready_queue *queue, const struct trouble *trouble)
{
    if (trouble->prev != TROUBLE_NONE)
        queue->tasks->troubles[trouble->prev].next = trouble->next;
    else
        queue->picky_first = trouble->next;
    if (trouble->next != TROUBLE_NONE)
        queue->tasks->troubles[trouble->next].prev = trouble->prev;
    else
        queue->picky_last = trouble->prev;
}

int ready_queue_put(struct ready_queue *queue, uint32_t task, int64_t due_ns, int64_t now_ns)
{
    struct trouble *trouble = trouble_find(queue->tasks, task);
    if (due_ns > now_ns) {
        if (heap_push(&queue->delayed, (struct ready_entry){due_ns, task}) < 0)
            return -1;
        trouble->due_ns = due_ns;
        task_place_set(queue->tasks, task, TASK_DELAYED);
    } else if (trouble->failed_on_count) {
        picky_append(queue, trouble, now_ns);
    } else {
        if (heap_push(&queue->returned, (struct ready_entry){task, task}) < 0)
            return -1;
        task_place_set(queue->tasks, task, TASK_RETURNED);
    }
    return 0;
}

/* A task may stand in the heap twice (it came back, left by ready_queue_leave, came back again);
 * whichever entry comes up first serves, the other is then skipped. */
static uint32_t take_returned(struct ready_queue *queue)
{
    for (;;) {
        uint32_t task = queue->returned.entries[0].task;
        heap_pop(&queue->returned);
        if (task_place(queue->tasks, task) == TASK_RETURNED)
            return task;
    }
}

uint32_t ready_queue_take(struct ready_queue *queue)
{
    uint32_t task;
    if (queue->tasks->counts[TASK_RETURNED]) {
        task = take_returned(queue);
    } else {
        while (queue->tasks->places[queue->fresh - 1] != TASK_FRESH)
            queue->fresh++;
        task = (uint32_t)queue->fresh++;
    }
    task_place_set(queue->tasks, task, TASK_LEASED);
    return task;
}

void ready_queue_leave(struct ready_queue *queue, uint32_t task, enum task_place place)
{
    if (task_place(queue->tasks, task) == TASK_PICKY)
        picky_unlink(queue, trouble_find(queue->tasks, task));
    task_place_set(queue->tasks, task, place);
}

/* The first delayed task, with entries that are out of date taken away; NULL if there is none. */
static struct trouble *first_delayed(struct ready_queue *queue)
{
    while (queue->delayed.count) {
        const struct ready_entry *first = &queue->delayed.entries[0];
        if (task_place(queue->tasks, first->task) == TASK_DELAYED) {
            struct trouble *trouble = trouble_find(queue->tasks, first->task);
            if (trouble->due_ns == first->key)
                return trouble;
        }
        heap_pop(&queue->delayed);
    }
    return NULL;
}

void ready_queue_advance(struct ready_queue *queue, int64_t now_ns)
{
    while (queue->delayed.count && queue->delayed.entries[0].key <= now_ns) {
        struct trouble *trouble = first_delayed(queue);
        if (!trouble || trouble->due_ns > now_ns)
            return;
        heap_pop(&queue->delayed);
        picky_append(queue, trouble, now_ns);
    }
}

int64_t ready_queue_due_ns(struct ready_queue *queue)
{
    const struct trouble *trouble = first_delayed(queue);
    return trouble ? trouble->due_ns : INT64_MAX;
}
