/*
 * What PEST's manual and PESTCHEK ask of a control file as a whole. A mistake is what leaves no
 * reading, or none with which anything could be computed; the rest is a warning, told once with
 * the number of cases.
 */
#include "config.h"

#include <float.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pest/control_private.h"

static const struct pest_place whole_file = {NULL, 0};

static bool is_adjustable(const struct pest_parameter *parameter)
{
    return parameter->partrans == PEST_NONE || parameter->partrans == PEST_LOG;
}

/* A complaint that many records may share: told of the first, with the number of the others. */
struct complaint {
    size_t count;
    struct pest_place place;
    char name[PEST_NAME_MAX + 1];
};

static void complain(struct complaint *complaint, struct pest_place place, const char *name)
{
    if (complaint->count++ > 0)
        return;
    complaint->place = place;
    snprintf(complaint->name, sizeof complaint->name, "%s", name);
}

static void complaint_tell(struct pest_reader *reader, const struct complaint *complaint,
                           const char *text)
{
    if (complaint->count == 1)
        pest_warn(reader, complaint->place, "\"%s\" %s", complaint->name, text);
    else if (complaint->count > 1)
        pest_warn(reader, complaint->place, "\"%s\" %s (and %zu more)", complaint->name, text,
                  complaint->count - 1);
}

/* Whether control data announces no observations: a part of a case, as some utilities write it
 * for others to read. */
static bool is_partial(const struct pest_reader *reader)
{
    return reader->counts.nobs == 0 && reader->control->observation_count == 0;
}

static void model_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    if (control->observation_count == 0 && reader->mistakes == 0)
        pest_mistake(reader, whole_file, "there are no observations (\"* observation data\")");
    if (control->command_count == 0)
        pest_mistake(reader, whole_file, "there is no command (\"* model command line\")");
    if (reader->pair_count == 0)
        pest_mistake(reader, whole_file,
                     "there are no templates and instructions (\"* model input/output\")");
    else if (control->output_count == 0 && reader->mistakes == 0)
        pest_mistake(reader, whole_file, "there are no instructions to read observations with");
}

static void sections_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    if (!pest_section_seen(reader, "control data") &&
        !pest_section_seen(reader, "control data keyword"))
        pest_mistake(reader, whole_file, "section \"* control data\" is missing");
    if (control->parameter_count == 0 && reader->mistakes == 0)
        pest_mistake(reader, whole_file, "there are no parameters (\"* parameter data\")");
    if (is_partial(reader))
        pest_warn(reader, reader->counted,
                  "nobs: 0: this is a part of a case, which can be read but not run");
    else
        model_check(reader);
    if (reader->pair_count > 0 && control->input_count == 0 && reader->mistakes == 0)
        pest_warn(reader, whole_file, "there is no template: the model sees no parameter");
}

static void count_check(struct pest_reader *reader, const char *field, int announced,
                        size_t there, const char *what)
{
    bool files = strchr(field, 'f') != NULL; /* ntplfle, ninsfle */
    if (announced != INT_MIN && (announced < 0 || (size_t)announced != there))
        pest_warn(reader, files ? reader->counted_files : reader->counted,
                  "%s: %d, but there are %zu %s; these are used", field, announced, there,
                  what);
}

static void counts_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    const struct pest_counts *counts = &reader->counts;
    if (reader->mistakes > 0)
        return;
    count_check(reader, "npar", counts->npar, control->parameter_count, "parameters");
    count_check(reader, "nobs", counts->nobs, control->observation_count, "observations");
    count_check(reader, "npargp", counts->npargp, control->parameter_group_count,
                "parameter groups");
    count_check(reader, "nprior", counts->nprior, control->prior_count,
                "prior information equations");
    count_check(reader, "nobsgp", counts->nobsgp, control->observation_group_count,
                "observation groups");
    count_check(reader, "ntplfle", counts->ntplfle, control->input_count, "templates");
    count_check(reader, "ninsfle", counts->ninsfle, control->output_count, "instruction files");
}

/* PEST++ takes a lower bound of 0 for none. */
static void log_bound_raise(struct pest_reader *reader, struct pest_parameter *parameter,
                            struct pest_place place)
{
    pest_warn(reader, place,
              "parlbnd: %g of \"%s\", which is log-transformed; the smallest number above 0 is "
              "used",
              parameter->parlbnd, parameter->parnme);
    parameter->parlbnd = DBL_MIN;
}

static void bounds_check(struct pest_reader *reader, struct pest_parameter *parameter,
                         struct pest_place place)
{
    /* Where nothing is estimated, PEST++ forgives it. */
    if (parameter->parlbnd > parameter->parubnd && reader->control->noptmax == 0)
        pest_warn(reader, place, "parlbnd: %g of \"%s\" is above parubnd, %g",
                  parameter->parlbnd, parameter->parnme, parameter->parubnd);
    else if (parameter->parlbnd > parameter->parubnd)
        pest_mistake(reader, place, "parlbnd: %g of \"%s\" is above parubnd, %g",
                     parameter->parlbnd, parameter->parnme, parameter->parubnd);
    if (parameter->partrans != PEST_LOG)
        return;
    if (parameter->parval1 <= 0)
        pest_mistake(reader, place,
                     "parval1: %g of \"%s\", which is log-transformed; more than 0 is expected",
                     parameter->parval1, parameter->parnme);
    else if (parameter->parlbnd <= 0 && parameter->parubnd > 0)
        log_bound_raise(reader, parameter, place);
    else if (parameter->parubnd <= 0)
        pest_mistake(reader, place,
                     "parubnd: %g of \"%s\", which is log-transformed; more than 0 is expected",
                     parameter->parubnd, parameter->parnme);
}

static void parameters_check(struct pest_reader *reader)
{
    struct pest_control *control = reader->control;
    struct complaint outside = {0}, equal = {0}, zero = {0}, sign = {0}, absolute = {0};
    for (size_t i = 0; i < control->parameter_count; i++) {
        struct pest_parameter *parameter = &control->parameters[i];
        struct pest_place place = reader->parameter_rows[i].place;
        const char *name = parameter->parnme;
        if (!is_adjustable(parameter))
            continue;
        bounds_check(reader, parameter, place);
        if (parameter->parval1 < parameter->parlbnd || parameter->parval1 > parameter->parubnd)
            complain(&outside, place, name);
        if (parameter->parlbnd == parameter->parubnd)
            complain(&equal, place, name);
        if (parameter->parchglim == PEST_FACTOR && parameter->parval1 == 0)
            complain(&zero, place, name);
        if (parameter->parchglim == PEST_FACTOR && parameter->parlbnd < 0 &&
            parameter->parubnd > 0)
            complain(&sign, place, name);
        if (parameter->parchglim == PEST_ABSOLUTE &&
            !(control->absparmax[parameter->absparmax - 1] > 0))
            complain(&absolute, place, name);
    }
    complaint_tell(reader, &outside, "has an initial value (parval1) outside of its bounds");
    complaint_tell(reader, &equal, "has no room between its bounds");
    complaint_tell(reader, &zero,
                   "has the initial value 0, but parchglim factor, which cannot change it");
    complaint_tell(reader, &sign,
                   "has parchglim factor, but bounds on both sides of 0, which it cannot pass");
    complaint_tell(reader, &absolute,
                   "has parchglim absolute(N), but no absparmax(N) above 0 is given");
}

static void parameter_groups_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    struct complaint empty = {0}, still = {0};
    size_t *adjustable = calloc(2 * control->parameter_group_count + 1, sizeof *adjustable);
    size_t *members = adjustable + control->parameter_group_count;
    if (!adjustable) {
        reader->no_memory = true;
        return;
    }
    for (size_t i = 0; i < control->parameter_count; i++) {
        const struct pest_parameter *parameter = &control->parameters[i];
        if (parameter->pargp < 0)
            continue;
        members[parameter->pargp]++;
        adjustable[parameter->pargp] += is_adjustable(parameter);
    }
    for (size_t i = 0; i < control->parameter_group_count; i++) {
        const struct pest_parameter_group *group = &control->parameter_groups[i];
        if (members[i] == 0)
            complain(&empty, reader->parameter_group_rows[i], group->pargpnme);
        if (adjustable[i] > 0 && group->derinc == 0)
            complain(&still, reader->parameter_group_rows[i], group->pargpnme);
    }
    free(adjustable);
    complaint_tell(reader, &empty, "has no parameter");
    complaint_tell(reader, &still, "has derinc 0: there are no derivatives by its parameters");
}

static void observation_groups_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    struct complaint empty = {0};
    bool *used = calloc(control->observation_group_count + 1, sizeof *used);
    if (!used) {
        reader->no_memory = true;
        return;
    }
    for (size_t i = 0; i < control->observation_count; i++)
        if (control->observations[i].obgnme >= 0)
            used[control->observations[i].obgnme] = true;
    for (size_t i = 0; i < control->prior_count; i++)
        if (control->priors[i].obgnme >= 0)
            used[control->priors[i].obgnme] = true;
    for (size_t i = 0; i < control->observation_group_count; i++)
        if (!used[i])
            complain(&empty, reader->observation_group_rows[i],
                     control->observation_groups[i].obgnme);
    free(used);
    complaint_tell(reader, &empty, "has no observation and no prior information");
}

static void priors_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    struct complaint still = {0}, unlog = {0}, dolog = {0};
    for (size_t i = 0; i < control->prior_count; i++) {
        const struct pest_prior *prior = &control->priors[i];
        for (size_t j = 0; j < prior->term_count; j++) {
            const struct pest_parameter *parameter =
                &control->parameters[prior->terms[j].parnme];
            if (!is_adjustable(parameter))
                complain(&still, whole_file, prior->pilbl);
            else if (prior->terms[j].log && parameter->partrans != PEST_LOG)
                complain(&unlog, whole_file, prior->pilbl);
            else if (!prior->terms[j].log && parameter->partrans == PEST_LOG)
                complain(&dolog, whole_file, prior->pilbl);
        }
    }
    complaint_tell(reader, &still, "(prior information) has a fixed or tied parameter");
    complaint_tell(
        reader, &unlog,
        "(prior information) has the log of a parameter that is not log-transformed");
    complaint_tell(reader, &dolog,
                   "(prior information) has a log-transformed parameter without log()");
}

static void weights_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    for (size_t i = 0; i < control->observation_count; i++)
        if (control->observations[i].weight > 0)
            return;
    if (control->observation_count > 0)
        pest_warn(reader, whole_file, "all observations have the weight 0");
}

static void mode_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    bool has_group = false;
    if (pest_control_adjustable(control) == 0)
        pest_warn(reader, whole_file, "no parameter is adjustable");
    if (control->pestmode != PEST_REGULARISATION)
        return;
    for (size_t i = 0; i < control->observation_group_count; i++)
        has_group = has_group || control->observation_groups[i].regularisation;
    if (!has_group)
        pest_warn(reader, whole_file,
                  "pestmode is regularisation, but no observation group begins with \"regul\"");
    if (control->version == 1 && !pest_section_seen(reader, "regularisation") &&
        !pest_section_seen(reader, "regularization"))
        pest_warn(reader, whole_file,
                  "pestmode is regularisation, but section \"* regularisation\" is missing; "
                  "PEST++'s defaults are used");
    if (control->phimaccept < control->phimlim)
        pest_warn(reader, whole_file, "phimaccept: %g is below phimlim, %g",
                  control->phimaccept, control->phimlim);
}

/* Requests that no mode here carries out. */
static void idle_check(struct pest_reader *reader)
{
    const struct pest_control *control = reader->control;
    if (control->jacfile != 0)
        pest_unused(reader, whole_file,
                    "JACFILE %d: derivatives are made by finite differences, not read from the "
                    "model",
                    control->jacfile);
    if (control->messfile != 0)
        pest_unused(reader, whole_file, "MESSFILE %d: no message file is written",
                    control->messfile);
    if (control->derzerolim > 0 && control->maxcompdim < 2)
        pest_unused(reader, whole_file,
                    "DERZEROLIM has no effect unless MAXCOMPDIM is 2 or more");
    if (control->boundscale && control->lsqrmode != 0)
        pest_unused(reader, whole_file, "boundscale has no effect where LSQR solves");
    if (control->iregadj >= 4)
        pest_unused(
            reader, whole_file,
            "IREGADJ %d: groups are weighted as by 1; rows have no weights of their own",
            control->iregadj);
    for (size_t p = 0; p < control->parameter_count; p++)
        if (is_adjustable(&control->parameters[p]) && control->parameters[p].dercom > 1) {
            pest_unused(reader, whole_file,
                        "DERCOM of \"%s\": all command lines are run for every derivative",
                        control->parameters[p].parnme);
            break;
        }
}

void pest_rules_check(struct pest_reader *reader)
{
    sections_check(reader);
    counts_check(reader);
    parameters_check(reader);
    parameter_groups_check(reader);
    observation_groups_check(reader);
    priors_check(reader);
    weights_check(reader);
    mode_check(reader);
    idle_check(reader);
}
