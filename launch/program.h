/*
 * program.h - the other programs of beofarm: where they lie, and asking them short questions.
 */
#ifndef BEOFARM_LAUNCH_PROGRAM_H
#define BEOFARM_LAUNCH_PROGRAM_H

#include "common/buf.h"
#include "common/error.h"

/* The absolute path of an executable appended to ret_path. A "beofarm-..." is looked for in
 * $BEOFARM_BIN if that is set, beside this program's own file, then in $PATH; others in $PATH
 * alone. -1 with a sentence that says where it was looked for. */
int program_find(const char *name, struct buf *ret_path, struct error *ret_error);

struct program_answer {
    struct buf output; /* its stdout */
    struct buf errors; /* its stderr */
    int exit_code;     /* 128 + the signal if one ended it */
};

/* Find `name`, run it with `args` (NULL-terminated, after the name) and wait for its end, at most
 * limit_s seconds. 0 whatever its exit code is; -1 with a sentence if it is not there, cannot be
 * started, says more than 64 MiB, or takes too long. The caller calls program_answer_fini in any
 * case. */
int program_ask(const char *name, const char *const *args, int limit_s,
                struct program_answer *ret_answer, struct error *ret_error);

/* The same for questions that may take long: `meanwhile` is said then, once, on a terminal
 * (stderr). */
int program_ask_patiently(const char *name, const char *const *args, int limit_s,
                          const char *meanwhile, struct program_answer *ret_answer,
                          struct error *ret_error);

/* An answer with a non-zero exit code, as an error: its code, and what it said on stderr, without
 * "NAME: " and the like. Returns -1. */
int program_answer_refuse(const char *name, struct program_answer *answer,
                          struct error *ret_error);

/* Free what program_ask gathered. */
void program_answer_fini(struct program_answer *answer);

#endif
