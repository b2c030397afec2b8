/*
 * joining.h - for tests of rendezvous and dial: a master that echoes, workers that check what
 * comes back, as processes that report a line per event on a pipe. Open MPI allows one universe
 * per process and remembers, so nothing of it runs in the test's own process.
 */
#ifndef BEOFARM_TESTS_E2E_JOINING_H
#define BEOFARM_TESTS_E2E_JOINING_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "common/clock.h"
#include "common/link.h"
#include "worker/dial.h"

/* How long any step may take before the test fails: MPI starts several processes for each of
 * ours, and the machine may be busy. */
#define STEP_LIMIT_NS (60 * CLOCK_SECOND_NS)

struct process {
    pid_t pid;
    int fd; /* what it reports */
    char line[2048];
    size_t size;
};

/* Fork; the child (returns 0) reports on *ret_report. It dies with the test. */
pid_t process_start(struct process *process, FILE **ret_report);

/* The next reported line, borrowed until the next call; NULL at the end or after the limit. */
const char *process_line(struct process *process, int64_t deadline_ns);

/* Wait for a line that begins with `head`, passing over others; fails the test if none comes. */
const char *process_expect(struct process *process, const char *head);

/* The number behind a line's first word. */
int process_number(const char *line);

/* Send it a signal and wait for its end. */
void process_end(struct process *process, int signal);

/* A secret of equal bytes. */
struct auth_secret joining_secret(uint8_t byte);

/* The echoing master's whole life, in a child: reports "port PORT ADDRESS", "joined ID TRANSPORT
 * HOST", "lost ID SENTENCE", "notice SENTENCE", or "broken SENTENCE". */
void joining_master(FILE *report, const char *directory, bool mpi, int port);

/* Start one and return its port. */
int joining_master_start(struct process *master, bool mpi);

/* How its workers dial it. */
struct dial_options joining_options(int port, bool mpi);

/* Have `count` messages of many sizes echoed and check each. 0, or -1 with the reason. */
int joining_exercise(struct link *link, unsigned count, struct error *error);

/* Sleep until the link wants something. */
void joining_sleep(struct link *link);

/* Start a worker: it reports "linked ID TRANSPORT NOTICE" or "refused CODE SENTENCE", exercises its
 * link ("echoed"), and goes on so until it is killed or lost (`forever`), or closes. */
void joining_worker_start(struct process *worker, const struct dial_options *options,
                          unsigned count, bool forever);

#endif
