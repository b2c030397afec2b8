/*
 * gift.h - how a partial sum goes from one worker to another, over a connection on which both have
 * proven the farm's secret (door.h, dial.h).
 *
 *     taker → giver   u32 length, and as many bytes: "BFGIFT1\n", the number of the task that takes
 *                     (varint), its payload (shot_task.h)
 *     giver → taker   a "." now and then, while it is busy with what comes before
 *                     the sum as a file has it (sum.h); or "NO " and a sentence; and the connection
 *                     ends
 *
 * The giver reads the task with all checks that a payload from the master has, and gives nothing
 * unless the task names its own process. What comes is trusted no more: gift_check reads all of it,
 * which has checksums.
 *
 * All of this blocks; threads call it.
 */
#ifndef BEOFARM_WORKER_GIFT_H
#define BEOFARM_WORKER_GIFT_H

#include <stddef.h>
#include <stdint.h>

#include "common/auth.h"
#include "common/clock.h"
#include "common/error.h"
#include "common/seismic/shot_task.h"

struct gift_terms {
    const char *farm;
    struct auth_secret secret;
    int64_t connect_ns; /* to reach and prove; 0: 10 s */
    int64_t answer_ns;  /* for the next sign of life before the sum; 0: 30 s, several times
                           GIFT_BUSY_NS */
    int64_t busy_ns;  /* for the sum to begin, whatever signs come; 0: 10 minutes, far more than
                           what a giver may have to add up first takes */
    int64_t stall_ns; /* without a byte going or coming; 0: 10 s */
    int cancel_fd;    /* to give up when this becomes readable; -1: none */
};

/* Ask the giver that the payload names for what it is to give, and write that to file_fd. -1 with a
 * sentence. */
int gift_fetch(const struct gift_terms *terms, uint64_t task, const void *payload, size_t size,
               int file_fd, struct error *ret_error);

/* Whether the file at `path` is a whole partial sum as `task` wants it: of its number and mode, and
 * with attempts that it names and no others (if not all of them). How many of them there are, and
 * shots. -1 with a sentence. */
struct gift_contents {
    uint64_t attempts, shots;
};
int gift_check(const char *path, const struct shot_task *task,
               struct gift_contents *ret_contents, struct error *ret_error);

/* The giver's end, process `instance`: what is asked of it by `fd` (borrowed; it blocks afterwards,
 * for stall_ns at most). -1 with a sentence, which was sent, too. Else *ret_said is the task
 * (shot_task_fini), *ret_task its number, and the caller sends the sum to fd, or refuses. */
int gift_hear(const struct gift_terms *terms, int fd, uint64_t instance,
              struct shot_task *ret_said, uint64_t *ret_task, struct error *ret_error);
void gift_refuse(int fd, const struct error *error);

/* Tell the taker that it will be heard, or given to, but not yet: at least every GIFT_BUSY_NS.
 * Does not block. Not while another function here is at work with fd, and not after the sum has
 * begun. */
#define GIFT_BUSY_NS (5 * CLOCK_SECOND_NS)
void gift_delay(int fd);

#endif
