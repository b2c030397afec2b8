#include "config.h"

#include "launch/rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/tree.h"
#include "launch/disk.h"

#define RUNS       "runs"
#define NUMBER_MAX 999999

char *rundir_path(const struct rundir *rundir, const char *name, struct error *ret_error)
{
    return disk_join(rundir->path, name, ret_error);
}

int rundir_near_remove(const struct rundir *rundir, struct error *ret_error)
{
    char *path = rundir_path(rundir, "near", ret_error);
    int rc = path ? disk_remove(path, ret_error) : -1;
    free(path);
    return rc;
}

int rundir_is(const char *path)
{
    struct stat status;
    char *note = disk_join(path, "run.json", NULL);
    int is = note && stat(note, &status) == 0 && S_ISREG(status.st_mode);
    free(note);
    return is;
}

/* The farm's name as part of a file name: never hidden, never another folder. */
static void name_clean(const char *name, char *clean, size_t size)
{
    snprintf(clean, size, "%s", name);
    for (char *next = clean; *next; next++)
        if (*next == '/' || (unsigned char)*next < ' ' || *next == 0x7f ||
            (*next == '.' && next == clean))
            *next = '_';
}

static int numbered_make(const char *name, char **ret_path, struct error *ret_error)
{
    char clean[200];
    name_clean(name, clean, sizeof clean);
    if (tree_make(RUNS, ret_error) != 0)
        return -1;
    for (int number = 1; number <= NUMBER_MAX; number++) {
        char path[256];
        snprintf(path, sizeof path, RUNS "/%s-%03d", clean, number);
        if (mkdir(path, 0777) == 0) {
            *ret_path = disk_resolve(path, ret_error);
            return *ret_path ? 0 : -1;
        }
        if (errno != EEXIST)
            return error_errno(ret_error, errno, "the run directory \"%s\" cannot be made",
                               path);
    }
    return error_set(ret_error, ERROR_SYSTEM,
                     "there are %d runs of \"%s\" in " RUNS "/ already", NUMBER_MAX, name);
}

static bool folder_is_empty(const char *path)
{
    DIR *stream = opendir(path);
    int entries = 0;
    while (stream && entries < 3 && readdir(stream))
        entries++;
    if (stream)
        closedir(stream);
    return stream && entries == 2;
}

static int wanted_make(const char *wanted, char **ret_path, struct error *ret_error)
{
    if (rundir_is(wanted))
        return error_set(
            ret_error, ERROR_USAGE,
            "\"%s\" holds a run already; `beofarm run --resume %s` goes on with it, "
            "`beofarm clean --all %s` removes it",
            wanted, wanted, wanted);
    if (disk_exists(wanted) && !folder_is_empty(wanted))
        return error_set(ret_error, ERROR_USAGE,
                         "\"%s\" is there already and is not an empty folder", wanted);
    if (tree_make(wanted, ret_error) != 0)
        return -1;
    *ret_path = disk_resolve(wanted, ret_error);
    return *ret_path ? 0 : -1;
}

static void override_print(cJSON *root, const char *key, int64_t value)
{
    if (value != REQUEST_NOT_GIVEN)
        cJSON_AddNumberToObject(root, key, (double)value);
}

static int note_write(const struct rundir *rundir, struct error *ret_error)
{
    char time[32];
    int rc = -1;
    char *text = NULL, *path = rundir_path(rundir, "run.json", ret_error);
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "farm_file", rundir->farm_file);
    cJSON_AddStringToObject(root, "started",
                            clock_format_utc(clock_wall_ns(), time, sizeof time));
    cJSON_AddStringToObject(root, "beofarm", PACKAGE_VERSION);
    override_print(root, "workers", rundir->overrides.workers);
    override_print(root, "limit", rundir->overrides.tasks);
    override_print(root, "slots", rundir->overrides.slots);
    if (rundir->overrides.socket[0])
        cJSON_AddStringToObject(root, "driver_socket", rundir->overrides.socket);
    text = cJSON_Print(root);
    if (path && text)
        rc = disk_write(path, text, strlen(text), 0644, true, ret_error);
    else if (path)
        error_set(ret_error, ERROR_SYSTEM, "no memory for \"%s\"", path);
    cJSON_Delete(root);
    free(text);
    free(path);
    return rc;
}

int rundir_create(const char *wanted, const char *name, const char *farm_file,
                  const struct request_overrides *overrides, struct rundir *ret_rundir,
                  struct error *ret_error)
{
    struct rundir rundir = {.overrides = *overrides, .lock = -1};
    int rc = wanted ? wanted_make(wanted, &rundir.path, ret_error)
                    : numbered_make(name, &rundir.path, ret_error);
    if (rc == 0 && !(rundir.farm_file = strdup(farm_file)))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a run directory");
    if (rc == 0)
        rc = rundir_lead(&rundir, ret_error);
    if (rc == 0)
        rc = note_write(&rundir, ret_error);
    if (rc == 0)
        *ret_rundir = rundir;
    else
        rundir_close(&rundir);
    return rc;
}

/* The run in ./runs whose run.json was written last. */
static int newest_find(char **ret_path, struct error *ret_error)
{
    DIR *stream = opendir(RUNS);
    struct timespec newest = {0};
    char best[300] = "";
    struct dirent *entry;
    while (stream && (entry = readdir(stream))) {
        char path[300], note[320];
        struct stat status;
        snprintf(path, sizeof path, RUNS "/%s", entry->d_name);
        snprintf(note, sizeof note, "%s/run.json", path);
        if (entry->d_name[0] == '.' || stat(note, &status) != 0)
            continue;
        struct timespec time = status.st_mtim;
        if (!best[0] || time.tv_sec > newest.tv_sec ||
            (time.tv_sec == newest.tv_sec && time.tv_nsec > newest.tv_nsec)) {
            newest = time;
            snprintf(best, sizeof best, "%s", path);
        }
    }
    if (stream)
        closedir(stream);
    if (!best[0])
        return error_set(ret_error, ERROR_USAGE,
                         "there is no run in ./" RUNS "; name a run directory");
    *ret_path = disk_resolve(best, ret_error);
    return *ret_path ? 0 : -1;
}

static int named_find(const char *argument, char **ret_path, struct error *ret_error)
{
    char *inside = disk_join(RUNS, argument, ret_error);
    if (!inside)
        return -1;
    const char *found = rundir_is(argument) ? argument : rundir_is(inside) ? inside : NULL;
    if (found)
        *ret_path = disk_resolve(found, ret_error);
    else
        error_set(ret_error, ERROR_USAGE,
                  "\"%s\" is no run directory (it has no run.json), nor is \"%s\"", argument,
                  inside);
    free(inside);
    return *ret_path ? 0 : -1;
}

static int note_read(struct rundir *rundir, struct error *ret_error)
{
    cJSON *root = NULL;
    const char *farm_file = NULL, *socket = "";
    char *path = rundir_path(rundir, "run.json", ret_error);
    int rc = path ? json_read_file(path, JSON_STRICT, &root, ret_error) : -1;
    if (rc == 0)
        rc = json_get_text(root, "$", "farm_file", "", &farm_file, ret_error);
    if (rc == 0)
        rc = json_get_integer(root, "$", "workers", REQUEST_NOT_GIVEN,
                              &rundir->overrides.workers, ret_error);
    if (rc == 0)
        rc = json_get_integer(root, "$", "limit", REQUEST_NOT_GIVEN, &rundir->overrides.tasks,
                              ret_error);
    if (rc == 0)
        rc = json_get_integer(root, "$", "slots", REQUEST_NOT_GIVEN, &rundir->overrides.slots,
                              ret_error);
    if (rc == 0)
        rc = json_get_text(root, "$", "driver_socket", "", &socket, ret_error);
    if (rc == 0 && *socket)
        rc = request_override_socket(&rundir->overrides, socket, ret_error);
    if (rc == 0 && !(rundir->farm_file = strdup(farm_file)))
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory for a run directory");
    cJSON_Delete(root);
    free(path);
    return rc;
}

int rundir_open(const char *argument, struct rundir *ret_rundir, struct error *ret_error)
{
    struct rundir rundir = {.lock = -1};
    int rc = argument ? named_find(argument, &rundir.path, ret_error)
                      : newest_find(&rundir.path, ret_error);
    if (rc == 0)
        rc = note_read(&rundir, ret_error);
    if (rc == 0)
        *ret_rundir = rundir;
    else
        rundir_close(&rundir);
    return rc;
}

void rundir_close(struct rundir *rundir)
{
    if (rundir->path && rundir->lock >= 0)
        close(rundir->lock);
    free(rundir->path);
    free(rundir->farm_file);
    *rundir = (struct rundir){.lock = -1};
}

int rundir_lead(struct rundir *rundir, struct error *ret_error)
{
    char leader[32] = "";
    char *path = rundir_path(rundir, "launch.lock", ret_error);
    if (!path)
        return -1;
    int rc = -1, fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        error_errno(ret_error, errno, "\"%s\" cannot be opened", path);
    } else if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        snprintf(leader, sizeof leader, "%d\n", (int)getpid());
        if (ftruncate(fd, 0) == 0 && pwrite(fd, leader, strlen(leader), 0) > 0)
            rc = 0;
        else
            error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    } else {
        ssize_t size = pread(fd, leader, sizeof leader - 1, 0);
        leader[size > 0 ? strcspn(leader, "\n") : 0] = '\0';
        error_set(
            ret_error, ERROR_BACKEND,
            "\"%s\" is being led by another beofarm (process %s); `beofarm watch` follows it",
            rundir->path, leader);
    }
    if (rc == 0)
        rundir->lock = fd;
    else if (fd >= 0)
        close(fd);
    free(path);
    return rc;
}

int rundir_touch(struct rundir *rundir, const struct request_overrides *overrides,
                 struct error *ret_error)
{
    rundir->overrides = *overrides;
    return note_write(rundir, ret_error);
}

static int secret_make(const char *path, char *secret, struct error *ret_error)
{
    struct auth_secret bytes;
    if (auth_secret_create(&bytes, ret_error) != 0)
        return -1;
    auth_secret_format(&bytes, secret);
    auth_secret_wipe(&bytes);
    return disk_write(path, secret, AUTH_SECRET_HEX, 0600, true, ret_error);
}

int rundir_secret(const struct rundir *rundir, char secret[AUTH_SECRET_HEX + 1],
                  struct error *ret_error)
{
    struct buf text;
    buf_init(&text, 256 << 10);
    char *path = rundir_path(rundir, "secret", ret_error);
    int rc = -1;
    if (path && !disk_exists(path))
        rc = secret_make(path, secret, ret_error);
    else if (path && disk_read(path, 4096, &text, ret_error) == 0) {
        const char *read = buf_text(&text);
        if (read && strspn(read, "0123456789abcdef") == AUTH_SECRET_HEX) {
            snprintf(secret, AUTH_SECRET_HEX + 1, "%s", read);
            rc = 0;
        } else {
            error_set(
                ret_error, ERROR_SYSTEM,
                "\"%s\" does not begin with %d hex digits; remove it, and a new one is made",
                path, AUTH_SECRET_HEX);
        }
    }
    buf_fini(&text);
    free(path);
    return rc;
}
