/*
 * The farm's files are those that the survey names, but for absolute paths: those are expected to
 * be on every node, as large data are.
 */
#include "config.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crc32c.h"
#include "common/farmfile.h"
#include "common/json.h"
#include "master/shots/shots_private.h"

char *shots_farm_path(const struct driver *driver, const char *path)
{
    char *joined = NULL;
    if (path[0] == '/' || strcmp(driver->home, ".") == 0)
        return strdup(path);
    return asprintf(&joined, "%s/%s", driver->home, path) < 0 ? NULL : joined;
}

bool shots_is_data(const struct driver *driver, const struct survey_file *file)
{
    const cJSON *wavelet = json_member(driver->survey.root, "wavelet");
    const char *path = cJSON_GetStringValue(json_member(wavelet, "path"));
    return driver->extract && !file->model && !(path && strcmp(path, file->path) == 0);
}

static int add_path(const struct driver *driver, const char *path, bool common,
                    int (*add)(void *context, const char *path, bool common, bool copy),
                    void *context, struct error *ret_error)
{
    char *joined = shots_farm_path(driver, path);
    int rc = joined ? add(context, joined, common, false) : -1;
    free(joined);
    return rc < 0 ? error_set(ret_error, ERROR_SYSTEM, "no memory for the list of files") : 0;
}

/* Whether the farm file's folder has it, so that its "files" may bring it. */
static bool is_there(const struct driver *driver, const char *word)
{
    struct stat status;
    char *path;
    if (asprintf(&path, "%s/%s", driver->context.folder, word) < 0)
        return true;
    bool is = stat(path, &status) == 0;
    free(path);
    return is;
}

/* Words of the program's command that are files beside the survey, such as a script. */
static int add_program(const struct driver *driver,
                       int (*add)(void *context, const char *path, bool common, bool copy),
                       void *context, struct error *ret_error)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && driver->survey.program && driver->survey.program[i]; i++) {
        const char *word = driver->survey.program[i];
        char *path = NULL;
        struct stat status;
        char *folder = strdup(driver->survey_path);
        if (!folder || asprintf(&path, "%s/%s", dirname(folder), word) < 0)
            rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
        else if (word[0] != '/' && word[0] != '-' && stat(path, &status) == 0 &&
                 S_ISREG(status.st_mode))
            rc = add_path(driver, word, true, add, context, ret_error);
        else if (i == 0 && word[0] != '/' && strchr(word, '/') && !is_there(driver, word))
            rc = error_set(ret_error, ERROR_CONFIG,
                           "%s: $.program[0]: there is no \"%s\" beside the survey or in the "
                           "farm file's folder",
                           driver->survey_path, word);
        free(folder);
        free(path);
    }
    return rc;
}

int shots_files(const struct driver *driver,
                int (*add)(void *context, const char *path, bool common, bool copy),
                void *context, struct error *ret_error)
{
    size_t count;
    const struct survey_file *files = survey_files(&driver->survey, &count);
    if (add(context, driver->survey_file, true, false) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the list of files");
    for (size_t i = 1; i < count; i++) /* the first is the survey itself */
        if (files[i].path[0] != '/' &&
            add_path(driver, files[i].path, !shots_is_data(driver, &files[i]), add, context,
                     ret_error) < 0)
            return -1;
    return add_program(driver, add, context, ret_error);
}

/* --- what stays --- */

/* What misfits are of: a line search compares those of one kind alone. */
static void misfits_say(const struct survey *survey, char *text, size_t size)
{
    const struct survey_wavelet *wavelet = &survey->wavelet;
    const struct survey_mute *mute = &survey->mute;
    const cJSON *misfit = json_member(survey->root, "misfit");
    const char *kind = cJSON_GetStringValue(json_member(misfit, "kind"));
    char fired[128], muted[96] = "";
    if (wavelet->kind == SURVEY_RICKER)
        snprintf(fired, sizeof(fired), "a Ricker wavelet of %.9g Hz at %.9g s",
                 wavelet->peak_hz, wavelet->delay_s);
    else
        snprintf(fired, sizeof(fired),
                 "a wavelet of %zu samples every %.9g ms from %.9g ms on (CRC %08" PRIx32 ")",
                 wavelet->count, wavelet->interval_s * 1e3, wavelet->delay_s * 1e3,
                 crc32c(0, wavelet->values, wavelet->count * sizeof(*wavelet->values)));
    if (mute->keep != SURVEY_KEEP_ALL)
        snprintf(muted, sizeof(muted), ", muted %s %.9g m/s, %.9g s, %.9g s",
                 mute->keep == SURVEY_KEEP_REFLECTIONS ? "before" : "after", mute->velocity_m_s,
                 mute->delay_s, mute->taper_s);
    snprintf(text, size, "%s, %s times %.9g%s%s", kind ? kind : "l2", fired, wavelet->amplitude,
             survey->inversion.source_estimation ? ", estimated" : "", muted);
    if (survey->misfit.kind == SURVEY_HUBER)
        snprintf(text + strlen(text), size - strlen(text), ", from %.9g RMS on",
                 survey->misfit.huber_threshold);
}

struct terms shots_terms(const struct driver *driver)
{
    struct terms terms = {.operation = driver->operation_name,
                          .exact = driver->exact,
                          .shots = driver->survey.shot_count};
    memcpy(terms.n, driver->survey.grid.n, sizeof(terms.n));
    const struct survey *survey = &driver->survey;
    if (driver->one_file && !driver->asked.served && survey_makes_traces(survey))
        snprintf(terms.traces, sizeof(terms.traces),
                 "%zu samples every %.9g ms from %.9g ms on, SEG-Y revision %d",
                 survey->record.samples, survey->record.interval_s * 1e3,
                 survey->record.start_s * 1e3, survey->output.traces == SURVEY_SEGY2 ? 2 : 1);
    if (driver->operation == SURVEY_FWI && !driver->asked.served)
        misfits_say(survey, terms.misfits, sizeof(terms.misfits));
    return terms;
}

int shots_terms_begin(struct driver *driver)
{
    struct buf note;
    if (driver->roll.agreed)
        return 0;
    buf_init(&note, SHOTS_NOTE_MAX);
    terms_note(&driver->roll.terms, &note);
    return shots_note(driver, &note);
}

/* --- what does not travel --- */

int shots_outside_check(const struct driver *driver, struct error *ret_error)
{
    return outside_compare(&driver->roll.outside, NULL,
                           farmfile_master_moves(driver->context.farm), ret_error);
}

void shots_outside_look(struct driver *driver)
{
    if (!driver->touched && !farmfile_master_moves(driver->context.farm))
        driver->touched = outside_touched(&driver->outside);
}

static int outside_put(struct driver *driver)
{
    struct buf note;
    buf_init(&note, SHOTS_NOTE_MAX);
    outside_note(&driver->outside, &note);
    return shots_note(driver, &note);
}

int shots_outside_begin(struct driver *driver)
{
    const struct outside *then = &driver->roll.outside;
    struct outside *now = &driver->outside;
    struct error error;
    driver->context.file_hash(driver->context.wake_context, driver->survey_file, now->survey);
    /* Who has another survey accepted goes on with what that one names. */
    bool same = memcmp(then->survey, now->survey, sizeof(now->survey)) == 0;
    if (then->count == 0 || !same)
        return then->count || now->count ? outside_put(driver) : 0;
    if (shots_outside_check(driver, &error) == 0 &&
        outside_compare(then, now, true, &error) == 0)
        return 0;
    shots_fail(driver, &error);
    return -1;
}

/* --- results that would come in a file's place --- */

/* Whether results of the kind are called so: velocity.json, velocity-001.segy. */
static bool is_array(const char *name, const char *kind)
{
    static const char *const endings[] = {".json", ".bin", ".segy", ".rsf", ".rsf@"};
    if (strncmp(name, kind, strlen(kind)) != 0)
        return false;
    name += strlen(kind);
    if (name[0] == '-')
        name += 1 + strspn(name + 1, "0123456789");
    for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
        if (strcmp(name, endings[i]) == 0)
            return true;
    return false;
}

/* Whether the run makes a file that is called so, behind the survey's own name and a dot. */
static bool is_result(const struct driver *driver, const char *name)
{
    switch (driver->operation) {
    case SURVEY_RTM:
        return is_array(name, "image") || is_array(name, "illumination");
    case SURVEY_GRADIENT:
        return is_array(name, "gradient") || is_array(name, "illumination");
    case SURVEY_FWI:
        return is_array(name, "velocity");
    default:
        return driver->one_file && strcmp(name, "data.segy") == 0;
    }
}

/* Whether that is the file itself: told from results when they come home, and kept, as it travels
 * by that name. */
static bool is_kept(int folder, const char *path)
{
    struct stat status;
    return path[0] != '/' && (fstatat(folder, path, &status, AT_SYMLINK_NOFOLLOW) < 0 ||
                              !S_ISLNK(status.st_mode));
}

static int overwrites_check(const struct driver *driver, int folder, const char *name,
                            struct error *ret_error)
{
    struct stat result, named;
    size_t count;
    const struct survey_file *files = survey_files(&driver->survey, &count);
    if (fstatat(folder, name, &result, 0) < 0)
        return 0;
    for (size_t i = 1; i < count; i++)
        if (!is_kept(folder, files[i].path) && fstatat(folder, files[i].path, &named, 0) == 0 &&
            named.st_dev == result.st_dev && named.st_ino == result.st_ino)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s: names %s, in whose place this run's own %s would come; give "
                             "that file or the survey another name",
                             driver->survey_path, files[i].path, name);
    return 0;
}

/* What does not travel is the only one there is. */
int shots_overwrites_check(const struct driver *driver, struct error *ret_error)
{
    const char *base = strrchr(driver->output_base, '/') + 1;
    char *path = strdup(driver->survey_path);
    DIR *stream = path && !driver->asked.served ? opendir(dirname(path)) : NULL;
    const struct dirent *entry;
    size_t size = strlen(base);
    int rc = 0;
    while (stream && rc == 0 && (entry = readdir(stream)))
        if (strncmp(entry->d_name, base, size) == 0 && entry->d_name[size] == '.' &&
            is_result(driver, entry->d_name + size + 1))
            rc = overwrites_check(driver, dirfd(stream), entry->d_name, ret_error);
    if (stream)
        closedir(stream);
    free(path);
    return rc;
}
