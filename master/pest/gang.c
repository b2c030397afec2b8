/* gang.c - threads live for one call: a piece of work here takes milliseconds, a thread 20 us. */
#include "config.h"

#include <cblas.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "common/limits.h"
#include "common/processors.h"
#include "master/pest/gang.h"

#define GANG_THREADS_MAX  16
#define GANG_BLAS_ORDER   2000 /* below, waiting for each other costs more than it brings */
#define GANG_BLAS_THREADS 2

/* For how many threads OpenBLAS finds memory; 0: not known. */
static atomic_size_t fitting;

struct gang {
    atomic_size_t next;
    size_t count;
    void (*work)(void *context, size_t index);
    void *context;
};

static void blas_hold(void)
{
    openblas_set_num_threads(1);
}

void gang_blas(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, blas_hold);
}

void gang_blas_begin(size_t order)
{
    gang_blas();
    if (order >= GANG_BLAS_ORDER) {
        openblas_set_num_threads(GANG_BLAS_THREADS);
    }
}

void gang_blas_done(void)
{
    openblas_set_num_threads(1);
}

static void *gang_member(void *context)
{
    struct gang *gang = context;
    for (;;) {
        size_t index = atomic_fetch_add(&gang->next, 1);
        if (index >= gang->count) {
            return NULL;
        }
        gang->work(gang->context, index);
    }
}

static size_t members_most(void)
{
    size_t processors = (size_t)processors_ours();
    return processors < GANG_THREADS_MAX ? processors : GANG_THREADS_MAX;
}

/* How many pieces of address space there are, at most so many, as OpenBLAS will ask for them. */
static size_t pieces_map(size_t most)
{
    void *at[GANG_THREADS_MAX + 1];
    size_t mapped = 0;
    for (; mapped < most; mapped++) {
        at[mapped] = mmap(NULL, LIMITS_BLAS_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at[mapped] == MAP_FAILED)
            break;
    }
    for (size_t i = 0; i < mapped; i++)
        munmap(at[i], LIMITS_BLAS_BYTES);
    return mapped;
}

int gang_fit(struct error *ret_error)
{
    if (atomic_load(&fitting) > 0)
        return 0;
    /* One is left for whatever else comes. */
    size_t pieces = pieces_map(members_most() + 1);
    if (pieces > 1) {
        atomic_store(&fitting, pieces - 1);
        return 0;
    }
    return error_set(
        ret_error, ERROR_SYSTEM,
        "the linear algebra needs %zu MiB of address space more than the master has: "
        "raise the limit (ulimit -v unlimited, or where a scheduler sets it)",
        2 * LIMITS_BLAS_BYTES >> 20);
}

static size_t members_wanted(size_t count)
{
    size_t most = members_most(), fit = atomic_load(&fitting);
    if (fit > 0 && fit < most)
        most = fit;
    return count < most ? count : most;
}

void gang_run(size_t count, void (*work)(void *context, size_t index), void *context)
{
    gang_blas();
    struct gang gang = {.count = count, .work = work, .context = context};
    atomic_init(&gang.next, 0);
    pthread_t threads[GANG_THREADS_MAX];
    size_t wanted = members_wanted(count), started = 0;
    /* This thread is a member as well; where no thread can be had, it does it all. */
    while (started + 1 < wanted &&
           pthread_create(&threads[started], NULL, gang_member, &gang) == 0) {
        started++;
    }
    gang_member(&gang);
    for (size_t i = 0; i < started; i++) {
        pthread_join(threads[i], NULL);
    }
}
