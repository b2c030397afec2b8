#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/json_private.h"

struct diff {
    void (*differ)(void *context, const char *path, const cJSON *a, const cJSON *b);
    void *context;
    struct buf path;
    size_t count;
};

static void compare(struct diff *diff, const cJSON *a, const cJSON *b);

static void note(struct diff *diff, const cJSON *a, const cJSON *b)
{
    diff->count++;
    if (!diff->differ)
        return;
    const char *path = buf_text(&diff->path);
    diff->differ(diff->context, path && !buf_failed(&diff->path) ? path : "$...", a, b);
}

static void compare_member(struct diff *diff, const char *key, const cJSON *a, const cJSON *b)
{
    size_t size = diff->path.size;
    json_path_put_key(&diff->path, key);
    compare(diff, a, b);
    buf_clear(&diff->path);
    diff->path.size = size;
}

/* Both lists are sorted by key: a merge finds what only one has. */
static void merge_members(struct diff *diff, const cJSON **a, size_t a_count, const cJSON **b,
                          size_t b_count)
{
    size_t i = 0, j = 0;
    while (i < a_count || j < b_count) {
        int order = i == a_count ? 1 : j == b_count ? -1 : strcmp(a[i]->string, b[j]->string);
        const cJSON *left = order <= 0 ? a[i++] : NULL, *right = order >= 0 ? b[j++] : NULL;
        compare_member(diff, (left ? left : right)->string, left, right);
    }
}

static void compare_objects(struct diff *diff, const cJSON *a, const cJSON *b)
{
    size_t a_count, b_count;
    const cJSON **a_members = json_sort_members(a, &a_count);
    const cJSON **b_members = json_sort_members(b, &b_count);
    if ((a_count && !a_members) || (b_count && !b_members))
        note(diff, a, b); /* no memory to look closer: never call two trees the same unseen */
    else
        merge_members(diff, a_members, a_count, b_members, b_count);
    free(a_members);
    free(b_members);
}

static void compare_arrays(struct diff *diff, const cJSON *a, const cJSON *b)
{
    const cJSON *left = a->child, *right = b->child;
    for (size_t index = 0; left || right; index++) {
        size_t size = diff->path.size;
        json_path_put_index(&diff->path, index);
        compare(diff, left, right);
        buf_clear(&diff->path);
        diff->path.size = size;
        left = left ? left->next : NULL;
        right = right ? right->next : NULL;
    }
}

static bool same_scalar(const cJSON *a, const cJSON *b)
{
    if (cJSON_IsNumber(a))
        return cJSON_IsNumber(b) && a->valuedouble == b->valuedouble;
    if (cJSON_IsString(a))
        return cJSON_IsString(b) && !strcmp(a->valuestring, b->valuestring);
    return (a->type & 0xff) == (b->type & 0xff);
}

static void compare(struct diff *diff, const cJSON *a, const cJSON *b)
{
    if (a && b && cJSON_IsObject(a) && cJSON_IsObject(b))
        compare_objects(diff, a, b);
    else if (a && b && cJSON_IsArray(a) && cJSON_IsArray(b))
        compare_arrays(diff, a, b);
    else if (!a || !b || !same_scalar(a, b))
        note(diff, a, b);
}

size_t json_diff(const cJSON *a, const cJSON *b,
                 void (*differ)(void *context, const char *path, const cJSON *a,
                                const cJSON *b),
                 void *context)
{
    struct diff diff = {.differ = differ, .context = context};
    buf_init(&diff.path, (size_t)JSON_DEPTH_MAX * JSON_PATH_TEXT_MAX);
    buf_append_text(&diff.path, "$");
    compare(&diff, a, b);
    buf_fini(&diff.path);
    return diff.count;
}
