#include "config.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/buf.h"
#include "common/json.h"
#include "master/pest/files.h"

#define PATTERN_MAX ((size_t)1 << 16)

struct listing {
    const struct problem *problem;
    const char *folder;
    int (*add)(void *context, const char *path, bool common, bool copy); /* or NULL, */
    int (*each)(void *context, const char *pattern);                     /* or NULL */
    void *context;
    struct error *error;
};

static bool is_file(const char *folder, const char *path)
{
    struct stat status;
    char *full = NULL;
    bool is = (*path == '/' ? (full = strdup(path)) != NULL
                            : asprintf(&full, "%s/%s", folder, path) >= 0) &&
              stat(full, &status) == 0 && S_ISREG(status.st_mode);
    free(full);
    return is;
}

static int add_path(const struct listing *listing, const char *path, bool common)
{
    if (listing->add(listing->context, path, common, false) < 0)
        return error_set(listing->error, ERROR_SYSTEM, "no memory to list the file %s", path);
    return 0;
}

/* A file that the control file names, and that must be there. */
static int add_named(const struct listing *listing, const char *name, bool common)
{
    char *path = problem_path(listing->problem, name, listing->error);
    int rc = path ? add_path(listing, path, common) : -1;
    free(path);
    return rc;
}

/* The path of the file that a word names, if it names one in the farm's folder; else NULL. */
static char *file_of(const struct listing *listing, const char *word, size_t size)
{
    struct error ignored;
    char *name = strndup(word, size);
    char *path = name && size ? problem_path(listing->problem, name, &ignored) : NULL;
    free(name);
    if (path && *path != '/' && is_file(listing->folder, path))
        return path;
    free(path);
    return NULL;
}

/* A word that may be a file's name. */
static int add_if_file(const struct listing *listing, const char *word, size_t size,
                       bool common)
{
    char *path = file_of(listing, word, size);
    int rc = path ? add_path(listing, path, common) : 0;
    free(path);
    return rc;
}

/* The first words of a command line: the program, and what an interpreter is given. */
static int add_command(const struct listing *listing, const char *line)
{
    for (int words = 0; *line && words < 4; words++) {
        line += strspn(line, " \t\"'");
        size_t size = strcspn(line, " \t\"'");
        if (add_if_file(listing, line, size, true) < 0)
            return -1;
        line += size;
    }
    return 0;
}

/* Call `take` for each value of an option; they are separated by commas. */
static int option_values(const struct listing *listing, const char *value,
                         int (*take)(const struct listing *listing, const char *word,
                                     size_t size))
{
    while (*value) {
        value += strspn(value, " \t,\"'");
        size_t size = strcspn(value, ",\"'");
        size_t all = size;
        while (size > 0 && strchr(" \t", value[size - 1]))
            size--;
        if (size > 0 && take(listing, value, size) < 0)
            return -1;
        value += all;
    }
    return 0;
}

static bool names_output(const struct pest_option *option)
{
    return strstr(option->name, "output") != NULL;
}

/* Files that the options name, and that are read. */
static int read_options(const struct listing *listing,
                        int (*take)(const struct listing *listing, const char *word,
                                    size_t size))
{
    const struct problem *problem = listing->problem;
    const struct pest_control *control = problem->control;
    if (strcmp(problem->mode, "sweep") == 0 &&
        option_values(listing, "sweep_in.csv", take) < 0) /* PEST++'s default */
        return -1;
    for (size_t i = 0; i < control->option_count; i++)
        if (control->options[i].value && !names_output(&control->options[i]) &&
            option_values(listing, control->options[i].value, take) < 0)
            return -1;
    return 0;
}

static int take_for_master(const struct listing *listing, const char *word, size_t size)
{
    return add_if_file(listing, word, size, false);
}

/* What the master alone reads. */
static int add_for_master(const struct listing *listing)
{
    const struct pest_control *control = listing->problem->control;
    const char *slash = strrchr(control->path, '/');
    if (add_named(listing, slash ? slash + 1 : control->path, false) < 0)
        return -1;
    for (size_t i = 0; i < control->table_count; i++)
        if (add_named(listing, control->tables[i], false) < 0)
            return -1;
    for (size_t i = 0; i < control->observation_group_count; i++)
        if (control->observation_groups[i].covfle &&
            add_named(listing, control->observation_groups[i].covfle, false) < 0)
            return -1;
    return read_options(listing, take_for_master);
}

/* A list "files" takes the place of the model's folder, unless it only says which of its files are
 * to be copied. */
static bool is_whole(const cJSON *farm)
{
    const cJSON *entry;
    cJSON_ArrayForEach(entry, json_member(farm, "files"))
    {
        if (!cJSON_IsTrue(json_member(entry, "copy")))
            return false;
    }
    return true;
}

int files_list(const struct problem *problem, const char *folder, const cJSON *farm,
               int (*add)(void *context, const char *path, bool common, bool copy),
               void *context, struct error *ret_error)
{
    const struct pest_control *control = problem->control;
    const struct listing listing = {.problem = problem,
                                    .folder = folder,
                                    .add = add,
                                    .context = context,
                                    .error = ret_error};
    if (is_whole(farm) && add_path(&listing, problem->subfolder, true) < 0)
        return -1;
    for (size_t i = 0; i < control->input_count; i++)
        if (add_named(&listing, control->inputs[i].pest_file, true) < 0)
            return -1;
    for (size_t i = 0; i < control->output_count; i++)
        if (add_named(&listing, control->outputs[i].pest_file, true) < 0)
            return -1;
    for (size_t i = 0; i < control->command_count; i++)
        if (add_command(&listing, control->commands[i]) < 0)
            return -1;
    return add_for_master(&listing);
}

/* --- what is left out --------------------------------------------------------------------- */

/* What PEST, PEST++ and beofarm call their files: NAME.rec, NAME.3.rec, NAME.rec3, and with a
 * further ending for tables (NAME.3.par.csv). */
static const char *const endings[] = {
    "rec", "rei", "res", "par", "bpa", "jco", "jcb",     "jst",  "sen",  "seo",
    "svd", "rmr", "rns", "rnj", "rnu", "rst", "iobj",    "ipar", "isen", "upg",
    "pcs", "mtt", "fpr", "prf", "rsd", "drf", "ins_err", NULL,
};

/* "[" and the like stand for themselves. */
static void literal_put(struct buf *buf, const char *text)
{
    for (; *text; text++) {
        if (strchr("*?[]\\", *text))
            buf_append(buf, "\\", 1);
        buf_append(buf, text, 1);
    }
}

static int except_path(const struct listing *listing, const char *path, const char *rest)
{
    struct buf buf;
    buf_init(&buf, PATTERN_MAX);
    literal_put(&buf, path);
    buf_append_text(&buf, rest);
    const char *text = buf_text(&buf);
    int rc = text && !buf_failed(&buf) ? listing->each(listing->context, text) : -1;
    buf_fini(&buf);
    return rc < 0 ? error_set(listing->error, ERROR_SYSTEM, "no memory to list files") : 0;
}

/* A file that the control file names. */
static int except_named(const struct listing *listing, const char *word, size_t size)
{
    char *path = file_of(listing, word, size);
    int rc = path ? except_path(listing, path, "") : 0;
    free(path);
    return rc;
}

static int except_options(const struct listing *listing)
{
    const struct pest_control *control = listing->problem->control;
    for (size_t i = 0; i < control->observation_group_count; i++) {
        const char *name = control->observation_groups[i].covfle;
        if (name && except_named(listing, name, strlen(name)) < 0)
            return -1;
    }
    for (size_t i = 0; i < control->option_count; i++)
        if (control->options[i].value && names_output(&control->options[i]) &&
            option_values(listing, control->options[i].value, except_named) < 0)
            return -1;
    if (option_values(listing, "sweep_out.csv", except_named) < 0)
        return -1;
    return read_options(listing, except_named);
}

/* The outputs of NAME.pst; `base` is its path without extension. */
static int except_outputs(const struct listing *listing, const char *base)
{
    static const char *const shapes[] = {".%s", ".%s[0-9]", ".%s[0-9][0-9]*", ".[0-9]*.%s"};
    /* A model may well have a NAME.obs or NAME.csv of its own. */
    static const char *const tables[] = {".[0-9]*.csv",
                                         ".[0-9]*.jcb",
                                         ".phi.*.csv",
                                         ".par.usum.csv",
                                         ".pred.usum.csv",
                                         ".post.cov",
                                         ".post.paren.csv",
                                         ".post.paren.jcb",
                                         ".post.obsen.csv",
                                         ".post.obsen.jcb",
                                         ".parameter.uncertainty.csv",
                                         ".obs+noise.csv",
                                         ".obs+noise.jcb",
                                         ".weights.csv",
                                         ".base.par",
                                         ".base.rei",
                                         ".mean.par",
                                         ".mean.rei",
                                         ".pdc.csv",
                                         ".pcs.csv",
                                         ".sweep_out.csv",
                                         ".rejected.csv",
                                         ".identifiability.csv",
                                         ".ident.csv",
                                         ".upg.csv",
                                         ".obs+noise.unc",
                                         NULL};
    char rest[64];
    for (const char *const *ending = endings; *ending; ending++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            snprintf(rest, sizeof rest, shapes[i], *ending);
            if (except_path(listing, base, rest) < 0)
                return -1;
        }
    for (const char *const *table = tables; *table; table++)
        if (except_path(listing, base, *table) < 0)
            return -1;
    return 0;
}

int files_except(const struct problem *problem, const char *folder,
                 int (*each)(void *context, const char *pattern), void *context,
                 struct error *ret_error)
{
    const struct listing listing = {.problem = problem,
                                    .folder = folder,
                                    .each = each,
                                    .context = context,
                                    .error = ret_error};
    char *base = problem_path(problem, problem->name, ret_error);
    int rc = base ? except_outputs(&listing, base) : -1;
    free(base);
    return rc < 0 ? -1 : except_options(&listing);
}
