/*
 * The file is kept as it is, and beside it a list of its fields: where each begins and ends. To
 * write a model's file is to copy what stands between them; it is gathered in a buffer, so that
 * a template of many fields costs few system calls.
 */
#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/nearest.h"
#include "common/pest/control.h"
#include "common/pest/head.h"
#include "common/pest/template.h"

#define CHUNK ((size_t)256 << 10) /* bytes gathered before they are written */

struct field {
    size_t start, width; /* in the text */
    uint64_t line;
    int parameter;
};

struct pest_template {
    char *path;
    char *text; /* the whole file */
    size_t size;
    size_t body; /* where its second line begins */
    bool json;
    struct field *fields;
    size_t count, capacity;
};

/* What the parser knows. */
struct parser {
    struct pest_template *template;
    const struct pest_index *parameters;
    char delimiter;
    uint64_t line;
    struct error *error;
};

__attribute__((format(printf, 2, 3))) static int fail(struct parser *parser, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    error_vset(parser->error, ERROR_CONFIG, format, args);
    va_end(args);
    return error_prefix(parser->error, "%s:%llu", parser->template->path,
                        (unsigned long long)parser->line);
}

static int add_field(struct parser *parser, const char *start, size_t width, int parameter)
{
    struct pest_template *template = parser->template;
    if (template->count == template->capacity) {
        size_t capacity = template->capacity ? template->capacity * 2 : 64;
        struct field *fields = reallocarray(template->fields, capacity, sizeof(*fields));
        if (!fields)
            return error_set(parser->error, ERROR_SYSTEM, "%s: no memory left", template->path);
        template->fields = fields;
        template->capacity = capacity;
    }
    template->fields[template->count++] =
        (struct field){(size_t)(start - template->text), width, parser->line, parameter};
    return 0;
}

static int refuse_name(struct parser *parser, const char *name, size_t size)
{
    if (size == 0)
        return fail(parser, "no name between two %c", parser->delimiter);
    if (size > PEST_NAME_MAX)
        return fail(parser, "a name of %zu characters (%d are allowed); is a %c missing?", size,
                    PEST_NAME_MAX, parser->delimiter);
    const char *nearest = pest_index_nearest(parser->parameters, name, size);
    return fail(parser, "the control file has no parameter \"%.*s\"%s", (int)size, name,
                nearest_hint(nearest).text);
}

/* The field between two delimiters. */
static int parse_field(struct parser *parser, const char *open, const char *close)
{
    const char *name = open + 1, *end = close;
    while (name < end && pest_is_blank(*name))
        name++;
    while (end > name && pest_is_blank(end[-1]))
        end--;
    size_t size = (size_t)(end - name);
    int parameter =
        size && size <= PEST_NAME_MAX ? pest_index_find(parser->parameters, name, size) : -1;
    if (parameter < 0)
        return refuse_name(parser, name, size);
    return add_field(parser, open, (size_t)(close + 1 - open), parameter);
}

static int refuse_open(struct parser *parser, const char *open)
{
    const char *text = parser->template->text;
    const char *before = memrchr(text, '\n', (size_t)(open - text));
    return fail(parser, "the %c in column %td has no partner in its line", parser->delimiter,
                before ? open - before : open - text + 1);
}

/* Find the delimiters first and count lines between them: most of a large file is neither. */
static int parse_body(struct parser *parser)
{
    struct pest_template *template = parser->template;
    const char *at = template->text + template->body, *counted = at, *next;
    const char *end = template->text + template->size;
    parser->line = 2;
    while (at < end && (at = memchr(at, parser->delimiter, (size_t)(end - at)))) {
        for (; (next = memchr(counted, '\n', (size_t)(at - counted))); counted = next + 1)
            parser->line++;
        counted = at;
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *close =
            memchr(at + 1, parser->delimiter, (size_t)((line_end ? line_end : end) - at - 1));
        if (!close)
            return refuse_open(parser, at);
        if (parse_field(parser, at, close) < 0)
            return -1;
        at = close + 1;
    }
    return 0;
}

/* `text` is taken, whether this succeeds or not. */
static struct pest_template *parse(char *text, size_t size, const char *name,
                                   const struct pest_index *parameters, struct error *ret_error)
{
    struct pest_template *template = calloc(1, sizeof(*template));
    struct parser parser = {.template = template, .parameters = parameters, .error = ret_error};
    if (!template || !(template->path = strdup(name))) {
        free(text);
        free(template);
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", name);
        return NULL;
    }
    template->text = text;
    template->size = size;
    struct pest_head head;
    if (pest_head_parse(text, size, name, "ptf", "", &head, ret_error) == 0) {
        template->body = head.size;
        template->json = head.json;
        parser.delimiter = head.mark;
        if (parse_body(&parser) == 0)
            return template;
    }
    pest_template_destroy(template);
    return NULL;
}

struct pest_template *pest_template_read(const char *path, const struct pest_index *parameters,
                                         struct error *ret_error)
{
    char *text;
    size_t size;
    if (json_read_text(path, PEST_TEMPLATE_SIZE_MAX, &text, &size, ret_error) < 0)
        return NULL;
    return parse(text, size, path, parameters, ret_error);
}

struct pest_template *pest_template_parse(const char *bytes, size_t size, const char *name,
                                          const struct pest_index *parameters,
                                          struct error *ret_error)
{
    char *text = malloc(size + 1);
    if (!text) {
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", name);
        return NULL;
    }
    if (size)
        memcpy(text, bytes, size);
    text[size] = 0;
    return parse(text, size, name, parameters, ret_error);
}

void pest_template_destroy(struct pest_template *template)
{
    if (!template)
        return;
    free(template->path);
    free(template->text);
    free(template->fields);
    free(template);
}

size_t pest_template_fields(const struct pest_template *template)
{
    return template->count;
}

struct pest_field pest_template_field(const struct pest_template *template, size_t number)
{
    const struct field *field = &template->fields[number];
    return (struct pest_field){field->parameter, field->width, field->line};
}

bool pest_template_json(const struct pest_template *template)
{
    return template->json;
}

size_t pest_template_size(const struct pest_template *template)
{
    return template->size - template->body;
}

const char *pest_template_path(const struct pest_template *template)
{
    return template->path;
}

/* A number at the right end of its field. */
static void put_field(struct buf *out, const struct field *field, const struct pest_text *text)
{
    uint8_t *room = buf_reserve(out, field->width);
    if (!room)
        return;
    size_t blanks = field->width - text->size;
    memset(room, ' ', blanks);
    memcpy(room + blanks, text->text, text->size);
    buf_commit(out, field->width);
}

static int flush(struct buf *out, int fd)
{
    if (buf_failed(out)) {
        errno = ENOMEM;
        return -1;
    }
    int status = out->size ? fd_write(fd, out->data, out->size) : 0;
    buf_clear(out);
    return status;
}

/* What stands between fields: gathered if it is short, else written from where it is. */
static int put_text(struct buf *out, const char *text, size_t size, int fd)
{
    if (size < CHUNK) {
        buf_append(out, text, size);
        return out->size >= CHUNK ? flush(out, fd) : 0;
    }
    return flush(out, fd) < 0 ? -1 : fd_write(fd, text, size);
}

static int write_fields(const struct pest_template *template, const struct pest_text *texts,
                        struct buf *out, int fd)
{
    size_t at = template->body;
    for (size_t i = 0; i < template->count; i++) {
        const struct field *field = &template->fields[i];
        if (put_text(out, template->text + at, field->start - at, fd) < 0)
            return -1;
        put_field(out, field, &texts[field->parameter]);
        at = field->start + field->width;
    }
    if (put_text(out, template->text + at, template->size - at, fd) < 0)
        return -1;
    return flush(out, fd);
}

int pest_template_write(const struct pest_template *template, const struct pest_text *texts,
                        int fd, const char *name, struct error *ret_error)
{
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    int status = write_fields(template, texts, &out, fd);
    if (status < 0)
        error_errno(ret_error, errno, "%s: cannot be written", name);
    buf_fini(&out);
    return status;
}
