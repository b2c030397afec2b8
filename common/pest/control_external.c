/*
 * "pcf version 2": control data as keywords with values, and sections whose rows are in files of
 * their own. Such a file begins with a line of column names; only the columns that PEST knows are
 * read. A section may name several files, one per line, each with options behind its name
 * (PEST++'s manual, section 4.3):
 *
 *     pars.csv  sep ,  missing_values_string nan
 *
 * sep is a character, `w` for blanks and tabs, or `tab`. common/csv.h is not used: it knows commas
 * alone, and these tables have comments, blank lines and rows with stray commas at their ends.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/nearest.h"
#include "common/pest/control_private.h"

#define EXTERNAL_COLUMNS_MAX 1000

/* Keywords whose value is a word. */
static const char *const word_keys[] = {"rstfle",     "pestmode",   "precis",     "dpoint",
                                        "lamforgive", "derforgive", "doaui",      "jcosave",
                                        "dosenreuse", "boundscale", "verboserec", "jcosaveitn",
                                        "reisaveitn", "obsreref",   "parsaveitn", "parsaverun",
                                        "memsave",    "linreg",     "regcontinue"};

static bool is_word_key(const char *key)
{
    for (size_t i = 0; i < sizeof word_keys / sizeof word_keys[0]; i++)
        if (strcasecmp(word_keys[i], key) == 0)
            return true;
    return false;
}

static void word_key_store(struct pest_reader *reader, const char *key, const char *value)
{
    char negated[64];
    bool truth = strcasecmp(value, "true") == 0 || strcmp(value, "1") == 0;
    bool falsity = strcasecmp(value, "false") == 0 || strcmp(value, "0") == 0;
    /* `lamforgive true`, as well as `lamforgive lamforgive`. */
    snprintf(negated, sizeof negated, "%s%s", falsity ? "no" : "", key);
    if (truth || falsity)
        value = negated;
    if (pest_word_store(reader, value) == PEST_TAKEN)
        return;
    if (strcasecmp(key, "obsreref") == 0 || strcasecmp(key, "memsave") == 0)
        pest_unused(reader, pest_place_now(reader), "%s %s has no effect here", key, value);
    else
        pest_mistake(reader, pest_place_now(reader), "%s: \"%.80s\" is not among its values",
                     key, value);
}

/* Drops quotes around a whole value. */
static char *value_unquote(char *value)
{
    size_t size = strlen(value);
    if (size >= 2 && (*value == '"' || *value == '\'') && value[size - 1] == *value &&
        !memchr(value + 1, *value, size - 2)) {
        value[size - 1] = 0;
        return value + 1;
    }
    return value;
}

void pest_keyword_line(struct pest_reader *reader, char *line)
{
    reader->control->version = 2; /* whatever the first line says */
    size_t size = strcspn(line, " \t=");
    char *value = line + size;
    char absparmax[320];
    value += strspn(value, " \t");
    if (*value == '=')
        value += 1 + strspn(value + 1, " \t");
    line[size] = 0;
    value = value_unquote(value);
    pest_text_lower(line);
    if (!*line || !*value) {
        pest_mistake(reader, pest_place_now(reader), "%s: a value is expected behind it",
                     *line ? line : "keyword");
        return;
    }
    if (strncmp(line, "absparmax", 9) == 0) {
        snprintf(absparmax, sizeof absparmax, "%s=%s", line, value);
        struct pest_fields fields = {.at = {absparmax}, .count = 1, .total = 1};
        pest_absparmax_store(reader, &fields, 0);
    } else if (is_word_key(line)) {
        word_key_store(reader, line, value);
    } else if (pest_field_store(reader, line, value) == PEST_UNKNOWN) {
        pest_option_add(reader, line, value);
    }
}

struct external {
    const struct pest_table *table;
    char separator; /* 'w': blanks and tabs */
    const char *missing;
    size_t columns;              /* of the file */
    int place[PEST_COLUMNS_MAX]; /* of each column of the table in the file, -1 if absent */
};

static bool is_separator(const struct external *external, char c)
{
    if (external->separator == 'w')
        return c == ' ' || c == '\t';
    return c == external->separator;
}

/* Takes a quoted cell (doubled quotes become one) out of its quotes, in place. Returns what
 * follows the closing quote. */
static char *cell_unquote(char *cell)
{
    char *to = cell, *c = cell + 1;
    for (; *c && (*c != '"' || c[1] == '"'); c++) {
        c += *c == '"';
        *to++ = *c;
    }
    c += *c == '"';
    *to = 0;
    return c;
}

static void cell_trim(char *start, char *end)
{
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *end = 0;
}

/* Take a row apart in place: at most `max` cells are kept. Returns how many there are. */
static size_t cells_split(const struct external *external, char *line, char **cells, size_t max)
{
    size_t count = 0;
    char *c = line;
    for (bool last = false; !last; c++) {
        while (*c == ' ' || (*c == '\t' && external->separator != '\t'))
            c++;
        char *start = c;
        bool quoted = *c == '"';
        if (quoted)
            c = cell_unquote(c);
        while (*c && !is_separator(external, *c))
            c++;
        last = !*c;
        if (!quoted)
            cell_trim(start, c);
        if (count < max)
            cells[count] = start;
        count++;
    }
    return count;
}

static int columns_find(struct pest_reader *reader, struct external *external, char **names,
                        size_t count)
{
    const struct pest_table *table = external->table;
    bool known[EXTERNAL_COLUMNS_MAX] = {false};
    size_t others = 0, first = 0;
    int code = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const struct pest_column *column = &table->columns[i];
        external->place[i] = -1;
        for (size_t j = 0; j < count && external->place[i] < 0; j++)
            if (strcasecmp(names[j], column->name) == 0)
                external->place[i] = (int)j;
        for (size_t j = 0; column->alias && j < count && external->place[i] < 0; j++)
            if (strcasecmp(names[j], column->alias) == 0)
                external->place[i] = (int)j;
        if (external->place[i] >= 0)
            known[external->place[i]] = true;
        else if (column->required)
            code = pest_mistake(reader, pest_place_now(reader),
                                "there is no column \"%s\" (of \"* %s\")", column->name,
                                reader->section->name);
    }
    for (size_t j = count; j-- > 0;) {
        others += !known[j];
        first = known[j] ? first : j;
    }
    if (others > 0)
        pest_unused(reader, pest_place_now(reader),
                    others > 1 ? "column \"%.80s\" and %zu more have no effect"
                               : "column \"%.80s\" has no effect",
                    names[first], others - 1);
    return code;
}

/* The cells of a row in the table's order. Extra cells at the end must be empty. */
static void external_row(struct pest_reader *reader, const struct external *external,
                         char *line, char **cells)
{
    char *row[PEST_COLUMNS_MAX];
    size_t count = cells_split(external, line, cells, EXTERNAL_COLUMNS_MAX);
    while (count > external->columns && !*cells[count - 1])
        count--;
    if (count != external->columns) {
        pest_mistake(reader, pest_place_now(reader),
                     "%zu fields, but the first line names %zu columns", count,
                     external->columns);
        return;
    }
    for (size_t i = 0; i < PEST_COLUMNS_MAX; i++) {
        int place = i < external->table->column_count ? external->place[i] : -1;
        row[i] = place < 0 ? NULL : cells[place];
        if (row[i] && (!*row[i] || (external->missing && !strcmp(row[i], external->missing))))
            row[i] = NULL;
        if (!row[i] && i < external->table->column_count &&
            external->table->columns[i].required) {
            pest_mistake(reader, pest_place_now(reader), "%s is missing",
                         external->table->columns[i].name);
            return;
        }
    }
    external->table->row(reader, pest_place_now(reader), row);
}

static void external_read(struct pest_reader *reader, struct external *external)
{
    char **cells = calloc(EXTERNAL_COLUMNS_MAX, sizeof *cells), *line;
    if (!cells) {
        reader->no_memory = true;
        return;
    }
    line = pest_source_next(reader->source);
    if (!line) {
        pest_mistake(reader, pest_place_now(reader),
                     "the file is empty; a line of column names is expected");
        goto out;
    }
    external->columns = cells_split(external, line, cells, EXTERNAL_COLUMNS_MAX);
    if (external->columns > EXTERNAL_COLUMNS_MAX) {
        pest_mistake(reader, pest_place_now(reader), "has more than %d columns",
                     EXTERNAL_COLUMNS_MAX);
        goto out;
    }
    if (columns_find(reader, external, cells, external->columns) < 0)
        goto out;
    while ((line = pest_source_next(reader->source)))
        external_row(reader, external, line, cells);
out:
    free(cells);
}

/* `sep ,  missing_values_string nan` behind a file's name. */
static int external_options(struct pest_reader *reader, const struct pest_fields *fields,
                            struct external *external)
{
    static const char *const names[] = {"sep", "missing_value"};
    for (size_t i = 1; i < fields->count; i += 2) {
        const char *name = fields->at[i],
                   *value = i + 1 < fields->count ? fields->at[i + 1] : NULL;
        if (strcasecmp(name, names[0]) == 0 && value && strcasecmp(value, "tab") == 0) {
            external->separator = '\t';
        } else if (strcasecmp(name, names[0]) == 0 && value && strlen(value) == 1) {
            external->separator = *value == 'W' ? 'w' : *value;
        } else if (strcasecmp(name, names[0]) == 0) {
            return pest_mistake(reader, pest_place_now(reader),
                                "sep: one character, tab, or w for blanks is expected");
        } else if (strncasecmp(name, names[1], strlen(names[1])) == 0 && value) {
            external->missing = value; /* some tools write missing_value */
        } else if (strncasecmp(name, names[1], strlen(names[1])) == 0) {
            return pest_mistake(reader, pest_place_now(reader),
                                "missing_values_string: a value is expected behind it");
        } else {
            pest_unused(reader, pest_place_now(reader), "\"%.80s\" has no effect", name);
        }
    }
    return 0;
}

/* The control file is not whole without it: it must travel with it. */
static void table_note(struct pest_reader *reader, const char *path)
{
    struct pest_control *control = reader->control;
    char **tables =
        pest_array_grow(reader, control->tables, control->table_count, sizeof *tables);
    if (!tables)
        return;
    control->tables = tables;
    tables[control->table_count] = pest_text_copy(reader, path);
    control->table_count += tables[control->table_count] != NULL;
}

void pest_external_line(struct pest_reader *reader, const struct pest_table *table, char *line)
{
    struct external external = {.table = table, .separator = ','};
    struct pest_source *control_source = reader->source;
    struct pest_fields fields;
    struct error error = {0};
    pest_fields_split(line, 0, &fields);
    if (external_options(reader, &fields, &external) < 0)
        return;
    char *path = pest_control_path(reader->control, fields.at[0]);
    struct pest_source *source = path ? pest_source_open(reader, path, &error) : NULL;
    if (!path)
        reader->no_memory = true;
    else if (!source)
        pest_mistake(reader, pest_place_now(reader), "%s", error.text);
    if (source) {
        table_note(reader, fields.at[0]);
        source->keep_tabs = external.separator == '\t';
        reader->source = source;
        external_read(reader, &external);
        reader->source = control_source;
    }
    free(path);
}
