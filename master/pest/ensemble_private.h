/*
 * ensemble_private.h - what the parts of ensembles' readers share.
 */
#ifndef BEOFARM_MASTER_PEST_ENSEMBLE_PRIVATE_H
#define BEOFARM_MASTER_PEST_ENSEMBLE_PRIVATE_H

#include <stdint.h>

#include "master/pest/ensemble.h"
#include "master/pest/matrix_private.h"

#define ENSEMBLE_NAME_MAX 1000 /* bytes of a realisation's name */

struct realisation {
    char *name;
    uint64_t place; /* in the file; CSV: its record; dense: its values */
};

struct ensemble_reader {
    char *path;
    int fd;
    uint64_t size;    /* of the file when it was opened */
    size_t count;     /* of the columns asked for */
    long *places;     /* where they are in the file, -1: nowhere */
    double *fallback; /* for those */
    size_t columns, missing, unused;
    struct realisation *list;
    size_t realisations, capacity;
    double *row;           /* dense: one row of the file */
    struct matrix *matrix; /* of formats that are read whole */
    int (*read_row)(struct ensemble_reader *reader, size_t realisation, double *ret_values,
                    struct error *ret_error);
};

int ensemble_csv_open(struct ensemble_reader *reader, const char *const *names,
                      const double *fallback, struct error *ret_error);
int ensemble_dense_open(struct ensemble_reader *reader, const char *const *names,
                        const double *fallback, struct error *ret_error);

/* The file's columns are known: find those asked for. */
int ensemble_columns_set(struct ensemble_reader *reader, char *const *columns,
                         size_t column_count, const char *const *names, const double *fallback,
                         struct error *ret_error);
/* Another realisation was found. Blanks around its name are cut off. */
int ensemble_realisation_add(struct ensemble_reader *reader, const char *name, size_t size,
                             uint64_t place, struct error *ret_error);
int ensemble_no_memory(const char *path, struct error *ret_error);

#endif
