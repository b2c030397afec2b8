/*
 * farm_sim.h - a farm in a box: the scheduler with simulated workers, links, journal and clock.
 *
 * Everything that chance decides comes from one seed. The simulation keeps its own books of what
 * is live where, and stops with a sentence at the first thing that the scheduler does and its
 * header forbids.
 */
#ifndef BEOFARM_TESTS_MASTER_FARM_SIM_H
#define BEOFARM_TESTS_MASTER_FARM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "master/scheduler.h"

struct sim_config {
    uint64_t seed;
    uint32_t tasks;
    uint32_t workers;      /* the first is never bad */
    uint32_t slots_max;    /* each worker has 1 to this */
    uint32_t prefetch_max; /* and wants 0 to this beyond its slots */
    struct scheduler_policy policy;
    int64_t task_ns;  /* mean duration of a task */
    int64_t delay_ns; /* messages take up to this; links keep their order */
    int64_t away_ns;  /* a worker that is gone comes back within this */
    /* Shares, 0 to 1. */
    double poison;      /* tasks that always fail */
    double flaky;       /* tasks of which an attempt fails as often as not */
    double killer;      /* tasks that kill the worker that runs them */
    double straggler;   /* attempts that take 50 times as long */
    double bad_workers; /* which fail everything, fast */
    double twice;       /* messages to the master that arrive twice */
    double deaf;        /* RECALLs that are not answered */
    /* Per worker and second. */
    double kill_rate;
    double cut_rate; /* the link goes, the worker goes on */
    double drain_rate;
    double credit_rate; /* it wants another number of credits */
    uint32_t master_restarts;
};

struct sim_report {
    char failure[512]; /* empty: all is well */
    uint64_t events;   /* told to the scheduler */
    uint64_t actions;
    uint64_t leases;
    uint64_t duplicates;
    uint64_t recalls;
    uint64_t set_asides;
    uint64_t given_up; /* attempts that were overdue */
    uint64_t losses;   /* of workers */
    uint64_t adoptions;
    uint64_t late;     /* results accepted from attempts that were not live */
    uint64_t repeated; /* results dropped */
    uint64_t done;
    uint64_t failed;
    uint64_t failed_sound; /* failed though neither poison, flaky nor killer */
    double seconds;        /* simulated */
    double bytes_per_task; /* the scheduler's own */
    double bytes_per_worker;
};

/* Run a farm to its end. 0, or -1 with report->failure. */
int sim_run(const struct sim_config *config, struct sim_report *report);

#endif
