/*
 * The sections there are. Headers compare without regard to case, with blanks where they like.
 */
#include "config.h"

#include <string.h>

#include "common/nearest.h"
#include "common/pest/control_private.h"

static const struct pest_section sections[] = {
    {"control data", pest_data_line, NULL, NULL},
    {"control data keyword", pest_keyword_line, NULL, NULL},
    {"singular value decomposition", pest_svd_line, NULL, NULL},
    {"lsqr", pest_lsqr_line, NULL, NULL},
    {"parameter groups", NULL, &pest_table_parameter_groups, NULL},
    {"parameter groups external", NULL, NULL, &pest_table_parameter_groups},
    {"parameter data", pest_parameter_line, NULL, NULL},
    {"parameter data external", NULL, NULL, &pest_table_parameters},
    {"observation groups", NULL, &pest_table_observation_groups, NULL},
    {"observation groups external", NULL, NULL, &pest_table_observation_groups},
    {"observation data", NULL, &pest_table_observations, NULL},
    {"observation data external", NULL, NULL, &pest_table_observations},
    {"model command line", pest_command_line, NULL, NULL},
    {"model input/output", NULL, &pest_table_pairs, NULL},
    {"model input", NULL, &pest_table_inputs, NULL},
    {"model input external", NULL, NULL, &pest_table_inputs},
    {"model output", NULL, &pest_table_outputs, NULL},
    {"model output external", NULL, NULL, &pest_table_outputs},
    {"prior information", pest_prior_line, NULL, NULL},
    {"prior information external", NULL, NULL, &pest_table_priors},
    {"regularisation", pest_regularisation_line, NULL, NULL},
    {"regularization", pest_regularisation_line, NULL, NULL},
    /* Read, and of no effect. */
    {"automatic user intervention", NULL, NULL, NULL},
    {"svd assist", NULL, NULL, NULL},
    {"sensitivity reuse", NULL, NULL, NULL},
    {"derivatives command line", NULL, NULL, NULL},
    {"predictive analysis", NULL, NULL, NULL},
    {"pareto", NULL, NULL, NULL},
    {"joint test", NULL, NULL, NULL},
    {"jacobian command line", NULL, NULL, NULL},
    {"parallel run management", NULL, NULL, NULL},
};

#define SECTIONS (sizeof sections / sizeof sections[0])

/* Without the stars and with single blanks, none around a slash. */
static void header_normalise(char *line)
{
    char *to = line;
    line += strspn(line, "* \t\r");
    for (; *line; line++) {
        bool blank = strchr(" \t\r", *line) != NULL;
        char next = line[1 + strspn(line + 1, " \t\r")];
        if (blank && (to[-1] == ' ' || to[-1] == '/' || next == '/'))
            continue;
        *to++ = (char)(blank ? ' ' : *line);
    }
    *to = 0;
}

static const struct pest_section unknown = {"?", NULL, NULL, NULL};

static void section_unknown(struct pest_reader *reader, const char *name)
{
    const char *names[SECTIONS];
    for (size_t i = 0; i < SECTIONS; i++)
        names[i] = sections[i].name;
    const char *nearest = nearest_find(name, names, SECTIONS);
    reader->section = &unknown;
    pest_unused(reader, pest_place_now(reader),
                "section \"* %.80s\" is not known and has no effect%s%s%s", name,
                nearest ? "; did you mean \"* " : "", nearest ? nearest : "",
                nearest ? "\"?" : "");
}

void pest_section_begin(struct pest_reader *reader, char *line)
{
    char *name = line + 1;
    reader->nth = 0;
    reader->extra_columns = false;
    reader->section_line = reader->source->line;
    header_normalise(pest_text_lower(name));
    for (size_t i = 0; i < SECTIONS; i++) {
        if (strcmp(sections[i].name, name) != 0)
            continue;
        reader->section = &sections[i];
        if (reader->seen & 1ull << i && !sections[i].table && !sections[i].external)
            pest_warn(reader, pest_place_now(reader), "section \"* %s\" is there twice", name);
        reader->seen |= 1ull << i;
        if (!sections[i].line && !sections[i].table && !sections[i].external)
            pest_unused(reader, pest_place_now(reader), "section \"* %s\" has no effect here",
                        name);
        return;
    }
    section_unknown(reader, name);
}

void pest_section_line(struct pest_reader *reader, char *line)
{
    const struct pest_section *section = reader->section;
    if (section->line)
        section->line(reader, line);
    else if (section->table)
        pest_table_line(reader, section->table, line);
    else if (section->external)
        pest_external_line(reader, section->external, line);
    reader->nth++;
}

bool pest_section_seen(const struct pest_reader *reader, const char *name)
{
    for (size_t i = 0; i < SECTIONS; i++)
        if (strcmp(sections[i].name, name) == 0)
            return reader->seen & 1ull << i;
    return false;
}
