/*
 * doctor.h - say what a node offers: the answer of `beofarm-worker --topology [--json]`, which
 * `beofarm doctor` shows.
 */
#ifndef BEOFARM_WORKER_DOCTOR_H
#define BEOFARM_WORKER_DOCTOR_H

#include "common/buf.h"
#include "worker/bandwidth.h"
#include "worker/topology.h"

/*
 * Append one JSON object (a line with its newline) about the node and the slots of `plan`:
 *
 *   {"host":"n2","cpu":"AMD EPYC 7763","packages":2,"cores":128,"threads":256,
 *    "cpus_allowed":"0-255","cpus_online":256,"cpu_quota":null,"memory_bytes":540000000000,
 *    "kinds":[{"name":"performance","cores":8,"cpus":"0-15"}],      empty unless hybrid
 *    "numa":[{"node":0,"cpus":"0-63","memory_bytes":…}],
 *    "l3":[{"cpus":"0-7","size_bytes":33554432}],
 *    "gpus":[{"id":"0","vendor":"nvidia","model":"…","bus_id":"0000:17:00.0","cpus":"0-63"}],
 *    "slots":[{"index":0,"cpus":"0,128","nodes":"0","threads":1,"shared":false,"gpus":["0"],
 *              "environment":{"OMP_NUM_THREADS":"1",…},
 *              "bandwidth_bytes_s":1.2e10}],                         if measured (NULL: it was not)
 *    "bandwidth":{"all_bytes_s":4.8e10,"one_slot_alone_bytes_s":1.4e10},
 *    "notes":["…"]}
 *
 * 0, or -1 with the buffer failed.
 */
int doctor_print_json(struct buf *buf, const struct topology *topology,
                      const struct topology_plan *plan, const struct bandwidth *measured);

/* The same for people: some ten lines, and a line per slot (equal ones in a row are counted
 * rather than listed where there are many). 0, or -1 with the buffer failed. */
int doctor_print_text(struct buf *buf, const struct topology *topology,
                      const struct topology_plan *plan, const struct bandwidth *measured);

/* Bytes of all last-level caches, for bandwidth_measure. */
size_t doctor_cache_bytes(const struct topology *topology);

#endif
