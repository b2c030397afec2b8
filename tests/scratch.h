/*
 * scratch.h - a folder of its own for a test's files, removed at the end.
 */
#ifndef BEOFARM_TESTS_SCRATCH_H
#define BEOFARM_TESTS_SCRATCH_H

#include <stddef.h>

/* For cmocka's group: make it and enter it; leave and remove it. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* Its absolute path. */
const char *scratch_folder(void);

/* Write a file there. */
void scratch_write(const char *name, const void *bytes, size_t size);
void scratch_text(const char *name, const char *text);

/* A file's content, NUL-terminated; free it. */
char *scratch_read(const char *name, size_t *ret_size);

#endif
