#include "config.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/csv.h"
#include "common/json.h"
#include "common/seismic/places.h"

#define COUNT_MAX ((size_t)1 << 32)

/* A list of x, z or of x, y, z. In 2-D y is dropped. */
static int point_read(const cJSON *list, const char *path, const char *key, int dims,
                      struct point *ret_point, struct error *ret_error)
{
    double values[GRID_AXES] = {0};
    int count = cJSON_GetArraySize(list);
    if (count != 3 && count != dims)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s%s: has %d numbers; in a %d-D model %s are wanted", path, key,
                         count, dims, dims == 2 ? "x and z (or x, y and z)" : "x, y and z");
    for (int i = 0; i < count; i++)
        values[count == 2 ? 2 * i : i] = cJSON_GetArrayItem(list, i)->valuedouble;
    *ret_point = (struct point){values[0], dims == 2 ? 0 : values[1], values[2]};
    return 0;
}

static int member_point(const cJSON *object, const char *path, const char *key, int dims,
                        struct point *ret_point, struct error *ret_error)
{
    char step[64];
    const cJSON *list = json_member(object, key);
    if (!list)
        return 0;
    snprintf(step, sizeof(step), ".%s", key);
    return point_read(list, path, step, dims, ret_point, ret_error);
}

static size_t member_count(const cJSON *object, const char *key)
{
    const cJSON *item = json_member(object, key);
    return item ? (size_t)item->valuedouble : 1;
}

/* A line, given by its step or by its end. */
static int line_read(const cJSON *line, const char *path, int dims, struct places *places,
                     struct error *ret_error)
{
    struct point end = {0};
    bool has_step = json_member(line, "step"), has_end = json_member(line, "end");
    places->count = places->per_line = member_count(line, "count");
    if (has_step == has_end && (has_step || places->count > 1))
        return error_set(ret_error, ERROR_CONFIG, "%s: give \"step\" or \"end\"%s", path,
                         has_step ? ", not both" : "");
    if (member_point(line, path, "start", dims, &places->start, ret_error) < 0 ||
        member_point(line, path, "step", dims, &places->step, ret_error) < 0 ||
        member_point(line, path, "end", dims, &end, ret_error) < 0)
        return -1;
    if (has_end && places->count > 1) {
        double parts = (double)(places->count - 1);
        places->step =
            (struct point){(end.x - places->start.x) / parts, (end.y - places->start.y) / parts,
                           (end.z - places->start.z) / parts};
    }
    return 0;
}

static int grid_read(const cJSON *grid, const char *path, int dims, const char *start,
                     const char *line_step, const char *lines, struct places *places,
                     struct error *ret_error)
{
    places->per_line = member_count(grid, "count");
    places->count = places->per_line * member_count(grid, lines);
    if (places->count > COUNT_MAX)
        return error_set(ret_error, ERROR_CONFIG, "%s: %zu places are too many", path,
                         places->count);
    if (member_count(grid, lines) > 1 && !json_member(grid, line_step))
        return error_set(ret_error, ERROR_CONFIG, "%s.%s: is missing", path, line_step);
    if (member_point(grid, path, start, dims, &places->start, ret_error) < 0 ||
        member_point(grid, path, "step", dims, &places->step, ret_error) < 0 ||
        member_point(grid, path, line_step, dims, &places->line_step, ret_error) < 0)
        return -1;
    return 0;
}

static int list_alloc(struct places *places, size_t count, bool grouped, size_t groups,
                      struct error *ret_error)
{
    places->kind = PLACES_LIST;
    places->points = calloc(count ? count : 1, sizeof(*places->points));
    places->first = grouped ? calloc(groups + 1, sizeof(*places->first)) : NULL;
    if (!places->points || (grouped && !places->first))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu places", count);
    return 0;
}

/* Whether `item` is a list of places, not one; -1 if it is partly both. */
static int is_group(const cJSON *item)
{
    int lists = 0, count = 0;
    for (const cJSON *one = item->child; one; one = one->next, count++)
        lists += cJSON_IsArray(one);
    return lists == 0 ? 0 : lists == count ? 1 : -1;
}

/* [[x, z], ...], or [[[x, z], ...], ...] where each inner list is for one shot. */
static int list_read(const cJSON *list, const char *path, int dims, struct places *places,
                     struct error *ret_error)
{
    int grouped = is_group(list->child);
    size_t groups = (size_t)cJSON_GetArraySize(list), count = 0, at = 0;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (grouped < 0 || is_group(item) != grouped)
            return error_set(ret_error, ERROR_CONFIG,
                             "%s.points: places and lists of places are mixed", path);
        count += grouped ? (size_t)cJSON_GetArraySize(item) : 1;
    }
    if (list_alloc(places, count, grouped, groups, ret_error) < 0)
        return -1;
    places->count = count;
    for (const cJSON *item = list->child; item; item = item->next) {
        char step[64];
        snprintf(step, sizeof(step), ".points[%zu]", grouped ? places->group_count : at);
        if (!grouped &&
            point_read(item, path, step, dims, &places->points[at++], ret_error) < 0)
            return -1;
        if (!grouped)
            continue;
        for (const cJSON *one = item->child; one; one = one->next) {
            if (point_read(one, path, step, dims, &places->points[at++], ret_error) < 0)
                return -1;
        }
        places->first[++places->group_count] = at;
    }
    return 0;
}

/* Columns of a table. */
enum { COLUMN_X, COLUMN_Y, COLUMN_Z, COLUMN_SHOT, COLUMNS };

#define BLANKS " \t"

/* Tables are often written with blanks behind commas. */
static bool is_called(const char *text, const char *name)
{
    size_t size = strlen(name);
    text += strspn(text, BLANKS);
    return !strncmp(text, name, size) && !text[size + strspn(text + size, BLANKS)];
}

static int columns_find(const struct csv_table *table, const char *file, int dims,
                        int columns[COLUMNS], struct error *ret_error)
{
    static const char *const names[] = {"x", "y", "z", "shot"};
    for (int i = 0; i < COLUMNS; i++) {
        columns[i] = -1;
        for (size_t k = 0; k < csv_table_columns(table); k++) {
            if (is_called(csv_table_names(table)[k], names[i]))
                columns[i] = (int)k;
        }
        bool needed = i == COLUMN_X || i == COLUMN_Z || (i == COLUMN_Y && dims == 3);
        if (columns[i] < 0 && needed)
            return error_set(ret_error, ERROR_CONFIG, "%s: has no column \"%s\"", file,
                             names[i]);
    }
    return 0;
}

static int field_read(const struct csv_record *record, int column, const char *file,
                      double *ret_value, struct error *ret_error)
{
    char *end;
    if (column < 0) {
        *ret_value = 0;
        return 0;
    }
    const char *text = record->fields[column].text;
    *ret_value = strtod(text, &end);
    if (end == text || end[strspn(end, BLANKS)] || !isfinite(*ret_value))
        return error_set(ret_error, ERROR_CONFIG, "%s:%llu: \"%.40s\" is no number", file,
                         (unsigned long long)record->line, text);
    return 0;
}

static int name_compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static bool names_unique(const double *names, size_t count)
{
    size_t i = 1;
    while (i < count && names[i] > names[i - 1])
        i++;
    if (i >= count)
        return true;
    double *sorted = malloc(count * sizeof(*sorted));
    if (!sorted)
        return false; /* they may stand with the index beside them all the same */
    memcpy(sorted, names, count * sizeof(*sorted));
    qsort(sorted, count, sizeof(*sorted), name_compare);
    for (i = 1; i < count && sorted[i] != sorted[i - 1];)
        i++;
    free(sorted);
    return i >= count;
}

static void names_look(struct places *places)
{
    places->numbered = true;
    for (size_t i = 0; i < places->group_count; i++)
        places->numbered = places->numbered && places->names[i] == rint(places->names[i]) &&
                           fabs(places->names[i]) <= INT32_MAX;
    places->unique = names_unique(places->names, places->group_count);
}

/* Rows of one shot stand together. */
static int table_read(struct csv_table *table, const char *file, int dims,
                      struct places *places, struct error *ret_error)
{
    int columns[COLUMNS];
    uint64_t rows = csv_table_rows(table);
    struct csv_record record;
    double shot, before = NAN;
    if (columns_find(table, file, dims, columns, ret_error) < 0)
        return -1;
    if (!rows)
        return error_set(ret_error, ERROR_CONFIG, "%s: has no rows", file);
    bool grouped = columns[COLUMN_SHOT] >= 0;
    if (list_alloc(places, (size_t)rows, grouped, (size_t)rows, ret_error) < 0)
        return -1;
    if (grouped && !(places->names = calloc(rows, sizeof(*places->names))))
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", file);
    for (uint64_t row = 0; row < rows; row++) {
        struct point *point = &places->points[row];
        if (csv_table_read(table, row, &record, ret_error) < 0 ||
            field_read(&record, columns[COLUMN_X], file, &point->x, ret_error) < 0 ||
            field_read(&record, dims == 3 ? columns[COLUMN_Y] : -1, file, &point->y,
                       ret_error) < 0 ||
            field_read(&record, columns[COLUMN_Z], file, &point->z, ret_error) < 0 ||
            field_read(&record, columns[COLUMN_SHOT], file, &shot, ret_error) < 0)
            return -1;
        if (grouped && shot != before) {
            places->names[places->group_count] = shot;
            places->first[places->group_count++] = (size_t)row;
        }
        before = shot;
        places->count++;
    }
    if (!grouped)
        return 0;
    places->first[places->group_count] = places->count;
    names_look(places);
    return 0;
}

static int csv_read(const char *said, const char *folder, int dims, struct places *places,
                    struct error *ret_error)
{
    char *file = NULL;
    if (asprintf(&file, "%s%s", *said == '/' ? "" : folder, said) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory to read %s", said);
    struct csv_table *table = csv_table_open(file, ret_error);
    int status = table ? table_read(table, file, dims, places, ret_error) : -1;
    csv_table_close(table);
    free(file);
    return status;
}

static int kind_read(const cJSON *item, const char *path, int dims, const char *folder,
                     struct places *places, struct error *ret_error)
{
    if (!strcmp(item->string, "line"))
        return line_read(item, path, dims, places, ret_error);
    if (!strcmp(item->string, "grid"))
        return grid_read(item, path, dims, "start", "line_step", "lines", places, ret_error);
    if (!strcmp(item->string, "points"))
        return list_read(item, path, dims, places, ret_error);
    if (!strcmp(item->string, "csv"))
        return csv_read(item->valuestring, folder, dims, places, ret_error);
    places->kind = PLACES_STREAMER;
    return grid_read(item, path, dims, "offset", "cable_step", "cables", places, ret_error);
}

int places_read(const cJSON *object, const char *path, int dims, const char *folder,
                struct places *ret_places, struct error *ret_error)
{
    struct places places = {0};
    char where[128];
    const cJSON *item = object->child;
    bool list = !strcmp(item->string, "points");
    snprintf(where, sizeof(where), "%s%s%s", path, list ? "" : ".", list ? "" : item->string);
    if (kind_read(item, where, dims, folder, &places, ret_error) < 0) {
        places_fini(&places);
        return -1;
    }
    *ret_places = places;
    return 0;
}

void places_fini(struct places *places)
{
    free(places->points);
    free(places->first);
    free(places->names);
    *places = (struct places){0};
}

struct point places_get(const struct places *places, size_t index, const struct point *source)
{
    if (places->kind == PLACES_LIST)
        return places->points[index];
    double along = (double)(index % places->per_line),
           across = (double)(index / places->per_line);
    struct point point = {
        places->start.x + along * places->step.x + across * places->line_step.x,
        places->start.y + along * places->step.y + across * places->line_step.y,
        places->start.z + along * places->step.z + across * places->line_step.z};
    if (places->kind == PLACES_STREAMER) {
        point.x += source->x;
        point.y += source->y;
    }
    return point;
}
