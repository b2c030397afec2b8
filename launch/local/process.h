/*
 * process.h - a process that can be told from another one with the same number.
 *
 * A process is known by its number, the time it started (clock ticks since boot) and the boot it
 * started in, so that a number used again is noticed.
 */
#ifndef BEOFARM_LAUNCH_LOCAL_PROCESS_H
#define BEOFARM_LAUNCH_LOCAL_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/boot.h"
#include "common/error.h"

struct process {
    pid_t pid;
    uint64_t start;      /* /proc/PID/stat, field 22 */
    char boot[BOOT_MAX]; /* "" if it is not known */
};

/* Fill *ret_process for a live process. -1 if there is none with that number. */
int process_identify(pid_t pid, struct process *ret_process);

/* True while that very process lives (a zombie does not). */
bool process_alive(const struct process *process);

/* Send a signal to that very process, never to a successor of its number. 0 also if it is gone;
 * -1 with a sentence if we may not. */
int process_signal(const struct process *process, int signal, struct error *ret_error);

/* Numbers of the live children of this process, zombies included: at most `max` into ret_pids.
 * Returns how many. */
int process_children(pid_t *ret_pids, int max);

#endif
