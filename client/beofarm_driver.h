/*
 * beofarm_driver.h - have a farm evaluate parameter sets for an optimiser written in C (or C++).
 *
 * The farm runs work of the kind "socket" (docs/driver-socket.md) and listens at a Unix socket;
 * this library speaks the JSON lines. Link with -lbeofarm_driver -lcjson (and -lm),
 * or build client/beofarm_driver*.c with your program.
 *
 *     #include <beofarm_driver.h>
 *
 *     int main(void)
 *     {
 *         struct beofarm_driver *farm = beofarm_driver_open("driver.sock", "mine", 0);
 *         struct beofarm_result result;
 *         double x[2] = {0.5, 1.5};
 *         int rc = beofarm_driver_submit(farm, "first", x, 2);
 *         while (rc == 0 && (rc = beofarm_driver_next(farm, -1, &result)) > 0)
 *             printf("%s: %g\n", result.id, result.values[0]);
 *         if (rc < 0)
 *             fprintf(stderr, "%s\n", beofarm_driver_error(farm));
 *         beofarm_driver_finish(farm, false);
 *         beofarm_driver_close(farm);
 *     }
 *
 * Errors. Functions return -1, and beofarm_driver_error has the sentence. What the farm refuses (a
 * wrong parameter) is told by the next beofarm_driver_next, as a result with status "refused".
 *
 * A lost connection: when the master dies, functions return -1 and beofarm_driver_is_lost is
 * true. Once the run is resumed, beofarm_driver_reopen connects again, says once more what had not
 * been accepted, and goes on with the results after the last one that was read (after a power cut
 * at the master: with all results, so go by their ids).
 *
 * Threads: one connection is used by one thread at a time.
 */
#ifndef BEOFARM_DRIVER_H
#define BEOFARM_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A connection. */
struct beofarm_driver;

/* How an evaluation ended. Everything is borrowed until the next call with the connection. */
struct beofarm_result {
    const char *id;  /* as submitted */
    const char *tag; /* "" if there is none */
    const char
        *status;   /* "ok"; "exit", "signal", "timeout", "no-start", "no-value", "lost" (docs/
                         * farmfile.md); "cancelled"; "refused": it was never accepted; "left":
                         * $.limits.tasks keeps it from being run before the farm is resumed */
    bool ok;       /* status is "ok" */
    long long seq; /* the place among this client's results, from 1; 0 for one that was told
                         * before and asked for again, or refused, or left */
    size_t value_count;   /* as many as beofarm_driver_value_count */
    const double *values; /* in that order; NaN where one is missing or no number */
    const char *sentence; /* why it failed; "" if it is ok */
    const char *worker;   /* the host that computed it; "" if none did */
    long task;            /* its number in results.csv and out/; 0 if it never was a task */
    int attempts;
    double elapsed_s;  /* of the attempt that ended it, on the worker */
    const cJSON *json; /* the whole line, for values that are texts, and a PEST case's "phi" */
};

/* --- Connecting --- */

/* Connect to the socket at `path` as the client `name` (1 to 1024 bytes; ids are a client's own,
 * and its results wait for it). since: tell the results after the one with this seq (0: all that
 * this client ever got, which is what a restarted optimiser wants). The connection is returned
 * even if this fails: beofarm_driver_error tells (NULL only if memory is short). */
struct beofarm_driver *beofarm_driver_open(const char *path, const char *name, long long since);

/* Connect again after the connection was lost: 0, or -1 (try again later). Submissions that were
 * not accepted are said again; results go on after the last one that was read. */
int beofarm_driver_reopen(struct beofarm_driver *driver);

/* Close the connection. What was accepted goes on; its results wait for the client of that name.
 * NULL is allowed. */
void beofarm_driver_close(struct beofarm_driver *driver);

/* The sentence of the last call that failed; "" if none did. `driver` NULL: memory is short. */
const char *beofarm_driver_error(const struct beofarm_driver *driver);

/* The connection is gone: the master has ended, or died. */
bool beofarm_driver_is_lost(const struct beofarm_driver *driver);

/* The farm has said that it ends, because all clients have finished. */
bool beofarm_driver_is_over(const struct beofarm_driver *driver);

/* --- What the farm computes: the parameters and values of its farm file, in its order; of a PEST
 * case the adjustable parameters and the observations --- */

size_t beofarm_driver_param_count(const struct beofarm_driver *driver);
const char *beofarm_driver_param_name(const struct beofarm_driver *driver,
                                      size_t i); /* or NULL */
size_t beofarm_driver_value_count(const struct beofarm_driver *driver);
const char *beofarm_driver_value_name(const struct beofarm_driver *driver, size_t i);

/* --- Evaluations --- */

/* Submit one set: `count` parameters in the order of the farm file (it must be
 * beofarm_driver_param_count). `id` (1 to 1024 bytes of UTF-8) is new; one that was submitted
 * before with the same parameters is the same evaluation. Returns when it is sent, not when it is
 * accepted. 0 or -1. */
int beofarm_driver_submit(struct beofarm_driver *driver, const char *id, const double *params,
                          size_t count);

/* The same with texts among the parameters, or some of a PEST case's alone (`params` is an object
 * of names and values, or an array in order), or an operation on a survey (an object, as
 * docs/driver-socket.md says; files and shots are in `json` of its result), a priority (higher runs
 * first; 0 is usual) and a tag (may be NULL). */
int beofarm_driver_submit_json(struct beofarm_driver *driver, const char *id,
                               const cJSON *params, double priority, const char *tag);

/* Wait for the next result, for up to timeout_ms (-1: for ever, 0: only look). 1: here it is; 0:
 * the time is over, or the farm has ended (beofarm_driver_is_over); -1: an error. */
int beofarm_driver_next(struct beofarm_driver *driver, int timeout_ms,
                        struct beofarm_result *ret_result);

/* Wait until everything submitted is accepted: it would then survive even a power cut at the
 * master. Results that come meanwhile are kept for beofarm_driver_next. 1: so it is; 0: the time is
 * over; -1: an error. */
int beofarm_driver_wait_accepted(struct beofarm_driver *driver, int timeout_ms);

/* Submissions that are not accepted yet. */
size_t beofarm_driver_unaccepted(const struct beofarm_driver *driver);

/* Cancel one evaluation, those with a tag, or all of this client. Each that had not ended ends
 * with a result of status "cancelled". 0 or -1. */
int beofarm_driver_cancel(struct beofarm_driver *driver, const char *id);
int beofarm_driver_cancel_tag(struct beofarm_driver *driver, const char *tag);
int beofarm_driver_cancel_all(struct beofarm_driver *driver);

/* Ask how the farm is: *ret_status (caller frees with cJSON_Delete) is the answer of
 * docs/driver-socket.md. As beofarm_driver_wait_accepted. */
int beofarm_driver_status(struct beofarm_driver *driver, int timeout_ms, cJSON **ret_status);

/* This client will submit no more (for_all: nobody will). The farm ends when every client has
 * finished and every evaluation has ended. 0 or -1. */
int beofarm_driver_finish(struct beofarm_driver *driver, bool for_all);

/* For poll or an event loop: readable when there may be a result. After that call
 * beofarm_driver_next with timeout 0 until it returns 0. -1 while the connection is lost. */
int beofarm_driver_fd(const struct beofarm_driver *driver);

#ifdef __cplusplus
}
#endif

#endif
