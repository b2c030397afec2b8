/*
 * model.h - what a farm with a driver socket evaluates: the seam between the socket, which knows
 * clients and their submissions, and what a submission means.
 *
 * Members stand in the array of model.c: a command with parameters in places (model_command.c),
 * a PEST case (model_case.c), and a seismic survey (model_survey.c), of which a set is an
 * operation. A member turns what a client says into bytes that are kept in the ledger (`take`),
 * those into the payload of a task (`payload`), and a result into what the client is told
 * (`digest`). It keeps nothing in between: a resumed master has the bytes alone.
 */
#ifndef BEOFARM_MASTER_SOCKET_MODEL_H
#define BEOFARM_MASTER_SOCKET_MODEL_H

#include <stdbool.h>
#include <stddef.h>

#include <cjson/cJSON.h>

#include "common/buf.h"
#include "common/error.h"
#include "common/message.h"
#include "master/driver.h"
#include "master/shots/asked.h"

struct model;
struct scheduler_policy;

/* Objects in which a client may have said what it wishes of a set, the nearest first: the set, its
 * line, and the connection's "attach". NULL where there is none. */
#define MODEL_PLACES 3
typedef const cJSON *const model_places[MODEL_PLACES];

struct model_ops {
    /* Whether it is for this work. */
    bool (*fits)(const cJSON *work);

    /* The context's members are borrowed until close. NULL with a sentence. */
    struct model *(*open)(const struct driver_context *context, struct error *ret_error);
    void (*close)(struct model *model);

    /* As in driver_ops; all but `job` and `files` may be NULL. */
    int (*files)(const struct model *model,
                 int (*add)(void *context, const char *path, bool common, bool copy),
                 void *context, struct error *ret_error);
    int (*except)(const struct model *model, int (*each)(void *context, const char *pattern),
                  void *context, struct error *ret_error);
    const char *(*device)(const struct model *model);
    void (*remarks)(const struct model *model, void (*say)(void *context, const char *sentence),
                    void *context);
    int (*policy)(const struct model *model, struct scheduler_policy *policy,
                  struct error *ret_error);
    int (*job)(const struct model *model, cJSON *job, struct error *ret_error);
    bool (*brief)(const struct model *model);

    /* Append members of the greeting: ,"params":[…],"values":[…] */
    void (*greet)(const struct model *model, struct buf *out);

    /* Append members that describe the case: ,"parameters":[…] and so on. NULL: there is none. */
    void (*describe)(const struct model *model, struct buf *out);

    /* -1 with a sentence if the wishes of these places make no sense. NULL: there are no wishes. */
    int (*heed)(struct model *model, model_places places, struct error *ret_error);

    /* Append what is to be kept of the set places[0]. Equal sets are equal bytes. -1 with a
     * sentence for the client. */
    int (*take)(struct model *model, model_places places, struct buf *kept,
                struct error *ret_error);

    /* A set is many tasks, which this driver makes of it (of the functions `work_ops`); it asks for
     * sets where asked_serve says (desk.c). Borrowed; NULL: a set is a task. */
    struct driver *(*work)(const struct model *model);
    const struct driver_ops *work_ops;

    /* Append the payload of the task of what was kept (driver_ops.payload); of those that are many,
     * none: whether it still means something. 0 or -1. */
    int (*payload)(struct model *model, const void *kept, size_t size, struct buf *payload);

    /* Append the members of a good result, or of whatever came of a set that is many tasks:
     * ,"values":{…}. -1 with a sentence: it is not as good as it looked. */
    int (*digest)(struct model *model, const void *kept, size_t size,
                  const struct result *result, struct buf *text, struct error *ret_error);
};

/* The member for this work. */
const struct model_ops *model_find(const cJSON *work);

extern const struct model_ops model_command, model_case, model_survey;

#endif
