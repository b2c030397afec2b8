#include "config.h"

#include "launch/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/tree.h"
#include "launch/disk.h"
#include "launch/ignore.h"
#include "launch/rundir.h"

#define DEPTH_MAX 100

/* One search: where it looks and what it has found. */
struct search {
    struct inputs *inputs;
    const char *folder;    /* absolute, without links */
    const char *farm_path; /* the farm file, absolute */
    size_t capacity;
    const cJSON *except;   /* patterns of paths left out of folders; NULL: none */
    struct ignore *ignore; /* what the .farmignore files leave out, of the folders we are in */
    bool common, copy;     /* of what is being found now */
    struct error *error;
};

static int path_add(struct search *search, const char *path, const struct stat *status)
{
    struct inputs *inputs = search->inputs;
    for (const char *next = path; *next;) {
        size_t size = json_utf8_size(next, strlen(next));
        if (size == 0)
            return error_set(search->error, ERROR_CONFIG,
                             "the name of \"%s/%s\" is not UTF-8; rename it", search->folder,
                             path);
        next += size;
    }
    if (inputs->count == search->capacity) {
        size_t capacity = search->capacity ? 2 * search->capacity : 64;
        struct input *items = realloc(inputs->items, capacity * sizeof *items);
        if (!items)
            return error_set(search->error, ERROR_SYSTEM, "no memory for the list of files");
        inputs->items = items;
        search->capacity = capacity;
    }
    struct input input = {.path = strdup(path),
                          .size = (uint64_t)status->st_size,
                          .mode = status->st_mode & 0777,
                          .common = search->common,
                          .copy = search->copy};
    if (!input.path)
        return error_set(search->error, ERROR_SYSTEM, "no memory for the list of files");
    inputs->items[inputs->count++] = input;
    return 0;
}

/* Is the absolute path `inner` the folder `outer` or below it? */
static bool path_inside(const char *inner, const char *outer)
{
    size_t size = strlen(outer);
    return strncmp(inner, outer, size) == 0 &&
           (inner[size] == '/' || !inner[size] || strcmp(outer, "/") == 0);
}

/* May this path be followed? It leads inside the folder, and, for a folder that is reached
 * through a link, not to one that we are in (it would never end). */
static bool link_followed(struct search *search, const char *absolute)
{
    char *target = realpath(absolute, NULL);
    char *parent = strdup(absolute);
    char *here = NULL;
    if (parent) {
        *strrchr(parent, '/') = '\0';
        here = realpath(parent, NULL);
    }
    bool inside = target && path_inside(target, search->folder);
    bool loop = target && here && path_inside(here, target);
    if (!inside) {
        search->inputs->links_left_out++;
        if (!search->inputs->link_left_out)
            search->inputs->link_left_out = strdup(absolute);
    }
    free(target);
    free(parent);
    free(here);
    return inside && !loop;
}

static int anything_find(struct search *search, const char *path, int depth, bool named);

/* Add the .farmignore of the folder `path`, "." for the top. */
static int ignore_enter(struct search *search, const char *path)
{
    const char *base = strcmp(path, ".") == 0 ? "" : path;
    char *absolute = disk_join(search->folder, base, search->error);
    int rc = absolute ? ignore_add_folder(search->ignore, absolute, base, search->error) : -1;
    free(absolute);
    return rc;
}

/* Add those of the folders that `path` lies in, from the top down. */
static int ignore_approach(struct search *search, const char *path)
{
    if (strcmp(path, ".") == 0)
        return 0;
    char *folder = strdup(path);
    int rc = folder ? ignore_enter(search, ".")
                    : error_set(search->error, ERROR_SYSTEM, "no memory for a path");
    for (char *slash = folder; rc == 0 && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        rc = ignore_enter(search, folder);
        *slash = '/';
    }
    free(folder);
    return rc;
}

static int name_compare(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Everything in a folder. */
static int folder_find(struct search *search, const char *path, const char *absolute, int depth)
{
    struct dirent **entries;
    size_t patterns = ignore_count(search->ignore);
    if (depth > DEPTH_MAX)
        return error_set(search->error, ERROR_CONFIG, "\"%s\" is more than %d folders deep",
                         absolute, DEPTH_MAX);
    int count = scandir(absolute, &entries, NULL, name_compare);
    if (count < 0)
        return error_errno(search->error, errno, "the folder \"%s\" cannot be listed",
                           absolute);
    int rc = ignore_enter(search, path);
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        if (rc == 0 && !tree_is_dots(name)) {
            char *inner = disk_join(strcmp(path, ".") == 0 ? "" : path, name, search->error);
            rc = inner ? anything_find(search, inner, depth + 1, false) : -1;
            free(inner);
        }
        free(entries[i]);
    }
    free(entries);
    ignore_forget(search->ignore, patterns);
    return rc;
}

/* `beofarm run >run.log`: a file that grows while it is read, and is another one on resume. */
static bool is_own_output(const struct stat *status)
{
    struct stat output;
    for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
        if (fstat(fd, &output) == 0 && S_ISREG(output.st_mode) &&
            output.st_dev == status->st_dev && output.st_ino == status->st_ino)
            return true;
    return false;
}

/* Never sent unless named outright. */
static bool entry_left_out(const struct search *search, const char *path, const char *absolute,
                           const struct stat *status)
{
    const char *name = strrchr(absolute, '/') + 1;
    const cJSON *pattern;
    cJSON_ArrayForEach(pattern, search->except)
    {
        if (cJSON_IsString(pattern) &&
            fnmatch(pattern->valuestring, path, FNM_PATHNAME | FNM_PERIOD) == 0)
            return true;
    }
    if (ignore_matches(search->ignore, path, S_ISDIR(status->st_mode)) ||
        (!S_ISDIR(status->st_mode) && strcmp(name, IGNORE_FILE) == 0))
        return true;
    if (!S_ISDIR(status->st_mode))
        return strcmp(absolute, search->farm_path) == 0 || is_own_output(status);
    return strcmp(name, ".git") == 0 || strcmp(path, "runs") == 0 || rundir_is(absolute);
}

/* A file, or a folder with everything in it. `named`: the farm file names this very path. */
static int anything_find(struct search *search, const char *path, int depth, bool named)
{
    struct stat status;
    int rc = 0;
    char *absolute = disk_join(search->folder, path, search->error);
    if (!absolute)
        return -1;
    bool gone = lstat(absolute, &status) != 0;
    if (!gone && S_ISLNK(status.st_mode)) {
        bool followed = link_followed(search, absolute);
        if (!followed && named)
            rc = error_set(
                search->error, ERROR_CONFIG,
                "\"%s\" is a link that leads outside \"%s\" or nowhere; put the file there",
                path, search->folder);
        gone = !followed || stat(absolute, &status) != 0;
    } else if (gone && named) {
        rc = error_errno(search->error, errno, "\"%s\" cannot be found", absolute);
        search->error->code = ERROR_CONFIG;
    }
    if (rc == 0 && !gone && (named || !entry_left_out(search, path, absolute, &status))) {
        if (S_ISDIR(status.st_mode))
            rc = folder_find(search, path, absolute, depth);
        else if (S_ISREG(status.st_mode))
            rc = path_add(search, path, &status);
        else if (named)
            rc = error_set(search->error, ERROR_CONFIG, "\"%s\" is neither a file nor a folder",
                           absolute);
    }
    free(absolute);
    return rc;
}

/* What an entry stands for: a path, with the .farmignore files above it heeded. */
static int path_find(struct search *search, const char *path, bool named)
{
    int rc = ignore_approach(search, path);
    if (rc == 0)
        rc = anything_find(search, path, 0, named);
    ignore_forget(search->ignore, 0);
    return rc;
}

/* The folder's own name may hold what glob takes for a pattern. */
static int pattern_escape(const char *folder, const char *pattern, struct buf *escaped)
{
    for (const char *in = folder; *in; in++) {
        if (strchr("*?[]\\", *in))
            buf_append_text(escaped, "\\");
        buf_append(escaped, in, 1);
    }
    return buf_printf(escaped, "/%s", pattern);
}

static int pattern_find(struct search *search, const char *pattern)
{
    glob_t found = {0};
    struct buf escaped;
    buf_init(&escaped, 3 * PATH_MAX);
    int rc = pattern_escape(search->folder, pattern, &escaped) == 0
                 ? glob(buf_text(&escaped), GLOB_ERR, NULL, &found)
                 : GLOB_NOSPACE;
    if (rc == GLOB_NOMATCH)
        rc = error_set(search->error, ERROR_CONFIG, "nothing in \"%s\" matches \"%s\"",
                       search->folder, pattern);
    else if (rc != 0)
        rc = error_set(search->error, ERROR_SYSTEM, "\"%s\" cannot be searched for \"%s\"",
                       search->folder, pattern);
    size_t skip = strlen(search->folder) + 1;
    for (size_t i = 0; rc == 0 && i < found.gl_pathc; i++) {
        const char *name = strrchr(found.gl_pathv[i], '/') + 1;
        if (!tree_is_dots(name))
            rc = path_find(search, found.gl_pathv[i] + skip, false);
    }
    globfree(&found);
    buf_fini(&escaped);
    return rc;
}

/* "./a//b/" becomes "a/b"; "." stays. NULL with a sentence if it leaves the folder. */
static char *path_clean(const char *path, struct error *ret_error)
{
    char *clean = calloc(1, strlen(path) + 2), *out = clean;
    bool outside = path[0] == '/';
    for (const char *in = path; clean && *in;) {
        size_t size = strcspn(in, "/");
        outside = outside || (size == 2 && strncmp(in, "..", 2) == 0);
        if (size > 0 && !(size == 1 && *in == '.')) {
            if (out != clean)
                *out++ = '/';
            memcpy(out, in, size);
            out += size;
        }
        in += size + (in[size] == '/');
    }
    if (clean && out == clean)
        *out = '.';
    if (clean && !outside)
        return clean;
    free(clean);
    error_set(ret_error, ERROR_CONFIG, "\"%s\" is not inside the farm file's folder", path);
    return NULL;
}

/* One entry of farm.json's "files". */
static int entry_find(struct search *search, const struct farmfile_entry *entry)
{
    char *path = path_clean(entry->path, search->error);
    char *absolute = path ? disk_join(search->folder, path, search->error) : NULL;
    int rc = -1;
    search->common = true;
    search->copy = entry->copy;
    if (absolute && !disk_exists(absolute) && strpbrk(path, "*?["))
        rc = pattern_find(search, path);
    else if (absolute)
        rc = path_find(search, path, true);
    free(path);
    free(absolute);
    return rc;
}

/* One file of the plan. An absolute one lies on the nodes already. */
static int planned_find(struct search *search, const cJSON *file)
{
    const char *name = cJSON_GetStringValue(json_member(file, "path"));
    if (!name)
        return error_set(search->error, ERROR_BUG,
                         "beofarm-master --plan named a file without path");
    if (name[0] == '/')
        return 0;
    search->common = cJSON_IsTrue(json_member(file, "common"));
    search->copy = cJSON_IsTrue(json_member(file, "copy"));
    char *path = path_clean(name, search->error);
    int rc = path ? path_find(search, path, true) : -1;
    free(path);
    return rc;
}

static int input_compare(const void *a, const void *b)
{
    return strcmp(((const struct input *)a)->path, ((const struct input *)b)->path);
}

/* A path found twice counts once: common if any says so, copied if any says so. */
static void inputs_merge(struct inputs *inputs)
{
    size_t kept = 0;
    if (inputs->count > 0)
        qsort(inputs->items, inputs->count, sizeof *inputs->items, input_compare);
    for (size_t i = 0; i < inputs->count; i++) {
        struct input *item = &inputs->items[i], *last = kept ? &inputs->items[kept - 1] : NULL;
        if (last && strcmp(last->path, item->path) == 0) {
            last->common |= item->common;
            last->copy |= item->copy;
            free(item->path);
            continue;
        }
        inputs->bytes += item->size;
        inputs->items[kept++] = *item;
    }
    inputs->count = kept;
}

int inputs_find(const struct request *request, const struct plan *plan,
                struct inputs *ret_inputs, struct error *ret_error)
{
    struct error local;
    struct inputs inputs = {.folder = strdup(request->folder)};
    struct search search = {.inputs = &inputs,
                            .folder = request->folder,
                            .farm_path = request->path,
                            .except = plan ? plan->except : NULL,
                            .ignore = ignore_create(),
                            .error = ret_error ? ret_error : &local};
    int rc = inputs.folder && search.ignore
                 ? 0
                 : error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    for (size_t i = 0; rc == 0 && i < request->farm.file_count; i++) {
        rc = entry_find(&search, &request->farm.files[i]);
        if (rc != 0)
            error_prefix(ret_error, "%s: $.files[%zu]", request->path, i);
    }
    const cJSON *file, *planned = plan ? plan->files : NULL;
    cJSON_ArrayForEach(file, planned)
    {
        if (rc == 0 && planned_find(&search, file) != 0)
            rc = error_prefix(ret_error, "%s: $.work", request->path);
    }
    ignore_destroy(search.ignore);
    inputs_merge(&inputs);
    if (rc == 0)
        *ret_inputs = inputs;
    else
        inputs_close(&inputs);
    return rc;
}

bool inputs_warn(const struct inputs *inputs, char *text, size_t size)
{
    if (inputs->links_left_out == 0)
        return false;
    snprintf(text, size, "%zu links that lead outside the folder are left out, such as %s",
             inputs->links_left_out, inputs->link_left_out ? inputs->link_left_out : "?");
    return true;
}

void inputs_close(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        free(inputs->items[i].path);
    free(inputs->items);
    free(inputs->folder);
    free(inputs->link_left_out);
    memset(inputs, 0, sizeof *inputs);
}

/* The store may have been cleaned since. */
static bool content_stored(struct store *store, const struct input *item)
{
    char byte;
    size_t got;
    uint64_t size;
    return store_read(store, item->hash, 0, &byte, 1, &got, &size, NULL) == 0 &&
           size == item->size;
}

int inputs_put(struct inputs *inputs, struct store *store, const bool *known,
               void (*shown)(void *context, uint64_t bytes, uint64_t total), void *context,
               struct error *ret_error)
{
    uint64_t bytes = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < inputs->count; i++) {
        struct input *item = &inputs->items[i];
        if (!known || !known[i] || !content_stored(store, item)) {
            char *path = disk_join(inputs->folder, item->path, ret_error);
            rc = path ? store_put_file(store, path, item->hash, &item->size, ret_error) : -1;
            free(path);
        }
        bytes += item->size;
        if (shown)
            shown(context, bytes, inputs->bytes);
    }
    return rc;
}

static int file_hash(const char *path, EVP_MD_CTX *digest, struct input *item,
                     struct error *ret_error)
{
    static unsigned char block[256 << 10];
    ssize_t count;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be opened", path);
    EVP_DigestInit_ex(digest, EVP_sha256(), NULL);
    item->size = 0;
    while ((count = read(fd, block, sizeof block)) > 0 || (count < 0 && errno == EINTR)) {
        if (count > 0) {
            EVP_DigestUpdate(digest, block, (size_t)count);
            item->size += (uint64_t)count;
        }
    }
    int rc = count < 0 ? error_errno(ret_error, errno, "\"%s\" cannot be read", path) : 0;
    EVP_DigestFinal_ex(digest, item->hash, NULL);
    close(fd);
    return rc;
}

int inputs_hash(struct inputs *inputs, struct error *ret_error)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    int rc = digest ? 0 : error_set(ret_error, ERROR_SYSTEM, "OpenSSL offers no SHA-256");
    for (size_t i = 0; rc == 0 && i < inputs->count; i++) {
        char *path = disk_join(inputs->folder, inputs->items[i].path, ret_error);
        rc = path ? file_hash(path, digest, &inputs->items[i], ret_error) : -1;
        free(path);
    }
    EVP_MD_CTX_free(digest);
    return rc;
}
