/*
 * covariance_private.h - what covariance.c, covariance_read.c and covariance_unc.c share.
 */
#ifndef BEOFARM_MASTER_PEST_COVARIANCE_PRIVATE_H
#define BEOFARM_MASTER_PEST_COVARIANCE_PRIVATE_H

#include "master/pest/covariance.h"

/* Zeros without names. NULL with a sentence. */
struct covariance *covariance_create(size_t count, bool diagonal, struct error *ret_error);

/* A matrix file, checked. */
struct covariance *covariance_read_matrix(const char *path, size_t max_bytes,
                                          struct error *ret_error);

/* A parameter uncertainty file. `order` (may be NULL) are the parameters among which
 * first_parameter and last_parameter span a range. */
struct covariance *covariance_read_unc(const char *path, size_t max_bytes,
                                       const char *const *order, size_t order_count,
                                       struct error *ret_error);

#endif
