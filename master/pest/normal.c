/*
 * normal.c - JᵗQJ without a second Jacobian.
 *
 * The rows that count are gathered, a block at a time, into a buffer Q^½J (rows x parameters);
 * the normal matrix gains the buffer's product with itself, tile by tile of its upper triangle.
 * Blocks and tiles depend on sizes alone, and a tile is one call of a BLAS with one thread, so its
 * sums have one order whichever thread makes it.
 */
#include "config.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "master/pest/gang.h"
#include "master/pest/normal.h"

#define BLOCK_BYTES      ((size_t)48 << 20)
#define BLOCK_ROWS       4096 /* more brings nothing */
#define BLOCK_ROWS_LEAST 256  /* BLAS works through as many at a time */
#define BLOCK_PART       4    /* of the Jacobian, else */
#define TILE             512 /* columns: packing is 1/TILE of the work, and 55 tiles for n = 5000 */
#define GRADIENT_COLUMNS 64
#define MULTIPLY_ROWS    2048
#define SMALL_WORK       100000 /* multiplications not worth a thread */

size_t jacobian_rows(const struct jacobian_view *jacobian)
{
    return jacobian->observations + jacobian->priors;
}

static bool row_counts(const double *weights, const bool *regularisation, enum normal_part part,
                       size_t row)
{
    if (weights && weights[row] == 0) {
        return false;
    }
    bool regular = regularisation && regularisation[row];
    return part == NORMAL_ALL || regular == (part == NORMAL_REGULARISATION);
}

/* The observations that count; *ret_count of them. */
static size_t *rows_gather(const struct jacobian_view *jacobian, const double *weights,
                           const bool *regularisation, enum normal_part part, size_t *ret_count)
{
    size_t *rows = malloc((jacobian->observations + 1) * sizeof(*rows));
    size_t count = 0;
    for (size_t i = 0; rows && i < jacobian->observations; i++) {
        if (row_counts(weights, regularisation, part, i)) {
            rows[count++] = i;
        }
    }
    *ret_count = count;
    return rows;
}

/* A large piece of work is divided, a small one done at once. */
static void divide(size_t pieces, double work, void (*function)(void *context, size_t index),
                   void *context)
{
    if (work > SMALL_WORK) {
        gang_run(pieces, function, context);
        return;
    }
    gang_blas();
    for (size_t i = 0; i < pieces; i++) {
        function(context, i);
    }
}

/* --- JᵗQJ ----------------------------------------------------------------------------------- */

struct block {
    const struct jacobian_view *jacobian;
    const double *weights;
    const size_t *rows; /* of this block */
    size_t count;
    size_t leading;
    double *buffer; /* buffer[k + p * leading] */
    double *normal;
};

static void columns_gather(void *context, size_t piece)
{
    struct block *block = context;
    size_t end = (piece + 1) * TILE;
    if (end > block->jacobian->parameters) {
        end = block->jacobian->parameters;
    }
    for (size_t p = piece * TILE; p < end; p++) {
        const double *column = block->jacobian->columns[p];
        double *to = block->buffer + p * block->leading;
        for (size_t k = 0; k < block->count; k++) {
            to[k] = block->weights[block->rows[k]] * column[block->rows[k]];
        }
    }
}

/* Tiles of the upper triangle are counted column by column: (0,0) (0,1) (1,1) (0,2) ... */
static void tile_find(size_t index, size_t *ret_row, size_t *ret_column)
{
    size_t column = 0;
    while (index > column) {
        index -= column + 1;
        column++;
    }
    *ret_row = index;
    *ret_column = column;
}

static void tile_add(void *context, size_t index)
{
    struct block *block = context;
    size_t n = block->jacobian->parameters, i, j;
    tile_find(index, &i, &j);
    i *= TILE;
    j *= TILE;
    size_t rows = n - i < TILE ? n - i : TILE, columns = n - j < TILE ? n - j : TILE;
    const double *left = block->buffer + i * block->leading;
    double *to = block->normal + i + j * n;
    if (i == j) {
        cblas_dsyrk(CblasColMajor, CblasUpper, CblasTrans, (blasint)rows, (blasint)block->count,
                    1, left, (blasint)block->leading, 1, to, (blasint)n);
    } else {
        cblas_dgemm(CblasColMajor, CblasTrans, CblasNoTrans, (blasint)rows, (blasint)columns,
                    (blasint)block->count, 1, left, (blasint)block->leading,
                    block->buffer + j * block->leading, (blasint)block->leading, 1, to,
                    (blasint)n);
    }
}

static size_t block_rows(size_t parameters, size_t rows)
{
    size_t most = BLOCK_BYTES / sizeof(double) / parameters;
    most = most < 64 ? 64 : most > BLOCK_ROWS ? BLOCK_ROWS : most;
    if (most > BLOCK_ROWS_LEAST && most > rows / BLOCK_PART) {
        most = rows / BLOCK_PART > BLOCK_ROWS_LEAST ? rows / BLOCK_PART : BLOCK_ROWS_LEAST;
    }
    return rows < most ? rows : most;
}

static int observations_add(const struct jacobian_view *jacobian, const double *weights,
                            const size_t *rows, size_t count, double *normal,
                            struct error *ret_error)
{
    size_t n = jacobian->parameters;
    struct block block = {.jacobian = jacobian,
                          .weights = weights,
                          .leading = block_rows(n, count),
                          .normal = normal};
    if (count == 0) {
        return 0;
    }
    block.buffer = malloc(block.leading * n * sizeof(double));
    if (!block.buffer) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for a normal matrix");
    }
    size_t tiles = (n + TILE - 1) / TILE;
    for (size_t start = 0; start < count; start += block.leading) {
        block.rows = rows + start;
        block.count = count - start < block.leading ? count - start : block.leading;
        double work = (double)n * (double)n * (double)block.count;
        divide(tiles, work, columns_gather, &block);
        divide(tiles * (tiles + 1) / 2, work, tile_add, &block);
    }
    free(block.buffer);
    return 0;
}

static void priors_add(const struct jacobian_view *jacobian, const double *weights,
                       const bool *regularisation, enum normal_part part, double *normal)
{
    size_t n = jacobian->parameters;
    for (size_t i = 0; i < jacobian->priors; i++) {
        size_t row = jacobian->observations + i;
        if (!row_counts(weights, regularisation, part, row)) {
            continue;
        }
        double square = weights[row] * weights[row];
        size_t end = jacobian->prior_starts[i + 1];
        for (size_t a = jacobian->prior_starts[i]; a < end; a++) {
            for (size_t b = jacobian->prior_starts[i]; b < end; b++) {
                size_t p = jacobian->prior_columns[a], q = jacobian->prior_columns[b];
                if (p <= q) {
                    normal[p + q * n] +=
                        square * jacobian->prior_values[a] * jacobian->prior_values[b];
                }
            }
        }
    }
}

static int normal_finish(double *normal, size_t n, struct error *ret_error)
{
    for (size_t p = 0; p < n; p++) {
        if (!isfinite(normal[p + p * n])) {
            return error_set(
                ret_error, ERROR_TASKS,
                "column %zu of the Jacobian holds values that are not finite, or too "
                "large to be squared",
                p);
        }
    }
    /* In squares, so that a line of the cache is used while it is there. */
    const size_t square = 64;
    for (size_t q0 = 0; q0 < n; q0 += square) {
        for (size_t p0 = 0; p0 <= q0; p0 += square) {
            for (size_t q = q0; q < n && q < q0 + square; q++) {
                for (size_t p = p0; p < q && p < p0 + square; p++) {
                    normal[q + p * n] = normal[p + q * n];
                }
            }
        }
    }
    return 0;
}

int normal_fill(const struct jacobian_view *jacobian, const double *weights,
                const bool *regularisation, enum normal_part part, double *ret_normal,
                struct error *ret_error)
{
    size_t n = jacobian->parameters, count;
    if (n == 0) {
        return 0;
    }
    size_t *rows = rows_gather(jacobian, weights, regularisation, part, &count);
    if (!rows) {
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for a normal matrix");
    }
    memset(ret_normal, 0, n * n * sizeof(double));
    int result = observations_add(jacobian, weights, rows, count, ret_normal, ret_error);
    free(rows);
    if (result) {
        return -1;
    }
    priors_add(jacobian, weights, regularisation, part, ret_normal);
    return normal_finish(ret_normal, n, ret_error);
}

/* --- JᵗQx and Jδ ---------------------------------------------------------------------------- */

struct gradient {
    const struct jacobian_view *jacobian;
    const double *scaled; /* w² x where the row counts */
    const bool *counts;
    double *result;
};

/* In pieces of rows that all count, where there are such; rows without weight are not read. */
static double column_dot(const double *column, const double *scaled, const bool *counts,
                         size_t rows)
{
    double sum = 0;
    for (size_t start = 0, end; start < rows; start = end) {
        end = start + 1;
        while (end < rows && counts[end] == counts[start]) {
            end++;
        }
        if (counts[start]) {
            sum += cblas_ddot((blasint)(end - start), column + start, 1, scaled + start, 1);
        }
    }
    return sum;
}

static void gradient_columns(void *context, size_t piece)
{
    struct gradient *gradient = context;
    size_t end = (piece + 1) * GRADIENT_COLUMNS;
    for (size_t p = piece * GRADIENT_COLUMNS; p < end && p < gradient->jacobian->parameters;
         p++) {
        gradient->result[p] = column_dot(gradient->jacobian->columns[p], gradient->scaled,
                                         gradient->counts, gradient->jacobian->observations);
    }
}

int normal_gradient(const struct jacobian_view *jacobian, const double *weights,
                    const bool *regularisation, enum normal_part part, const double *x,
                    double *ret, struct error *ret_error)
{
    size_t rows = jacobian_rows(jacobian), n = jacobian->parameters;
    double *scaled = malloc((rows + 1) * sizeof(*scaled));
    bool *counts = malloc(rows + 1);
    if (!scaled || !counts) {
        free(scaled);
        free(counts);
        return error_set(ret_error, ERROR_SYSTEM, "there is no memory for a gradient");
    }
    for (size_t i = 0; i < rows; i++) {
        counts[i] = row_counts(weights, regularisation, part, i);
        scaled[i] = counts[i] ? weights[i] * weights[i] * x[i] : 0;
    }
    struct gradient gradient = {jacobian, scaled, counts, ret};
    divide((n + GRADIENT_COLUMNS - 1) / GRADIENT_COLUMNS, (double)rows * (double)n,
           gradient_columns, &gradient);
    for (size_t i = 0; i < jacobian->priors; i++) {
        for (size_t k = jacobian->prior_starts[i]; k < jacobian->prior_starts[i + 1]; k++) {
            ret[jacobian->prior_columns[k]] +=
                jacobian->prior_values[k] * scaled[jacobian->observations + i];
        }
    }
    free(scaled);
    free(counts);
    return 0;
}

struct product {
    const struct jacobian_view *jacobian;
    const double *delta;
    double *result;
};

static void product_rows(void *context, size_t piece)
{
    struct product *product = context;
    size_t start = piece * MULTIPLY_ROWS, rows = product->jacobian->observations - start;
    if (rows > MULTIPLY_ROWS) {
        rows = MULTIPLY_ROWS;
    }
    double *to = product->result + start;
    memset(to, 0, rows * sizeof(*to));
    for (size_t p = 0; p < product->jacobian->parameters; p++) {
        double factor = product->delta[p];
        const double *column = product->jacobian->columns[p] + start;
        if (factor != 0) {
            cblas_daxpy((blasint)rows, factor, column, 1, to, 1);
        }
    }
}

void jacobian_multiply(const struct jacobian_view *jacobian, const double *weights,
                       const double *delta, double *ret)
{
    struct product product = {jacobian, delta, ret};
    divide((jacobian->observations + MULTIPLY_ROWS - 1) / MULTIPLY_ROWS,
           (double)jacobian->observations * (double)jacobian->parameters, product_rows,
           &product);
    for (size_t i = 0; i < jacobian->priors; i++) {
        double sum = 0;
        for (size_t k = jacobian->prior_starts[i]; k < jacobian->prior_starts[i + 1]; k++) {
            sum += jacobian->prior_values[k] * delta[jacobian->prior_columns[k]];
        }
        ret[jacobian->observations + i] = sum;
    }
    for (size_t i = 0; weights && i < jacobian_rows(jacobian); i++) {
        if (weights[i] == 0) {
            ret[i] = 0;
        }
    }
}

double weighted_square(const double *weights, const bool *regularisation, enum normal_part part,
                       const double *x, size_t rows)
{
    double sum = 0;
    for (size_t i = 0; i < rows; i++) {
        if (row_counts(weights, regularisation, part, i)) {
            sum += weights[i] * x[i] * weights[i] * x[i];
        }
    }
    return sum;
}
