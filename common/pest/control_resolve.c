/*
 * Names become indices, once all of them are known. Groups that no section names are added as they
 * are met; an index is made anew only when many have been, so that thousands of such groups cost
 * no square.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/nearest.h"
#include "common/pest/control_private.h"

#define CHAIN_MAX 1000 /* links from a tied parameter to one that is not */
#define TAIL_MAX  64   /* names that are looked through one by one */

/* Records with their names as first members, the list of these, and its index. */
struct directory {
    const void *items;
    size_t count, size;
    const char ***names;
    struct pest_index **index;
};

static const char *item_name(const struct directory *directory, size_t i)
{
    return *(char *const *)(const void *)((const char *)directory->items + i * directory->size);
}

static int directory_make(struct pest_reader *reader, const struct directory *directory)
{
    pest_index_destroy(*directory->index);
    *directory->index = NULL;
    free(*directory->names);
    *directory->names = calloc(directory->count + 1, sizeof **directory->names);
    if (!*directory->names) {
        reader->no_memory = true;
        return -1;
    }
    for (size_t i = 0; i < directory->count; i++)
        (*directory->names)[i] = item_name(directory, i);
    *directory->index = pest_index_create(*directory->names, directory->count, NULL);
    reader->no_memory = reader->no_memory || !*directory->index;
    return *directory->index ? 0 : -1;
}

static int directory_find(struct pest_reader *reader, const struct directory *directory,
                          const char *name)
{
    size_t size = strlen(name), known = pest_index_count(*directory->index);
    int place = pest_index_find(*directory->index, name, size);
    for (size_t i = known; place < 0 && i < directory->count; i++)
        if (strcmp(item_name(directory, i), name) == 0)
            place = (int)i;
    if (directory->count - known > TAIL_MAX && directory_make(reader, directory) < 0)
        return -1;
    return place;
}

#define DIRECTORY(control, noun)                                                               \
    ((struct directory){(control)->noun##s, (control)->noun##_count,                           \
                        sizeof *(control)->noun##s, &(control)->noun##_names,                  \
                        &(control)->noun##_index})

int pest_observation_group_find(struct pest_reader *reader, const char *name)
{
    struct directory groups = DIRECTORY(reader->control, observation_group);
    return directory_find(reader, &groups, name);
}

static int directories_make(struct pest_reader *reader)
{
    struct pest_control *control = reader->control;
    struct directory directories[] = {
        DIRECTORY(control, parameter), DIRECTORY(control, observation),
        DIRECTORY(control, parameter_group), DIRECTORY(control, observation_group)};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
        if (directory_make(reader, &directories[i]) < 0)
            return -1;
    return 0;
}

static void twice_tell(struct pest_reader *reader, const char *column, const char *name,
                       struct pest_place place, struct pest_place first)
{
    pest_mistake(reader, place, "%s: \"%s\" is there twice; it is also in %s:%d", column, name,
                 first.source->path, first.line);
}

static void duplicates_check(struct pest_reader *reader)
{
    struct pest_control *control = reader->control;
    for (size_t i = 0; i < control->parameter_count; i++) {
        const char *name = control->parameters[i].parnme;
        int first = pest_control_parameter(control, name);
        if (first >= 0 && (size_t)first != i)
            twice_tell(reader, "parnme", name, reader->parameter_rows[i].place,
                       reader->parameter_rows[first].place);
    }
    for (size_t i = 0; i < control->observation_count; i++) {
        const char *name = control->observations[i].obsnme;
        int first = pest_control_observation(control, name);
        if (first >= 0 && (size_t)first != i)
            twice_tell(reader, "obsnme", name, reader->observation_rows[i].place,
                       reader->observation_rows[first].place);
    }
}

/* Of groups the first line counts. */
static void group_duplicates_check(struct pest_reader *reader)
{
    struct pest_control *control = reader->control;
    for (size_t i = 0; i < control->parameter_group_count; i++) {
        const char *name = control->parameter_groups[i].pargpnme;
        int first = pest_index_find(control->parameter_group_index, name, strlen(name));
        if (first >= 0 && (size_t)first != i)
            pest_warn(reader, reader->parameter_group_rows[i],
                      "pargpnme: \"%s\" is there twice; line %d counts", name,
                      reader->parameter_group_rows[first].line);
    }
    for (size_t i = 0; i < control->observation_group_count; i++) {
        const char *name = control->observation_groups[i].obgnme;
        int first = pest_control_observation_group(control, name);
        if (first >= 0 && (size_t)first != i)
            pest_warn(reader, reader->observation_group_rows[i],
                      "obgnme: \"%s\" is there twice; line %d counts", name,
                      reader->observation_group_rows[first].line);
    }
}

static bool is_adjustable(const struct pest_parameter *parameter)
{
    return parameter->partrans == PEST_NONE || parameter->partrans == PEST_LOG;
}

/* Of each of `count` texts the place of the first that equals it, so that each name of a group is
 * looked up once, however many members it has. Allocated; NULL: no memory. */
static int *firsts_find(struct pest_reader *reader, const char *const *names, size_t count)
{
    struct pest_index *index = pest_index_create(names, count, NULL);
    int *firsts = calloc(count + 1, sizeof *firsts);
    for (size_t i = 0; index && firsts && i < count; i++)
        firsts[i] = pest_index_find(index, names[i], strlen(names[i]));
    if (!index) {
        free(firsts);
        firsts = NULL;
    }
    reader->no_memory = reader->no_memory || !firsts;
    pest_index_destroy(index);
    return firsts;
}

/* The index of a parameter's group, which is added if no line names it; -1 for "none". */
static int parameter_group_resolve(struct pest_reader *reader, size_t i, const char *name,
                                   bool told)
{
    const struct pest_parameter_row *row = &reader->parameter_rows[i];
    int group = pest_index_find(reader->control->parameter_group_index, name, strlen(name));
    if (group >= 0)
        return group;
    if (told)
        pest_warn(
            reader, row->place,
            "pargp: \"%.80s\" is not in \"* parameter groups\"; it gets PEST++'s defaults "
            "(relative 0.01, switch, 2.0, parabolic)",
            name);
    return pest_parameter_group_add(reader, name, row->place);
}

static bool has_no_group(const struct pest_reader *reader, size_t i, const char *name)
{
    return strcmp(name, "none") == 0 && !is_adjustable(&reader->control->parameters[i]) &&
           pest_index_find(reader->control->parameter_group_index, name, 4) < 0;
}

static void parameter_groups_resolve(struct pest_reader *reader, bool told)
{
    struct pest_control *control = reader->control;
    size_t count = control->parameter_count;
    const char **names = calloc(count + 1, sizeof *names);
    for (size_t i = 0; names && i < count; i++)
        names[i] = reader->parameter_rows[i].pargp ? reader->parameter_rows[i].pargp : "pargp";
    int *firsts = names ? firsts_find(reader, names, count) : NULL;
    reader->no_memory = reader->no_memory || !firsts;
    for (size_t i = 0; firsts && i < count; i++) {
        struct pest_parameter *first = &control->parameters[firsts[i]];
        if (has_no_group(reader, i, names[i]))
            continue;
        if (first->pargp < 0)
            first->pargp = parameter_group_resolve(reader, i, names[i], told);
        control->parameters[i].pargp = first->pargp;
    }
    /* A fixed parameter of "none" may have been the first of an adjustable one. */
    for (size_t i = 0; firsts && i < count; i++)
        if (has_no_group(reader, i, names[i]))
            control->parameters[i].pargp = -1;
    free(firsts);
    free(names);
}

static int observation_group_resolve(struct pest_reader *reader, size_t i, const char *name,
                                     bool told)
{
    const struct pest_observation_row *row = &reader->observation_rows[i];
    int group = pest_control_observation_group(reader->control, name);
    if (!row->obgnme)
        pest_warn(reader, row->place, "obgnme is missing; \"%s\" is assumed", name);
    if (group >= 0)
        return group;
    if (told && row->obgnme)
        pest_warn(reader, row->place,
                  "obgnme: \"%.80s\" is not in \"* observation groups\"; it is added", name);
    return pest_observation_group_add(reader, name, row->place);
}

static void observation_groups_resolve(struct pest_reader *reader, bool told)
{
    struct pest_control *control = reader->control;
    size_t count = control->observation_count;
    const char **names = calloc(count + 1, sizeof *names);
    const char *assumed =
        control->observation_group_count > 0 ? control->observation_groups[0].obgnme : "obgnme";
    for (size_t i = 0; names && i < count; i++)
        names[i] =
            reader->observation_rows[i].obgnme ? reader->observation_rows[i].obgnme : assumed;
    int *firsts = names ? firsts_find(reader, names, count) : NULL;
    reader->no_memory = reader->no_memory || !firsts;
    for (size_t i = 0; firsts && i < count; i++) {
        struct pest_observation *first = &control->observations[firsts[i]];
        if (first->obgnme < 0)
            first->obgnme = observation_group_resolve(reader, i, names[i], told);
        control->observations[i].obgnme = first->obgnme;
    }
    free(firsts);
    free(names);
}

static void nearest_tell(struct pest_reader *reader, struct pest_place place,
                         const char *column, const char *name)
{
    const char *nearest =
        pest_index_nearest(reader->control->parameter_index, name, strlen(name));
    pest_mistake(reader, place, "%s: \"%.80s\" is no parameter%s", column, name,
                 nearest_hint(nearest).text);
}

/* The list of tied parameters: each line gives one its parent. */
static void ties_resolve(struct pest_reader *reader)
{
    struct pest_control *control = reader->control;
    for (size_t i = 0; i < reader->tie_count; i++) {
        const struct pest_tie *tie = &reader->ties[i];
        int index = pest_control_parameter(control, tie->name);
        if (index < 0)
            nearest_tell(reader, tie->place, "parnme", tie->name);
        else if (control->parameters[index].partrans != PEST_TIED)
            pest_warn(reader, tie->place, "\"%.80s\" is not tied: this line has no effect",
                      tie->name);
        else
            reader->parameter_rows[index].parent = tie->parent;
    }
}

static void parent_resolve(struct pest_reader *reader, size_t i)
{
    struct pest_control *control = reader->control;
    struct pest_parameter *parameter = &control->parameters[i];
    const struct pest_parameter_row *row = &reader->parameter_rows[i];
    if (!row->parent) {
        pest_mistake(reader, row->place,
                     "partrans: \"%s\" is tied, but to what? A line \"%s PARENT\" is expected "
                     "below the parameters",
                     parameter->parnme, parameter->parnme);
        return;
    }
    parameter->tied_to = pest_control_parameter(control, row->parent);
    if (parameter->tied_to < 0) {
        nearest_tell(reader, row->place, "partied", row->parent);
        return;
    }
    const struct pest_parameter *parent = &control->parameters[parameter->tied_to];
    if (parent->parval1 != 0)
        parameter->tied_ratio = parameter->parval1 / parent->parval1;
    else
        pest_warn(reader, row->place,
                  "partied: \"%s\" is tied to \"%s\", whose parval1 is 0; a ratio of 1 is used",
                  parameter->parnme, parent->parnme);
}

/* A parent that is tied gives way to its own. */
static void chain_resolve(struct pest_reader *reader, size_t i)
{
    struct pest_parameter *all = reader->control->parameters;
    struct pest_parameter *parameter = &all[i];
    for (size_t links = 0;
         parameter->tied_to >= 0 && all[parameter->tied_to].partrans == PEST_TIED; links++) {
        const struct pest_parameter *parent = &all[parameter->tied_to];
        if (links == CHAIN_MAX || parent == parameter) {
            pest_mistake(reader, reader->parameter_rows[i].place,
                         "partied: \"%s\" is tied to itself, or through too many others",
                         parameter->parnme);
            return;
        }
        parameter->tied_to = parent->tied_to;
        parameter->tied_ratio *= parent->tied_ratio;
    }
}

static bool is_tied_to_fixed(const struct pest_control *control,
                             const struct pest_parameter *parameter)
{
    return parameter->partrans == PEST_TIED && parameter->tied_to >= 0 &&
           control->parameters[parameter->tied_to].partrans == PEST_FIXED;
}

/* PEST wants adjustable parents. PEST++ computes with others, too: a child of a tied parameter
 * follows that one's parent, a child of a fixed one never changes. */
static void parents_resolve(struct pest_reader *reader)
{
    struct pest_control *control = reader->control;
    size_t still = 0, first = 0;
    for (size_t i = 0; i < control->parameter_count; i++)
        if (control->parameters[i].partrans == PEST_TIED)
            parent_resolve(reader, i);
    for (size_t i = 0; i < control->parameter_count; i++)
        if (control->parameters[i].partrans == PEST_TIED)
            chain_resolve(reader, i);
    for (size_t i = 0; i < control->parameter_count; i++)
        if (is_tied_to_fixed(control, &control->parameters[i])) {
            control->parameters[i].partrans = PEST_FIXED;
            first = still++ > 0 ? first : i;
        }
    if (still > 0)
        pest_warn(
            reader, reader->parameter_rows[first].place,
            "partied: \"%s\" is tied to a fixed parameter, and so fixed, too (of %zu such)",
            control->parameters[first].parnme, still);
}

static void groups_resolve(struct pest_reader *reader)
{
    struct pest_control *control = reader->control;
    bool parameter_groups = control->parameter_group_count > 0;
    bool observation_groups = control->observation_group_count > 0;
    if (!parameter_groups && control->version == 1 && control->parameter_count > 0)
        pest_warn(reader, (struct pest_place){NULL, 0},
                  "there are no parameter groups; PEST++'s defaults are used");
    parameter_groups_resolve(reader, parameter_groups);
    observation_groups_resolve(reader, observation_groups);
    struct directory directory = DIRECTORY(control, observation_group);
    if (pest_index_count(control->observation_group_index) != directory.count)
        directory_make(reader, &directory);
}

void pest_names_resolve(struct pest_reader *reader)
{
    struct pest_control *control = reader->control;
    if (directories_make(reader) < 0)
        return;
    duplicates_check(reader);
    group_duplicates_check(reader);
    groups_resolve(reader);
    ties_resolve(reader);
    parents_resolve(reader);
    pest_priors_resolve(reader);
    pest_pairs_sort(reader);
    struct directory groups[] = {DIRECTORY(control, parameter_group),
                                 DIRECTORY(control, observation_group)};
    for (size_t i = 0; i < 2; i++)
        if (pest_index_count(*groups[i].index) != groups[i].count)
            directory_make(reader, &groups[i]);
}
