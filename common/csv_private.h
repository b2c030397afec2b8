/*
 * csv_private.h - shared by csv.c and csv_table.c alone.
 */
#ifndef BEOFARM_COMMON_CSV_PRIVATE_H
#define BEOFARM_COMMON_CSV_PRIVATE_H

#include <sys/stat.h>

#include "common/csv.h"

/* Open a regular file for reading: its descriptor, or -1. */
int csv_open_file(const char *path, struct stat *ret_stat, struct error *ret_error);

/* A reader from where fd stands. fd is taken, also on failure. */
struct csv_reader *csv_open_fd(int fd, const char *name, struct error *ret_error);

/* Go on with other bytes (borrowed), which begin at line `line` and offset `offset` of the
 * original. The number of columns stays. */
void csv_restart(struct csv_reader *reader, const void *bytes, size_t size, uint64_t line,
                 uint64_t offset);

#endif
