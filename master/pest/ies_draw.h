/*
 * ies_draw.h - normally distributed random vectors, by address.
 */
#ifndef BEOFARM_MASTER_PEST_IES_DRAW_H
#define BEOFARM_MASTER_PEST_IES_DRAW_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "master/pest/covariance.h"

/* Streams that have nothing to do with each other, for one seed. 3 is that of ies_subset.c. */
enum ies_stream { IES_STREAM_PARAMETERS = 1, IES_STREAM_NOISE = 2, IES_STREAM_POSTERIOR = 4 };

/* ret = L z, where L Lᵗ is the covariance (after covariance_factor) and z[k] the standard normal
 * number at (address[k], realisation) of the stream: which other addresses there are does not
 * matter to it. -1: no memory. */
int ies_draw(const struct covariance *covariance, uint32_t seed, enum ies_stream stream,
             const size_t *address, size_t realisation, double *ret, struct error *ret_error);

#endif
