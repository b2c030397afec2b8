/*
 * The file is read whole and stays in memory: instructions point into it, for their markers and
 * for the sentences that quote them. Lines that go on with & are one line from here on.
 */
#include "config.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/json.h"
#include "common/nearest.h"
#include "common/pest/control.h"
#include "common/pest/head.h"
#include "common/pest/instruction.h"
#include "common/pest/instruction_private.h"

#define FILE_SIZE_MAX ((size_t)4 << 30)
#define LINES_MAX     1000000000000000u /* of one l#; more than any file has */
#define CTRL_Z        0x1a              /* DOS's end of a file */

struct parser {
    struct pest_instructions *to;
    const char *name;
    char mark;
    uint64_t line;
    const char *at, *end; /* of the current line */
    bool begins;          /* the next instruction is the first of its line */
    bool markers_only;    /* there have been only markers in the line */
    bool *seen;           /* per observation */
    struct error *error;
};

__attribute__((format(printf, 2, 3))) static int fail(struct parser *parser, const char *format,
                                                      ...)
{
    va_list args;
    va_start(args, format);
    error_vset(parser->error, ERROR_CONFIG, format, args);
    va_end(args);
    return error_prefix(parser->error, "%s:%llu", parser->name,
                        (unsigned long long)parser->line);
}

static int fail_memory(struct parser *parser)
{
    return error_set(parser->error, ERROR_SYSTEM, "%s: no memory left", parser->name);
}

/* The characters from here to the next blank, as far as a sentence wants them. */
static int word_size(const struct parser *parser)
{
    int size = 0;
    while (size < 60 && parser->at + size < parser->end && !pest_is_blank(parser->at[size]))
        size++;
    return size;
}

static int refuse(struct parser *parser, const char *reason)
{
    return fail(parser, "\"%.*s\" %s", word_size(parser), parser->at, reason);
}

/* Digits; NULL if there are none or the number is above `most` or 0. */
static const char *parse_count(const char *at, const char *end, uint64_t most, uint64_t *ret)
{
    const char *first = at;
    *ret = 0;
    for (; at < end && *at >= '0' && *at <= '9' && *ret <= most; at++)
        *ret = *ret * 10 + (uint64_t)(*at - '0');
    return at > first && *ret > 0 && *ret <= most ? at : NULL;
}

static int add(struct parser *parser, struct instruction instruction, const char *token_end)
{
    struct pest_instructions *to = parser->to;
    if (to->count == to->capacity) {
        size_t capacity = to->capacity ? to->capacity * 2 : 64;
        struct instruction *list = reallocarray(to->list, capacity, sizeof(*list));
        if (!list)
            return fail_memory(parser);
        to->list = list;
        to->capacity = capacity;
    }
    bool marker =
        instruction.kind == INSTRUCTION_PRIMARY || instruction.kind == INSTRUCTION_SECONDARY;
    instruction.begins = parser->begins;
    instruction.retries = instruction.kind == INSTRUCTION_SECONDARY && parser->markers_only;
    instruction.start = (size_t)(parser->at - to->text);
    instruction.size = (uint32_t)(token_end - parser->at);
    instruction.line = parser->line;
    to->list[to->count++] = instruction;
    parser->markers_only = marker && (parser->begins || parser->markers_only);
    parser->begins = false;
    parser->at = token_end;
    return 0;
}

/* The last of a line may lack its second delimiter, as in files that PEST++ and pyEMU read. */
static int parse_marker(struct parser *parser)
{
    const char *close =
        memchr(parser->at + 1, parser->mark, (size_t)(parser->end - parser->at - 1));
    const char *end = close;
    if (!close)
        for (end = parser->end; pest_is_blank(end[-1]);)
            end--;
    if (end == parser->at + 1)
        return fail(parser, "there is no text between two %c", parser->mark);
    const struct instruction marker = {
        .kind = parser->begins ? INSTRUCTION_PRIMARY : INSTRUCTION_SECONDARY,
        .number = (uint64_t)(end - parser->at - 1),
    };
    return add(parser, marker, close ? close + 1 : end);
}

static int refuse_name(struct parser *parser, const char *name, size_t size)
{
    if (size == 0)
        return refuse(parser, "names no observation");
    if (size > PEST_NAME_MAX)
        return fail(parser, "an observation's name of %zu characters (%d are allowed)", size,
                    PEST_NAME_MAX);
    const char *nearest = pest_index_nearest(parser->to->observations, name, size);
    return fail(parser, "the control file has no observation \"%.*s\"%s", (int)size, name,
                nearest_hint(nearest).text);
}

/* Look up a name and see to it that it is read once. */
static int parse_name(struct parser *parser, const char *name, size_t size,
                      int *ret_observation)
{
    *ret_observation = OBSERVATION_NONE;
    if (size == 3 && !strncasecmp(name, "dum", 3))
        return 0;
    int place = size && size <= PEST_NAME_MAX
                    ? pest_index_find(parser->to->observations, name, size)
                    : -1;
    if (place < 0)
        return refuse_name(parser, name, size);
    if (parser->seen[place])
        return fail(parser, "the observation \"%.*s\" is read twice", (int)size, name);
    parser->seen[place] = true;
    *ret_observation = place;
    parser->to->read_count++;
    return 0;
}

/* From the opening bracket, "a:b" behind the closing one. */
static int parse_columns(struct parser *parser, struct instruction *instruction, char close)
{
    const char *name = parser->at + 1;
    const char *name_end = memchr(name, close, (size_t)(parser->end - name));
    uint64_t first, last;
    if (!name_end)
        return fail(parser, "\"%.*s\" has no %c", word_size(parser), parser->at, close);
    const char *at = parse_count(name_end + 1, parser->end, PEST_OUTPUT_LINE_MAX, &first);
    if (!at || at == parser->end || *at != ':' ||
        !(at = parse_count(at + 1, parser->end, PEST_OUTPUT_LINE_MAX, &last)) || last < first)
        return refuse(parser, "must end in FIRST:LAST, columns counted from 1");
    instruction->first = (uint32_t)first;
    instruction->last = (uint32_t)last;
    if (parse_name(parser, name, (size_t)(name_end - name), &instruction->observation) < 0)
        return -1;
    return add(parser, *instruction, at);
}

static int parse_free(struct parser *parser)
{
    const char *name = parser->at + 1;
    const char *close = memchr(name, '!', (size_t)(parser->end - name));
    struct instruction instruction = {.kind = INSTRUCTION_FREE};
    if (!close)
        return refuse(parser, "has no second !");
    if (parse_name(parser, name, (size_t)(close - name), &instruction.observation) < 0)
        return -1;
    return add(parser, instruction, close + 1);
}

static int parse_counted(struct parser *parser, enum instruction_kind kind, uint64_t most)
{
    struct instruction instruction = {.kind = (uint8_t)kind};
    const char *at = parse_count(parser->at + 1, parser->end, most, &instruction.number);
    if (!at)
        return refuse(parser, kind == INSTRUCTION_LINES
                                  ? "must be l and the number of lines to go on, at least 1"
                                  : "must be t and a column, at least 1");
    return add(parser, instruction, at);
}

static int parse_one(struct parser *parser)
{
    switch (*parser->at) {
    case 'l':
    case 'L':
        return parse_counted(parser, INSTRUCTION_LINES, LINES_MAX);
    case 't':
    case 'T':
        return parse_counted(parser, INSTRUCTION_TAB, PEST_OUTPUT_LINE_MAX);
    case 'w':
    case 'W':
        return add(parser, (struct instruction){.kind = INSTRUCTION_WORD}, parser->at + 1);
    case '!':
        return parse_free(parser);
    case '[':
        return parse_columns(parser, &(struct instruction){.kind = INSTRUCTION_FIXED}, ']');
    case '(':
        return parse_columns(parser, &(struct instruction){.kind = INSTRUCTION_SEMIFIXED}, ')');
    case '&':
        return fail(parser, "& stands first in a line, or not at all");
    default:
        return refuse(parser, "is not an instruction");
    }
}

static void skip_blanks(struct parser *parser)
{
    while (parser->at < parser->end && pest_is_blank(*parser->at))
        parser->at++;
}

/* The first instruction of a line says where its reading begins. */
static int parse_start(struct parser *parser)
{
    if (*parser->at == '&') {
        if (parser->to->count == 0)
            return fail(parser, "there is no line above with which & could go on");
        parser->at++;
        skip_blanks(parser);
        return 0;
    }
    if (*parser->at != parser->mark && *parser->at != 'l' && *parser->at != 'L')
        return refuse(parser, "cannot begin a line; l1 before it would read the next line of "
                              "the output, & goes on with the line above");
    parser->begins = true;
    return 0;
}

static int parse_line(struct parser *parser)
{
    skip_blanks(parser);
    if (parser->at == parser->end)
        return 0;
    if (parse_start(parser) < 0)
        return -1;
    while (parser->at < parser->end) {
        bool marker = *parser->at == parser->mark;
        const char *token = parser->at;
        if ((marker ? parse_marker(parser) : parse_one(parser)) < 0)
            return -1;
        if (!marker && parser->at < parser->end && !pest_is_blank(*parser->at) &&
            *parser->at != parser->mark) {
            parser->at = token;
            return refuse(parser, "is not an instruction, or a blank is missing in it");
        }
        skip_blanks(parser);
    }
    return 0;
}

static int parse_body(struct parser *parser, const char *at, const char *end)
{
    for (parser->line = 2; at < end && *at != CTRL_Z; parser->line++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (!line_end)
            line_end = end;
        if ((size_t)(line_end - at) > PEST_INSTRUCTION_LINE_MAX)
            return fail(parser, "the line is longer than 16 MiB");
        parser->at = at;
        parser->end = line_end;
        if (parse_line(parser) < 0)
            return -1;
        at = line_end + (line_end < end);
    }
    return 0;
}

/* The list of what is read; and `seen` is not needed any more. */
static int list_read(struct parser *parser)
{
    struct pest_instructions *to = parser->to;
    to->read = reallocarray(NULL, to->read_count + 1, sizeof(*to->read));
    if (!to->read)
        return fail_memory(parser);
    size_t count = 0;
    for (size_t i = 0; i < to->count; i++) {
        bool reads = to->list[i].kind >= INSTRUCTION_FREE;
        if (reads && to->list[i].observation != OBSERVATION_NONE)
            to->read[count++] = to->list[i].observation;
    }
    return 0;
}

static void set_delimiters(struct pest_instructions *to, const char *delimiters)
{
    to->ends_word[' '] = to->ends_word['\t'] = true;
    for (const char *at = delimiters ? delimiters : ""; *at; at++)
        to->ends_word[(unsigned char)*at] = true;
    memcpy(to->ends_free, to->ends_word, sizeof(to->ends_free));
    to->ends_free[','] = true;
}

static int parse_all(struct parser *parser, size_t size)
{
    struct pest_instructions *to = parser->to;
    struct pest_head head;
    parser->seen = calloc(pest_index_count(to->observations) + 1, sizeof(*parser->seen));
    to->path = strdup(parser->name);
    if (!parser->seen || !to->path)
        return fail_memory(parser);
    if (pest_head_parse(to->text, size, parser->name, "pif", "[]():&", &head, parser->error) <
        0)
        return -1;
    parser->mark = head.mark;
    if (parse_body(parser, to->text + head.size, to->text + size) < 0)
        return -1;
    return list_read(parser);
}

/* `text` is taken, whether this succeeds or not. */
static struct pest_instructions *parse(char *text, size_t size, const char *name,
                                       const struct pest_index *observations,
                                       const char *delimiters, struct error *ret_error)
{
    struct pest_instructions *to = calloc(1, sizeof(*to));
    if (!to) {
        free(text);
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", name);
        return NULL;
    }
    to->text = text;
    to->observations = observations;
    set_delimiters(to, delimiters);
    struct parser parser = {.to = to, .name = name, .error = ret_error};
    int status = parse_all(&parser, size);
    free(parser.seen);
    if (status == 0)
        return to;
    pest_instructions_destroy(to);
    return NULL;
}

struct pest_instructions *pest_instructions_read(const char *path,
                                                 const struct pest_index *observations,
                                                 const char *delimiters,
                                                 struct error *ret_error)
{
    char *text;
    size_t size;
    if (json_read_text(path, FILE_SIZE_MAX, &text, &size, ret_error) < 0)
        return NULL;
    return parse(text, size, path, observations, delimiters, ret_error);
}

struct pest_instructions *pest_instructions_parse(const char *bytes, size_t size,
                                                  const char *name,
                                                  const struct pest_index *observations,
                                                  const char *delimiters,
                                                  struct error *ret_error)
{
    char *text = malloc(size + 1);
    if (!text) {
        error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", name);
        return NULL;
    }
    if (size)
        memcpy(text, bytes, size);
    return parse(text, size, name, observations, delimiters, ret_error);
}

void pest_instructions_destroy(struct pest_instructions *instructions)
{
    if (!instructions)
        return;
    free(instructions->path);
    free(instructions->text);
    free(instructions->list);
    free(instructions->read);
    free(instructions);
}

size_t pest_instructions_count(const struct pest_instructions *instructions)
{
    return instructions->read_count;
}

int pest_instructions_observation(const struct pest_instructions *instructions, size_t number)
{
    return instructions->read[number];
}

const char *pest_instructions_path(const struct pest_instructions *instructions)
{
    return instructions->path;
}
