/*
 * announce.h - what the master says on its standard output (docs/architecture.md).
 *
 * The first line is the hostname, alone: that is what the BeoPEST pattern polls for. Each line
 * after it is one JSON object, flushed whole. A standard output that cannot be written (a full
 * disk) is dropped: the farm does not stop for it.
 */
#ifndef BEOFARM_MASTER_ANNOUNCE_H
#define BEOFARM_MASTER_ANNOUNCE_H

#include <stdint.h>

#include "master/driver.h"

struct announce_progress {
    uint64_t done, failed; /* tasks; done are those that ended well */
    uint64_t cancelled;    /* their driver did not want them any more */
    int64_t total;         /* -1 where it is not known */
    uint64_t running;      /* leased to workers */
    uint64_t waiting;
    uint32_t workers, slots;
    uint64_t resumed;   /* of all these: those that ended under an earlier master */
    uint64_t lost;      /* shots that ended, but whose sums a stop has lost; at the end alone */
    uint64_t unwritten; /* results that the journal could not take; at the end alone */
    double rate;        /* tasks ended per second, of late */
    double elapsed_s;
};

/* From now on, write every line to the file PATH, too, which is made anew. What cannot be written
 * there is dropped. */
void announce_keep(const char *path);

/* Each writes one line to stdout at once: first the host name, then the events of
 * docs/architecture.md. */
void announce_host(const char *host);
void announce_listening(const char *host, const char *address, int port, const char *transport);
void announce_worker(uint32_t id, const char *state, const char *host, const char *transport,
                     uint32_t slots);
void announce_progress(const struct announce_progress *progress);
void announce_failed(uint64_t task, const char *sentence);
void announce_notice(const char *sentence);
void announce_estimate(const struct driver_estimate *estimate);
/* status: "done", "failed", "stopped", "broken". */
void announce_end(const char *status, const struct announce_progress *progress,
                  const char *sentence);

#endif
