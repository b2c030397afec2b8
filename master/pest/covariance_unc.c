/*
 * covariance_unc.c - parameter uncertainty files: blocks of standard deviations and of matrices.
 *
 * Each block becomes a covariance of its own; at the end they are put together along a diagonal.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pest/index.h"
#include "common/pest/number.h"
#include "common/text_mark.h"
#include "master/pest/covariance_private.h"

#define LINE_SIZE  4096
#define WORDS      3
#define BLOCKS_MAX 10000

/* The file being read. */
struct unc {
    const char *path;
    FILE *stream;
    unsigned long line;
    char text[LINE_SIZE];
    char *words[WORDS]; /* of the line; "" where there is none */
    size_t max_bytes;
    const char *const *order; /* of parameters, for first_parameter; may be NULL */
    size_t order_count;
    struct covariance **blocks;
    size_t block_count;
    struct error *error;
};

static int unc_fail(const struct unc *unc, const char *what, const char *word)
{
    return error_set(unc->error, ERROR_CONFIG, "%s:%lu: %s%s%s%s", unc->path, unc->line, what,
                     *word ? " \"" : "", word, *word ? "\"" : "");
}

static int no_memory(const struct unc *unc)
{
    return error_set(unc->error, ERROR_SYSTEM, "there is no memory for %s", unc->path);
}

/* Cut the line into words; what stands in quotes is one. */
static void line_split(struct unc *unc)
{
    char *at = unc->text;
    for (int i = 0; i < WORDS; i++) {
        at += strspn(at, " \t\r\n,");
        char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
        char ends[] = {quote, '\0'};
        unc->words[i] = at;
        at += strcspn(at, quote ? ends : " \t\r\n,");
        if (*at) {
            *at++ = '\0';
        }
    }
}

/* The next line with words: 1, 0 at the end, -1 with a sentence. */
static int line_next(struct unc *unc)
{
    while (fgets(unc->text, sizeof(unc->text), unc->stream)) {
        unc->line++;
        size_t size = strlen(unc->text);
        if (size == sizeof(unc->text) - 1 && unc->text[size - 1] != '\n') {
            return unc_fail(unc, "the line is too long", "");
        }
        if (unc->line == 1) {
            size_t mark = text_mark_size(unc->text, size);
            memmove(unc->text, unc->text + mark, size + 1 - mark);
        }
        if (unc->text[strspn(unc->text, " \t")] == '#') {
            continue;
        }
        line_split(unc);
        if (*unc->words[0] && *unc->words[0] != 26) {
            return 1;
        }
    }
    return 0;
}

/* 1: another line of the block; 0: its END; -1. */
static int block_next(struct unc *unc, const char *block)
{
    int more = line_next(unc);
    if (more == 0) {
        return unc_fail(unc, "the file ends, but the block lacks its END", block);
    }
    if (more == 1 && strcasecmp(unc->words[0], "end") == 0) {
        return strcasecmp(unc->words[1], block) == 0
                   ? 0
                   : unc_fail(unc, "this END belongs to another block; expected is END", block);
    }
    return more;
}

static int number_take(const struct unc *unc, double *ret)
{
    const char *word = unc->words[1];
    if (pest_number_parse(word, strlen(word), ret) != PEST_NUMBER_GOOD || !(*ret > 0)) {
        return error_set(unc->error, ERROR_CONFIG,
                         "%s:%lu: a number above 0 is expected after \"%s\", but \"%s\" stands "
                         "there",
                         unc->path, unc->line, unc->words[0], word);
    }
    return 0;
}

static int block_add(struct unc *unc, struct covariance *covariance)
{
    struct covariance **blocks = NULL;
    if (unc->block_count < BLOCKS_MAX) {
        blocks = realloc(unc->blocks, (unc->block_count + 1) * sizeof(*blocks));
    }
    if (!blocks) {
        covariance_free(covariance);
        return no_memory(unc);
    }
    unc->blocks = blocks;
    blocks[unc->block_count++] = covariance;
    return 0;
}

/* --- standard deviations --------------------------------------------------------------------- */

struct deviations {
    char **names;
    double *variances;
    size_t count, capacity;
};

static int deviation_add(const struct unc *unc, struct deviations *list, double deviation)
{
    if (list->count == list->capacity) {
        size_t capacity = 2 * list->capacity + 64;
        char **names = realloc(list->names, capacity * sizeof(*names));
        list->names = names ? names : list->names;
        double *variances = realloc(list->variances, capacity * sizeof(*variances));
        list->variances = variances ? variances : list->variances;
        if (!names || !variances) {
            return no_memory(unc);
        }
        list->capacity = capacity;
    }
    char *name = strdup(unc->words[0]);
    if (!name) {
        return no_memory(unc);
    }
    for (char *c = name; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    list->names[list->count] = name;
    list->variances[list->count++] = deviation * deviation;
    return 0;
}

static int deviations_read(struct unc *unc, struct deviations *list)
{
    double multiplier = 1;
    int more;
    while ((more = block_next(unc, "standard_deviation")) == 1) {
        double value;
        if (number_take(unc, &value) != 0) {
            return -1;
        }
        if (strcasecmp(unc->words[0], "std_multiplier") == 0) {
            multiplier = value;
        } else if (deviation_add(unc, list, value) != 0) {
            return -1;
        }
    }
    for (size_t i = 0; i < list->count; i++) {
        list->variances[i] *= multiplier * multiplier;
    }
    return more;
}

static int deviations_block(struct unc *unc)
{
    struct deviations list = {0};
    struct covariance *covariance = NULL;
    if (deviations_read(unc, &list) == 0) {
        covariance = covariance_from_variances((const char *const *)list.names, list.variances,
                                               list.count, unc->error);
    }
    for (size_t i = 0; i < list.count; i++) {
        free(list.names[i]);
    }
    free(list.names);
    free(list.variances);
    return covariance ? block_add(unc, covariance) : -1;
}

/* --- matrices -------------------------------------------------------------------------------- */

struct matrix_block {
    char *file, *list, *first, *last; /* owned; NULL: not given */
    double multiplier;
};

static void matrix_block_fini(struct matrix_block *block)
{
    free(block->file);
    free(block->list);
    free(block->first);
    free(block->last);
}

static int text_take(const struct unc *unc, char **ret)
{
    if (*ret || !*unc->words[1]) {
        return unc_fail(unc,
                        *ret ? "this stands in the block twice:" : "a value is missing after",
                        unc->words[0]);
    }
    *ret = strdup(unc->words[1]);
    return *ret ? 0 : no_memory(unc);
}

static int matrix_line(const struct unc *unc, struct matrix_block *block)
{
    const struct {
        const char *name;
        char **text;
    } texts[] = {{"file", &block->file},
                 {"parameter_list_file", &block->list},
                 {"first_parameter", &block->first},
                 {"last_parameter", &block->last}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        if (strcasecmp(unc->words[0], texts[i].name) == 0) {
            return text_take(unc, texts[i].text);
        }
    }
    if (strcasecmp(unc->words[0], "variance_multiplier") == 0) {
        return number_take(unc, &block->multiplier);
    }
    return unc_fail(unc,
                    "a covariance_matrix block has file, variance_multiplier, "
                    "parameter_list_file, first_parameter and last_parameter, but not",
                    unc->words[0]);
}

/* A file named in the .unc file is relative to it. Allocated. */
static char *path_beside(const struct unc *unc, const char *name)
{
    char *copy = strdup(unc->path), *path = NULL;
    if (copy && (name[0] == '/' || asprintf(&path, "%s/%s", dirname(copy), name) < 0)) {
        path = name[0] == '/' ? strdup(name) : NULL;
    }
    free(copy);
    if (!path) {
        no_memory(unc);
    }
    return path;
}

/* Give the matrix another name in place i. */
static int name_replace(const struct unc *unc, struct covariance *covariance, size_t i,
                        const char *name)
{
    char *copy = strdup(name);
    if (!copy) {
        return no_memory(unc);
    }
    for (char *c = copy; *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    free(covariance->names[i]);
    covariance->names[i] = copy;
    return 0;
}

static int names_from_list(const struct unc *unc, const char *list,
                           struct covariance *covariance)
{
    char *path = path_beside(unc, list);
    struct unc names = {.path = path, .error = unc->error};
    int more = 1, result = 0;
    if (!path) {
        return -1;
    }
    names.stream = fopen(path, "re");
    if (!names.stream) {
        result = error_errno(unc->error, errno, "%s:%lu: \"%s\" cannot be read", unc->path,
                             unc->line, path);
    }
    for (size_t i = 0; result == 0 && i < covariance->count; i++) {
        more = line_next(&names);
        if (more != 1) {
            result = more < 0 ? -1
                              : error_set(unc->error, ERROR_CONFIG,
                                          "%s has %zu names, but the matrix has %zu rows", path,
                                          i, covariance->count);
        } else {
            result = name_replace(unc, covariance, i, names.words[0]);
        }
    }
    if (result == 0 && line_next(&names) == 1) {
        result = error_set(unc->error, ERROR_CONFIG,
                           "%s has more names than the matrix has rows (%zu)", path,
                           covariance->count);
    }
    if (names.stream) {
        fclose(names.stream);
    }
    free(path);
    return result;
}

static int names_from_range(const struct unc *unc, const struct matrix_block *block,
                            struct covariance *covariance)
{
    size_t first = unc->order_count, last = unc->order_count;
    if (!block->first || !block->last || !unc->order) {
        return unc_fail(unc,
                        unc->order
                            ? "first_parameter and last_parameter go together"
                            : "first_parameter needs a control file's order of parameters",
                        "");
    }
    for (size_t i = 0; i < unc->order_count; i++) {
        first = strcasecmp(unc->order[i], block->first) == 0 ? i : first;
        last = strcasecmp(unc->order[i], block->last) == 0 ? i : last;
    }
    if (first == unc->order_count || last == unc->order_count) {
        return unc_fail(unc, "this is no adjustable parameter of the control file:",
                        first == unc->order_count ? block->first : block->last);
    }
    if (last < first || last - first + 1 != covariance->count) {
        return error_set(
            unc->error, ERROR_CONFIG,
            "%s:%lu: the matrix has %zu rows, but \"%s\" to \"%s\" are not as many "
            "parameters",
            unc->path, unc->line, covariance->count, block->first, block->last);
    }
    for (size_t i = 0; i < covariance->count; i++) {
        if (name_replace(unc, covariance, i, unc->order[first + i]) != 0) {
            return -1;
        }
    }
    return 0;
}

static struct covariance *matrix_block_read(const struct unc *unc,
                                            const struct matrix_block *block)
{
    if (!block->file) {
        unc_fail(unc, "the covariance_matrix block names no file", "");
        return NULL;
    }
    char *path = path_beside(unc, block->file);
    struct covariance *covariance =
        path ? covariance_read_matrix(path, unc->max_bytes, unc->error) : NULL;
    free(path);
    int result = covariance ? 0 : -1;
    if (result == 0 && block->list) {
        result = names_from_list(unc, block->list, covariance);
    } else if (result == 0 && (block->first || block->last)) {
        result = names_from_range(unc, block, covariance);
    }
    if (result != 0) {
        covariance_free(covariance);
        return NULL;
    }
    size_t count = covariance->count;
    for (size_t i = 0; i < (covariance->diagonal ? count : count * count); i++) {
        covariance->values[i] *= block->multiplier;
    }
    return covariance;
}

static int matrix_block(struct unc *unc)
{
    struct matrix_block block = {.multiplier = 1};
    int more;
    while ((more = block_next(unc, "covariance_matrix")) == 1) {
        if (matrix_line(unc, &block) != 0) {
            more = -1;
            break;
        }
    }
    struct covariance *covariance = more == 0 ? matrix_block_read(unc, &block) : NULL;
    matrix_block_fini(&block);
    return covariance ? block_add(unc, covariance) : -1;
}

/* --- all of it ------------------------------------------------------------------------------- */

static int blocks_read(struct unc *unc)
{
    int more;
    while ((more = line_next(unc)) == 1) {
        int result = -1;
        if (strcasecmp(unc->words[0], "start") != 0) {
            unc_fail(unc,
                     "START STANDARD_DEVIATION or START COVARIANCE_MATRIX is expected, not",
                     unc->words[0]);
        } else if (strcasecmp(unc->words[1], "standard_deviation") == 0) {
            result = deviations_block(unc);
        } else if (strcasecmp(unc->words[1], "covariance_matrix") == 0) {
            result = matrix_block(unc);
        } else {
            unc_fail(unc, "blocks are STANDARD_DEVIATION and COVARIANCE_MATRIX, but not",
                     unc->words[1]);
        }
        if (result != 0) {
            return -1;
        }
    }
    return more;
}

static void block_place(const struct covariance *block, struct covariance *whole, size_t at)
{
    for (size_t j = 0; j < block->count; j++) {
        whole->names[at + j] = block->names[j];
        block->names[j] = NULL;
        for (size_t i = 0; i < block->count; i++) {
            double value = block->diagonal ? (i == j ? block->values[j] : 0)
                                           : block->values[i + j * block->count];
            if (!whole->diagonal) {
                whole->values[at + i + (at + j) * whole->count] = value;
            } else if (i == j) {
                whole->values[at + j] = value;
            }
        }
    }
}

static int names_unique(const struct unc *unc, const struct covariance *whole)
{
    struct pest_index *index =
        pest_index_create((const char *const *)whole->names, whole->count, unc->error);
    int result = index ? 0 : -1;
    for (size_t i = 0; result == 0 && i < whole->count; i++) {
        if (pest_index_find(index, whole->names[i], strlen(whole->names[i])) != (int)i) {
            result = error_set(unc->error, ERROR_CONFIG, "%s: \"%s\" stands there twice",
                               unc->path, whole->names[i]);
        }
    }
    pest_index_destroy(index);
    return result;
}

static struct covariance *blocks_join(const struct unc *unc)
{
    size_t count = 0, at = 0;
    bool diagonal = true;
    for (size_t i = 0; i < unc->block_count; i++) {
        count += unc->blocks[i]->count;
        diagonal = diagonal && unc->blocks[i]->diagonal;
    }
    if (count == 0) {
        error_set(unc->error, ERROR_CONFIG, "%s names no parameters", unc->path);
        return NULL;
    }
    if (!diagonal && count > unc->max_bytes / sizeof(double) / count) {
        error_set(unc->error, ERROR_CONFIG,
                  "%s: a matrix of %zu x %zu takes more than the %zu MiB it may", unc->path,
                  count, count, unc->max_bytes >> 20);
        return NULL;
    }
    struct covariance *whole = covariance_create(count, diagonal, unc->error);
    for (size_t i = 0; whole && i < unc->block_count; i++) {
        block_place(unc->blocks[i], whole, at);
        at += unc->blocks[i]->count;
    }
    if (whole && names_unique(unc, whole) != 0) {
        covariance_free(whole);
        return NULL;
    }
    return whole;
}

struct covariance *covariance_read_unc(const char *path, size_t max_bytes,
                                       const char *const *order, size_t order_count,
                                       struct error *ret_error)
{
    struct unc unc = {.path = path,
                      .max_bytes = max_bytes,
                      .order = order,
                      .order_count = order_count,
                      .error = ret_error};
    struct covariance *covariance = NULL;
    unc.stream = fopen(path, "re");
    if (!unc.stream) {
        error_errno(ret_error, errno, "\"%s\" cannot be read", path);
        return NULL;
    }
    if (blocks_read(&unc) == 0) {
        covariance = blocks_join(&unc);
    }
    for (size_t i = 0; i < unc.block_count; i++) {
        covariance_free(unc.blocks[i]);
    }
    free(unc.blocks);
    fclose(unc.stream);
    return covariance;
}
