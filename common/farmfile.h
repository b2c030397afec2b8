/*
 * farmfile.h - the farm file: farm.json, read, checked and typed.
 *
 * The rules are farm.schema.json, compiled in. A file that was opened is valid, and what it
 * does not say has been filled in from the schema's defaults, also in the trees `backend` and
 * `work`, so backends and drivers find every key that has a default. Nothing here looks at
 * other files.
 */
#ifndef BEOFARM_COMMON_FARMFILE_H
#define BEOFARM_COMMON_FARMFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cjson/cJSON.h>

#include "common/error.h"

struct schema;

#define FARMFILE_PORT     4004
#define FARMFILE_ATTEMPTS 3

/* farm.json's "worker"; also in the job, for the worker (farmfile_read_worker). */
struct farmfile_worker {
    uint32_t slots;            /* per worker; 0: auto */
    uint32_t threads_per_slot; /* 0: auto */
    bool pin;
    bool smt;           /* where slots are counted: hardware threads, not cores */
    bool gpus;          /* give GPUs to slots */
    double drain_s;     /* grace after SIGTERM */
    double rejoin_s;    /* how long a worker that lost its master keeps dialling */
    double disk_wait_s; /* how long a worker whose disk is full waits for room */
    const char *dir;    /* caches and work directories; NULL: the working directory */
};

struct farmfile_limits {
    uint32_t attempts;     /* 0: not said; FARMFILE_ATTEMPTS, or what the work says */
    double task_timeout_s; /* 0: none */
    uint64_t tasks;        /* only the first so many; 0: all */
    double heartbeat_timeout_s;
    double join_timeout_s;
    bool duplicates;
    uint32_t worker_restarts;
    double idle_stop_s; /* end a farm in which nothing got on for so long; 0: never */
};

enum farmfile_transport { FARMFILE_AUTO, FARMFILE_MPI, FARMFILE_TCP };

/* An entry of "files": a path or glob, relative to the farm file's folder. */
struct farmfile_entry {
    const char *path;
    bool copy; /* tasks get copies of their own, because they write into it */
};

/* All texts and trees are owned by `root`. */
struct farmfile {
    cJSON *root;
    const char *name;
    const cJSON *backend; /* the object, with its "kind" */
    const char *backend_kind;
    const cJSON *work;
    const char *work_kind;
    const cJSON *worker; /* the object, as it goes into the job */
    struct farmfile_worker workers;
    struct farmfile_limits limits;
    struct farmfile_entry *files;
    size_t file_count;
    enum farmfile_transport transport;
    const char *network;  /* interface or CIDR; NULL: not said */
    const cJSON *mpi_mca; /* object of texts: MCA parameters for Open MPI; never NULL */
    uint16_t port;        /* to try first; 0: any */
};

/* The text of a farm file (caller frees, not NUL-terminated for its size). A path that ends in
 * ".pst" is a PEST control file: the text is then that of the farm which runs it with all defaults.
 * 0 or -1. */
int farmfile_read(const char *path, char **ret_text, size_t *ret_size, struct error *ret_error);
bool farmfile_is_control(const char *path);

/* Read and check the file at `path`, as farmfile_read gives it. 0, or -1: the sentence names the
 * first mistake and how many more there are. *ret_farm is untouched on failure. */
int farmfile_open(const char *path, struct farmfile *ret_farm, struct error *ret_error);

/* The same from a text; `name` is what errors call it. */
int farmfile_parse(const char *text, size_t size, const char *name, struct farmfile *ret_farm,
                   struct error *ret_error);

/* Whether the nodes of a farm file (its JSON, checked or not) are the machine that it is run on. */
bool farmfile_nodes_are_here(const cJSON *root);

/* Whether a master that resumes the farm runs on a machine of its own, made for it. */
bool farmfile_master_moves(const cJSON *root);

/* Free; a zeroed farmfile is allowed. */
void farmfile_close(struct farmfile *farm);

/* Call `report` with a full sentence ("farm.json: $.limits.atempts: unknown key; …") for every
 * mistake in the file. Returns how many (0: the file is good), or -1 if it could not be read or
 * is not JSON at all (the sentence is in *ret_error and was not reported). */
int farmfile_check(const char *path, void (*report)(void *context, const char *sentence),
                   void *context, struct error *ret_error);
int farmfile_check_text(const char *text, size_t size, const char *name,
                        void (*report)(void *context, const char *sentence), void *context,
                        struct error *ret_error);

/* Read a "worker" object, as it stands in the job. 0 or -1. `dir` is borrowed from it. */
int farmfile_read_worker(const cJSON *worker, struct farmfile_worker *ret_worker,
                         struct error *ret_error);

/* The schema compiled (caller destroys; NULL only if memory is short). */
struct schema *farmfile_schema_create(struct error *ret_error);

#endif
