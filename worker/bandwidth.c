/* Threads begin together, when all have touched their pages. Each
 * looks at the clock between passes, so that slow ones do not make fast ones wait. */
#include "config.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/clock.h"
#include "worker/bandwidth.h"
#include "worker/memory.h"

#define FIELDS    3
#define LEAST     ((size_t)48 << 20) /* bytes of a slot's fields */
#define BIG_CACHE 4                  /* times the caches' size, all slots together */

typedef float wide __attribute__((vector_size(64)));

struct crew {
    pthread_mutex_t gate; /* open when the barrier is there */
    pthread_barrier_t start;
    int64_t span_ns;
};

struct streamer {
    struct crew *crew;
    const struct slot *slot;
    size_t bytes; /* of all its fields */
    bool failed;
    double rate; /* bytes per second */
    pthread_t thread;
};

static void leap(wide *restrict previous, const wide *restrict current,
                 const wide *restrict velocity, size_t count)
{
    for (size_t i = 0; i < count; i++)
        previous[i] = 2 * current[i] - previous[i] + velocity[i];
}

static void stream(struct streamer *streamer, wide *fields, size_t count)
{
    int64_t begin = clock_monotonic_ns(), now = begin;
    uint64_t passes = 0;
    for (; now - begin < streamer->crew->span_ns; now = clock_monotonic_ns(), passes += 2) {
        leap(fields, fields + count, fields + 2 * count, count);
        leap(fields + count, fields, fields + 2 * count, count);
    }
    streamer->rate = 1e9 * (double)(passes * count * sizeof(wide) / sizeof(float) * 16) /
                     (double)(now - begin);
}

static void *run(void *context)
{
    struct streamer *streamer = context;
    size_t count = streamer->bytes / FIELDS / sizeof(wide),
           size = FIELDS * count * sizeof(wide);
    if (streamer->slot->pin)
        slot_bind_child(streamer->slot);
    wide *fields = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    streamer->failed = fields == MAP_FAILED;
    if (!streamer->failed) {
        madvise(fields, size, MADV_HUGEPAGE);
        for (size_t i = 0; i < FIELDS * count; i++) /* first touch */
            fields[i] = (wide){0};
    }
    pthread_mutex_lock(&streamer->crew->gate);
    pthread_mutex_unlock(&streamer->crew->gate);
    pthread_barrier_wait(&streamer->crew->start);
    if (!streamer->failed) {
        stream(streamer, fields, count);
        munmap(fields, size);
    }
    return NULL;
}

/* A thread that could not be started is missed at the barrier: so it is made of those that were. */
static size_t start_all(struct crew *crew, struct streamer *streamers, size_t count)
{
    size_t started = 0;
    pthread_mutex_lock(&crew->gate);
    for (; started < count; started++) {
        streamers[started].crew = crew;
        if (pthread_create(&streamers[started].thread, NULL, run, &streamers[started]) != 0)
            break;
    }
    if (started)
        pthread_barrier_init(&crew->start, NULL, (unsigned)started);
    pthread_mutex_unlock(&crew->gate);
    return started;
}

static int run_all(struct streamer *streamers, size_t count, int64_t span_ns,
                   struct error *ret_error)
{
    struct crew crew = {.gate = PTHREAD_MUTEX_INITIALIZER, .span_ns = span_ns};
    size_t started = start_all(&crew, streamers, count);
    bool failed = started < count;
    for (size_t i = 0; i < started; i++) {
        pthread_join(streamers[i].thread, NULL);
        failed |= streamers[i].failed;
    }
    if (started)
        pthread_barrier_destroy(&crew.start);
    return failed ? error_set(ret_error, ERROR_SYSTEM,
                              "no memory or threads to measure the bandwidth of memory")
                  : 0;
}

/* Bytes of a slot's fields. */
static size_t fields_bytes(const struct topology_plan *plan, size_t cache_bytes)
{
    size_t bytes = BIG_CACHE * cache_bytes / plan->slot_count;
    size_t most = (size_t)(memory_limit("", NULL) / 8 / plan->slot_count);
    bytes = bytes < LEAST ? LEAST : bytes;
    return most && bytes > most ? most : bytes;
}

/* Measure `count` slots at once into rates. */
static int measure(const struct topology_plan *plan, size_t count, size_t bytes, double seconds,
                   double *rates, struct error *ret_error)
{
    size_t threads = 0, next = 0;
    for (size_t i = 0; i < count; i++)
        threads += plan->slots[i].threads;
    struct streamer *streamers = calloc(threads, sizeof(*streamers));
    if (!streamers)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to measure memory");
    for (size_t i = 0; i < count; i++)
        for (unsigned j = 0; j < plan->slots[i].threads; j++)
            streamers[next++] = (struct streamer){.slot = &plan->slots[i],
                                                  .bytes = bytes / plan->slots[i].threads};
    int rc = run_all(streamers, threads, (int64_t)(seconds * 1e9), ret_error);
    for (size_t i = 0; i < threads; i++)
        rates[streamers[i].slot - plan->slots] += streamers[i].rate;
    free(streamers);
    return rc;
}

int bandwidth_measure(const struct topology_plan *plan, size_t cache_bytes, double seconds,
                      struct bandwidth *ret_bandwidth, struct error *ret_error)
{
    size_t bytes = fields_bytes(plan, cache_bytes);
    struct bandwidth bandwidth = {.count = plan->slot_count};
    bandwidth.slots = calloc(plan->slot_count, sizeof(*bandwidth.slots));
    if (!bandwidth.slots)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to measure memory");
    if (measure(plan, 1, bytes, seconds, &bandwidth.alone, ret_error) < 0 ||
        measure(plan, plan->slot_count, bytes, seconds, bandwidth.slots, ret_error) < 0) {
        bandwidth_fini(&bandwidth);
        return -1;
    }
    for (size_t i = 0; i < plan->slot_count; i++)
        bandwidth.total += bandwidth.slots[i];
    *ret_bandwidth = bandwidth;
    return 0;
}

void bandwidth_fini(struct bandwidth *bandwidth)
{
    free(bandwidth->slots);
    *bandwidth = (struct bandwidth){0};
}
