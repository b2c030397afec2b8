#include "config.h"

#include <limits.h>
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
static void sleep_in(struct gate *gate, uint32_t round)
{
    syscall(SYS_futex, &gate->round, FUTEX_WAIT_PRIVATE, round, NULL, NULL, 0);
}

static void wake(struct gate *gate)
{
    syscall(SYS_futex, &gate->round, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}
#else
static void sleep_in(struct gate *gate, uint32_t round)
{
    (void)gate;
    (void)round;
    sched_yield();
}

static void wake(struct gate *gate)
{
    (void)gate;
}
#endif

void gate_wait(struct gate *gate, int threads)
{
    if (threads == 1)
        return;
    uint32_t round = atomic_load_explicit(&gate->round, memory_order_relaxed);
    if (atomic_fetch_add(&gate->arrived, 1) + 1 == threads) {
        atomic_store(&gate->arrived, 0);
        atomic_fetch_add(&gate->round, 1);
        if (atomic_load(&gate->sleeping) > 0)
            wake(gate);
        return;
    }
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&gate->round, memory_order_acquire) != round)
            return;
        relax();
    }
    atomic_fetch_add(&gate->sleeping, 1);
    while (atomic_load(&gate->round) == round)
        sleep_in(gate, round);
    atomic_fetch_sub(&gate->sleeping, 1);
}
