/*
 * ensemble.h - ensembles: realisations of parameters or observations, in files.
 *
 * A file has a row per realisation and a column per parameter or observation: CSV (the first
 * field of each record is the realisation's name; its header may be empty, as pandas writes it),
 * or any binary of matrix.h. Columns come in any order and are handed out in the order asked for.
 * Columns that nobody asked for are left out.
 *
 * CSV and dense binary files are mapped and read a realisation at a time (8 bytes and its name
 * remembered per realisation); the sparse binary formats are read whole.
 */
#ifndef BEOFARM_MASTER_PEST_ENSEMBLE_H
#define BEOFARM_MASTER_PEST_ENSEMBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"

struct ensemble_reader;

/* Open; the columns are handed out in the order of `names` (any case, `count` of them, borrowed
 * during the call). A name that the file does not have takes fallback[i] in every realisation;
 * where fallback is NULL, or fallback[i] is NaN, it is a mistake. NULL with a sentence that lists
 * the first names missing. */
struct ensemble_reader *ensemble_open(const char *path, const char *const *names, size_t count,
                                      const double *fallback, struct error *ret_error);
void ensemble_close(struct ensemble_reader *reader); /* NULL is allowed */

size_t ensemble_realisations(const struct ensemble_reader *reader);
/* Name of a realisation as in the file (case kept). Borrowed until ensemble_close. */
const char *ensemble_name(const struct ensemble_reader *reader, size_t realisation);
/* Index of the realisation with that name (case counts), or -1. */
long ensemble_find(const struct ensemble_reader *reader, const char *name);
/* How many of the names took the fallback, and how many columns of the file were not asked for. */
size_t ensemble_missing(const struct ensemble_reader *reader);
size_t ensemble_unused(const struct ensemble_reader *reader);

/* values[i], i < count: realisation `realisation` (any order; the file's own is fastest). -1 with
 * a sentence (FILE:LINE) where a field is no number. "nan" and the like are mistakes too. */
int ensemble_read(struct ensemble_reader *reader, size_t realisation, double *ret_values,
                  struct error *ret_error);

/* An ensemble in memory. */
struct ensemble {
    size_t realisations, columns;
    double *values; /* values[realisation * columns + column] */
    char **names;   /* of the realisations */
};

/* Read all of it; fill *ret (ensemble_fini it). At most max_realisations are read (0: all). */
int ensemble_load(const char *path, const char *const *names, size_t count,
                  const double *fallback, size_t max_realisations, struct ensemble *ret,
                  struct error *ret_error);
void ensemble_fini(struct ensemble *ensemble); /* a zeroed one is allowed */

enum ensemble_format {
    ENSEMBLE_CSV,   /* first header field "real_name", as PEST++ writes it */
    ENSEMBLE_DENSE, /* pyemu's dense binary */
    ENSEMBLE_BINARY, /* .jcb, old or extended: needs all realisations in memory until the commit */
};

/* Formats by the path's extension: .jcb and .jco BINARY, .bin DENSE, else CSV. */
enum ensemble_format ensemble_format_of(const char *path);

struct ensemble_writer;

/* Write realisation by realisation into a file beside `path`, which takes its place at
 * ensemble_commit. `names` (columns) are borrowed until then. NULL with a sentence. */
struct ensemble_writer *ensemble_create(const char *path, enum ensemble_format format,
                                        const char *const *names, size_t count,
                                        struct error *ret_error);
int ensemble_write(struct ensemble_writer *writer, const char *realisation,
                   const double *values, struct error *ret_error);
/* Finish, and free the writer either way. -1 with a sentence: then `path` is as it was. */
int ensemble_commit(struct ensemble_writer *writer, struct error *ret_error);
void ensemble_abandon(struct ensemble_writer *writer); /* instead of commit; NULL is allowed */

/* All of it at once. `names` are the columns'. */
int ensemble_save(const struct ensemble *ensemble, const char *const *names, const char *path,
                  enum ensemble_format format, struct error *ret_error);

#endif
