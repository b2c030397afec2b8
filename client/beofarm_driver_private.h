/*
 * beofarm_driver_private.h - what the two files of the library share. Not installed.
 */
#ifndef BEOFARM_CLIENT_BEOFARM_DRIVER_PRIVATE_H
#define BEOFARM_CLIENT_BEOFARM_DRIVER_PRIVATE_H

#include "client/beofarm_driver.h"

#define BEOFARM__ERROR_MAX 1024

/* Bytes with room to grow. */
struct beofarm__bytes {
    char *data;
    size_t size, capacity;
};

/* A submission that has not been accepted. */
struct beofarm__unaccepted {
    struct beofarm__unaccepted *next;
    char *id;
    char *line; /* as it was sent, with its newline */
};

/* A line of the master that waits to be looked at. */
struct beofarm__event {
    struct beofarm__event *next;
    cJSON *json;
};

struct beofarm_driver {
    char *path, *name;
    int fd;
    char error[BEOFARM__ERROR_MAX];
    bool attached, over;
    int generation; /* of the seqs (docs/driver-socket.md); -1 if not known yet */
    long long seq;  /* of the last result that was read */
    struct beofarm__bytes in;
    cJSON *hello;
    char **params, **value_names;
    size_t param_count, value_count;
    double *values;
    char id_text[32]; /* of an id that is a number */
    struct beofarm__event *events, **events_end;
    cJSON *current; /* what the last result points into */
    struct beofarm__unaccepted *unaccepted, **unaccepted_end;
    size_t unaccepted_count;
    cJSON *status; /* an answer that came */
};

/* Set the sentence; -1. */
int beofarm__fail(struct beofarm_driver *driver, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int beofarm__no_memory(struct beofarm_driver *driver);

/* Members of an object: "" and 0 where there is no such text or number. */
const char *beofarm__text_of(const cJSON *object, const char *key);
double beofarm__number_of(const cJSON *object, const char *key);

/* A deadline, of beofarm__wait_for, from a timeout (-1: none). */
long long beofarm__deadline_of(int timeout_ms);

/* Wait until there is something to read (or, with `write`, room to write) and read it. 1: something
 * happened; 0: the time is over; -1. */
int beofarm__wait_for(struct beofarm_driver *driver, bool write, long long deadline);

/* Send a line, reading what comes meanwhile. 0 or -1. */
int beofarm__say(struct beofarm_driver *driver, const char *line, size_t size);

/* The connection is of no use any more. */
void beofarm__lose(struct beofarm_driver *driver);

/* The submission with this id is not waited for any more. */
void beofarm__forget_unaccepted(struct beofarm_driver *driver, const char *id);

#endif
