/* matrix_text.c - PEST's matrices in text, and CSV. */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/csv.h"
#include "common/pest/control.h"
#include "common/pest/number.h"
#include "common/values.h"
#include "master/pest/matrix_private.h"

#define WORD_MAX      64   /* a number has fewer characters */
#define NAME_LINE_MAX 1024 /* of names; longer ones are refused anyway */

/* Words and lines of a text, with their number. */
struct scanner {
    struct matrix_input *input;
    unsigned long line; /* of the word read last */
    bool line_ended;    /* its newline has been read as well */
};

static int scanner_fail(const struct scanner *scanner, const char *what)
{
    return error_set(scanner->input->error, ERROR_CONFIG, "%s:%lu: %s", scanner->input->name,
                     scanner->line, what);
}

/* The next word (NUL-terminated), its size; 0 at the end of the file, -1: it is too long. */
static int word_read(struct scanner *scanner, char word[WORD_MAX])
{
    FILE *stream = scanner->input->stream;
    int c, size = 0;
    do {
        if (scanner->line_ended) {
            scanner->line++;
            scanner->line_ended = false;
        }
        c = getc_unlocked(stream);
        scanner->line_ended = c == '\n';
    } while (c != EOF && (isspace(c) || c == ','));
    for (; c != EOF && !isspace(c) && c != ','; c = getc_unlocked(stream)) {
        if (size == WORD_MAX - 1) {
            return scanner_fail(scanner, "a number is expected, but a word of more than 60 "
                                         "characters stands there");
        }
        word[size++] = (char)c;
    }
    scanner->line_ended = c == '\n';
    word[size] = '\0';
    return size;
}

/* The next line that is not blank, without blanks around it; its size, 0 at the end. */
static int line_read(struct scanner *scanner, char text[NAME_LINE_MAX])
{
    FILE *stream = scanner->input->stream;
    for (;;) {
        if (scanner->line_ended) {
            scanner->line++;
        }
        int c = getc_unlocked(stream), size = 0;
        if (c == EOF || c == 26) { /* Ctrl-Z: the end of a text on DOS */
            return 0;
        }
        for (; c != EOF && c != '\n'; c = getc_unlocked(stream)) {
            if (size == 0 && isspace(c)) {
                continue;
            }
            if (size == NAME_LINE_MAX - 1) {
                return scanner_fail(scanner, "a name is expected, but the line is too long");
            }
            text[size++] = (char)c;
        }
        scanner->line_ended = true;
        while (size > 0 && isspace((unsigned char)text[size - 1])) {
            size--;
        }
        text[size] = '\0';
        if (size > 0) {
            return size;
        }
    }
}

static int integer_read(struct scanner *scanner, long least, long most, const char *what,
                        long *ret)
{
    char word[WORD_MAX], *end;
    int size = word_read(scanner, word);
    if (size < 0) {
        return -1;
    }
    errno = 0;
    *ret = strtol(word, &end, 10);
    if (size == 0 || *end || errno || *ret < least || *ret > most) {
        char text[160];
        snprintf(
            text, sizeof(text),
            "%s is expected (a matrix begins with its rows, columns and code), but \"%.40s\" "
            "stands there",
            what, word);
        return scanner_fail(scanner, text);
    }
    return 0;
}

static int values_scan(struct scanner *scanner, struct matrix *matrix)
{
    size_t across = matrix->diagonal ? 1 : matrix->columns;
    for (size_t row = 0; row < matrix->rows; row++) {
        for (size_t column = 0; column < across; column++) {
            char word[WORD_MAX], text[200];
            double value = 0;
            int size = word_read(scanner, word);
            if (size < 0) {
                return -1;
            }
            enum pest_number kind = pest_number_parse(word, (size_t)size, &value);
            if (size == 0 || kind != PEST_NUMBER_GOOD) {
                snprintf(
                    text, sizeof(text),
                    "the element of row %zu and column %zu (from 1) is expected, but %s%s%s%s",
                    row + 1, column + 1, size ? "\"" : "the file ends", word, size ? "\" " : "",
                    size ? pest_number_fault(kind) : "");
                return scanner_fail(scanner, text);
            }
            matrix->values[row + column * matrix->rows] = value;
        }
    }
    return 0;
}

/* "* row names", with blanks and case as they come. */
static bool is_heading(const char *line, bool rows, bool columns)
{
    return line[0] == '*' && (strcasestr(line, "row") != NULL) == rows &&
           (strcasestr(line, "col") != NULL) == columns && strcasestr(line, "name");
}

static int names_scan(struct scanner *scanner, size_t count, char **names)
{
    for (size_t i = 0; i < count; i++) {
        char line[NAME_LINE_MAX];
        int size = line_read(scanner, line);
        if (size < 0) {
            return -1;
        }
        if (size == 0 || line[0] == '*') {
            char text[160];
            snprintf(text, sizeof(text), "name %zu of %zu is expected, but %s", i + 1, count,
                     size ? "a line with an asterisk stands there" : "the file ends");
            return scanner_fail(scanner, text);
        }
        names[i] = matrix_name(scanner->input, line, (size_t)size);
        if (!names[i]) {
            return error_prefix(scanner->input->error, "line %lu", scanner->line);
        }
    }
    return 0;
}

static int names_copy(const struct matrix *matrix, struct error *ret_error)
{
    for (size_t i = 0; i < matrix->rows; i++) {
        matrix->column_names[i] = strdup(matrix->row_names[i]);
        if (!matrix->column_names[i]) {
            return error_set(ret_error, ERROR_SYSTEM, "there is no memory for names");
        }
    }
    return 0;
}

static int headings_scan(struct scanner *scanner, struct matrix *matrix)
{
    char line[NAME_LINE_MAX];
    int size = line_read(scanner, line);
    if (size < 0) {
        return -1;
    }
    if (size > 0 && is_heading(line, true, true)) {
        if (matrix->rows != matrix->columns) {
            return scanner_fail(scanner, "one list of names serves rows and columns only where "
                                         "there are as many rows as columns");
        }
        return names_scan(scanner, matrix->rows, matrix->row_names) != 0
                   ? -1
                   : names_copy(matrix, scanner->input->error);
    }
    if (size == 0 || !is_heading(line, true, false)) {
        return scanner_fail(scanner,
                            "after the elements, \"* row and column names\" or \"* row "
                            "names\" is expected");
    }
    if (names_scan(scanner, matrix->rows, matrix->row_names) != 0) {
        return -1;
    }
    size = line_read(scanner, line);
    if (size < 0) {
        return -1;
    }
    if (size == 0 || !is_heading(line, false, true)) {
        return scanner_fail(scanner, "after the rows' names, \"* column names\" is expected");
    }
    return names_scan(scanner, matrix->columns, matrix->column_names);
}

struct matrix *matrix_read_ascii(struct matrix_input *input)
{
    struct scanner scanner = {.input = input, .line = 1};
    long rows, columns, code;
    if (integer_read(&scanner, 1, INT_MAX, "the number of rows", &rows) != 0 ||
        integer_read(&scanner, 1, INT_MAX, "the number of columns", &columns) != 0 ||
        integer_read(&scanner, -1, 2, "a code of -1, 1 or 2", &code) != 0) {
        return NULL;
    }
    bool diagonal = code == -1;
    uint64_t elements = (uint64_t)rows * (diagonal ? 1 : (uint64_t)columns);
    if (diagonal && rows != columns) {
        scanner_fail(&scanner, "code -1 is for a diagonal matrix, which has as many columns as "
                               "rows");
        return NULL;
    }
    if (elements > input->size / 2) { /* an element takes a digit and a blank */
        scanner_fail(&scanner, "the file is too short for a matrix of that size");
        return NULL;
    }
    struct matrix *matrix =
        matrix_create_for(input, (uint64_t)rows, (uint64_t)columns, diagonal);
    if (matrix &&
        (values_scan(&scanner, matrix) != 0 || headings_scan(&scanner, matrix) != 0)) {
        matrix_free(matrix);
        return NULL;
    }
    return matrix;
}

/* --- CSV ------------------------------------------------------------------------------------ */

static int csv_row(const struct matrix_input *input, const struct csv_record *record,
                   size_t row, struct matrix *matrix)
{
    matrix->row_names[row] = matrix_name(input, record->fields[0].text, record->fields[0].size);
    if (!matrix->row_names[row]) {
        return error_prefix(input->error, "line %llu", (unsigned long long)record->line);
    }
    for (size_t i = 1; i < record->count; i++) {
        const struct csv_field *field = &record->fields[i];
        enum pest_number kind = pest_number_parse(
            field->text, field->size, &matrix->values[row + (i - 1) * matrix->rows]);
        if (kind != PEST_NUMBER_GOOD) {
            return error_set(input->error, ERROR_CONFIG,
                             "%s:%llu: \"%.40s\" in column \"%s\" %s", input->name,
                             (unsigned long long)record->line, field->text,
                             matrix->column_names[i - 1], pest_number_fault(kind));
        }
    }
    return 0;
}

static int csv_names(const struct matrix_input *input, const struct csv_record *record,
                     struct matrix *matrix)
{
    for (size_t i = 1; i < record->count; i++) {
        matrix->column_names[i - 1] =
            matrix_name(input, record->fields[i].text, record->fields[i].size);
        if (!matrix->column_names[i - 1]) {
            return -1;
        }
    }
    return 0;
}

/* Records in the text, the header's fields; -1 with a sentence. */
static int csv_shape(const struct matrix_input *input, const char *text, size_t *ret_rows,
                     size_t *ret_columns)
{
    struct csv_record record;
    struct csv_reader *reader = csv_open_memory(text, input->size, input->name, input->error);
    int result = reader ? csv_next(reader, &record, input->error) : -1;
    *ret_columns = result == 1 ? record.count - 1 : 0;
    *ret_rows = 0;
    while (result == 1) {
        result = csv_next(reader, &record, input->error);
        *ret_rows += result == 1;
    }
    csv_close(reader);
    if (result == 0 && (*ret_rows == 0 || *ret_columns == 0)) {
        return error_set(
            input->error, ERROR_CONFIG,
            "%s has no elements: a matrix has a header with the columns' names, and "
            "rows that begin with a name",
            input->name);
    }
    return result;
}

static struct matrix *csv_fill(const struct matrix_input *input, const char *text, size_t rows,
                               size_t columns)
{
    struct csv_record record;
    struct matrix *matrix = matrix_create_for(input, rows, columns, false);
    struct csv_reader *reader = csv_open_memory(text, input->size, input->name, input->error);
    int result = matrix && reader ? csv_next(reader, &record, input->error) : -1;
    if (result == 1) {
        result = csv_names(input, &record, matrix) == 0 ? 1 : -1;
    }
    for (size_t row = 0; result == 1 && row < rows; row++) {
        result = csv_next(reader, &record, input->error);
        if (result == 1 && csv_row(input, &record, row, matrix) != 0) {
            result = -1;
        }
    }
    csv_close(reader);
    if (result != 1) {
        matrix_free(matrix);
        return NULL;
    }
    return matrix;
}

struct matrix *matrix_read_csv(struct matrix_input *input)
{
    size_t rows, columns;
    char *text = malloc(input->size + 1);
    struct matrix *matrix = NULL;
    if (!text) {
        error_set(input->error, ERROR_SYSTEM, "there is no memory for %s", input->name);
    } else if (fread(text, 1, input->size, input->stream) != input->size) {
        error_set(input->error, ERROR_CONFIG, "%s has become shorter while it was read",
                  input->name);
    } else if (csv_shape(input, text, &rows, &columns) == 0) {
        matrix = csv_fill(input, text, rows, columns);
    }
    free(text);
    return matrix;
}

/* --- writing -------------------------------------------------------------------------------- */

void matrix_put_number(FILE *stream, double value)
{
    char text[VALUE_NUMBER_MAX];
    fwrite(text, 1, (size_t)value_format_real(value, text), stream);
}

static double element(const struct matrix *matrix, size_t row, size_t column)
{
    if (matrix->diagonal) {
        return row == column ? matrix->values[row] : 0;
    }
    return matrix->values[row + column * matrix->rows];
}

static void names_put(FILE *stream, char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fprintf(stream, "%s\n", names[i]);
    }
}

int matrix_put_ascii(const struct matrix *matrix, FILE *stream, int icode,
                     struct error *ret_error)
{
    if (icode != 2 && matrix->rows != matrix->columns) {
        return error_set(ret_error, ERROR_CONFIG, "a matrix of %zu x %zu is not symmetric",
                         matrix->rows, matrix->columns);
    }
    fprintf(stream, "%zu %zu %d\n", matrix->rows, matrix->columns, icode);
    for (size_t row = 0; row < matrix->rows; row++) {
        size_t from = icode == -1 ? row : 0, to = icode == -1 ? row + 1 : matrix->columns;
        for (size_t column = from; column < to; column++) {
            putc_unlocked(' ', stream);
            matrix_put_number(stream, element(matrix, row, column));
        }
        putc_unlocked('\n', stream);
    }
    fputs(icode == 2 ? "* row names\n" : "* row and column names\n", stream);
    names_put(stream, matrix->row_names, matrix->rows);
    if (icode == 2) {
        fputs("* column names\n", stream);
        names_put(stream, matrix->column_names, matrix->columns);
    }
    return 0;
}

static int no_memory(const char *text, struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "there is no memory to write \"%.60s\"", text);
}

int matrix_put_csv(const struct matrix *matrix, FILE *stream, struct error *ret_error)
{
    fputs("name", stream);
    for (size_t i = 0; i < matrix->columns; i++) {
        putc_unlocked(',', stream);
        if (csv_print_field(stream, matrix->column_names[i]) != 0) {
            return no_memory(matrix->column_names[i], ret_error);
        }
    }
    putc_unlocked('\n', stream);
    for (size_t row = 0; row < matrix->rows; row++) {
        if (csv_print_field(stream, matrix->row_names[row]) != 0) {
            return no_memory(matrix->row_names[row], ret_error);
        }
        for (size_t column = 0; column < matrix->columns; column++) {
            putc_unlocked(',', stream);
            matrix_put_number(stream, element(matrix, row, column));
        }
        putc_unlocked('\n', stream);
    }
    return 0;
}
