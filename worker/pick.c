/*
 * Standard output is looked at as it comes: whole lines go to the expressions, an unfinished one
 * waits in `line`. Where a rule wants all of it as one JSON text, it is gathered in `text`.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/text_mark.h"
#include "worker/pick.h"

#define NUMBER_MAX 100 /* a number that is longer stays text */

struct rule {
    const char *name, *from; /* borrowed from the job */
    bool from_stdout;
    bool has_regex;
    regex_t regex;
    struct json_path *path; /* or NULL */
    const char *path_text;
    ssize_t column; /* in the results; -1: in none */
    bool found;
    struct buf text;    /* what was found, as text */
    struct value value; /* what was found; its text lies in `text` */
};

struct pick {
    struct rule *rules;
    size_t rule_count;
    size_t column_count;
    struct value *columns;
    bool wants_lines, wants_text;
    struct buf line; /* the unfinished line of standard output */
    bool is_first;   /* of what is read: a byte order mark may stand before it */
    struct buf text; /* all of it, for JSON */
};

/* --- Compiling --- */

static ssize_t find_column(const cJSON *names, const char *name)
{
    const cJSON *item;
    ssize_t index = 0;
    cJSON_ArrayForEach(item, names)
    {
        if (cJSON_IsString(item) && strcmp(item->valuestring, name) == 0)
            return index;
        index++;
    }
    return -1;
}

static int compile_regex(struct rule *rule, const char *text, const char *where,
                         struct error *ret_error)
{
    char sentence[200];
    int rc = regcomp(&rule->regex, text, REG_EXTENDED);
    if (rc == 0) {
        rule->has_regex = true;
        return 0;
    }
    regerror(rc, &rule->regex, sentence, sizeof(sentence));
    return error_set(ret_error, ERROR_CONFIG, "%s.regex \"%s\": %s", where, text, sentence);
}

static int compile_rule(struct rule *rule, const cJSON *item, const cJSON *names,
                        const char *where, struct error *ret_error)
{
    const char *regex, *path;
    buf_init(&rule->text, VALUE_TEXT_MAX);
    if (json_get_text(item, where, "name", "", &rule->name, ret_error) < 0 ||
        json_get_text(item, where, "from", "stdout", &rule->from, ret_error) < 0 ||
        json_get_text(item, where, "regex", NULL, &regex, ret_error) < 0 ||
        json_get_text(item, where, "path", NULL, &path, ret_error) < 0)
        return -1;
    rule->from_stdout = strcmp(rule->from, "stdout") == 0;
    rule->column = find_column(names, rule->name);
    rule->path_text = path;
    if (!regex == !path)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s must have either a \"regex\" or a \"path\" that says where \"%s\" "
                         "stands in the output",
                         where, rule->name);
    if (regex)
        return compile_regex(rule, regex, where, ret_error);
    if (!(rule->path = json_path_create(path, ret_error)))
        return error_prefix(ret_error, "%s.path", where);
    return 0;
}

struct pick *pick_create(const cJSON *rules, const cJSON *names, struct error *ret_error)
{
    const cJSON *item;
    struct pick *pick = calloc(1, sizeof(*pick));
    if (!pick)
        goto no_memory;
    buf_init(&pick->line, PICK_LINE_MAX);
    buf_init(&pick->text, PICK_JSON_MAX);
    pick->column_count = (size_t)cJSON_GetArraySize(names);
    pick->columns = calloc(pick->column_count + 1, sizeof(*pick->columns));
    pick->rules = calloc((size_t)cJSON_GetArraySize(rules) + 1, sizeof(*pick->rules));
    if (!pick->columns || !pick->rules)
        goto no_memory;
    cJSON_ArrayForEach(item, rules)
    {
        char where[64];
        snprintf(where, sizeof(where), "$.work.values[%zu]", pick->rule_count);
        struct rule *rule = &pick->rules[pick->rule_count++];
        if (compile_rule(rule, item, names, where, ret_error) < 0)
            goto failed;
        pick->wants_lines |= rule->from_stdout && rule->has_regex;
        pick->wants_text |= rule->from_stdout && rule->path;
    }
    return pick;
no_memory:
    error_set(ret_error, ERROR_SYSTEM, "no memory for the rules of values");
failed:
    pick_destroy(pick);
    return NULL;
}

void pick_destroy(struct pick *pick)
{
    if (!pick)
        return;
    for (size_t i = 0; pick->rules && i < pick->rule_count; i++) {
        if (pick->rules[i].has_regex)
            regfree(&pick->rules[i].regex);
        json_path_destroy(pick->rules[i].path);
        buf_fini(&pick->rules[i].text);
    }
    buf_fini(&pick->line);
    buf_fini(&pick->text);
    free(pick->rules);
    free(pick->columns);
    free(pick);
}

/* --- Values --- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

static bool parse_integer(const char *text, size_t size, int64_t *ret_integer)
{
    char *end;
    if (strspn(text, "+-0123456789") != size)
        return false;
    errno = 0;
    long long integer = strtoll(text, &end, 10);
    *ret_integer = integer;
    return errno == 0 && *end == 0;
}

/* What is allowed: digits, signs, a point, an exponent (Fortran's d and q too), inf and nan; not
 * strtod's hexadecimal numbers, which a model's identifiers may look like. */
static bool parse_real(char *text, double *ret_real)
{
    char *end;
    if (!strpbrk(text, "xXpP(")) {
        bool has_digit = strpbrk(text, "0123456789") != NULL;
        for (char *c = text; has_digit && *c; c++)
            if (*c == 'd' || *c == 'D' || *c == 'q' || *c == 'Q')
                *c = 'e';
        *ret_real = strtod(text, &end);
        return end != text && *end == 0;
    }
    return false;
}

struct value pick_parse_value(const char *text, size_t size)
{
    char number[NUMBER_MAX + 1];
    while (size && is_blank(text[0]))
        text++, size--;
    while (size && is_blank(text[size - 1]))
        size--;
    struct value value = {.kind = VALUE_TEXT, .text = text, .text_size = size};
    if (!size || size > NUMBER_MAX || memchr(text, 0, size))
        return value;
    memcpy(number, text, size);
    number[size] = 0;
    if (parse_integer(number, size, &value.integer))
        value.kind = VALUE_INTEGER;
    else if (parse_real(number, &value.real))
        value.kind = VALUE_REAL;
    return value;
}

/* --- Finding --- */

void pick_begin(struct pick *pick)
{
    buf_clear(&pick->line);
    buf_clear(&pick->text);
    pick->is_first = true;
    for (size_t i = 0; i < pick->rule_count; i++)
        pick->rules[i].found = false;
}

/* The last line that matches counts, so that a model which prints a figure per iteration gives
 * the final one. */
static void match_line(struct rule *rule, const char *line, size_t size)
{
    regmatch_t groups[2] = {{.rm_so = 0, .rm_eo = (regoff_t)size}};
    if (regexec(&rule->regex, line, 2, groups, REG_STARTEND) != 0)
        return;
    const regmatch_t *group = groups[1].rm_so >= 0 ? &groups[1] : &groups[0];
    buf_clear(&rule->text);
    buf_append(&rule->text, line + group->rm_so, (size_t)(group->rm_eo - group->rm_so));
    rule->found = true;
}

/* The line of `from` that was gathered. It is given to regexec with a NUL behind it: POSIX wants
 * that, though REG_STARTEND does without. */
static void match_rules(struct pick *pick, const char *from)
{
    const char *line = buf_text(&pick->line);
    size_t size = pick->line.size;
    if (!line)
        return; /* no memory for the NUL */
    size_t mark = pick->is_first ? text_mark_size(line, size) : 0;
    pick->is_first = false;
    line += mark;
    size -= mark;
    if (size && line[size - 1] == '\r')
        size--;
    for (size_t i = 0; i < pick->rule_count; i++)
        if (pick->rules[i].has_regex && strcmp(pick->rules[i].from, from) == 0)
            match_line(&pick->rules[i], line, size);
    buf_clear(&pick->line);
}

/* Append to the unfinished line, up to its bound. */
static void keep_line(struct buf *line, const char *bytes, size_t size)
{
    size_t room = line->max - line->size;
    buf_append(line, bytes, size < room ? size : room);
}

static void feed_lines(struct pick *pick, const char *from, const char *bytes, size_t size)
{
    while (size) {
        const char *end = memchr(bytes, '\n', size);
        size_t length = end ? (size_t)(end - bytes) : size;
        keep_line(&pick->line, bytes, length);
        if (!end)
            return;
        match_rules(pick, from);
        bytes = end + 1;
        size -= length + 1;
    }
}

/* No more bytes come: what waits is a line too. */
static void finish_lines(struct pick *pick, const char *from)
{
    if (pick->line.size)
        match_rules(pick, from);
}

void pick_feed_stdout(struct pick *pick, const void *bytes, size_t size)
{
    if (pick->wants_lines)
        feed_lines(pick, "stdout", bytes, size);
    if (pick->wants_text)
        buf_append(&pick->text, bytes, size);
}

static int take_json(struct rule *rule, const cJSON *item, struct error *ret_error)
{
    buf_clear(&rule->text);
    rule->value = (struct value){.kind = VALUE_NONE};
    if (cJSON_IsNumber(item)) {
        if (json_is_integer(item))
            rule->value =
                (struct value){.kind = VALUE_INTEGER, .integer = (int64_t)item->valuedouble};
        else
            rule->value = (struct value){.kind = VALUE_REAL, .real = item->valuedouble};
    } else if (cJSON_IsString(item)) {
        buf_append_text(&rule->text, item->valuestring);
    } else if (cJSON_IsBool(item)) {
        buf_append_text(&rule->text, cJSON_IsTrue(item) ? "true" : "false");
    } else if (!cJSON_IsNull(item)) {
        return error_set(ret_error, ERROR_TASKS,
                         "the value \"%s\" (%s of %s) is %s, not a number or text", rule->name,
                         rule->path_text, rule->from, json_type_name(item));
    }
    if (cJSON_IsString(item) || cJSON_IsBool(item))
        rule->value = (struct value){.kind = VALUE_TEXT,
                                     .text = rule->text.data ? (char *)rule->text.data : "",
                                     .text_size = rule->text.size};
    rule->found = true;
    return 0;
}

/* All rules that look into the JSON text of `from`. */
static int pick_json(struct pick *pick, const char *from, const char *text, size_t size,
                     struct error *ret_error)
{
    cJSON *root;
    int rc = 0;
    if (json_parse(text, size, from, JSON_STRICT, &root, ret_error) < 0) {
        error_prefix(ret_error, "the output is no JSON text");
        ret_error->code = ERROR_TASKS;
        return -1;
    }
    for (size_t i = 0; rc == 0 && i < pick->rule_count; i++) {
        struct rule *rule = &pick->rules[i];
        if (!rule->path || strcmp(rule->from, from) != 0)
            continue;
        const cJSON *item = json_path_find(rule->path, root);
        if (item)
            rc = take_json(rule, item, ret_error);
    }
    cJSON_Delete(root);
    return rc;
}

/* --- Files --- */

static int read_json_file(struct pick *pick, const char *from, int fd, struct error *ret_error)
{
    buf_clear(&pick->text);
    for (;;) {
        uint8_t *room = buf_reserve(&pick->text, 1 << 16);
        ssize_t got = room ? read(fd, room, 1 << 16) : -1;
        if (!room)
            return error_set(ret_error, ERROR_TASKS, "\"%s\" is too large for a JSON text",
                             from);
        if (got < 0)
            return error_errno(ret_error, errno, "cannot read \"%s\"", from);
        if (got == 0)
            break;
        buf_commit(&pick->text, (size_t)got);
    }
    return pick_json(pick, from, (const char *)pick->text.data, pick->text.size, ret_error);
}

static int match_file(struct pick *pick, const char *from, int fd, struct error *ret_error)
{
    char bytes[1 << 16];
    ssize_t got;
    pick->is_first = true;
    while ((got = read(fd, bytes, sizeof(bytes))) != 0) {
        if (got < 0)
            return error_errno(ret_error, errno, "cannot read \"%s\"", from);
        feed_lines(pick, from, bytes, (size_t)got);
    }
    finish_lines(pick, from);
    return 0;
}

/* Has a rule before this one seen to its file already? */
static bool is_repeated(const struct pick *pick, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (!pick->rules[i].path == !pick->rules[index].path &&
            strcmp(pick->rules[i].from, pick->rules[index].from) == 0)
            return true;
    return false;
}

static int read_files(struct pick *pick, struct workdir *workdir, struct error *ret_error)
{
    for (size_t i = 0; i < pick->rule_count; i++) {
        struct rule *rule = &pick->rules[i];
        if (rule->from_stdout || is_repeated(pick, i))
            continue;
        int fd = workdir_open_file(workdir, rule->from, ret_error), rc;
        if (fd < 0)
            return error_prefix(ret_error, "the value \"%s\"", rule->name);
        rc = rule->path ? read_json_file(pick, rule->from, fd, ret_error)
                        : match_file(pick, rule->from, fd, ret_error);
        close(fd);
        if (rc < 0)
            return -1;
    }
    return 0;
}

static int finish_stdout(struct pick *pick, struct error *ret_error)
{
    finish_lines(pick, "stdout");
    if (!pick->wants_text)
        return 0;
    if (buf_failed(&pick->text))
        return error_set(ret_error, ERROR_TASKS,
                         "standard output is larger than the %d bytes a JSON text may have",
                         PICK_JSON_MAX);
    const char *text = buf_text(&pick->text);
    return pick_json(pick, "stdout", text ? text : "", pick->text.size, ret_error);
}

/* Give the rule its value, or say why it has none. A text that no list of values can carry
 * (values.h) is refused here, by name. */
static int settle_rule(struct rule *rule, struct error *ret_error)
{
    const struct value *value = &rule->value;
    if (!rule->found)
        return error_set(ret_error, ERROR_TASKS, "the value \"%s\" was not found in %s: %s",
                         rule->name, rule->from,
                         rule->path ? rule->path_text : "no line matches its regex");
    if (buf_failed(&rule->text))
        return error_set(ret_error, ERROR_TASKS, "the value \"%s\" is longer than %d bytes",
                         rule->name, VALUE_TEXT_MAX);
    if (rule->has_regex)
        rule->value = pick_parse_value(buf_text(&rule->text), rule->text.size);
    if (value->kind == VALUE_TEXT && value->text_size &&
        memchr(value->text, 0, value->text_size))
        return error_set(ret_error, ERROR_TASKS,
                         "the value \"%s\" holds a NUL byte, so it is no text", rule->name);
    return 0;
}

int pick_finish(struct pick *pick, struct workdir *workdir, struct buf *values,
                struct error *ret_error)
{
    if (finish_stdout(pick, ret_error) < 0 || read_files(pick, workdir, ret_error) < 0)
        return -1;
    memset(pick->columns, 0, pick->column_count * sizeof(*pick->columns));
    for (size_t i = 0; i < pick->rule_count; i++) {
        struct rule *rule = &pick->rules[i];
        if (settle_rule(rule, ret_error) < 0)
            return -1;
        if (rule->column >= 0)
            pick->columns[rule->column] = rule->value;
    }
    if (values_encode(values, pick->columns, pick->column_count) < 0)
        return error_set(ret_error, ERROR_TASKS, "the values are too large");
    return 0;
}
