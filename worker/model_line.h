/*
 * model_line.h - a command line, as PEST users write it, becomes a program with arguments.
 *
 * A line is given to /bin/sh -c if it needs a shell: redirections, pipes, lists, variables,
 * wildcards, comments, or a first word that is an assignment, a keyword or a builtin without a
 * program of its own (cd, export, …). Any other line is split at blanks ('...' and "..." keep
 * theirs) and executed directly, which is faster.
 *
 * A program is looked for on the PATH of the model's environment, of which the model folder is the
 * end, so that "model" also means ./model. What users brought from Windows is forgiven: for
 * "model.exe" also "model" is looked for, and a backslash is a slash where the farm's files say so
 * (otherwise the line is the shell's, where a backslash quotes). In a line for the shell that is
 * done for the first word alone.
 */
#ifndef BEOFARM_WORKER_MODEL_LINE_H
#define BEOFARM_WORKER_MODEL_LINE_H

#include "common/error.h"
#include "worker/child.h"
#include "worker/model_case.h"

struct model_line;

/* `text` is copied, `model` borrowed. NULL with a sentence: it is empty, or a quote is open. */
struct model_line *model_line_create(const char *text, const struct model_case *model,
                                     struct error *ret_error);
void model_line_destroy(struct model_line *line); /* NULL is allowed */

/* As it was written. */
const char *model_line_text(const struct model_line *line);

/* Whether the shell runs it. For tests. */
bool model_line_needs_shell(const struct model_line *line);

/* Find the program, in `environment` and from `dir_fd`, the model folder; set program and argv of
 * *ret_spec, which belong to the line and are valid until the next call. Where it was found is
 * remembered. 0, or -1 with a sentence. */
int model_line_fill(struct model_line *line, char *const *environment, int dir_fd,
                    struct child_spec *ret_spec, struct error *ret_error);

/* It could not be executed: look anew the next time. */
void model_line_forget(struct model_line *line);

#endif
