#include "config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/master/farm_sim_private.h"

/* splitmix64, as published by Sebastiano Vigna (public domain). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

uint64_t sim_chance(struct sim *sim)
{
    return mix(sim->random += UINT64_C(0x9e3779b97f4a7c15));
}

static double unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1p-53;
}

bool sim_happens(struct sim *sim, double share)
{
    return share > 0 && unit(sim_chance(sim)) < share;
}

int64_t sim_upto(struct sim *sim, int64_t ns)
{
    return ns > 0 ? (int64_t)(sim_chance(sim) % (uint64_t)ns) : 0;
}

void sim_complain(struct sim *sim, const char *format, ...)
{
    char *text = sim->report->failure;
    if (*text)
        return;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, 300, format, args);
    va_end(args);
    if (length > 299)
        length = 299;
    snprintf(text + length, 200, " (seed %llu, at %.6f s)",
             (unsigned long long)sim->config->seed, (double)sim->now_ns / 1e9);
}

void *sim_grown(void *array, uint64_t count, size_t size)
{
    void *bigger = realloc(array, count * size);
    if (!bigger)
        abort();
    return bigger;
}

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void push(struct sim *sim, struct event event)
{
    if (sim->heap_count == sim->heap_capacity) {
        sim->heap_capacity = sim->heap_capacity ? sim->heap_capacity * 2 : 1024;
        sim->heap = sim_grown(sim->heap, sim->heap_capacity, sizeof(event));
    }
    event.order = sim->orders++;
    size_t at = sim->heap_count++;
    while (at && before(&event, &sim->heap[(at - 1) / 2])) {
        sim->heap[at] = sim->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    sim->heap[at] = event;
}

struct event sim_pop(struct sim *sim)
{
    struct event top = sim->heap[0];
    struct event last = sim->heap[--sim->heap_count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= sim->heap_count)
            break;
        if (child + 1 < sim->heap_count && before(&sim->heap[child + 1], &sim->heap[child]))
            child++;
        if (!before(&sim->heap[child], &last))
            break;
        sim->heap[at] = sim->heap[child];
        at = child;
    }
    sim->heap[at] = last;
    return top;
}

void sim_later(struct sim *sim, int64_t in_ns, enum kind kind, uint32_t worker,
               struct attempt_id id, uint32_t value)
{
    push(sim, (struct event){.at_ns = sim->now_ns + in_ns,
                             .kind = kind,
                             .session = worker,
                             .id = id,
                             .value = value});
}

void sim_at_rate(struct sim *sim, double rate, enum kind kind, uint32_t worker)
{
    if (rate > 0)
        sim_later(sim, (int64_t)(unit(sim_chance(sim)) * 2e9 / rate), kind, worker,
                  (struct attempt_id){0}, 0);
}

void sim_send(struct sim *sim, enum kind kind, uint32_t number, struct attempt_id id,
              uint32_t value)
{
    struct session *session = &sim->sessions[number];
    if (!session->open)
        return;
    int64_t *last_ns = kind < TO_LEASE ? &session->up_ns : &session->down_ns;
    int64_t at_ns = sim->now_ns + sim_upto(sim, sim->config->delay_ns);
    if (at_ns < *last_ns)
        at_ns = *last_ns;
    *last_ns = at_ns;
    struct event event = {
        .at_ns = at_ns, .kind = kind, .session = number, .id = id, .value = value};
    push(sim, event);
    if (kind < TO_LEASE && kind != TO_JOIN && sim_happens(sim, sim->config->twice)) {
        event.at_ns += sim_upto(sim, sim->config->delay_ns * 3);
        push(sim, event);
    }
}

enum nature sim_nature(const struct sim *sim, uint32_t task)
{
    const struct sim_config *config = sim->config;
    double at = unit(mix(config->seed * 31 + task));
    if (at < config->poison)
        return POISON;
    if (at < config->poison + config->flaky)
        return FLAKY;
    return at < config->poison + config->flaky + config->killer ? KILLER : SOUND;
}
