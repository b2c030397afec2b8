/*
 * Records of the tables: a line of the classic format or a row of an external table becomes cells
 * in the classic order, and the cells become a record. What a cell leaves open is what PEST (or,
 * of version 2, PEST++) assumes.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/nearest.h"
#include "common/pest/control_private.h"
#include "common/pest/number.h"

struct choice {
    const char *word;
    int value;
};

static const struct choice inctyps[] = {{"relative", PEST_INC_RELATIVE},
                                        {"absolute", PEST_INC_ABSOLUTE},
                                        {"rel_to_max", PEST_INC_REL_TO_MAX},
                                        {NULL, 0}};
static const struct choice forcens[] = {
    {"switch", PEST_SWITCH},     {"always_2", PEST_ALWAYS_2}, {"always_3", PEST_ALWAYS_3},
    {"always_5", PEST_ALWAYS_5}, {"switch_5", PEST_SWITCH_5}, {NULL, 0}};
static const struct choice dermthds[] = {
    {"parabolic", PEST_PARABOLIC}, {"outside_pts", PEST_OUTSIDE_PTS},
    {"best_fit", PEST_BEST_FIT},   {"minvar", PEST_MINVAR},
    {"maxprec", PEST_MAXPREC},     {NULL, 0}};
static const struct choice splitactions[] = {
    {"smaller", 0}, {"zero", 1}, {"previous", 2}, {NULL, 0}};
static const struct choice partranses[] = {{"none", PEST_NONE},
                                           {"log", PEST_LOG},
                                           {"fixed", PEST_FIXED},
                                           {"tied", PEST_TIED},
                                           {NULL, 0}};
static const struct choice parchglims[] = {
    {"relative", PEST_RELATIVE}, {"factor", PEST_FACTOR}, {NULL, 0}};

static int choice_find(const struct choice *choices, const char *text)
{
    for (size_t i = 0; choices[i].word; i++)
        if (strcasecmp(choices[i].word, text) == 0)
            return choices[i].value;
    return -1;
}

/* The value of a word; `fallback` where nothing is said, -1 and a mistake where it is no choice. */
static int cell_choice(struct pest_reader *reader, struct pest_place place, const char *column,
                       const struct choice *choices, const char *text, int fallback)
{
    char list[128] = "";
    if (!text)
        return fallback;
    int value = choice_find(choices, text);
    if (value >= 0)
        return value;
    for (size_t i = 0; choices[i].word; i++) {
        size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%s",
                 i == 0                ? ""
                 : choices[i + 1].word ? ", "
                                       : " or ",
                 choices[i].word);
    }
    return pest_mistake(reader, place, "%s: \"%.80s\": %s is expected", column, text, list);
}

static double cell_real(struct pest_reader *reader, struct pest_place place, const char *column,
                        const char *text, double fallback)
{
    double value = fallback;
    if (text && pest_cell_real(reader, place, column, text, &value) < 0)
        return fallback;
    return value;
}

/* A name, in lower case, owned by the record; NULL (told) if it cannot be one. */
static char *cell_name(struct pest_reader *reader, struct pest_place place, const char *column,
                       char *text)
{
    if (!text || !*text) {
        pest_mistake(reader, place, "%s is missing", column);
        return NULL;
    }
    if (strlen(text) > PEST_NAME_MAX) {
        pest_mistake(reader, place, "%s: \"%.40s...\" is longer than %d characters", column,
                     text, PEST_NAME_MAX);
        return NULL;
    }
    return pest_text_copy(reader, pest_text_lower(text));
}

/* Make room for one more record in `array` and in `rows`, which tells where each stands. */
#define RECORD_GROW(reader, array, count, rows)                                                \
    records_grow((reader), (void **)&(array), (count), sizeof *(array), (void **)&(rows),      \
                 sizeof *(rows))

static int records_grow(struct pest_reader *reader, void **array, size_t count, size_t item,
                        void **rows, size_t row)
{
    void *grown = pest_array_grow(reader, *array, count, item);
    if (grown)
        *array = grown;
    void *grown_rows = pest_array_grow(reader, *rows, count, row);
    if (grown_rows)
        *rows = grown_rows;
    return grown && grown_rows ? 0 : -1;
}

static int parameter_group_append(struct pest_reader *reader, struct pest_place place,
                                  const struct pest_parameter_group *group)
{
    struct pest_control *control = reader->control;
    if (!group->pargpnme ||
        RECORD_GROW(reader, control->parameter_groups, control->parameter_group_count,
                    reader->parameter_group_rows) < 0) {
        free(group->pargpnme);
        return -1;
    }
    control->parameter_groups[control->parameter_group_count] = *group;
    reader->parameter_group_rows[control->parameter_group_count] = place;
    return (int)control->parameter_group_count++;
}

/* What PEST++ assumes of a group that has no line. */
static const struct pest_parameter_group group_default = {
    .inctyp = PEST_INC_RELATIVE,
    .derinc = 0.01,
    .forcen = PEST_SWITCH,
    .derincmul = 2,
    .dermthd = PEST_PARABOLIC,
};

int pest_parameter_group_add(struct pest_reader *reader, const char *name,
                             struct pest_place place)
{
    struct pest_parameter_group group = group_default;
    group.pargpnme = pest_text_copy(reader, name);
    return parameter_group_append(reader, place, &group);
}

static void split_cells(struct pest_reader *reader, struct pest_place place, char **cells,
                        struct pest_parameter_group *group)
{
    int action;
    group->splitthresh = cell_real(reader, place, "splitthresh", cells[7], 0);
    group->splitreldiff = cell_real(reader, place, "splitreldiff", cells[8], 0.5);
    action = cell_choice(reader, place, "splitaction", splitactions, cells[9], 0);
    group->splitaction = action < 0 ? 0 : action;
}

/* PARGPNME INCTYP DERINC DERINCLB FORCEN DERINCMUL DERMTHD [SPLITTHRESH SPLITRELDIFF
 * SPLITACTION] */
static void parameter_group_row(struct pest_reader *reader, struct pest_place place,
                                char **cells)
{
    struct pest_parameter_group group = group_default;
    int inctyp = cell_choice(reader, place, "inctyp", inctyps, cells[1], PEST_INC_RELATIVE);
    int forcen = cell_choice(reader, place, "forcen", forcens, cells[4], PEST_SWITCH);
    int dermthd = cell_choice(reader, place, "dermthd", dermthds, cells[6], PEST_PARABOLIC);
    group.derinc = cell_real(reader, place, "derinc", cells[2], group.derinc);
    group.derinclb = cell_real(reader, place, "derinclb", cells[3], 0);
    group.derincmul = cell_real(reader, place, "derincmul", cells[5], group.derincmul);
    if (group.derinc < 0) {
        pest_warn(reader, place, "derinc: %s is negative; its magnitude is used", cells[2]);
        group.derinc = -group.derinc;
    }
    if (group.derinclb < 0)
        pest_warn(reader, place, "derinclb: %s is negative", cells[3]);
    if (group.derincmul <= 0)
        pest_mistake(reader, place, "derincmul: %s: more than 0 is expected", cells[5]);
    split_cells(reader, place, cells, &group);
    if (inctyp < 0 || forcen < 0 || dermthd < 0)
        inctyp = forcen = dermthd = 0;
    group.inctyp = (enum pest_inctyp)inctyp;
    group.forcen = (enum pest_forcen)forcen;
    group.dermthd = (enum pest_dermthd)dermthd;
    group.pargpnme = cell_name(reader, place, "pargpnme", cells[0]);
    parameter_group_append(reader, place, &group);
}

/* relative, factor or absolute(N). Of parameters that never change, PEST does not care. */
static void parchglim_cell(struct pest_reader *reader, struct pest_place place,
                           const char *text, struct pest_parameter *parameter)
{
    char *end;
    parameter->parchglim = PEST_FACTOR;
    if (!text)
        return;
    if (strncasecmp(text, "absolute", 8) == 0) {
        long number = text[8] == '(' ? strtol(text + 9, &end, 10) : 0;
        if (number >= 1 && number <= 10 && *end == ')' && !end[1]) {
            parameter->parchglim = PEST_ABSOLUTE;
            parameter->absparmax = (int)number;
            return;
        }
    } else if (choice_find(parchglims, text) >= 0) {
        parameter->parchglim = (enum pest_parchglim)choice_find(parchglims, text);
        return;
    }
    if (parameter->partrans == PEST_FIXED || parameter->partrans == PEST_TIED)
        pest_warn(reader, place, "parchglim: \"%.80s\" is not known; factor is assumed", text);
    else
        pest_mistake(
            reader, place,
            "parchglim: \"%.80s\": relative, factor or absolute(N) is expected, N from "
            "1 to 10",
            text);
}

static void parameter_values(struct pest_reader *reader, struct pest_place place, char **cells,
                             struct pest_parameter *parameter)
{
    parameter->parval1 = cell_real(reader, place, "parval1", cells[3], 1);
    parameter->parlbnd = cell_real(reader, place, "parlbnd", cells[4], parameter->parval1);
    parameter->parubnd = cell_real(reader, place, "parubnd", cells[5], parameter->parval1);
    parameter->scale = cell_real(reader, place, "scale", cells[7], 1);
    parameter->offset = cell_real(reader, place, "offset", cells[8], 0);
    if (cells[9])
        pest_cell_integer(reader, place, "dercom", cells[9], &parameter->dercom);
    if (parameter->scale == 0)
        pest_mistake(reader, place, "scale: 0: the model would never see the parameter");
}

/* PARNME PARTRANS PARCHGLIM PARVAL1 PARLBND PARUBND PARGP SCALE OFFSET DERCOM; PARTIED of
 * version 2 */
static void parameter_row(struct pest_reader *reader, struct pest_place place, char **cells)
{
    struct pest_control *control = reader->control;
    struct pest_parameter parameter = {
        .pargp = -1, .tied_to = -1, .tied_ratio = 1, .dercom = 1};
    int partrans = cell_choice(reader, place, "partrans", partranses, cells[1], PEST_NONE);
    parameter.partrans = partrans < 0 ? PEST_FIXED : (enum pest_partrans)partrans;
    parchglim_cell(reader, place, cells[2], &parameter);
    parameter_values(reader, place, cells, &parameter);
    parameter.parnme = cell_name(reader, place, "parnme", cells[0]);
    if (!parameter.parnme)
        return;
    if (RECORD_GROW(reader, control->parameters, control->parameter_count,
                    reader->parameter_rows) < 0) {
        free(parameter.parnme);
        return;
    }
    control->parameters[control->parameter_count] = parameter;
    reader->parameter_rows[control->parameter_count++] = (struct pest_parameter_row){
        .place = place,
        .pargp = cells[6] ? pest_text_lower(cells[6]) : NULL,
        .parent = cells[10] ? pest_text_lower(cells[10]) : NULL,
    };
}

/* PARNME PARTIED, below the parameters. */
static void tie_add(struct pest_reader *reader, const struct pest_fields *fields)
{
    struct pest_tie *ties =
        pest_array_grow(reader, reader->ties, reader->tie_count, sizeof *ties);
    if (!ties)
        return;
    reader->ties = ties;
    ties[reader->tie_count++] = (struct pest_tie){
        pest_place_now(reader), pest_text_lower(fields->at[0]), pest_text_lower(fields->at[1])};
}

static void cells_fill(const struct pest_fields *fields, char **cells)
{
    for (size_t i = 0; i < PEST_COLUMNS_MAX; i++)
        cells[i] = i < fields->count && *fields->at[i] ? fields->at[i] : NULL;
}

static void columns_check(struct pest_reader *reader, const struct pest_table *table,
                          const struct pest_fields *fields)
{
    if (fields->total > table->column_count && !reader->extra_columns) {
        reader->extra_columns = true;
        pest_unused(reader, pest_place_now(reader),
                    "columns of \"* %s\" after the %zu known ones have no effect",
                    reader->section->name, table->column_count);
    }
}

void pest_parameter_line(struct pest_reader *reader, char *line)
{
    struct pest_fields fields;
    char *cells[PEST_COLUMNS_MAX];
    pest_fields_split(line, 2, &fields);
    if (fields.count >= 2 && fields.count < 7 && choice_find(partranses, fields.at[1]) < 0) {
        tie_add(reader, &fields);
        return;
    }
    /* PARVAL1, the bounds and the group PEST wants; the rest has one usual value. */
    if (fields.count < 7) {
        static const char *const names[] = {"parnme",  "partrans", "parchglim", "parval1",
                                            "parlbnd", "parubnd",  "pargp"};
        pest_mistake(reader, pest_place_now(reader),
                     "%s is missing: parnme partrans parchglim parval1 parlbnd parubnd pargp "
                     "scale offset dercom are expected",
                     names[fields.count]);
        return;
    }
    if (fields.count < 9)
        pest_warn(reader, pest_place_now(reader), "%s is missing; %s is assumed",
                  fields.count < 8 ? "scale" : "offset", fields.count < 8 ? "1" : "0");
    cells_fill(&fields, cells);
    cells[10] = NULL;
    columns_check(reader, &pest_table_parameters, &fields);
    parameter_row(reader, pest_place_now(reader), cells);
}

int pest_observation_group_add(struct pest_reader *reader, const char *name,
                               struct pest_place place)
{
    struct pest_control *control = reader->control;
    struct pest_observation_group group = {.obgnme = pest_text_copy(reader, name)};
    if (!group.obgnme ||
        RECORD_GROW(reader, control->observation_groups, control->observation_group_count,
                    reader->observation_group_rows) < 0) {
        free(group.obgnme);
        return -1;
    }
    group.regularisation = strncmp(name, "regul", 5) == 0;
    group.predict = strcmp(name, "predict") == 0;
    control->observation_groups[control->observation_group_count] = group;
    reader->observation_group_rows[control->observation_group_count] = place;
    return (int)control->observation_group_count++;
}

/* OBGNME [GTARG] [COVFLE]: what is a number is the target, what is not is the file. */
static void observation_group_row(struct pest_reader *reader, struct pest_place place,
                                  char **cells)
{
    char *name = cell_name(reader, place, "obgnme", cells[0]);
    int index = name ? pest_observation_group_add(reader, name, place) : -1;
    free(name);
    if (index < 0)
        return;
    struct pest_observation_group *group = &reader->control->observation_groups[index];
    for (size_t i = 1; i < 3; i++) {
        char *end;
        if (!cells[i])
            continue;
        strtod(cells[i], &end);
        if (end > cells[i] && (!*end || strchr("dDeE", *end))) {
            group->gtarg = cell_real(reader, place, "gtarg", cells[i], 0);
        } else if (group->covfle) {
            pest_unused(reader, place, "\"%.80s\" has no effect", cells[i]);
        } else {
            group->covfle = pest_name_copy(reader, cells[i]);
        }
    }
}

/* Tools write NaN where nothing was measured; with a weight of 0 that has no effect. */
static double obsval_cell(struct pest_reader *reader, struct pest_place place, const char *text,
                          double weight)
{
    double value;
    if (!text || weight != 0 ||
        pest_number_parse(text, strlen(text), &value) != PEST_NUMBER_NAN)
        return cell_real(reader, place, "obsval", text, 0);
    pest_warn(reader, place, "obsval: %s; 0 is used, for its weight is 0", text);
    return 0;
}

/* OBSNME OBSVAL WEIGHT OBGNME */
static void observation_row(struct pest_reader *reader, struct pest_place place, char **cells)
{
    struct pest_control *control = reader->control;
    struct pest_observation observation = {.obgnme = -1};
    observation.weight = cell_real(reader, place, "weight", cells[2], 1);
    observation.obsval = obsval_cell(reader, place, cells[1], observation.weight);
    if (observation.weight < 0) {
        pest_warn(reader, place, "weight: %s is negative; 0 is used", cells[2]);
        observation.weight = 0;
    }
    observation.obsnme = cell_name(reader, place, "obsnme", cells[0]);
    if (!observation.obsnme)
        return;
    if (RECORD_GROW(reader, control->observations, control->observation_count,
                    reader->observation_rows) < 0) {
        free(observation.obsnme);
        return;
    }
    control->observations[control->observation_count] = observation;
    reader->observation_rows[control->observation_count++] =
        (struct pest_observation_row){place, cells[3] ? pest_text_lower(cells[3]) : NULL};
}

void pest_table_line(struct pest_reader *reader, const struct pest_table *table, char *line)
{
    struct pest_fields fields;
    char *cells[PEST_COLUMNS_MAX], missing[64];
    pest_fields_split(line, table->least, &fields);
    if (fields.count < table->least) {
        snprintf(missing, sizeof missing, "%s", table->columns[fields.count].name);
        pest_mistake(reader, pest_place_now(reader),
                     "%s is missing: a line of \"* %s\" has at least %zu fields", missing,
                     reader->section->name, table->least);
        return;
    }
    cells_fill(&fields, cells);
    columns_check(reader, table, &fields);
    table->row(reader, pest_place_now(reader), cells);
}

static void prior_row(struct pest_reader *reader, struct pest_place place, char **cells)
{
    struct pest_prior_row *rows =
        pest_array_grow(reader, reader->prior_rows, reader->prior_row_count, sizeof *rows);
    if (!rows)
        return;
    reader->prior_rows = rows;
    rows[reader->prior_row_count++] = (struct pest_prior_row){
        .place = place,
        .label = cells[0],
        .equation = pest_text_copy(reader, cells[1]),
        .weight = cells[2],
        .group = cells[3],
    };
}

static void pair_add(struct pest_reader *reader, struct pest_place place, char **cells,
                     char kind)
{
    struct pest_pair_row *pairs =
        pest_array_grow(reader, reader->pairs, reader->pair_count, sizeof *pairs);
    if (!pairs)
        return;
    reader->pairs = pairs;
    pairs[reader->pair_count++] = (struct pest_pair_row){place, kind, cells[0], cells[1]};
}

static void input_row(struct pest_reader *reader, struct pest_place place, char **cells)
{
    pair_add(reader, place, cells, 't');
}

static void output_row(struct pest_reader *reader, struct pest_place place, char **cells)
{
    pair_add(reader, place, cells, 'i');
}

static void pair_row(struct pest_reader *reader, struct pest_place place, char **cells)
{
    pair_add(reader, place, cells, 'b');
}

const struct pest_table pest_table_parameter_groups = {
    {{"pargpnme", NULL, true},
     {"inctyp", NULL, false},
     {"derinc", NULL, false},
     {"derinclb", NULL, false},
     {"forcen", NULL, false},
     {"derincmul", NULL, false},
     {"dermthd", NULL, false},
     {"splitthresh", NULL, false},
     {"splitreldiff", NULL, false},
     {"splitaction", NULL, false}},
    10,
    7,
    parameter_group_row,
};

const struct pest_table pest_table_parameters = {
    {{"parnme", "name", true},
     {"partrans", "transform", true},
     {"parchglim", "change_limit", false},
     {"parval1", "value", true},
     {"parlbnd", "lower_bound", true},
     {"parubnd", "upper_bound", true},
     {"pargp", "group", true},
     {"scale", NULL, false},
     {"offset", NULL, false},
     {"dercom", NULL, false},
     {"partied", "tied_to", false}},
    11,
    7,
    parameter_row,
};

const struct pest_table pest_table_observation_groups = {
    {{"obgnme", "group", true}, {"gtarg", NULL, false}, {"covfle", NULL, false}},
    3,
    1,
    observation_group_row,
};

const struct pest_table pest_table_observations = {
    {{"obsnme", "name", true},
     {"obsval", "value", true},
     {"weight", NULL, true},
     {"obgnme", "group", true}},
    4,
    3,
    observation_row,
};

const struct pest_table pest_table_priors = {
    {{"pilbl", NULL, true},
     {"equation", NULL, true},
     {"weight", NULL, true},
     {"obgnme", NULL, true}},
    4,
    4,
    prior_row,
};

const struct pest_table pest_table_inputs = {
    {{"pest_file", NULL, true}, {"model_file", NULL, true}}, 2, 2, input_row};
const struct pest_table pest_table_outputs = {
    {{"pest_file", NULL, true}, {"model_file", NULL, true}}, 2, 2, output_row};
const struct pest_table pest_table_pairs = {
    {{"pest_file", NULL, true}, {"model_file", NULL, true}}, 2, 2, pair_row};
