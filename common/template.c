/*
 * A template is compiled to a list of parts: a run of the text as it stands, or a place. The text
 * is kept, and literal parts point into it; a doubled mark is a literal part that covers one of
 * the two.
 */
#include "config.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/template.h"
#include "common/template_private.h"

#define NAME_MAX_BYTES 255
#define PARTS_MAX      4000000 /* of one template; bounds what a file of braces can cost */

static const char mark_signs[] = "!#$%&*/<=>?@^|~{}();,";

struct compiler {
    struct template *template;
    const char *where;
    bool is_file;             /* say LINE:COL */
    const char *const *names; /* in the caller's order */
    size_t *order;            /* indices of names, sorted by name */
    size_t count;
    const char *open, *close;
    size_t open_size, close_size;
    size_t at;
    size_t literal; /* where the current run of literal text began */
    size_t capacity;
    struct error *error;
};

__attribute__((format(printf, 3, 4))) static int fail(struct compiler *compiler, size_t at,
                                                      const char *format, ...)
{
    const char *text = compiler->template->text;
    size_t line = 1, start = 0;
    for (size_t i = 0; compiler->is_file && i < at; i++) {
        if (text[i] == '\n') {
            line++;
            start = i + 1;
        }
    }
    va_list args;
    va_start(args, format);
    error_vset(compiler->error, ERROR_CONFIG, format, args);
    va_end(args);
    if (compiler->is_file)
        return error_prefix(compiler->error, "%s:%zu:%zu", compiler->where, line,
                            at - start + 1);
    return error_prefix(compiler->error, "%s: at character %zu", compiler->where, at + 1);
}

static struct template_part *add_part(struct compiler *compiler)
{
    struct template *template = compiler->template;
    if (template->count == PARTS_MAX) {
        fail(compiler, compiler->at, "more than %d places and doubled marks", PARTS_MAX);
        return NULL;
    }
    if (template->count == compiler->capacity) {
        size_t capacity = compiler->capacity ? compiler->capacity * 2 : 4;
        struct template_part *parts = realloc(template->parts, capacity * sizeof(*parts));
        if (!parts) {
            fail(compiler, compiler->at, "no memory left");
            return NULL;
        }
        template->parts = parts;
        compiler->capacity = capacity;
    }
    struct template_part *part = &template->parts[template->count++];
    *part = (struct template_part){.name = TEMPLATE_LITERAL};
    return part;
}

/* Close the run of literal text at `end`. */
static int add_literal(struct compiler *compiler, size_t end)
{
    if (end == compiler->literal)
        return 0;
    struct template_part *part = add_part(compiler);
    if (!part)
        return -1;
    part->offset = compiler->literal;
    part->size = end - compiler->literal;
    return 0;
}

static bool stands(const struct compiler *compiler, size_t at, const char *mark, size_t size)
{
    const struct template *template = compiler->template;
    return template->size - at >= size && !memcmp(template->text + at, mark, size);
}

/* As strcmp, of a counted name (which may hold a NUL) with a C string. */
static int compare_name(const char *name, size_t size, const char *known)
{
    size_t known_size = strlen(known);
    int order = memcmp(name, known, size < known_size ? size : known_size);
    return order ? order : (size > known_size) - (size < known_size);
}

static int find_name(const struct compiler *compiler, const char *name, size_t size,
                     uint32_t *ret_name)
{
    size_t low = 0, high = compiler->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_name(name, size, compiler->names[compiler->order[middle]]);
        if (!order) {
            *ret_name = (uint32_t)compiler->order[middle];
            return 0;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static int unknown_name(struct compiler *compiler, size_t at, const char *name, size_t size)
{
    char copy[NAME_MAX_BYTES + 1];
    memcpy(copy, name, size);
    copy[size] = 0;
    const char *meant = nearest_find(copy, compiler->names, compiler->count);
    char quoted[100];
    cJSON item = {.type = cJSON_String, .valuestring = copy};
    json_excerpt(&item, quoted, sizeof(quoted));
    if (meant)
        return fail(compiler, at, "%s is no name known here; did you mean \"%s\"?", quoted,
                    meant);
    return fail(compiler, at,
                "%s is no name known here (write %s%s where %s stands for itself)", quoted,
                compiler->open, compiler->open, compiler->open);
}

/* The content of a place: a name, and maybe a colon and a format. */
static int parse_content(struct compiler *compiler, size_t at, const char *content, size_t size,
                         struct template_part *part)
{
    const char *colon = memchr(content, ':', size);
    size_t name_size = colon ? (size_t)(colon - content) : size;
    if (name_size == 0)
        return fail(compiler, at,
                    "a place without a name (write %s%s where %s stands for itself)",
                    compiler->open, compiler->open, compiler->open);
    if (name_size > NAME_MAX_BYTES)
        return fail(compiler, at, "a name of more than %d bytes", NAME_MAX_BYTES);
    if (find_name(compiler, content, name_size, &part->name) < 0)
        return unknown_name(compiler, at, content, name_size);
    if (!colon)
        return 0;
    const char *reason = template_format_parse(colon + 1, size - name_size - 1, &part->format);
    return reason ? fail(compiler, at + compiler->open_size + name_size + 1, "%s", reason) : 0;
}

static int parse_place(struct compiler *compiler)
{
    const struct template *template = compiler->template;
    size_t at = compiler->at, start = at + compiler->open_size;
    const char *content = template->text + start;
    size_t left = template->size - start;
    /* No longer than a name and a format may be, so that a stray mark costs no search to the
     * end of the file; and within its line. */
    size_t reach = left < NAME_MAX_BYTES + 64 ? left : NAME_MAX_BYTES + 64;
    const char *newline = memchr(content, '\n', reach);
    if (newline)
        reach = (size_t)(newline - content);
    const char *end = memmem(content, reach, compiler->close, compiler->close_size);
    if (!end)
        return fail(compiler, at, "this %s has no %s (write %s%s where it stands for itself)",
                    compiler->open, compiler->close, compiler->open, compiler->open);
    if (add_literal(compiler, at) < 0)
        return -1;
    struct template_part *part = add_part(compiler);
    if (!part)
        return -1;
    size_t size = (size_t)(end - content);
    part->offset = at;
    part->size = compiler->open_size + size + compiler->close_size;
    if (parse_content(compiler, at, content, size, part) < 0)
        return -1;
    compiler->at = compiler->literal = at + part->size;
    return 0;
}

/* A mark written twice: keep one. */
static int parse_doubled(struct compiler *compiler, size_t mark_size)
{
    if (add_literal(compiler, compiler->at + mark_size) < 0)
        return -1;
    compiler->at += 2 * mark_size;
    compiler->literal = compiler->at;
    return 0;
}

static int parse_mark(struct compiler *compiler)
{
    size_t at = compiler->at;
    if (stands(compiler, at, compiler->open, compiler->open_size)) {
        if (stands(compiler, at + compiler->open_size, compiler->open, compiler->open_size))
            return parse_doubled(compiler, compiler->open_size);
        return parse_place(compiler);
    }
    if (stands(compiler, at, compiler->close, compiler->close_size)) {
        if (stands(compiler, at + compiler->close_size, compiler->close, compiler->close_size))
            return parse_doubled(compiler, compiler->close_size);
        return fail(compiler, at, "a lone %s (write %s%s where it stands for itself)",
                    compiler->close, compiler->close, compiler->close);
    }
    compiler->at++;
    return 0;
}

static int parse_all(struct compiler *compiler)
{
    const struct template *template = compiler->template;
    const char first[3] = {compiler->open[0], compiler->close[0], 0};
    while (compiler->at < template->size) {
        const char *text = template->text + compiler->at;
        /* A NUL in the text stops strcspn; parse_mark then steps over it. */
        compiler->at += strcspn(text, first);
        if (compiler->at < template->size && parse_mark(compiler) < 0)
            return -1;
    }
    return add_literal(compiler, template->size);
}

static int compare_order(const void *a, const void *b, void *context)
{
    const char *const *names = context;
    return strcmp(names[*(const size_t *)a], names[*(const size_t *)b]);
}

static bool mark_valid(const char *mark)
{
    size_t size = strlen(mark);
    return size && size <= TEMPLATE_MARK_MAX && strspn(mark, mark_signs) == size;
}

static int check_marks(struct compiler *compiler)
{
    const char *open = compiler->open, *close = compiler->close;
    compiler->open_size = strlen(open);
    compiler->close_size = strlen(close);
    size_t shorter =
        compiler->open_size < compiler->close_size ? compiler->open_size : compiler->close_size;
    if (!mark_valid(open) || !mark_valid(close))
        return error_set(compiler->error, ERROR_CONFIG,
                         "%s: the marks of a place are 1 to %d of the signs %s",
                         compiler->where, TEMPLATE_MARK_MAX, mark_signs);
    if (!memcmp(open, close, shorter))
        return error_set(compiler->error, ERROR_CONFIG,
                         "%s: the marks %s and %s begin alike; choose others", compiler->where,
                         open, close);
    return 0;
}

static int sort_names(struct compiler *compiler)
{
    compiler->order = malloc((compiler->count + 1) * sizeof(*compiler->order));
    if (!compiler->order)
        return fail(compiler, 0, "no memory left");
    for (size_t i = 0; i < compiler->count; i++)
        compiler->order[i] = i;
    qsort_r(compiler->order, compiler->count, sizeof(*compiler->order), compare_order,
            (void *)compiler->names);
    return 0;
}

static int keep_text(struct compiler *compiler, const char *text, size_t size)
{
    if (size > TEMPLATE_SIZE_MAX)
        return error_set(compiler->error, ERROR_CONFIG, "%s: larger than %zu MiB",
                         compiler->where, TEMPLATE_SIZE_MAX >> 20);
    char *copy = malloc(size + 1);
    if (!copy)
        return error_set(compiler->error, ERROR_SYSTEM, "%s: no memory left", compiler->where);
    if (size)
        memcpy(copy, text, size);
    copy[size] = 0;
    compiler->template->text = copy;
    compiler->template->size = size;
    return 0;
}

static struct template *compile(struct compiler *compiler, const char *text, size_t size,
                                const struct template_marks *marks)
{
    compiler->open = marks ? marks->open : "{";
    compiler->close = marks ? marks->close : "}";
    compiler->template = calloc(1, sizeof(*compiler->template));
    if (!compiler->template) {
        error_set(compiler->error, ERROR_SYSTEM, "%s: no memory left", compiler->where);
        return NULL;
    }
    int status = check_marks(compiler);
    if (!status)
        status = keep_text(compiler, text, size);
    if (!status)
        status = sort_names(compiler);
    if (!status)
        status = parse_all(compiler);
    free(compiler->order);
    if (!status)
        return compiler->template;
    template_destroy(compiler->template);
    return NULL;
}

struct template *template_create(const char *text, size_t size, const char *where,
                                 const char *const *names, size_t count,
                                 const struct template_marks *marks, struct error *ret_error)
{
    struct compiler compiler = {
        .where = where, .names = names, .count = count, .error = ret_error};
    return compile(&compiler, text, size, marks);
}

struct template *template_create_file(const char *path, const char *const *names, size_t count,
                                      const struct template_marks *marks,
                                      struct error *ret_error)
{
    char *text;
    size_t size;
    if (json_read_text(path, TEMPLATE_SIZE_MAX, &text, &size, ret_error) < 0)
        return NULL;
    struct compiler compiler = {
        .where = path, .is_file = true, .names = names, .count = count, .error = ret_error};
    struct template *template = compile(&compiler, text, size, marks);
    free(text);
    return template;
}

void template_destroy(struct template *template)
{
    if (!template)
        return;
    free(template->parts);
    free(template->text);
    free(template);
}

int template_check_name(const char *name, struct error *ret_error)
{
    size_t size = strlen(name);
    bool blank_end = size && (name[0] == ' ' || name[size - 1] == ' ');
    bool control = false;
    for (const char *at = name; *at; at++)
        control = control || (unsigned char)*at < 0x20 || *at == 0x7f;
    const char *reason = !size                   ? "is empty"
                         : size > NAME_MAX_BYTES ? "is longer than 255 bytes"
                         : control               ? "has a control character"
                         : blank_end             ? "begins or ends with a blank"
                         : strpbrk(name, "{}:=") ? "has a brace, ':' or '='"
                                                 : NULL;
    if (!reason)
        return 0;
    char quoted[100];
    cJSON item = {.type = cJSON_String, .valuestring = (char *)name};
    return error_set(ret_error, ERROR_CONFIG, "the name %s %s",
                     json_excerpt(&item, quoted, sizeof(quoted)), reason);
}
