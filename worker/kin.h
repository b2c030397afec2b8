/*
 * kin.h - finds the processes that belong to a child, wherever they hid.
 *
 * A process is kin of a child if it is in its group, descends from it, or carries its key
 * (BEOFARM_ATTEMPT_KEY=key) in the environment it was started with.
 */
#ifndef BEOFARM_WORKER_KIN_H
#define BEOFARM_WORKER_KIN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/error.h"

struct kin;

/* Made in the thread that starts the children. */
struct kin *kin_create(struct error *ret_error);
void kin_destroy(struct kin *kin); /* NULL is allowed */

/* Does this process have children that `is_expected` does not expect? They are orphans that came
 * to us. One read. True where it cannot be told. */
bool kin_has_orphans(struct kin *kin, bool (*is_expected)(void *context, pid_t pid),
                     void *context);

/* Has the process BEOFARM_ATTEMPT_KEY=key in the environment it was started with? True also while
 * it has no environment to look at: it is in the middle of an exec; or it is a zombie, and what it
 * left may have come to us after somebody listed our children. A process that had an environment
 * without any such key is not looked at again. */
bool kin_may_have_key(struct kin *kin, pid_t pid, const char *key);

/* Send `number` to the kin of the child `pid`, itself included, key `key`: to those found in one
 * search, or, if `thorough`, search again until none is left alive (or it is hopeless; a
 * search takes milliseconds). Zombies are nobody. */
void kin_kill(struct kin *kin, pid_t pid, const char *key, int number, bool thorough);

/* SIGKILL every process whose key begins with `prefix` and a ':', until none is left. Needs no
 * struct kin, allocates as it goes; for the guard. */
void kin_kill_all(const char *prefix);

#endif
