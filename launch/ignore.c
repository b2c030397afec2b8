#include "config.h"

#include "launch/ignore.h"

#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/text_mark.h"
#include "launch/disk.h"
#include "launch/ignore_pattern.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)
#define READ_AHEAD     ((size_t)128 << 10) /* what disk_read reserves beyond a file's end */

struct rule {
    struct ignore_pattern pattern;
    char *base; /* the folder of its file; "" is the top */
};

struct ignore {
    struct rule *rules;
    size_t count, capacity;
};

struct ignore *ignore_create(void)
{
    return calloc(1, sizeof(struct ignore));
}

void ignore_destroy(struct ignore *ignore)
{
    if (!ignore)
        return;
    ignore_forget(ignore, 0);
    free(ignore->rules);
    free(ignore);
}

size_t ignore_count(const struct ignore *ignore)
{
    return ignore->count;
}

void ignore_forget(struct ignore *ignore, size_t count)
{
    while (ignore->count > count) {
        struct rule *rule = &ignore->rules[--ignore->count];
        ignore_pattern_fini(&rule->pattern);
        free(rule->base);
    }
}

static int rule_add(struct ignore *ignore, const char *base, const char *line, size_t size)
{
    if (ignore->count == ignore->capacity) {
        size_t capacity = ignore->capacity ? 2 * ignore->capacity : 16;
        struct rule *rules = realloc(ignore->rules, capacity * sizeof(*rules));
        if (!rules)
            return -1;
        ignore->rules = rules;
        ignore->capacity = capacity;
    }
    struct rule rule;
    int rc = ignore_pattern_read(&rule.pattern, line, size);
    if (rc != 1)
        return rc;
    rule.base = strdup(base);
    if (!rule.base) {
        ignore_pattern_fini(&rule.pattern);
        return -1;
    }
    ignore->rules[ignore->count++] = rule;
    return 0;
}

int ignore_add(struct ignore *ignore, const char *base, const char *text, size_t size,
               struct error *ret_error)
{
    const char *end = text + size;
    text += text_mark_size(text, size);
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        stop = stop ? stop : end;
        if (rule_add(ignore, base, text, (size_t)(stop - text)) != 0)
            return error_set(ret_error, ERROR_SYSTEM,
                             "no memory for the patterns of a " IGNORE_FILE);
        text = stop + 1;
    }
    return 0;
}

int ignore_add_folder(struct ignore *ignore, const char *folder, const char *base,
                      struct error *ret_error)
{
    struct buf text;
    char *path = disk_join(folder, IGNORE_FILE, ret_error);
    if (!path)
        return -1;
    int rc = 0;
    buf_init(&text, FILE_BYTES_MAX + READ_AHEAD);
    if (disk_exists(path)) {
        rc = disk_read(path, FILE_BYTES_MAX, &text, ret_error);
        if (rc == 0 && text.size)
            rc = ignore_add(ignore, base, (const char *)text.data, text.size, ret_error);
    }
    buf_fini(&text);
    free(path);
    return rc;
}

/* `path` relative to `base`; NULL if it is not inside. */
static const char *path_below(const char *path, const char *base)
{
    size_t size = strlen(base);
    if (size == 0)
        return path;
    return strncmp(path, base, size) == 0 && path[size] == '/' ? path + size + 1 : NULL;
}

bool ignore_matches(const struct ignore *ignore, const char *path, bool is_folder)
{
    for (size_t i = ignore->count; i > 0; i--) {
        const struct rule *rule = &ignore->rules[i - 1];
        const char *below = path_below(path, rule->base);
        if (below && ignore_pattern_matches(&rule->pattern, below, is_folder))
            return !rule->pattern.negated;
    }
    return false;
}

bool ignore_covers(const struct ignore *ignore, const char *path, bool is_folder)
{
    char *copy = strdup(path);
    bool covered = false;
    for (char *slash = copy; copy && !covered && (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        covered = ignore_matches(ignore, copy, true);
        *slash = '/';
    }
    free(copy);
    return covered || ignore_matches(ignore, path, is_folder);
}
