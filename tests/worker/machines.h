/*
 * machines.h - machines for tests of the worker: synthetic and recorded topologies, a root
 * directory with /proc, /sys and /dev of its own, and the plan that is made of them.
 */
#ifndef BEOFARM_TESTS_WORKER_MACHINES_H
#define BEOFARM_TESTS_WORKER_MACHINES_H

#include <stdbool.h>

#include "worker/topology.h"

#define TWO_SOCKETS "pack:2 [numa(memory=1073741824)] l3:1 core:8 pu:1"
#define SMT_SOCKETS "pack:2 [numa(memory=1073741824)] l3:1 core:4 pu:2(indexes=core:pack)"
#define CHIPLETS    "pack:1 [numa(memory=1073741824)] l3:4 core:4 pu:1"
#define FOUR_NODES  "numa:4 l3:2 core:4 pu:1"

/* A source by name: "*.xml" is a file of tests/worker/topologies, else synthetic. What it points
 * to stays until the next call. */
struct topology_source machine(const char *name);

/* Bound, with GPUs; 0 is auto. */
struct topology_request request(unsigned slots, unsigned threads);

/* Open a machine and plan it; the test fails where that does. The plan stays until the next one
 * is made or forget_plan is called, as `planned`, made of `opened`. */
const struct topology_plan *plan(const char *name, struct topology_request wanted);
const struct topology_plan *plan_from(const struct topology_source *source,
                                      struct topology_request wanted);
extern struct topology *opened;
extern struct topology_plan *planned;

/* "0-1;2-3 |0;": the slots' cpusets, then (where there are any) their GPUs. Valid until the next
 * call. */
const char *describe(const struct topology_plan *made);

/* A variable of a slot's environment; "(unset)" if it is not there. */
const char *variable(const struct topology_plan *made, size_t slot, const char *name);

/* Whether one of the notes has these words. */
bool notes_say(const struct topology_plan *made, const char *words);

/* The root directory, between make_root and remove_root. */
extern char root_dir[64];
void write_file(const char *name, const char *text);

/* Setup and teardown for cmocka. */
int make_root(void **state);
int remove_root(void **state);
int forget_plan(void **state);

#define with_plan(test) cmocka_unit_test_teardown(test, forget_plan)
#define with_root(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

#endif
