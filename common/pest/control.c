#include "config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pest/control_private.h"

/* "pcf", or "pcf version 2" in one of its spellings. */
static int header_read(struct pest_reader *reader, char *line)
{
    struct pest_control *control = reader->control;
    pest_text_lower(line);
    char *rest = line + strcspn(line, " \t\r=");
    bool is_control = rest - line == 3 && strncmp(line, "pcf", 3) == 0;
    if (*line == '*') {
        pest_warn(reader, pest_place_now(reader), "\"pcf\" is missing above this line");
        pest_section_begin(reader, line);
        return 0;
    }
    if (!is_control)
        return pest_mistake(reader, pest_place_now(reader),
                            "a PEST control file begins with \"pcf\", not with \"%.40s\"",
                            line);
    rest += strspn(rest, " \t\r");
    if (strncmp(rest, "version", 7) == 0) {
        rest += 7 + strspn(rest + 7, " \t\r=");
        if (*rest != '1' && *rest != '2')
            return pest_mistake(reader, pest_place_now(reader),
                                "version: \"%.40s\": 1 or 2 is expected", rest);
        control->version = *rest - '0';
    } else if (*rest) {
        pest_unused(reader, pest_place_now(reader), "\"%.40s\" behind pcf has no effect", rest);
    }
    return 0;
}

static void lines_read(struct pest_reader *reader)
{
    char *line = pest_source_next(reader->source);
    if (!line) {
        pest_mistake(reader, (struct pest_place){NULL, 0}, "the file is empty");
        return;
    }
    if (header_read(reader, line) < 0)
        return;
    while ((line = pest_source_next(reader->source))) {
        if (*line == '*')
            pest_section_begin(reader, line);
        else if (line[0] == '+' && line[1] == '+')
            pest_options_line(reader, line);
        else if (reader->section)
            pest_section_line(reader, line);
        else
            pest_mistake(reader, pest_place_now(reader),
                         "\"%.40s\" is in no section; \"* control data\" is expected", line);
    }
    pest_names_resolve(reader);
    if (!reader->no_memory)
        pest_rules_check(reader);
}

static void reader_fini(struct pest_reader *reader)
{
    for (size_t i = 0; i < reader->prior_row_count; i++)
        free(reader->prior_rows[i].equation);
    free(reader->prior_rows);
    free(reader->parameter_rows);
    free(reader->parameter_group_rows);
    free(reader->observation_group_rows);
    free(reader->observation_rows);
    free(reader->ties);
    free(reader->pairs);
    pest_sources_close(reader);
}

static struct pest_control *control_create(const char *path)
{
    struct pest_control *control = calloc(1, sizeof *control);
    if (!control)
        return NULL;
    pest_fields_default(control);
    const char *slash = strrchr(path, '/');
    control->path = strdup(path);
    control->folder = !slash          ? strdup(".")
                      : slash == path ? strdup("/")
                                      : strndup(path, (size_t)(slash - path));
    if (control->path && control->folder)
        return control;
    pest_control_free(control);
    return NULL;
}

/* `*ret_mistakes` counts what stands in the way; each is told to `report`, if there is one. */
static struct pest_control *control_read(const char *path,
                                         void (*report)(void *context, const char *sentence),
                                         void *context, size_t *ret_mistakes,
                                         struct error *ret_error)
{
    struct pest_reader reader = {
        .control = control_create(path),
        .report = report,
        .context = context,
        .counts = {INT_MIN, INT_MIN, INT_MIN, INT_MIN, INT_MIN, INT_MIN, INT_MIN}};
    struct error error = {0};
    if (reader.control)
        reader.source = pest_source_open(&reader, path, &error);
    if (reader.source)
        lines_read(&reader);
    if (!reader.control || reader.no_memory)
        error_set(&error, ERROR_SYSTEM, "%s: no memory", path);
    bool stopped = error.code != ERROR_NONE;
    if (stopped && report)
        report(context, error.text);
    else if (reader.mistakes > 0)
        error = reader.first;
    *ret_mistakes = reader.mistakes + stopped;
    reader_fini(&reader);
    if (*ret_mistakes == 0)
        return reader.control;
    if (ret_error)
        *ret_error = error;
    pest_control_free(reader.control);
    return NULL;
}

struct pest_control *pest_control_read(const char *path, struct error *ret_error)
{
    size_t mistakes;
    return control_read(path, NULL, NULL, &mistakes, ret_error);
}

size_t pest_control_check(const char *path, void (*report)(void *context, const char *sentence),
                          void *context)
{
    size_t mistakes;
    pest_control_free(control_read(path, report, context, &mistakes, NULL));
    return mistakes;
}

static void notes_free(struct pest_note *notes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(notes[i].text);
    free(notes);
}

static void pairs_free(struct pest_file_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].pest_file);
        free(pairs[i].model_file);
    }
    free(pairs);
}

static void records_free(struct pest_control *control)
{
    for (size_t i = 0; i < control->parameter_group_count; i++)
        free(control->parameter_groups[i].pargpnme);
    for (size_t i = 0; i < control->parameter_count; i++)
        free(control->parameters[i].parnme);
    for (size_t i = 0; i < control->observation_group_count; i++) {
        free(control->observation_groups[i].obgnme);
        free(control->observation_groups[i].covfle);
    }
    for (size_t i = 0; i < control->observation_count; i++)
        free(control->observations[i].obsnme);
    for (size_t i = 0; i < control->prior_count; i++) {
        free(control->priors[i].pilbl);
        free(control->priors[i].terms);
    }
    for (size_t i = 0; i < control->command_count; i++)
        free(control->commands[i]);
    for (size_t i = 0; i < control->table_count; i++)
        free(control->tables[i]);
    for (size_t i = 0; i < control->option_count; i++) {
        free(control->options[i].name);
        free(control->options[i].value);
    }
    free(control->parameter_groups);
    free(control->parameters);
    free(control->observation_groups);
    free(control->observations);
    free(control->priors);
    free(control->commands);
    free(control->tables);
    free(control->options);
}

void pest_control_free(struct pest_control *control)
{
    if (!control)
        return;
    records_free(control);
    pairs_free(control->inputs, control->input_count);
    pairs_free(control->outputs, control->output_count);
    notes_free(control->warnings, control->warning_count);
    notes_free(control->unused, control->unused_count);
    pest_index_destroy(control->parameter_index);
    pest_index_destroy(control->observation_index);
    pest_index_destroy(control->parameter_group_index);
    pest_index_destroy(control->observation_group_index);
    free(control->parameter_names);
    free(control->observation_names);
    free(control->parameter_group_names);
    free(control->observation_group_names);
    free(control->path);
    free(control->folder);
    free(control);
}

size_t pest_control_adjustable(const struct pest_control *control)
{
    size_t count = 0;
    for (size_t i = 0; i < control->parameter_count; i++)
        count += control->parameters[i].partrans == PEST_NONE ||
                 control->parameters[i].partrans == PEST_LOG;
    return count;
}

int pest_control_parameter(const struct pest_control *control, const char *name)
{
    return pest_index_find(control->parameter_index, name, strlen(name));
}

int pest_control_observation(const struct pest_control *control, const char *name)
{
    return pest_index_find(control->observation_index, name, strlen(name));
}

int pest_control_observation_group(const struct pest_control *control, const char *name)
{
    return pest_index_find(control->observation_group_index, name, strlen(name));
}

char *pest_control_path(const struct pest_control *control, const char *name)
{
    return pest_pair_path(control->folder, name);
}

char *pest_control_base(const struct pest_control *control)
{
    const char *slash = strrchr(control->path, '/');
    const char *name = slash ? slash + 1 : control->path, *dot = strrchr(name, '.');
    return dot && dot > name ? strndup(control->path, (size_t)(dot - control->path))
                             : strdup(control->path);
}
