#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/json.h"
#include "common/json_private.h"
#include "common/text_mark.h"

static int compare_members(const void *a, const void *b)
{
    const cJSON *const *first = a, *const *second = b;
    return strcmp((*first)->string, (*second)->string);
}

const cJSON **json_sort_members(const cJSON *object, size_t *ret_count)
{
    size_t count = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, object) count++;
    *ret_count = count;
    const cJSON **members = count ? malloc(count * sizeof(*members)) : NULL;
    if (!members)
        return NULL;
    size_t next = 0;
    cJSON_ArrayForEach(member, object) members[next++] = member;
    qsort(members, count, sizeof(*members), compare_members);
    return members;
}

/* The key that stands twice in object, NULL if none does. */
static int find_duplicate(const cJSON *object, const char **ret_key)
{
    *ret_key = NULL;
    size_t count;
    const cJSON **members = json_sort_members(object, &count);
    if (count && !members)
        return -1;
    for (size_t i = 1; i < count && !*ret_key; i++) {
        if (!strcmp(members[i - 1]->string, members[i]->string))
            *ret_key = members[i]->string;
    }
    free(members);
    return 0;
}

/* Depth is bounded by the syntax check, so recursion is, too. */
static int refuse_duplicates(const cJSON *item, struct buf *path, struct error *ret_error)
{
    size_t size = path->size, index = 0;
    if (cJSON_IsObject(item)) {
        const char *key;
        if (find_duplicate(item, &key) < 0)
            return error_set(ret_error, ERROR_SYSTEM, "no memory left");
        if (key)
            return error_set(ret_error, ERROR_CONFIG, "%s: the key \"%.100s\" stands twice",
                             buf_text(path), key);
    }
    const cJSON *child;
    cJSON_ArrayForEach(child, item)
    {
        if (child->child) {
            if (cJSON_IsObject(item))
                json_path_put_key(path, child->string);
            else
                json_path_put_index(path, index);
            if (refuse_duplicates(child, path, ret_error) < 0)
                return -1;
            buf_clear(path); /* a path too long to print must not stay marked failed */
            path->size = size;
        }
        index++;
    }
    return 0;
}

static int parse_checked(const char *text, size_t size, const char *name, cJSON **ret_root,
                         struct error *ret_error)
{
    /* cJSON 1.7.15 skips a byte order mark only where two more bytes follow. */
    size_t mark = text_mark_size(text, size);
    const char *end = NULL;
    cJSON *root = cJSON_ParseWithLengthOpts(text + mark, size - mark, &end, 0);
    if (!root)
        return error_set(ret_error, ERROR_SYSTEM,
                         "%s: cannot be parsed (at byte %zu): no memory left", name,
                         end ? (size_t)(end - text) : 0);
    struct buf path;
    buf_init(&path, JSON_DEPTH_MAX * JSON_PATH_TEXT_MAX);
    buf_append_text(&path, "$");
    int status = refuse_duplicates(root, &path, ret_error);
    buf_fini(&path);
    if (status < 0) {
        cJSON_Delete(root);
        return error_prefix(ret_error, "%s", name);
    }
    *ret_root = root;
    return 0;
}

int json_parse(const char *text, size_t size, const char *name, unsigned flags,
               cJSON **ret_root, struct error *ret_error)
{
    if (size > JSON_SIZE_MAX)
        return error_set(ret_error, ERROR_CONFIG, "%s: larger than %zu MiB", name,
                         JSON_SIZE_MAX >> 20);
    if (!(flags & JSON_COMMENTS)) {
        /* Nothing is overwritten without comments. */
        if (json_check_syntax((char *)text, size, name, flags, ret_error) < 0)
            return -1;
        return parse_checked(text, size, name, ret_root, ret_error);
    }
    char *copy = malloc(size + 1);
    if (!copy)
        return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", name);
    if (size)
        memcpy(copy, text, size);
    copy[size] = 0;
    int status = json_check_syntax(copy, size, name, flags, ret_error);
    if (!status)
        status = parse_checked(copy, size, name, ret_root, ret_error);
    free(copy);
    return status;
}

int json_read_file(const char *path, unsigned flags, cJSON **ret_root, struct error *ret_error)
{
    char *text;
    size_t size;
    if (json_read_text(path, JSON_SIZE_MAX, &text, &size, ret_error) < 0)
        return -1;
    int status = json_parse(text, size, path, flags, ret_root, ret_error);
    free(text);
    return status;
}

/* Read up to max + 1 bytes, so that a file which grows over max while it is read is seen. */
static int read_all(int fd, const char *path, size_t max, struct buf *buf,
                    struct error *ret_error)
{
    buf_init(buf, max + 1);
    while (buf->size <= max) {
        size_t room = max + 1 - buf->size < 65536 ? max + 1 - buf->size : 65536;
        uint8_t *space = buf_reserve(buf, room);
        if (!space)
            return error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", path);
        ssize_t got = read(fd, space, room);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(ret_error, errno, "%s: cannot be read", path);
        if (got == 0)
            return 0;
        buf_commit(buf, (size_t)got);
    }
    return error_set(ret_error, ERROR_CONFIG, "%s: larger than %zu MiB", path, max >> 20);
}

int json_read_text(const char *path, size_t max, char **ret_text, size_t *ret_size,
                   struct error *ret_error)
{
    /* O_NONBLOCK: opening a FIFO by mistake must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_errno(ret_error, errno, "%s: cannot be opened", path);
    struct stat stat;
    struct buf buf = {0};
    int status = 0;
    if (fstat(fd, &stat) < 0)
        status = error_errno(ret_error, errno, "%s: cannot be read", path);
    else if (!S_ISREG(stat.st_mode))
        status = error_set(ret_error, ERROR_CONFIG, "%s: not a regular file", path);
    else
        status = read_all(fd, path, max, &buf, ret_error);
    close(fd);
    if (!status && !buf_text(&buf))
        status = error_set(ret_error, ERROR_SYSTEM, "%s: no memory left", path);
    if (status < 0) {
        buf_fini(&buf);
        return -1;
    }
    size_t mark = text_mark_size(buf.data, buf.size);
    if (mark)
        memmove(buf.data, buf.data + mark, buf.size + 1 - mark); /* and its NUL */
    *ret_text = (char *)buf.data;
    *ret_size = buf.size - mark;
    return 0;
}
