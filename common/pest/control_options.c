/*
 * `++name(value) ++name(value) ...`: PEST++'s options, of which one line may hold several. A value
 * may hold brackets itself. `++#` begins a comment.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pest/control_private.h"
#include "common/pest/number.h"

#define BLANKS " \t\r\v\f"

/* PEST passes over these lines, and pyEMU takes the last. */
static void option_change(struct pest_reader *reader, struct pest_option *option,
                          const char *value)
{
    char *copy = pest_text_copy(reader, value);
    pest_warn(reader, pest_place_now(reader),
              "++%s is also in line %d, with another value; the last counts", option->name,
              option->line);
    if (!copy)
        return;
    free(option->value);
    option->value = copy;
    option->line = pest_place_now(reader).line;
}

void pest_option_add(struct pest_reader *reader, const char *name, const char *value)
{
    struct pest_control *control = reader->control;
    for (size_t i = 0; i < control->option_count; i++) {
        if (strcmp(control->options[i].name, name) != 0)
            continue;
        if (strcmp(control->options[i].value, value) != 0)
            option_change(reader, &control->options[i], value);
        return;
    }
    struct pest_option *options =
        pest_array_grow(reader, control->options, control->option_count, sizeof *options);
    if (!options)
        return;
    control->options = options;
    struct pest_option option = {
        .name = pest_text_copy(reader, name),
        .value = pest_text_copy(reader, value),
        .line = pest_place_now(reader).line,
    };
    if (option.name && option.value) {
        options[control->option_count++] = option;
    } else {
        free(option.name);
        free(option.value);
    }
}

static char *bracket_close(char *open)
{
    int depth = 0;
    for (char *c = open; *c; c++) {
        depth += (*c == '(') - (*c == ')');
        if (depth == 0)
            return c;
    }
    return NULL;
}

static char *text_trim(char *text)
{
    text += strspn(text, BLANKS);
    for (size_t size = strlen(text); size > 0 && strchr(BLANKS, text[size - 1]);)
        text[--size] = 0;
    return text;
}

/* One option; what follows it, NULL at the end of the line or of what can be read of it. */
static char *option_take(struct pest_reader *reader, char *c)
{
    c += strspn(c, "+," BLANKS);
    size_t size = strcspn(c, "(+#" BLANKS);
    char *name = c, *open = c + size + strspn(c + size, BLANKS);
    if (!*c || *c == '#')
        return NULL;
    if (*open != '(' || size == 0) {
        name[size] = 0;
        pest_unused(reader, pest_place_now(reader),
                    "++%.80s has no effect: ++name(value) is expected", name);
        return NULL;
    }
    char *close = bracket_close(open);
    if (!close) {
        name[size] = 0;
        pest_mistake(reader, pest_place_now(reader), "++%.80s( is not closed with )", name);
        return NULL;
    }
    name[size] = *close = 0;
    pest_option_add(reader, pest_text_lower(name), text_trim(open + 1));
    return close + 1;
}

void pest_options_line(struct pest_reader *reader, char *line)
{
    while (line)
        line = option_take(reader, line);
}

static struct pest_option *option_find(struct pest_control *control, const char *name)
{
    for (size_t i = 0; i < control->option_count; i++)
        if (strcasecmp(control->options[i].name, name) == 0) {
            control->options[i].used = true;
            return &control->options[i];
        }
    return NULL;
}

const char *pest_control_option(struct pest_control *control, const char *name)
{
    const struct pest_option *option = option_find(control, name);
    return option ? option->value : NULL;
}

static int option_fail(const struct pest_control *control, const struct pest_option *option,
                       const char *expected, struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG, "%s:%d: ++%s(%s) must be %s", control->path,
                     option->line, option->name, option->value, expected);
}

int pest_control_option_real(struct pest_control *control, const char *name, double fallback,
                             double *ret, struct error *ret_error)
{
    const struct pest_option *option = option_find(control, name);
    *ret = fallback;
    if (!option)
        return 0;
    if (pest_number_parse(option->value, strlen(option->value), ret) == PEST_NUMBER_GOOD)
        return 0;
    *ret = fallback;
    return option_fail(control, option, "a number", ret_error);
}

int pest_control_option_integer(struct pest_control *control, const char *name, long fallback,
                                long *ret, struct error *ret_error)
{
    const struct pest_option *option = option_find(control, name);
    double value;
    *ret = fallback;
    if (!option)
        return 0;
    if (pest_number_parse(option->value, strlen(option->value), &value) != PEST_NUMBER_GOOD ||
        value > 9e15 || value < -9e15 || (double)(long)value != value)
        return option_fail(control, option, "a whole number", ret_error);
    *ret = (long)value;
    return 0;
}

int pest_control_option_boolean(struct pest_control *control, const char *name, bool fallback,
                                bool *ret, struct error *ret_error)
{
    static const char *const words[] = {"false", "f", "no", "0", "true", "t", "yes", "1"};
    const struct pest_option *option = option_find(control, name);
    *ret = fallback;
    if (!option)
        return 0;
    for (size_t i = 0; i < 8; i++)
        if (strcasecmp(option->value, words[i]) == 0) {
            *ret = i >= 4;
            return 0;
        }
    return option_fail(control, option, "true or false", ret_error);
}

static void names_free(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

/* Items are separated by commas, blanks, or both; those in quotes may hold blanks. */
int pest_control_option_names(struct pest_control *control, const char *name, char ***ret_list,
                              size_t *ret_count, struct error *ret_error)
{
    const struct pest_option *option = option_find(control, name);
    *ret_list = NULL;
    *ret_count = 0;
    if (!option)
        return 0;
    char **list = calloc(strlen(option->value) + 1, sizeof *list);
    size_t count = 0;
    const char *c = option->value;
    while (list && *(c += strspn(c, "," BLANKS))) {
        bool quoted = *c == '"' && strchr(c + 1, '"');
        c += quoted;
        size_t size = quoted ? strcspn(c, "\"") : strcspn(c, "," BLANKS);
        list[count] = strndup(c, size);
        if (!list[count]) {
            names_free(list, count);
            list = NULL;
            break;
        }
        count++;
        c += size + quoted;
    }
    if (!list)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory", control->path);
    *ret_list = list;
    *ret_count = count;
    return 0;
}

int pest_control_option_reals(struct pest_control *control, const char *name, double **ret_list,
                              size_t *ret_count, struct error *ret_error)
{
    char **texts;
    size_t count;
    *ret_list = NULL;
    *ret_count = 0;
    if (pest_control_option_names(control, name, &texts, &count, ret_error) < 0)
        return -1;
    double *list = calloc(count + 1, sizeof *list);
    int code = list ? 0 : error_set(ret_error, ERROR_SYSTEM, "%s: no memory", control->path);
    for (size_t i = 0; code == 0 && i < count; i++)
        if (pest_number_parse(texts[i], strlen(texts[i]), &list[i]) != PEST_NUMBER_GOOD)
            code = option_fail(control, option_find(control, name), "a list of numbers",
                               ret_error);
    names_free(texts, count);
    if (code < 0 || !option_find(control, name)) {
        free(list);
        return code;
    }
    *ret_list = list;
    *ret_count = count;
    return 0;
}
