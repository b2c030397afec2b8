#include "config.h"

#include <limits.h>
#include <stdbool.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/futex.h>
#include <sys/syscall.h>
#else
#include <sched.h>
#endif

#include "worker/seismic/gate.h"

/* Some 50 microseconds: more than most waits where each thread has a core. */
#define SPINS 3000

static inline void relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

#ifdef __linux__
/* While *word is `seen`, for a while. */
static void sleep_at(_Atomic uint32_t *word, uint32_t seen)
{
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
static void sleep_at(_Atomic uint32_t *word, uint32_t seen)
{
    (void)word;
    (void)seen;
    sched_yield();
}

static void wake(_Atomic uint32_t *word)
{
    (void)word;
}
#endif

/* Whether a counter, which may start again from zero, has come to `place`. */
static bool reached(uint32_t counter, uint32_t place)
{
    return (int32_t)(counter - place) >= 0;
}

/* Until *word has come to `place`. */
static void wait_for(_Atomic uint32_t *word, atomic_int *sleeping, uint32_t place)
{
    for (int i = 0; i < SPINS; i++) {
        if (reached(atomic_load_explicit(word, memory_order_acquire), place))
            return;
        relax();
    }
    atomic_fetch_add(sleeping, 1);
    for (uint32_t seen; !reached(seen = atomic_load(word), place);)
        sleep_at(word, seen);
    atomic_fetch_sub(sleeping, 1);
}

void gate_wait(struct gate *gate, int threads)
{
    if (threads == 1)
        return;
    uint32_t round = atomic_load_explicit(&gate->round, memory_order_relaxed);
    if (atomic_fetch_add(&gate->arrived, 1) + 1 == threads) {
        atomic_store(&gate->arrived, 0);
        atomic_fetch_add(&gate->round, 1);
        if (atomic_load(&gate->sleeping) > 0)
            wake(&gate->round);
        return;
    }
    wait_for(&gate->round, &gate->sleeping, round + 1);
}

void gate_reach(struct gate_mark *mark, uint32_t place)
{
    atomic_store(&mark->reached, place);
    if (atomic_load(&mark->sleeping) > 0)
        wake(&mark->reached);
}

void gate_follow(struct gate_mark *mark, uint32_t place)
{
    wait_for(&mark->reached, &mark->sleeping, place);
}
