/*
 * source_filter.h - the wavelet's filter that makes synthetic data fit best.
 *
 * common/seismic/shot_settings.h says what shots estimate, and the formula.
 */
#ifndef BEOFARM_MASTER_SHOTS_SOURCE_FILTER_H
#define BEOFARM_MASTER_SHOTS_SOURCE_FILTER_H

#include <stddef.h>

#include "common/error.h"

/* The filter (JSON text, allocated; caller frees) from the estimates of all tasks (JSON texts;
 * NULL: that one has none), added in the order given. NULL with a sentence: none has any, or two do
 * not have the same frequencies. */
char *source_filter_make(const char *const *estimates, size_t count, struct error *ret_error);

#endif
