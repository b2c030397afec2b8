/*
 * Prior information: `PILBL PIFAC * PARNME + PIFAC * log(PARNME) ... = PIVAL WEIGHT OBGNME`, where
 * a line that begins with `&` goes on with the one above. Blanks are optional around the signs,
 * `*`, `=` and brackets; since names may hold the signs, too, the longest beginning that is a
 * parameter's name is taken.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/nearest.h"
#include "common/pest/control_private.h"
#include "common/pest/number.h"

static void continuation_append(struct pest_reader *reader, const char *text)
{
    if (reader->prior_row_count == 0) {
        pest_mistake(reader, pest_place_now(reader), "& goes on with a line that is not there");
        return;
    }
    struct pest_prior_row *row = &reader->prior_rows[reader->prior_row_count - 1];
    size_t used = strlen(row->equation), more = strlen(text);
    char *joined = realloc(row->equation, used + more + 2);
    if (!joined) {
        reader->no_memory = true;
        return;
    }
    joined[used] = ' ';
    memcpy(joined + used + 1, text, more + 1);
    row->equation = joined;
}

void pest_prior_line(struct pest_reader *reader, char *line)
{
    if (*line == '&') {
        continuation_append(reader, line + 1);
        return;
    }
    struct pest_prior_row *rows =
        pest_array_grow(reader, reader->prior_rows, reader->prior_row_count, sizeof *rows);
    char *copy = pest_text_copy(reader, line);
    if (rows)
        reader->prior_rows = rows;
    if (!rows || !copy) {
        free(copy);
        return;
    }
    rows[reader->prior_row_count++] =
        (struct pest_prior_row){.place = pest_place_now(reader), .equation = copy};
}

/* An equation being taken apart. */
struct equation {
    struct pest_reader *reader;
    struct pest_place place;
    char *at;
    struct pest_prior *prior;
};

static void blanks_skip(struct equation *equation)
{
    equation->at += strspn(equation->at, " \t\r\v\f");
}

static int equation_fail(struct equation *equation, const char *expected)
{
    return pest_mistake(equation->reader, equation->place,
                        "prior information \"%s\": %s is expected at \"%.40s\"",
                        equation->prior->pilbl, expected, equation->at);
}

/* The length of the number without sign that text begins with. (An exponent has its letter here:
 * `1.0-3` would be a difference.) */
static size_t number_span(const char *text)
{
    size_t size = strspn(text, "0123456789."), more;
    if (size == 0 || !text[size] || !strchr("eEdDqQ", text[size]))
        return size;
    more = size + 1;
    more += text[more] == '+' || text[more] == '-';
    size_t digits = strspn(text + more, "0123456789");
    return digits > 0 ? more + digits : size;
}

static int number_take(struct equation *equation, double *ret)
{
    size_t size = number_span(equation->at);
    if (size == 0 || pest_number_parse(equation->at, size, ret) != PEST_NUMBER_GOOD)
        return equation_fail(equation, "a number");
    equation->at += size;
    return 0;
}

/* The name that `text` begins with: to a blank, `=` or bracket; or shorter, up to a sign, where
 * only that is a parameter. Its size, and its index or -1. */
static size_t name_span(const struct equation *equation, int *ret_index)
{
    const struct pest_index *index = equation->reader->control->parameter_index;
    size_t whole = strcspn(equation->at, " \t=()");
    for (size_t size = whole; size > 0; size--) {
        if (size < whole && !strchr("+-", equation->at[size]))
            continue;
        *ret_index = pest_index_find(index, equation->at, size);
        if (*ret_index >= 0)
            return size;
    }
    /* A name in brackets, or with an equals sign, as PEST++ allows. */
    *ret_index = -1;
    return whole;
}

static int name_take(struct equation *equation, struct pest_prior_term *term)
{
    int index;
    size_t size = name_span(equation, &index);
    if (size == 0)
        return equation_fail(equation, "the name of a parameter");
    if (index < 0) {
        const char *nearest =
            pest_index_nearest(equation->reader->control->parameter_index, equation->at, size);
        return pest_mistake(equation->reader, equation->place,
                            "prior information \"%s\": \"%.*s\" is no parameter%s",
                            equation->prior->pilbl, (int)(size < 80 ? size : 80), equation->at,
                            nearest_hint(nearest).text);
    }
    term->parnme = index;
    equation->at += size;
    return 0;
}

/* `log(name)`, or `name`. A parameter whose name begins with "log" is none. */
static int operand_take(struct equation *equation, struct pest_prior_term *term)
{
    const char *c = equation->at;
    if (strncasecmp(c, "log", 3) == 0) {
        size_t skip = strncasecmp(c, "log10", 5) == 0 ? 5 : 3;
        skip += strspn(c + skip, " \t");
        term->log = c[skip] == '(';
        equation->at += term->log ? skip + 1 : 0;
    }
    blanks_skip(equation);
    if (name_take(equation, term) < 0)
        return -1;
    blanks_skip(equation);
    if (!term->log)
        return 0;
    if (*equation->at != ')')
        return equation_fail(equation, "\")\"");
    equation->at++;
    return 0;
}

/* Any number of signs: `- 1.0 * k`, `+ -1.0 * k`. False if there is none. */
static bool signs_take(struct equation *equation, double *factor)
{
    bool found = false;
    for (blanks_skip(equation); *equation->at == '+' || *equation->at == '-';
         blanks_skip(equation)) {
        *factor = *equation->at == '-' ? -*factor : *factor;
        equation->at++;
        found = true;
    }
    return found;
}

static int term_take(struct equation *equation)
{
    struct pest_prior *prior = equation->prior;
    struct pest_prior_term term = {.pifac = 1, .parnme = -1};
    double factor;
    bool has_sign = signs_take(equation, &term.pifac);
    if (prior->term_count > 0 && !has_sign)
        return equation_fail(equation, "+, - or =");
    if (number_take(equation, &factor) < 0)
        return -1;
    term.pifac *= factor;
    blanks_skip(equation);
    if (*equation->at != '*')
        return equation_fail(equation, "\"*\"");
    equation->at++;
    blanks_skip(equation);
    if (operand_take(equation, &term) < 0)
        return -1;
    struct pest_prior_term *terms =
        pest_array_grow(equation->reader, prior->terms, prior->term_count, sizeof *terms);
    if (!terms)
        return -1;
    prior->terms = terms;
    terms[prior->term_count++] = term;
    blanks_skip(equation);
    return 0;
}

static int group_find(struct equation *equation, const char *name)
{
    int index = pest_observation_group_find(equation->reader, name);
    if (index >= 0)
        return index;
    pest_warn(equation->reader, equation->place,
              "prior information \"%s\": group \"%.80s\" is not in \"* observation groups\"; "
              "it is added",
              equation->prior->pilbl, name);
    return pest_observation_group_add(equation->reader, name, equation->place);
}

/* PIVAL WEIGHT OBGNME; of an external table the value alone. */
static int value_take(struct equation *equation, const struct pest_prior_row *row)
{
    struct pest_fields fields;
    struct pest_prior *prior = equation->prior;
    pest_fields_split(equation->at, 3, &fields);
    const char *weight = row->weight ? row->weight : fields.count > 1 ? fields.at[1] : NULL;
    char *group = row->group ? (char *)row->group : fields.count > 2 ? fields.at[2] : NULL;
    if (fields.count < 1 || !weight || !group)
        return pest_mistake(equation->reader, equation->place,
                            "prior information \"%s\": %s is missing behind \"=\"",
                            prior->pilbl,
                            fields.count < 1 ? "pival"
                            : !weight        ? "weight"
                                             : "obgnme");
    if (pest_cell_real(equation->reader, equation->place, "pival", fields.at[0], &prior->pival))
        return -1;
    if (pest_cell_real(equation->reader, equation->place, "weight", weight, &prior->weight))
        return -1;
    if (prior->weight < 0)
        return pest_mistake(equation->reader, equation->place,
                            "prior information \"%s\": weight: %s is negative", prior->pilbl,
                            weight);
    prior->obgnme = group_find(equation, pest_text_lower(group));
    return prior->obgnme < 0 ? -1 : 0;
}

static int equation_read(struct equation *equation, const struct pest_prior_row *row)
{
    do {
        if (term_take(equation) < 0)
            return -1;
    } while (*equation->at && *equation->at != '=');
    if (*equation->at != '=')
        return equation_fail(equation, "\"=\"");
    equation->at++;
    return value_take(equation, row);
}

static void prior_fini(struct pest_prior *prior)
{
    free(prior->pilbl);
    free(prior->terms);
}

static void prior_resolve(struct pest_reader *reader, const struct pest_prior_row *row)
{
    struct pest_control *control = reader->control;
    struct pest_prior prior = {.obgnme = -1};
    struct equation equation = {reader, row->place, row->equation, &prior};
    char *label = (char *)row->label;
    if (!label) {
        size_t size = strcspn(equation.at, " \t");
        label = equation.at;
        equation.at += label[size] ? size + 1 : size;
        label[size] = 0;
    }
    prior.pilbl = pest_text_copy(reader, pest_text_lower(label));
    struct pest_prior *priors =
        pest_array_grow(reader, control->priors, control->prior_count, sizeof *priors);
    if (priors)
        control->priors = priors;
    if (!prior.pilbl || !priors || equation_read(&equation, row) < 0) {
        prior_fini(&prior);
        return;
    }
    priors[control->prior_count++] = prior;
}

void pest_priors_resolve(struct pest_reader *reader)
{
    for (size_t i = 0; i < reader->prior_row_count; i++)
        if (reader->prior_rows[i].equation)
            prior_resolve(reader, &reader->prior_rows[i]);
}
