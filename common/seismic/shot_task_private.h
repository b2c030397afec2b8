/* shot_task_private.h - what the parts of shot_task share: columns (shot_task.c), lists as text
 * (shot_text.c), and lines for programs (shot_line.c). */
#ifndef BEOFARM_COMMON_SEISMIC_SHOT_TASK_PRIVATE_H
#define BEOFARM_COMMON_SEISMIC_SHOT_TASK_PRIVATE_H

#include "common/seismic/shot_task.h"

/* Whether the task is what shot_task.h says a task is; -1 with a sentence. */
int shot_task_check(const struct shot_task *task, struct error *ret_error);

/* The operation of that name, SHOT_OPERATIONS if there is none. */
enum shot_operation shot_operation_find(const char *name, size_t size);

/* Whether text (size bytes) is a name as those of files; of arrays, if `dotless`. */
bool shot_name_is_good(const char *text, size_t size, bool dotless);

/* Lists as text, with blanks between: "0 5", "0*1 5*-1" where encoded; "NAME=HASH"; "NAME";
 * "17.1 18-40.1" (tasks 18 to 40, attempt 1 of each); "INSTANCE HOST PORT" (INSTANCE: 16 hex
 * digits). Appending marks buf failed; the others fill the task, or say what is wrong. */
void shot_text_put_shots(struct buf *buf, const struct shot_task *task);
void shot_text_put_files(struct buf *buf, const struct shot_task *task);
void shot_text_put_arrays(struct buf *buf, const struct shot_task *task);
void shot_text_put_attempts(struct buf *buf, const struct shot_task *task);
void shot_text_put_giver(struct buf *buf, const struct shot_task *task);
int shot_text_get_shots(const char *text, size_t size, struct shot_task *task,
                        struct error *ret_error);
int shot_text_get_files(const char *text, size_t size, struct shot_task *task,
                        struct error *ret_error);
int shot_text_get_arrays(const char *text, size_t size, struct shot_task *task,
                         struct error *ret_error);
int shot_text_get_attempts(const char *text, size_t size, struct shot_task *task,
                           struct error *ret_error);
int shot_text_get_giver(const char *text, size_t size, struct shot_task *task,
                        struct error *ret_error);

/* `count` numbers with blanks between, no more, into numbers. */
int shot_text_get_numbers(const char *text, size_t size, uint64_t *numbers, size_t count,
                          struct error *ret_error);

#endif
