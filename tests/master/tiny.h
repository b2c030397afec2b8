/*
 * tiny.h - PEST work with an estimator of the tests, led as a master leads it. The "model" is y1 =
 * 2 a, y2 = a + b.
 */
#ifndef BEOFARM_TESTS_MASTER_TINY_H
#define BEOFARM_TESTS_MASTER_TINY_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/loop.h"
#include "master/driver.h"

#define TINY_WAVES   3
#define TINY_LOG_MAX 16384

/* The estimator. */
struct tiny {
    char log[TINY_LOG_MAX]; /* what it was told */
    bool streamed;          /* how it wants its waves */
    double first[2];        /* the values of the first run */
    bool fails;             /* the second step fails */
    int waits;              /* this step waits at the gate, after what it says */
    sem_t gate;
    pthread_t thread; /* of the last step */
};
extern struct tiny tiny;

/* A farm, its folder and its master. */
struct place {
    char folder[64], run_dir[96];
    char notes[64][256]; /* the journal's */
    size_t note_count;
    uint64_t sequence;
    uint32_t expected; /* slots */
    char said[TINY_LOG_MAX];
    cJSON *work, *farm;
    struct loop *loop; /* NULL: steps are done at once */
    int woken;
    struct driver *driver;
    struct error error;
};

/* For cmocka: *state is a place with case.pst, its templates, instructions and model. */
int tiny_setup(void **state);
int tiny_teardown(void **state);
#define TINY_TEST(name) cmocka_unit_test_setup_teardown(name, tiny_setup, tiny_teardown)

/* Append to a text of at least `TINY_LOG_MAX` bytes. */
void tiny_add(char *text, const char *format, ...);

/* Write a file of the folder; case.pst with `rest` at its end; the "work" of the farm file. */
void tiny_put(const struct place *place, const char *name, const char *text);
void tiny_put_control(const struct place *place, const char *rest);
void tiny_set_work(struct place *place, const char *json);

/* A master begins; place->driver is NULL with the sentence if it cannot. */
void tiny_begin(struct place *place, bool plan_only);
enum driver_next tiny_next(struct place *place, uint32_t slots);
int tiny_outcome(struct place *place);

/* The values that the model of a task gets. */
void tiny_values(struct place *place, uint64_t task, double values[2]);

/* A task has ended with `count` observations; with those of the model; badly. */
void tiny_tell(struct place *place, uint64_t task, const double *y, size_t count, bool resumed);
void tiny_run(struct place *place, uint64_t task);
void tiny_run_badly(struct place *place, uint64_t task, bool resumed);

#endif
