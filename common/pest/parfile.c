#include "config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "common/pest/control.h"
#include "common/pest/head.h"
#include "common/pest/parfile.h"
#include "common/values.h"
#include "common/whole.h"

#define FILE_SIZE_MAX ((size_t)1 << 30)
#define WORDS_MAX     5 /* one more than a row may have */
#define CTRL_Z        0x1a

struct word {
    const char *text;
    size_t size;
};

struct parser {
    const char *path;
    uint64_t line;
    struct word words[WORDS_MAX];
    size_t word_count;
    struct pest_parfile *to;
    size_t capacity;
    bool head; /* has been read */
    struct error *error;
};

static int fail(struct parser *parser, const char *text)
{
    return error_set(parser->error, ERROR_CONFIG, "%s:%llu: %s", parser->path,
                     (unsigned long long)parser->line, text);
}

static bool is_word(struct word word, const char *text)
{
    return word.size == strlen(text) && strncasecmp(word.text, text, word.size) == 0;
}

static int read_head(struct parser *parser)
{
    const struct word *words = parser->words;
    struct pest_style *style = &parser->to->style;
    style->double_precision = is_word(words[0], "double");
    bool good =
        parser->word_count == 2 && (style->double_precision || is_word(words[0], "single"));
    style->point = good && is_word(words[1], "point");
    if (!good || (!style->point && !is_word(words[1], "nopoint")))
        return fail(parser, "a parameter value file begins with \"single\" or \"double\", and "
                            "\"point\" or \"nopoint\"");
    parser->head = true;
    return 0;
}

static struct pest_parfile_row *add_row(struct parser *parser)
{
    struct pest_parfile *to = parser->to;
    if (to->count == parser->capacity) {
        size_t capacity = parser->capacity ? parser->capacity * 2 : 64;
        struct pest_parfile_row *rows = reallocarray(to->rows, capacity, sizeof(*rows));
        if (!rows)
            return NULL;
        to->rows = rows;
        parser->capacity = capacity;
    }
    struct pest_parfile_row *row = &to->rows[to->count];
    *row = (struct pest_parfile_row){.scale = 1};
    row->name = strndup(parser->words[0].text, parser->words[0].size);
    if (!row->name)
        return NULL;
    to->count++;
    return row;
}

static int read_number(struct parser *parser, size_t word, double *ret)
{
    static const char *const what[] = {"", "value", "scale", "offset"};
    const struct word *from = &parser->words[word];
    enum pest_number kind = pest_number_parse(from->text, from->size, ret);
    if (kind == PEST_NUMBER_GOOD)
        return 0;
    return error_set(parser->error, ERROR_CONFIG, "%s:%llu: the %s \"%.*s\" %s", parser->path,
                     (unsigned long long)parser->line, what[word],
                     from->size > 60 ? 60 : (int)from->size, from->text,
                     pest_number_fault(kind));
}

static int read_row(struct parser *parser)
{
    if (parser->word_count < 2 || parser->word_count > 4)
        return fail(parser, "a row has a name, a value, and may have a scale and an offset");
    if (parser->words[0].size > PEST_NAME_MAX)
        return fail(parser, "the name is longer than 200 characters");
    struct pest_parfile_row *row = add_row(parser);
    if (!row)
        return error_set(parser->error, ERROR_SYSTEM, "%s: no memory left", parser->path);
    for (char *at = row->name; *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at += 'a' - 'A';
    if (read_number(parser, 1, &row->value) < 0 ||
        (parser->word_count > 2 && read_number(parser, 2, &row->scale) < 0) ||
        (parser->word_count > 3 && read_number(parser, 3, &row->offset) < 0))
        return -1;
    return 0;
}

static void split_line(struct parser *parser, const char *at, const char *end)
{
    parser->word_count = 0;
    while (parser->word_count < WORDS_MAX) {
        while (at < end && pest_is_blank(*at))
            at++;
        if (at == end || *at == '#')
            return;
        struct word *word = &parser->words[parser->word_count++];
        word->text = at;
        while (at < end && !pest_is_blank(*at))
            at++;
        word->size = (size_t)(at - word->text);
    }
}

static int read_lines(struct parser *parser, const char *at, const char *end)
{
    for (parser->line = 1; at < end && *at != CTRL_Z; parser->line++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            line_end = end;
        if (memchr(at, 0, (size_t)(line_end - at)))
            return fail(parser, "a NUL byte; is this a text file?");
        split_line(parser, at, line_end);
        if (parser->word_count && (parser->head ? read_row(parser) : read_head(parser)) < 0)
            return -1;
        at = line_end + (line_end < end);
    }
    return parser->head ? 0 : fail(parser, "the file is empty");
}

/* Names by place. Allocated; the texts are borrowed from the rows. */
static const char **list_names(const struct pest_parfile *parfile)
{
    const char **names = reallocarray(NULL, parfile->count + 1, sizeof(*names));
    for (size_t i = 0; names && i < parfile->count; i++)
        names[i] = parfile->rows[i].name;
    return names;
}

static int refuse_twice(const struct pest_parfile *parfile, const char *path,
                        struct error *ret_error)
{
    const char **names = list_names(parfile);
    struct pest_index *index =
        names ? pest_index_create(names, parfile->count, ret_error) : NULL;
    int status = index ? 0 : error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", path);
    for (size_t i = 0; i < parfile->count && !status; i++)
        if (pest_index_find(index, names[i], strlen(names[i])) != (int)i)
            status = error_set(ret_error, ERROR_CONFIG, "%s: the parameter \"%s\" stands twice",
                               path, names[i]);
    pest_index_destroy(index);
    free(names);
    return status;
}

int pest_parfile_read(const char *path, struct pest_parfile *ret_parfile,
                      struct error *ret_error)
{
    char *text;
    size_t size;
    struct pest_parfile parfile = {0};
    struct parser parser = {.path = path, .to = &parfile, .error = ret_error};
    if (json_read_text(path, FILE_SIZE_MAX, &text, &size, ret_error) < 0)
        return -1;
    int status = read_lines(&parser, text, text + size);
    free(text);
    if (status == 0)
        status = refuse_twice(&parfile, path, ret_error);
    if (status < 0)
        pest_parfile_fini(&parfile);
    else
        *ret_parfile = parfile;
    return status;
}

void pest_parfile_fini(struct pest_parfile *parfile)
{
    for (size_t i = 0; i < parfile->count; i++)
        free(parfile->rows[i].name);
    free(parfile->rows);
    *parfile = (struct pest_parfile){0};
}

int pest_parfile_take(const struct pest_parfile *parfile, const char *path,
                      const struct pest_index *parameters, double *values,
                      struct error *ret_error)
{
    size_t count = pest_index_count(parameters);
    bool *taken = calloc(count + 1, sizeof(*taken));
    int status = 0;
    if (!taken)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", path);
    for (size_t i = 0; i < parfile->count && !status; i++) {
        const char *name = parfile->rows[i].name;
        int place = pest_index_find(parameters, name, strlen(name));
        if (place < 0) {
            status = error_set(ret_error, ERROR_CONFIG,
                               "%s: the control file has no parameter \"%s\"", path, name);
            continue;
        }
        taken[place] = true;
        values[place] = parfile->rows[i].value;
    }
    for (size_t i = 0; i < count && !status; i++)
        if (!taken[i])
            status = error_set(ret_error, ERROR_CONFIG, "%s: the parameter \"%s\" is missing",
                               path, pest_index_name(parameters, i));
    free(taken);
    return status;
}

static void put_row(FILE *stream, const struct pest_parfile_row *row)
{
    char value[VALUE_NUMBER_MAX], scale[VALUE_NUMBER_MAX], offset[VALUE_NUMBER_MAX];
    value_format_real(row->value, value);
    value_format_real(row->scale, scale);
    value_format_real(row->offset, offset);
    fprintf(stream, "%-20s %24s %12s %12s\n", row->name, value, scale, offset);
}

int pest_parfile_write(const char *path, const struct pest_parfile *parfile,
                       struct error *ret_error)
{
    struct whole whole;
    if (whole_open(&whole, path, ret_error) < 0)
        return -1;
    fprintf(whole.stream, "%s %s\n", parfile->style.double_precision ? "double" : "single",
            parfile->style.point ? "point" : "nopoint");
    for (size_t i = 0; i < parfile->count; i++)
        put_row(whole.stream, &parfile->rows[i]);
    return whole_commit(&whole, ret_error);
}
