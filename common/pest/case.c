#include "config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/nearest.h"
#include "common/pest/case.h"
#include "common/pest/instruction.h"
#include "common/pest/template.h"

#define NAMES_SHOWN 3 /* of a list; the others are counted */

struct check {
    struct pest_control *control;
    void (*tell)(void *context, enum pest_finding finding, const char *sentence);
    void *context;
    size_t mistakes;
    bool *in_template; /* per parameter */
    int *read_by;      /* per observation: which instruction file, from 1 */
    bool unread;       /* some file could not be looked at */
};

static void tell(struct check *check, enum pest_finding finding, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void tell(struct check *check, enum pest_finding finding, const char *format, ...)
{
    char text[ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check->mistakes += finding == PEST_FINDING_MISTAKE;
    check->tell(check->context, finding, text);
}

static bool file_is_there(const struct check *check, const char *name)
{
    char *path = pest_control_path(check->control, name);
    bool there = path && access(path, F_OK) == 0;
    free(path);
    return there;
}

static void template_check(struct check *check, const struct pest_file_pair *pair)
{
    struct error error = {0};
    char *path = pest_control_path(check->control, pair->pest_file);
    struct pest_template *template =
        path ? pest_template_read(path, check->control->parameter_index, &error) : NULL;
    if (!template) {
        check->unread = true;
        tell(check, PEST_FINDING_MISTAKE, "%s", path ? error.text : "no memory");
    }
    for (size_t i = 0; template && i < pest_template_fields(template); i++)
        check->in_template[pest_template_field(template, i).parameter] = true;
    pest_template_destroy(template);
    free(path);
}

static void instructions_note(struct check *check, const struct pest_instructions *instructions,
                              int number)
{
    for (size_t i = 0; i < pest_instructions_count(instructions); i++) {
        int place = pest_instructions_observation(instructions, i);
        int other = check->read_by[place];
        if (other > 0 && other != number)
            tell(check, PEST_FINDING_MISTAKE,
                 "%s: observation \"%s\" is read twice; %s reads it, too",
                 pest_instructions_path(instructions), check->control->observation_names[place],
                 check->control->outputs[other - 1].pest_file);
        check->read_by[place] = number;
    }
}

static void instructions_check(struct check *check, size_t i)
{
    struct error error = {0};
    char *path = pest_control_path(check->control, check->control->outputs[i].pest_file);
    const char *delimiters = pest_control_option(check->control, "additional_ins_delimiters");
    struct pest_instructions *instructions =
        path ? pest_instructions_read(path, check->control->observation_index, delimiters,
                                      &error)
             : NULL;
    if (instructions) {
        instructions_note(check, instructions, (int)i + 1);
    } else {
        check->unread = true;
        tell(check, PEST_FINDING_MISTAKE, "%s", path ? error.text : "no memory");
    }
    pest_instructions_destroy(instructions);
    free(path);
}

/* Append a name to a list that a sentence shows: "a, b, c". */
static void list_append(char *list, size_t size, size_t before, const char *name)
{
    size_t used = strlen(list);
    if (before < NAMES_SHOWN)
        snprintf(list + used, size - used, "%s\"%s\"", before > 0 ? ", " : "", name);
}

static void list_tell(struct check *check, enum pest_finding finding, const char *list,
                      size_t count, const char *noun, const char *what)
{
    if (count == 0)
        return;
    if (count > NAMES_SHOWN)
        tell(check, finding, "%s: %zu %ss (%s and %zu more) %s", check->control->path, count,
             noun, list, count - NAMES_SHOWN, what);
    else
        tell(check, finding, "%s: %s%s %s %s", check->control->path, noun, count > 1 ? "s" : "",
             list, what);
}

static void parameters_check(struct check *check)
{
    char list[NAMES_SHOWN * (PEST_NAME_MAX + 4) + 1] = "";
    size_t count = 0;
    for (size_t i = 0; i < check->control->parameter_count; i++)
        if (!check->in_template[i])
            list_append(list, sizeof list, count++, check->control->parameter_names[i]);
    list_tell(check, PEST_FINDING_WARNING, list, count, "parameter",
              "in no template: the model does not see it");
}

static void observations_check(struct check *check)
{
    char list[NAMES_SHOWN * (PEST_NAME_MAX + 4) + 1] = "";
    size_t count = 0;
    for (size_t i = 0; i < check->control->observation_count; i++)
        if (check->read_by[i] == 0)
            list_append(list, sizeof list, count++, check->control->observation_names[i]);
    list_tell(check, PEST_FINDING_MISTAKE, list, count, "observation",
              "in no instruction file: nothing reads it");
}

static void model_files_check(struct check *check)
{
    const struct pest_control *control = check->control;
    for (size_t i = 0; i < control->input_count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(control->inputs[i].model_file, control->inputs[j].model_file) == 0) {
                tell(check, PEST_FINDING_MISTAKE,
                     "%s: templates \"%s\" and \"%s\" both write \"%s\"", control->path,
                     control->inputs[j].pest_file, control->inputs[i].pest_file,
                     control->inputs[i].model_file);
                break;
            }
}

/* How many of the files that the control file names are there. */
static size_t files_count(const struct check *check)
{
    const struct pest_control *control = check->control;
    size_t there = 0;
    for (size_t i = 0; i < control->input_count; i++)
        there += file_is_there(check, control->inputs[i].pest_file);
    for (size_t i = 0; i < control->output_count; i++)
        there += file_is_there(check, control->outputs[i].pest_file);
    return there;
}

static void covariances_check(struct check *check)
{
    const struct pest_control *control = check->control;
    for (size_t i = 0; i < control->observation_group_count; i++) {
        const char *name = control->observation_groups[i].covfle;
        if (name && !file_is_there(check, name))
            tell(check, PEST_FINDING_MISTAKE,
                 "%s: the covariance file \"%s\" of group \"%s\" is missing", control->path,
                 name, control->observation_groups[i].obgnme);
    }
}

static void files_check(struct check *check)
{
    const struct pest_control *control = check->control;
    size_t named = control->input_count + control->output_count;
    model_files_check(check);
    if (named > 0 && files_count(check) == 0) {
        tell(check, PEST_FINDING_WARNING,
             "%s: none of the %zu template and instruction files is here (\"%s\" …): only the "
             "control file was checked",
             control->path, named,
             control->input_count > 0 ? control->inputs[0].pest_file
                                      : control->outputs[0].pest_file);
        return;
    }
    covariances_check(check);
    check->in_template = calloc(control->parameter_count + 1, sizeof *check->in_template);
    check->read_by = calloc(control->observation_count + 1, sizeof *check->read_by);
    if (!check->in_template || !check->read_by) {
        tell(check, PEST_FINDING_MISTAKE, "%s: no memory", control->path);
        return;
    }
    for (size_t i = 0; i < control->input_count; i++)
        template_check(check, &control->inputs[i]);
    if (!check->unread)
        parameters_check(check);
    check->unread = false;
    for (size_t i = 0; i < control->output_count; i++)
        instructions_check(check, i);
    if (!check->unread)
        observations_check(check);
}

/* Programs of PEST++ that have no counterpart here, by what their options begin with. */
static const char *const elsewhere[][2] = {
    {"mou_", "pestpp-mou"},
    {"opt_", "pestpp-opt"},
    {"sqp_", "pestpp-sqp"},
    {"da_", "pestpp-da"},
    {"gsa_", "pestpp-sen"},
    {"de_", "differential evolution"},
    {"moea_", "pestpp-mou"},
    {"panther_", "PEST++'s run manager"},
    {"yamr_", "PEST++'s run manager"},
    {"condor_", "PEST++'s run manager"},
};

static void option_check(struct check *check, const struct pest_option *option)
{
    const char *nearest = NULL;
    if (!pest_option_known(option->name, &nearest)) {
        tell(check, PEST_FINDING_UNUSED, "%s:%d: option \"%s\" is not known%s",
             check->control->path, option->line, option->name, nearest_hint(nearest).text);
        return;
    }
    for (size_t i = 0; i < sizeof elsewhere / sizeof elsewhere[0]; i++)
        if (strncasecmp(option->name, elsewhere[i][0], strlen(elsewhere[i][0])) == 0 &&
            strcasecmp(option->name, "der_forgive") != 0) {
            tell(check, PEST_FINDING_UNUSED, "%s:%d: option \"%s\" is for %s",
                 check->control->path, option->line, option->name, elsewhere[i][1]);
            return;
        }
    if (!pest_option_has_effect(option->name))
        tell(check, PEST_FINDING_UNUSED, "%s:%d: option \"%s\" has no effect here",
             check->control->path, option->line, option->name);
}

static void mistake_pass(void *context, const char *sentence)
{
    struct check *check = context;
    check->tell(check->context, PEST_FINDING_MISTAKE, sentence);
}

size_t pest_case_check(const char *path,
                       void (*tell_finding)(void *context, enum pest_finding finding,
                                            const char *sentence),
                       void *context, struct pest_control **ret_control)
{
    struct check check = {.tell = tell_finding, .context = context};
    struct error error = {0};
    *ret_control = NULL;
    size_t mistakes = pest_control_check(path, mistake_pass, &check);
    if (mistakes > 0)
        return mistakes;
    check.control = pest_control_read(path, &error);
    if (!check.control) {
        tell(&check, PEST_FINDING_MISTAKE, "%s", error.text);
        return check.mistakes;
    }
    for (size_t i = 0; i < check.control->warning_count; i++)
        tell(&check, PEST_FINDING_WARNING, "%s", check.control->warnings[i].text);
    for (size_t i = 0; i < check.control->unused_count; i++)
        tell(&check, PEST_FINDING_UNUSED, "%s", check.control->unused[i].text);
    for (size_t i = 0; i < check.control->option_count; i++)
        option_check(&check, &check.control->options[i]);
    files_check(&check);
    free(check.in_template);
    free(check.read_by);
    *ret_control = check.control;
    return check.mistakes;
}
