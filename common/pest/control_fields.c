/*
 * The fields of control data and of the small sections, by name, for both formats: what type each
 * has, where its value goes, and which range the PEST manual gives it.
 */
#include "config.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pest/control_private.h"
#include "common/pest/number.h"

enum field_type { FIELD_REAL, FIELD_INTEGER, FIELD_BOOLEAN, FIELD_COUNT, FIELD_UNUSED };

struct field {
    const char *name;
    enum field_type type;
    size_t offset;
    double least, most; /* the manual's range; a value outside is kept, with a warning */
};

#define AT(member)    offsetof(struct pest_control, member)
#define COUNT(member) offsetof(struct pest_counts, member)
#define ANY           (-HUGE_VAL), HUGE_VAL
#define ABOVE_0       4.9e-324, HUGE_VAL
#define FROM_0        0, HUGE_VAL

static const struct field fields[] = {
    {"npar", FIELD_COUNT, COUNT(npar), ANY},
    {"nobs", FIELD_COUNT, COUNT(nobs), ANY},
    {"npargp", FIELD_COUNT, COUNT(npargp), ANY},
    {"nprior", FIELD_COUNT, COUNT(nprior), ANY},
    {"nobsgp", FIELD_COUNT, COUNT(nobsgp), ANY},
    {"ntplfle", FIELD_COUNT, COUNT(ntplfle), ANY},
    {"ninsfle", FIELD_COUNT, COUNT(ninsfle), ANY},
    {"maxcompdim", FIELD_INTEGER, AT(maxcompdim), ANY},
    {"derzerolim", FIELD_REAL, AT(derzerolim), ANY},
    {"numcom", FIELD_INTEGER, AT(numcom), ANY},
    {"jacfile", FIELD_INTEGER, AT(jacfile), ANY},
    {"messfile", FIELD_INTEGER, AT(messfile), ANY},
    {"rlambda1", FIELD_REAL, AT(rlambda1), FROM_0},
    {"rlamfac", FIELD_REAL, AT(rlamfac), ANY},
    {"phiratsuf", FIELD_REAL, AT(phiratsuf), 0, 1},
    {"phiredlam", FIELD_REAL, AT(phiredlam), 0, 1},
    {"numlam", FIELD_INTEGER, AT(numlam), ANY},
    {"jacupdate", FIELD_INTEGER, AT(jacupdate), FROM_0},
    {"relparmax", FIELD_REAL, AT(relparmax), ABOVE_0},
    {"facparmax", FIELD_REAL, AT(facparmax), 1 + 1e-15, HUGE_VAL},
    {"facorig", FIELD_REAL, AT(facorig), ABOVE_0},
    {"iboundstick", FIELD_INTEGER, AT(iboundstick), FROM_0},
    {"upvecbend", FIELD_INTEGER, AT(upvecbend), 0, 1},
    {"phiredswh", FIELD_REAL, AT(phiredswh), FROM_0},
    {"noptswitch", FIELD_INTEGER, AT(noptswitch), FROM_0},
    {"splitswh", FIELD_REAL, AT(splitswh), ANY},
    {"noptmax", FIELD_INTEGER, AT(noptmax), ANY},
    {"phiredstp", FIELD_REAL, AT(phiredstp), ABOVE_0},
    {"nphistp", FIELD_INTEGER, AT(nphistp), ABOVE_0},
    {"nphinored", FIELD_INTEGER, AT(nphinored), ABOVE_0},
    {"relparstp", FIELD_REAL, AT(relparstp), ABOVE_0},
    {"nrelpar", FIELD_INTEGER, AT(nrelpar), ABOVE_0},
    {"phistopthresh", FIELD_REAL, AT(phistopthresh), ANY},
    {"lastrun", FIELD_INTEGER, AT(lastrun), 0, 1},
    {"phiabandon", FIELD_REAL, AT(phiabandon), ANY},
    {"icov", FIELD_BOOLEAN, AT(icov), ANY},
    {"icor", FIELD_BOOLEAN, AT(icor), ANY},
    {"ieig", FIELD_BOOLEAN, AT(ieig), ANY},
    {"ires", FIELD_BOOLEAN, AT(ires), ANY},
    {"svdmode", FIELD_INTEGER, AT(svdmode), 0, 2},
    {"maxsing", FIELD_INTEGER, AT(maxsing), 1, HUGE_VAL},
    {"eigthresh", FIELD_REAL, AT(eigthresh), 0, 1},
    {"eigwrite", FIELD_INTEGER, AT(eigwrite), 0, 1},
    {"lsqrmode", FIELD_INTEGER, AT(lsqrmode), 0, 1},
    {"lsqr_atol", FIELD_REAL, AT(lsqr_atol), FROM_0},
    {"lsqr_btol", FIELD_REAL, AT(lsqr_btol), FROM_0},
    {"lsqr_conlim", FIELD_REAL, AT(lsqr_conlim), FROM_0},
    {"lsqr_itnlim", FIELD_INTEGER, AT(lsqr_itnlim), ABOVE_0},
    {"lsqrwrite", FIELD_INTEGER, AT(lsqrwrite), 0, 1},
    {"phimlim", FIELD_REAL, AT(phimlim), ABOVE_0},
    {"phimaccept", FIELD_REAL, AT(phimaccept), ABOVE_0},
    {"fracphim", FIELD_REAL, AT(fracphim), ANY},
    {"wfinit", FIELD_REAL, AT(wfinit), ABOVE_0},
    {"wfmin", FIELD_REAL, AT(wfmin), ABOVE_0},
    {"wfmax", FIELD_REAL, AT(wfmax), ABOVE_0},
    {"wffac", FIELD_REAL, AT(wffac), 1 + 1e-15, HUGE_VAL},
    {"wftol", FIELD_REAL, AT(wftol), ABOVE_0},
    {"iregadj", FIELD_INTEGER, AT(iregadj), 0, 5},
    {"noptregadj", FIELD_INTEGER, AT(noptregadj), ANY},
    {"regweightrat", FIELD_REAL, AT(regweightrat), ANY},
    {"regsingthresh", FIELD_REAL, AT(regsingthresh), ANY},
};

struct word {
    const char *word;
    enum field_type type;
    size_t offset;
    int value;
};

static const struct word words[] = {
    {"restart", FIELD_BOOLEAN, AT(restart), 1},
    {"norestart", FIELD_BOOLEAN, AT(restart), 0},
    {"estimation", FIELD_INTEGER, AT(pestmode), PEST_ESTIMATION},
    {"prediction", FIELD_INTEGER, AT(pestmode), PEST_PREDICTION},
    {"regularisation", FIELD_INTEGER, AT(pestmode), PEST_REGULARISATION},
    {"regularization", FIELD_INTEGER, AT(pestmode), PEST_REGULARISATION},
    {"pareto", FIELD_INTEGER, AT(pestmode), PEST_PARETO},
    {"single", FIELD_BOOLEAN, AT(double_precision), 0},
    {"double", FIELD_BOOLEAN, AT(double_precision), 1},
    {"point", FIELD_BOOLEAN, AT(point), 1},
    {"nopoint", FIELD_BOOLEAN, AT(point), 0},
    {"lamforgive", FIELD_INTEGER, AT(lamforgive), 1},
    {"nolamforgive", FIELD_INTEGER, AT(lamforgive), 0},
    {"derforgive", FIELD_INTEGER, AT(derforgive), 1},
    {"noderforgive", FIELD_INTEGER, AT(derforgive), 0},
    {"aui", FIELD_INTEGER, AT(doaui), 1},
    {"auid", FIELD_INTEGER, AT(doaui), 2},
    {"noaui", FIELD_INTEGER, AT(doaui), 0},
    {"senreuse", FIELD_BOOLEAN, AT(dosenreuse), 1},
    {"nosenreuse", FIELD_BOOLEAN, AT(dosenreuse), 0},
    {"boundscale", FIELD_BOOLEAN, AT(boundscale), 1},
    {"noboundscale", FIELD_BOOLEAN, AT(boundscale), 0},
    {"jcosave", FIELD_BOOLEAN, AT(jcosave), 1},
    {"nojcosave", FIELD_BOOLEAN, AT(jcosave), 0},
    {"verboserec", FIELD_BOOLEAN, AT(verboserec), 1},
    {"noverboserec", FIELD_BOOLEAN, AT(verboserec), 0},
    {"jcosaveitn", FIELD_BOOLEAN, AT(jcosaveitn), 1},
    {"nojcosaveitn", FIELD_BOOLEAN, AT(jcosaveitn), 0},
    {"reisaveitn", FIELD_BOOLEAN, AT(reisaveitn), 1},
    {"noreisaveitn", FIELD_BOOLEAN, AT(reisaveitn), 0},
    {"parsaveitn", FIELD_BOOLEAN, AT(parsaveitn), 1},
    {"noparsaveitn", FIELD_BOOLEAN, AT(parsaveitn), 0},
    {"parsaverun", FIELD_BOOLEAN, AT(parsaverun), 1},
    {"noparsaverun", FIELD_BOOLEAN, AT(parsaverun), 0},
    {"linreg", FIELD_BOOLEAN, AT(linreg), 1},
    {"nonlinreg", FIELD_BOOLEAN, AT(linreg), 0},
    {"continue", FIELD_BOOLEAN, AT(regcontinue), 1},
    {"nocontinue", FIELD_BOOLEAN, AT(regcontinue), 0},
    /* These ask for what is not done anyway. */
    {"noobsreref", FIELD_UNUSED, 0, 0},
    {"noobsref", FIELD_UNUSED, 0, 0},
    {"nomemsave", FIELD_UNUSED, 0, 0},
    {"norrfsave", FIELD_UNUSED, 0, 0},
};

/* The PEST manual's defaults; where it has none (the field is not optional), those of PEST++,
 * which stand for version 2's absent keywords. */
void pest_fields_default(struct pest_control *control)
{
    control->version = 1;
    control->pestmode = PEST_ESTIMATION;
    control->point = true;
    control->numcom = 1;
    control->rlambda1 = 20;
    control->rlamfac = -3;
    control->phiratsuf = 0.3;
    control->phiredlam = 0.01;
    control->numlam = 10;
    control->lamforgive = control->derforgive = -1;
    control->relparmax = 10;
    control->facparmax = 10;
    control->facorig = 0.001;
    for (size_t i = 0; i < sizeof control->absparmax / sizeof control->absparmax[0]; i++)
        control->absparmax[i] = 0;
    control->phiredswh = 0.1;
    control->noptswitch = 1;
    control->splitswh = 1.1;
    control->noptmax = 0;
    control->phiredstp = 0.01;
    control->nphistp = 3;
    control->nphinored = 3;
    control->relparstp = 0.01;
    control->nrelpar = 3;
    control->lastrun = 1;
    control->phiabandon = -1;
    control->maxsing = 10000000;
    control->eigthresh = 1e-6;
    control->lsqr_atol = 1e-4;
    control->lsqr_btol = 1e-4;
    control->lsqr_conlim = 1000;
    control->lsqr_itnlim = 1000;
    control->phimlim = 1e-10;
    control->phimaccept = 1.1e-10;
    control->fracphim = 0.1;
    control->wfinit = 1;
    control->wfmin = 1e-10;
    control->wfmax = 1e10;
    control->wffac = 1.3;
    control->wftol = 0.01;
    control->noptregadj = 1;
}

int pest_cell_real(struct pest_reader *reader, struct pest_place place, const char *column,
                   const char *text, double *ret)
{
    enum pest_number kind = pest_number_parse(text, strlen(text), ret);
    if (kind == PEST_NUMBER_GOOD)
        return 0;
    return pest_mistake(reader, place, "%s: \"%.80s\" %s", column, text,
                        pest_number_fault(kind));
}

/* Whole numbers may be written as reals ("1.0"), as some tools do. */
int pest_cell_integer(struct pest_reader *reader, struct pest_place place, const char *column,
                      const char *text, int *ret)
{
    double value;
    enum pest_number kind = pest_number_parse(text, strlen(text), &value);
    if (kind != PEST_NUMBER_GOOD || rint(value) != value)
        return pest_mistake(reader, place, "%s: \"%.80s\" is no whole number", column, text);
    if (value > INT_MAX || value < -INT_MAX)
        return pest_mistake(reader, place, "%s: %.80s is too large", column, text);
    *ret = (int)value;
    return 0;
}

static const struct field *field_find(const char *name)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strcasecmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static void range_check(struct pest_reader *reader, const struct field *field, const char *text,
                        double value)
{
    bool above = field->least > 0 && field->least < 1e-300;
    struct pest_place place = pest_place_now(reader);
    if (value >= field->least && value <= field->most)
        return;
    if (above || field->most >= HUGE_VAL)
        pest_warn(reader, place, "%s: %s: PEST expects %s %g", field->name, text,
                  above || field->least > 1 ? "more than" : "at least",
                  above ? 0 : floor(field->least));
    else
        pest_warn(reader, place, "%s: %s: PEST expects %g to %g", field->name, text,
                  field->least, field->most);
}

enum pest_taken pest_field_store(struct pest_reader *reader, const char *name, const char *text)
{
    const struct field *field = field_find(name);
    char *control = (char *)reader->control, *counts = (char *)&reader->counts;
    double real;
    int whole;
    if (!field)
        return PEST_UNKNOWN;
    if (field->type == FIELD_REAL) {
        if (pest_cell_real(reader, pest_place_now(reader), field->name, text, &real) < 0)
            return PEST_TAKEN;
        *(double *)(void *)(control + field->offset) = real;
        range_check(reader, field, text, real);
        return PEST_TAKEN;
    }
    if (pest_cell_integer(reader, pest_place_now(reader), field->name, text, &whole) < 0)
        return PEST_TAKEN;
    range_check(reader, field, text, whole);
    if (field->type == FIELD_COUNT)
        *(int *)(void *)(counts + field->offset) = whole;
    else if (field->type == FIELD_BOOLEAN)
        *(bool *)(void *)(control + field->offset) = whole != 0;
    else
        *(int *)(void *)(control + field->offset) = whole;
    return PEST_TAKEN;
}

/* PEST looks at the first letters of the mode alone. */
static bool word_is(const struct word *word, const char *text)
{
    size_t size = strlen(text);
    if (strcasecmp(word->word, text) == 0)
        return true;
    return word->offset == AT(pestmode) && word->type == FIELD_INTEGER && size >= 4 &&
           strncasecmp(word->word, text, size) == 0;
}

enum pest_taken pest_word_store(struct pest_reader *reader, const char *text)
{
    char *control = (char *)reader->control;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        const struct word *word = &words[i];
        if (!word_is(word, text))
            continue;
        if (word->type == FIELD_BOOLEAN)
            *(bool *)(void *)(control + word->offset) = word->value != 0;
        else if (word->type == FIELD_INTEGER)
            *(int *)(void *)(control + word->offset) = word->value;
        if (word->value && (word->offset == AT(doaui) || word->offset == AT(dosenreuse) ||
                            word->offset == AT(linreg) || word->offset == AT(verboserec) ||
                            word->offset == AT(parsaverun)))
            pest_unused(reader, pest_place_now(reader), "%s: has no effect here", text);
        return PEST_TAKEN;
    }
    return PEST_UNKNOWN;
}

size_t pest_absparmax_store(struct pest_reader *reader, const struct pest_fields *list,
                            size_t from)
{
    char text[128] = "", *end;
    size_t taken = 0;
    if (strncasecmp(list->at[from], "absparmax", 9) != 0)
        return 0;
    /* Up to four fields may be one text: `absparmax (1) = 10`. */
    while (from + taken < list->count && taken < 4) {
        const char *field = list->at[from + taken++];
        if (strlen(text) + strlen(field) >= sizeof text)
            break;
        strncat(text, field, sizeof text - strlen(text) - 1);
        char *equals = strchr(text, '=');
        if (equals && equals[1])
            break;
    }
    char *open = strchr(text, '('), *equals = strchr(text, '=');
    long number = open ? strtol(open + 1, &end, 10) : 0;
    if (!open || *end != ')' || end[1] != '=' || number < 1 || number > 10) {
        pest_mistake(reader, pest_place_now(reader),
                     "absparmax: \"%s\": absparmax(N)=number is expected, N from 1 to 10",
                     text);
        return taken;
    }
    double value;
    if (pest_cell_real(reader, pest_place_now(reader), "absparmax", equals + 1, &value) == 0)
        reader->control->absparmax[number - 1] = value;
    return taken;
}
