/*
 * covariance.h - covariance matrices of observations and parameters, from PEST's files.
 *
 * Read are (by content, then by extension)
 * - PEST's ASCII matrix (.cov, .mat; matrix.h says how it looks), icode -1 for a diagonal;
 * - binary matrices (.jcb, .jco);
 * - parameter uncertainty files (.unc; PEST manual part II, "PREDUNC"): blocks
 *       START STANDARD_DEVIATION            START COVARIANCE_MATRIX
 *         std_multiplier 1.0                  file "cov.mat"
 *         kx1  0.5                            variance_multiplier 1.0
 *       END STANDARD_DEVIATION                parameter_list_file names.txt (optional)
 *                                             first_parameter, last_parameter (optional,
 *                                             together; in covariance_prior alone)
 *                                           END COVARIANCE_MATRIX
 *   A file named inside is relative to the .unc file. Different blocks are uncorrelated; a name
 *   in two blocks is a mistake.
 * Values of log parameters are of log10 of them. Names are kept in lower case.
 */
#ifndef BEOFARM_MASTER_PEST_COVARIANCE_H
#define BEOFARM_MASTER_PEST_COVARIANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/error.h"
#include "common/pest/control.h"

struct covariance {
    size_t count;
    char **names;
    bool diagonal;
    double *values; /* diagonal: `count` variances; else count x count, column-major, full */
    double *factor; /* after covariance_factor: diagonal: standard deviations; else the lower
                     * triangle L of C = LLᵗ, column-major (what is above it means nothing) */
};

/* Read a file; at most max_bytes of values (MATRIX_BYTES_MAX of matrix.h will do). Checked:
 * square, rows and columns named alike and in the same order, symmetric (to 1e-6 of the larger
 * diagonal element, since ASCII files hold few digits; then made exactly so), no variance <= 0,
 * names unique. NULL with a sentence. */
struct covariance *covariance_read(const char *path, size_t max_bytes, struct error *ret_error);
void covariance_free(struct covariance *covariance); /* NULL is allowed */

/* A diagonal one from variances (> 0). Names and variances are copied. NULL with a sentence. */
struct covariance *covariance_from_variances(const char *const *names, const double *variances,
                                             size_t count, struct error *ret_error);

/* A new one in the order of `names`, which `from` must all hold; what else it holds is left out.
 * Where `variances` is given, a name that `from` does not hold is uncorrelated with these
 * variances instead of a mistake. NULL with a sentence that lists the first names missing. */
struct covariance *covariance_select(const struct covariance *from, const char *const *names,
                                     size_t count, const double *variances,
                                     struct error *ret_error);

/* Cholesky's factor; a second call does nothing. -1 with a sentence where C is not positive
 * definite (it names the first row that depends on those before it). */
int covariance_factor(struct covariance *covariance, struct error *ret_error);

/* Turn rows of a group into rows with identity covariance: x := L⁻¹ x, where x[k] is
 * column[rows[k]] (rows NULL: column[k]), k < count, in place; `column_count` columns. Then
 * rᵗr = rᵗC⁻¹r. After covariance_factor. -1: no memory. */
int covariance_whiten(const struct covariance *covariance, double *const *columns,
                      size_t column_count, const size_t *rows, struct error *ret_error);
/* The way back, x := L x (up to rounding). */
int covariance_unwhiten(const struct covariance *covariance, double *const *columns,
                        size_t column_count, const size_t *rows, struct error *ret_error);

/* ret = C x, and xᵗCx. Both need no factor. */
void covariance_multiply(const struct covariance *covariance, const double *x, double *ret);
double covariance_quadratic(const struct covariance *covariance, const double *x);

/* ret (count x count, column-major, both triangles) = C⁻¹. After covariance_factor. */
int covariance_invert(const struct covariance *covariance, double *ret,
                      struct error *ret_error);

/* Write as PEST's ASCII matrix: icode 1, or -1 where it is diagonal. -1 with a sentence. */
int covariance_write(const struct covariance *covariance, const char *path,
                     struct error *ret_error);

/* The prior covariance of the parameters listed (indices into the control file; adjustable):
 * from `++parcov(file)` where it is given (parameters that it does not name take their bounds'),
 * else from bounds: standard deviation = (upper - lower) / `++par_sigma_range` (4), in log10 for
 * log parameters. NULL with a sentence. */
struct covariance *covariance_prior(struct pest_control *control, const size_t *parameters,
                                    size_t count, struct error *ret_error);

#endif
