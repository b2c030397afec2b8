/*
 * Sections of the classic format whose lines differ from each other: each line's fields are given
 * by their names, optional ones in brackets. Words ("lamforgive") are not among them: they are
 * known for themselves, and real files have them in any place behind the numbers.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/nearest.h"
#include "common/pest/control_private.h"
#include "common/pest/number.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

static const char *const data_layout[] = {
    "",
    "npar nobs npargp nprior nobsgp [maxcompdim derzerolim]",
    "ntplfle ninsfle [numcom jacfile messfile]",
    "rlambda1 rlamfac phiratsuf phiredlam numlam [jacupdate]",
    "relparmax facparmax facorig [iboundstick upvecbend]",
    "phiredswh [noptswitch splitswh]",
    ("noptmax phiredstp nphistp nphinored relparstp nrelpar "
     "[phistopthresh lastrun phiabandon]"),
    "[icov icor ieig ires]",
};

static const char *const svd_layout[] = {"svdmode", "maxsing eigthresh", "[eigwrite]"};

static const char *const lsqr_layout[] = {
    "lsqrmode", "lsqr_atol lsqr_btol lsqr_conlim lsqr_itnlim", "[lsqrwrite]"};

static const char *const regularisation_layout[] = {
    "phimlim phimaccept [fracphim]",
    "wfinit wfmin wfmax",
    "wffac wftol [iregadj noptregadj regweightrat regsingthresh]",
};

struct layout {
    const char *at; /* the rest of it */
    bool optional;  /* what follows may be absent */
};

/* The next name of a layout; false at its end. */
static bool layout_next(struct layout *layout, char *name, size_t size)
{
    layout->at += strspn(layout->at, " ");
    if (*layout->at == '[') {
        layout->optional = true;
        layout->at++;
    }
    size_t length = strcspn(layout->at, " ]");
    if (length == 0 || length >= size)
        return false;
    memcpy(name, layout->at, length);
    name[length] = 0;
    layout->at += length;
    return true;
}

static bool is_number(const char *text)
{
    double value;
    return pest_number_parse(text, strlen(text), &value) == PEST_NUMBER_GOOD;
}

/* A field that is no number: a word, absparmax, or a mistake. How many fields it took. */
static size_t word_take(struct pest_reader *reader, const struct pest_fields *fields, size_t i,
                        struct layout *layout)
{
    struct layout ahead = *layout;
    char name[32];
    size_t taken = pest_absparmax_store(reader, fields, i);
    if (taken > 0)
        return taken;
    if (pest_word_store(reader, fields->at[i]) == PEST_TAKEN)
        return 1;
    if (layout_next(&ahead, name, sizeof name) && !ahead.optional) {
        pest_mistake(reader, pest_place_now(reader), "%s: \"%.80s\" is not a number", name,
                     fields->at[i]);
        *layout = ahead;
    } else {
        pest_unused(reader, pest_place_now(reader), "\"%.80s\" has no effect here",
                    fields->at[i]);
    }
    return 1;
}

void pest_layout_line(struct pest_reader *reader, const char *const *layouts, size_t lines,
                      char *line)
{
    struct pest_fields fields;
    char name[32];
    size_t least = 0;
    if (reader->nth >= lines) {
        pest_unused(reader, pest_place_now(reader), "a line more than \"* %s\" has",
                    reader->section->name);
        return;
    }
    struct layout layout = {layouts[reader->nth], false}, ahead = layout;
    while (layout_next(&ahead, name, sizeof name) && !ahead.optional)
        least++;
    pest_fields_split(line, least, &fields);
    for (size_t i = 0; i < fields.count;) {
        if (!is_number(fields.at[i])) {
            i += word_take(reader, &fields, i, &layout);
            continue;
        }
        if (layout_next(&layout, name, sizeof name))
            pest_field_store(reader, name, fields.at[i]);
        else
            pest_unused(reader, pest_place_now(reader), "\"%.80s\" is a field too many",
                        fields.at[i]);
        i++;
    }
    if (layout_next(&layout, name, sizeof name) && !layout.optional)
        pest_mistake(reader, pest_place_now(reader), "%s is missing (line %zu of \"* %s\")",
                     name, reader->nth + 1, reader->section->name);
}

static const char *const modes[] = {"estimation", "prediction", "regularisation", "pareto"};

/* RSTFLE PESTMODE: two words. */
static void mode_line(struct pest_reader *reader, char *line)
{
    struct pest_fields fields;
    pest_fields_split(line, 2, &fields);
    for (size_t i = 0; i < fields.count; i++) {
        const char *word = fields.at[i];
        if (pest_word_store(reader, word) == PEST_TAKEN)
            continue;
        const char *nearest = nearest_find(word, modes, COUNT_OF(modes));
        if (i == 0)
            pest_mistake(reader, pest_place_now(reader),
                         "rstfle: \"%.80s\": restart or norestart is expected", word);
        else if (i == 1)
            pest_mistake(reader, pest_place_now(reader),
                         "pestmode: \"%.80s\": estimation, prediction, regularisation or "
                         "pareto is expected%s%s%s",
                         word, nearest ? "; did you mean " : "", nearest ? nearest : "",
                         nearest ? "?" : "");
        else
            pest_unused(reader, pest_place_now(reader), "\"%.80s\" has no effect here", word);
    }
    if (fields.count == 0 || (fields.count == 1 && strncasecmp(fields.at[0], "no", 2) != 0 &&
                              strcasecmp(fields.at[0], "restart") != 0))
        pest_warn(reader, pest_place_now(reader), "rstfle is missing; restart is assumed");
    else if (fields.count == 1)
        pest_mistake(reader, pest_place_now(reader), "pestmode is missing");
}

void pest_data_line(struct pest_reader *reader, char *line)
{
    if (reader->nth == 0)
        mode_line(reader, line);
    else
        pest_layout_line(reader, data_layout, COUNT_OF(data_layout), line);
    if (reader->nth == 1)
        reader->counted = pest_place_now(reader);
    if (reader->nth == 2)
        reader->counted_files = pest_place_now(reader);
}

void pest_svd_line(struct pest_reader *reader, char *line)
{
    pest_layout_line(reader, svd_layout, COUNT_OF(svd_layout), line);
}

void pest_lsqr_line(struct pest_reader *reader, char *line)
{
    pest_layout_line(reader, lsqr_layout, COUNT_OF(lsqr_layout), line);
}

void pest_regularisation_line(struct pest_reader *reader, char *line)
{
    pest_layout_line(reader, regularisation_layout, COUNT_OF(regularisation_layout), line);
}

void pest_command_line(struct pest_reader *reader, char *line)
{
    struct pest_control *control = reader->control;
    char **commands =
        pest_array_grow(reader, control->commands, control->command_count, sizeof *commands);
    char *copy = pest_text_copy(reader, line);
    if (commands)
        control->commands = commands;
    if (!commands || !copy) {
        free(copy);
        return;
    }
    commands[control->command_count++] = copy;
}
