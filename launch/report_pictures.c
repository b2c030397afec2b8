#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "launch/drawing.h"
#include "launch/report_private.h"

#define DEEP       8 /* folders inside each other that are looked into */
#define HEADER_MAX ((size_t)64 << 10)

struct found {
    char *path;
    bool gather;
    struct timespec changed;
};

struct search {
    struct found *list;
    size_t count, capacity;
};

static const char *ending(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot ? dot + 1 : "";
}

/* A header of raw values, and not any other JSON file, has points and spacing. */
static bool is_header(const char *path)
{
    struct error ignored;
    cJSON *root = NULL;
    struct stat stat_buffer;
    if (stat(path, &stat_buffer) < 0 || stat_buffer.st_size > (off_t)HEADER_MAX ||
        json_read_file(path, JSON_STRICT, &root, &ignored) < 0)
        return false;
    bool is = cJSON_IsArray(json_member(root, "points")) &&
              cJSON_IsArray(json_member(root, "spacing_m"));
    cJSON_Delete(root);
    return is;
}

static int note(struct search *search, const char *path, const struct stat *stat_buffer)
{
    const char *kind = ending(path);
    bool gather = strcmp(kind, "sgy") == 0 || strcmp(kind, "segy") == 0;
    if (!gather && strcmp(kind, "rsf") != 0 && !(strcmp(kind, "json") == 0 && is_header(path)))
        return 0;
    if (search->count == search->capacity) {
        size_t wanted = search->capacity * 2 + 64;
        void *grown = realloc(search->list, wanted * sizeof *search->list);
        if (!grown)
            return -1;
        search->list = grown;
        search->capacity = wanted;
    }
    char *copy = strdup(path);
    if (!copy)
        return -1;
    search->list[search->count++] = (struct found){copy, gather, stat_buffer->st_mtim};
    return 0;
}

static int look(struct search *search, const char *folder, int depth)
{
    DIR *dir = opendir(folder);
    int rc = 0;
    if (!dir)
        return 0; /* there is nothing, or nothing for us */
    for (struct dirent *entry; rc == 0 && (entry = readdir(dir));) {
        struct stat stat_buffer;
        char *path;
        if (entry->d_name[0] == '.')
            continue;
        if (asprintf(&path, "%s/%s", folder, entry->d_name) < 0) {
            rc = -1;
            break;
        }
        if (lstat(path, &stat_buffer) < 0)
            rc = 0; /* gone meanwhile */
        else if (S_ISDIR(stat_buffer.st_mode) && depth < DEEP)
            rc = look(search, path, depth + 1);
        else if (S_ISREG(stat_buffer.st_mode))
            rc = note(search, path, &stat_buffer);
        free(path);
    }
    closedir(dir);
    return rc;
}

/* Fields before gathers; the newest first; alike ones by name. */
static int compare(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->gather != y->gather)
        return x->gather ? 1 : -1;
    if (x->changed.tv_sec != y->changed.tv_sec)
        return x->changed.tv_sec < y->changed.tv_sec ? 1 : -1;
    if (x->changed.tv_nsec != y->changed.tv_nsec) /* an iteration may take less than a second */
        return x->changed.tv_nsec < y->changed.tv_nsec ? 1 : -1;
    return strcmp(x->path, y->path);
}

static size_t stem_size(const char *path)
{
    return strlen(path) - strlen(ending(path));
}

static bool is_json(const struct found *found)
{
    return strcmp(ending(found->path), "json") == 0;
}

/* Whether the list has the same field with a header of raw values: models are written as SEG-Y,
 * too, and as RSF. */
static bool is_twin(const struct search *search, const struct found *found)
{
    size_t stem = stem_size(found->path);
    for (size_t i = 0; !is_json(found) && i < search->count; i++) {
        const struct found *other = &search->list[i];
        if (is_json(other) && stem_size(other->path) == stem &&
            strncmp(other->path, found->path, stem) == 0)
            return true;
    }
    return false;
}

static int show(const struct found *found, size_t number, const char *name, const char *folder,
                const char *shown, FILE *html, struct error *ret_error)
{
    const struct drawing plain = {0};
    struct error error;
    char *png;
    if (asprintf(&png, "%s/%zu.png", folder, number) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a report");
    fputs("<figure>", html);
    if (drawing_make(&plain, found->path, png, &error) == 0) {
        fprintf(html, "<img src=\"%s/%zu.png\" alt=\"\">", shown, number);
    } else {
        fputs("<p>It cannot be drawn: ", html);
        report_text(html, error.text);
        fputs("</p>", html);
    }
    fputs("<figcaption>", html);
    report_text(html, name);
    fputs("</figcaption></figure>\n", html);
    free(png);
    return 0;
}

int report_pictures(const char *out, const char *folder, const char *shown, FILE *html,
                    struct error *ret_error)
{
    struct search search = {0};
    size_t drawn[2] = {0};
    int rc = look(&search, out, 0);
    if (rc < 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory to look for pictures");
    if (search.count)
        qsort(search.list, search.count, sizeof *search.list, compare);
    for (size_t i = 0; rc == 0 && i < search.count; i++) {
        const struct found *found = &search.list[i];
        size_t most = found->gather ? REPORT_GATHERS_MAX : REPORT_FIELDS_MAX;
        if (is_twin(&search, found))
            continue;
        if (drawn[found->gather] == 0)
            fprintf(html, "<h2>%s</h2>\n", found->gather ? "Gathers" : "Fields");
        if (drawn[found->gather]++ < most)
            rc = show(found, i + 1, found->path + strlen(out) + 1, folder, shown, html,
                      ret_error);
        else if (drawn[found->gather] == most + 1)
            fputs("<p>There are more; <code>beofarm plot FILE</code> draws any.</p>\n", html);
    }
    for (size_t i = 0; i < search.count; i++)
        free(search.list[i].path);
    free(search.list);
    return rc;
}
