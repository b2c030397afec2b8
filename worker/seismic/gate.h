/*
 * gate.h - where threads of one run wait for each other, many thousand times a second.
 *
 * They spin for some microseconds, which is what a block of rows differs by between threads, and
 * then sleep: where others use the cores as well, whoever spins keeps the one he waits for from
 * running. OpenMP's own barrier spins for as long as the environment tells it, from nothing to
 * forever.
 */
#ifndef BEOFARM_WORKER_SEISMIC_GATE_H
#define BEOFARM_WORKER_SEISMIC_GATE_H

#include <stdatomic.h>
#include <stdint.h>

/* All zero is one that nobody waits at. Counters lie apart: those who spin read `round` alone. */
struct gate {
    _Alignas(64) _Atomic uint32_t round; /* how often all have come */
    _Alignas(64) atomic_int arrived;
    atomic_int sleeping;
};

/* Wait until `threads` threads have called this; what each did before, all see afterwards. */
void gate_wait(struct gate *gate, int threads);

/* How far something has come that one thread after another works on, for those who follow. All
 * zero: it has not begun. */
struct gate_mark {
    _Alignas(64) _Atomic uint32_t reached;
    atomic_int sleeping;
};

/* Say that it has come to `place`, further than before. */
void gate_reach(struct gate_mark *mark, uint32_t place);

/* Wait until it has come to `place`; what was done before, this thread sees afterwards. */
void gate_follow(struct gate_mark *mark, uint32_t place);

#endif
