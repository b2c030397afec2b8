/*
 * A part's files are read in pieces, and each piece is cut where a row of the window ends in the
 * grid and where a block of points ends. Small files are read as a whole before anything is added,
 * so that nothing can fail half way; of large ones only a disk that fails between the check and the
 * adding spoils the sum.
 */
#include "config.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/seismic/sum_private.h"

#define PIECE_FLOATS ((size_t)256 << 10)
#define SMALL_BYTES  ((uint64_t)64 << 20) /* of all files of a part */

struct sum {
    struct sum_shape shape;
    struct sum_names *names;
    uint64_t blocks;                          /* of one array */
    union sum_block **block[SHOT_ARRAYS_MAX]; /* [blocks]; NULL: nothing was added there */
    uint64_t bytes;
};

struct sum_shape sum_shape_of(const struct shot_task *task)
{
    struct sum_shape shape = {
        .exact = task->exact, .number = task->sum, .array_count = task->array_count};
    memcpy(shape.n, task->n, sizeof(shape.n));
    memcpy(shape.arrays, task->arrays, sizeof(shape.arrays));
    return shape;
}

bool sum_shape_equal(const struct sum_shape *a, const struct sum_shape *b)
{
    bool equal = a->exact == b->exact && a->number == b->number &&
                 a->array_count == b->array_count && memcmp(a->n, b->n, sizeof(a->n)) == 0;
    for (size_t i = 0; equal && i < a->array_count; i++)
        equal = strcmp(a->arrays[i], b->arrays[i]) == 0;
    return equal;
}

struct sum *sum_create(const struct sum_shape *shape, struct error *ret_error)
{
    struct sum *sum = calloc(1, sizeof(*sum));
    bool good = sum && (sum->names = sum_names_create());
    if (sum) {
        sum->shape = *shape;
        sum->blocks = sum_shape_blocks(shape);
    }
    for (size_t i = 0; good && i < shape->array_count; i++)
        good = (sum->block[i] = calloc(sum->blocks, sizeof(*sum->block[i]))) != NULL;
    if (good) {
        sum->bytes = shape->array_count * sum->blocks * sizeof(void *);
        return sum;
    }
    sum_destroy(sum);
    error_set(ret_error, ERROR_SYSTEM, "no memory for a sum of %llu points",
              (unsigned long long)sum_shape_points(shape));
    return NULL;
}

void sum_destroy(struct sum *sum)
{
    if (!sum)
        return;
    for (size_t i = 0; i < sum->shape.array_count; i++) {
        for (uint64_t j = 0; sum->block[i] && j < sum->blocks; j++)
            free(sum->block[i][j]);
        free(sum->block[i]);
    }
    sum_names_destroy(sum->names);
    free(sum);
}

const struct sum_shape *sum_get_shape(const struct sum *sum)
{
    return &sum->shape;
}

const struct sum_names *sum_get_names(const struct sum *sum)
{
    return sum->names;
}

uint64_t sum_bytes(const struct sum *sum)
{
    return sum->bytes + sum_names_bytes(sum->names);
}

const union sum_block *sum_get_block(const struct sum *sum, size_t array, uint64_t block)
{
    return sum->block[array][block];
}

/* --- Runs: what lies in one piece both in the file and in the grid --- */

struct runs {
    const struct sum_shape *shape;
    struct grid_box window;
    uint64_t points; /* of the window: how long a file is */
    uint64_t run;    /* points of a run */
};

static struct runs runs_of(const struct sum_shape *shape, const struct grid_box *window)
{
    struct runs runs = {.shape = shape};
    for (int axis = 0; axis < GRID_AXES; axis++)
        runs.window.n[axis] = (size_t)shape->n[axis];
    if (window)
        runs.window = *window;
    const size_t *n = runs.window.n;
    runs.run = n[GRID_Z];
    if (n[GRID_Z] == shape->n[GRID_Z]) {
        runs.run *= n[GRID_Y];
        if (n[GRID_Y] == shape->n[GRID_Y])
            runs.run *= n[GRID_X];
    }
    runs.points = (uint64_t)n[GRID_X] * n[GRID_Y] * n[GRID_Z];
    return runs;
}

/* Where in the grid the file's point number `place` lies. */
static uint64_t point_of(const struct runs *runs, uint64_t place)
{
    const struct grid_box *window = &runs->window;
    const uint64_t *n = runs->shape->n;
    uint64_t z = place % window->n[GRID_Z], rest = place / window->n[GRID_Z];
    uint64_t y = rest % window->n[GRID_Y], x = rest / window->n[GRID_Y];
    return ((x + window->first[GRID_X]) * n[GRID_Y] + y + window->first[GRID_Y]) * n[GRID_Z] +
           z + window->first[GRID_Z];
}

/* Call for each run, or part of one, in a block: file points from `place` on, `count` of them. */
static void each_stretch(const struct runs *runs, uint64_t place, size_t count,
                         void (*take)(void *context, uint64_t block, size_t first,
                                      size_t offset, size_t length),
                         void *context)
{
    for (size_t done = 0, length; done < count; done += length) {
        uint64_t point = point_of(runs, place + done);
        uint64_t run_left = runs->run - (place + done) % runs->run;
        size_t first = (size_t)(point % BINS_POINTS), block_left = BINS_POINTS - first;
        length = count - done;
        if (length > run_left)
            length = (size_t)run_left;
        if (length > block_left)
            length = block_left;
        take(context, point / BINS_POINTS, first, done, length);
    }
}

/* --- Checking --- */

static int name_part(struct error *ret_error, const struct sum_part *part)
{
    unsigned long long index = part->shots[0].index;
    if (part->shot_count == 1)
        return error_prefix(ret_error, "shot of index %llu", index);
    return error_prefix(ret_error, "shots of index %llu and %zu more", index,
                        part->shot_count - 1);
}

static int check_size(const struct runs *runs, const char *name, int fd,
                      struct error *ret_error)
{
    struct stat stat;
    uint64_t wanted = runs->points * sizeof(float);
    if (fstat(fd, &stat) < 0)
        return error_errno(ret_error, errno, "%s%s cannot be read", name, SHOT_ARRAY_ENDING);
    if (!S_ISREG(stat.st_mode))
        return error_set(ret_error, ERROR_TASKS, "%s%s is no regular file", name,
                         SHOT_ARRAY_ENDING);
    if ((uint64_t)stat.st_size == wanted)
        return 0;
    return error_set(ret_error, ERROR_TASKS,
                     "%s%s has %llu bytes, but %zu x %zu x %zu points of 4 bytes are %llu",
                     name, SHOT_ARRAY_ENDING, (unsigned long long)stat.st_size,
                     runs->window.n[GRID_X], runs->window.n[GRID_Y], runs->window.n[GRID_Z],
                     (unsigned long long)wanted);
}

static int refuse_value(const struct runs *runs, const char *name, uint64_t place, float value,
                        struct error *ret_error)
{
    uint64_t point = point_of(runs, place);
    const uint64_t *n = runs->shape->n;
    return error_set(ret_error, ERROR_TASKS,
                     "%s%s has %s at point (%llu, %llu, %llu) of the model", name,
                     SHOT_ARRAY_ENDING,
                     isnan(value) ? "NaN"
                     : value > 0  ? "infinity"
                                  : "-infinity",
                     (unsigned long long)(point / n[GRID_Z] / n[GRID_Y]),
                     (unsigned long long)(point / n[GRID_Z] % n[GRID_Y]),
                     (unsigned long long)(point % n[GRID_Z]));
}

/* `count` floats of the file from number `place` on, all finite. */
static int read_floats(const struct runs *runs, const char *name, int fd, uint64_t place,
                       float *floats, size_t count, struct error *ret_error)
{
    for (size_t got = 0, size = count * sizeof(float); got < size;) {
        ssize_t rc =
            pread(fd, (char *)floats + got, size - got, (off_t)(place * sizeof(float) + got));
        if (rc < 0 && errno == EINTR)
            continue;
        if (rc < 0)
            return error_errno(ret_error, errno, "%s%s cannot be read", name,
                               SHOT_ARRAY_ENDING);
        if (rc == 0)
            return error_set(ret_error, ERROR_TASKS, "%s%s became shorter", name,
                             SHOT_ARRAY_ENDING);
        got += (size_t)rc;
    }
    size_t bad = floats_find_bad(floats, count);
    return bad == count ? 0 : refuse_value(runs, name, place + bad, floats[bad], ret_error);
}

/* Read a file piece by piece, and do something with each. */
struct pass {
    struct sum *sum; /* NULL: check alone */
    size_t array;
    const struct runs *runs;
    const float *floats;
    bool *touched; /* set when something was added */
};

static void add_stretch(void *context, uint64_t block, size_t first, size_t offset,
                        size_t length)
{
    struct pass *pass = context;
    union sum_block *to = pass->sum->block[pass->array][block];
    *pass->touched = true;
    if (pass->sum->shape.exact)
        bins_add(&to->bins, first, pass->floats + offset, length);
    else
        floats_add(to->doubles + first, pass->floats + offset, length);
}

static int go_through(struct pass *pass, int fd, float *room, struct error *ret_error)
{
    const char *name = pass->runs->shape->arrays[pass->array];
    uint64_t points = pass->runs->points;
    pass->floats = room;
    for (uint64_t place = 0; place < points;) {
        size_t count = points - place < PIECE_FLOATS ? (size_t)(points - place) : PIECE_FLOATS;
        if (read_floats(pass->runs, name, fd, place, room, count, ret_error) < 0)
            return -1;
        if (pass->sum)
            each_stretch(pass->runs, place, count, add_stretch, pass);
        place += count;
    }
    return 0;
}

static float *make_room(uint64_t floats, struct error *ret_error)
{
    float *room = malloc((size_t)floats * sizeof(float));
    if (!room)
        error_set(ret_error, ERROR_SYSTEM, "no memory to read the arrays of a shot");
    return room;
}

int sum_check_part(const struct sum_shape *shape, const struct sum_part *part,
                   struct error *ret_error)
{
    struct runs runs = runs_of(shape, part->window);
    float *room = make_room(PIECE_FLOATS, ret_error);
    int rc = room ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < shape->array_count; i++) {
        struct pass pass = {.array = i, .runs = &runs};
        rc = check_size(&runs, shape->arrays[i], part->files[i], ret_error);
        if (rc == 0)
            rc = go_through(&pass, part->files[i], room, ret_error);
    }
    free(room);
    return rc == 0 ? 0 : name_part(ret_error, part);
}

/* --- Adding --- */

struct wanted {
    struct sum *sum;
    size_t array;
    bool failed;
};

static void make_block(void *context, uint64_t block, size_t first, size_t offset,
                       size_t length)
{
    struct wanted *wanted = context;
    union sum_block **place = &wanted->sum->block[wanted->array][block];
    size_t size = sum_block_size(wanted->sum->shape.exact);
    (void)first, (void)offset, (void)length;
    if (*place)
        return;
    if ((*place = calloc(1, size)))
        wanted->sum->bytes += size;
    else
        wanted->failed = true;
}

/* All blocks that the window touches, before anything is added. */
static int make_blocks(struct sum *sum, const struct runs *runs, struct error *ret_error)
{
    struct wanted wanted = {.sum = sum};
    for (; wanted.array < sum->shape.array_count; wanted.array++)
        for (uint64_t place = 0; place < runs->points && !wanted.failed; place += PIECE_FLOATS)
            each_stretch(runs, place,
                         runs->points - place < PIECE_FLOATS ? (size_t)(runs->points - place)
                                                             : PIECE_FLOATS,
                         make_block, &wanted);
    return wanted.failed ? error_set(ret_error, ERROR_SYSTEM,
                                     "no memory for the sum, which takes %llu MB now",
                                     (unsigned long long)(sum->bytes >> 20))
                         : 0;
}

static void add_floats(struct pass *pass, const float *floats)
{
    for (uint64_t place = 0; place < pass->runs->points; place += PIECE_FLOATS) {
        uint64_t left = pass->runs->points - place;
        pass->floats = floats + place;
        each_stretch(pass->runs, place, left < PIECE_FLOATS ? (size_t)left : PIECE_FLOATS,
                     add_stretch, pass);
    }
}

/* Read everything, then add it. */
static int add_small(struct sum *sum, const struct sum_part *part, const struct runs *runs,
                     struct error *ret_error)
{
    size_t arrays = sum->shape.array_count;
    bool touched;
    float *room = make_room(arrays * runs->points, ret_error);
    int rc = room ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < arrays; i++)
        rc = read_floats(runs, sum->shape.arrays[i], part->files[i], 0, room + i * runs->points,
                         (size_t)runs->points, ret_error);
    for (size_t i = 0; rc == 0 && i < arrays; i++) {
        struct pass pass = {.sum = sum, .array = i, .runs = runs, .touched = &touched};
        add_floats(&pass, room + i * runs->points);
    }
    free(room);
    return rc;
}

static int add_large(struct sum *sum, const struct sum_part *part, const struct runs *runs,
                     bool *ret_spoiled, struct error *ret_error)
{
    float *room = make_room(PIECE_FLOATS, ret_error);
    int rc = room ? 0 : -1;
    bool touched = false;
    for (size_t i = 0; rc == 0 && i < sum->shape.array_count; i++) {
        struct pass pass = {.sum = sum, .array = i, .runs = runs, .touched = &touched};
        rc = go_through(&pass, part->files[i], room, ret_error);
    }
    *ret_spoiled = rc < 0 && touched;
    free(room);
    return rc;
}

static int add_name(struct sum *sum, const struct sum_part *part, struct error *ret_error)
{
    uint64_t *shots = malloc(part->shot_count * sizeof(*shots));
    if (!shots)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for the names of shots");
    for (size_t i = 0; i < part->shot_count; i++)
        shots[i] = part->shots[i].index;
    int rc = sum_names_add(sum->names, part->id, shots, part->shot_count, ret_error);
    free(shots);
    return rc;
}

bool sum_overlaps(const struct sum *sum, const struct sum_part *part)
{
    bool overlaps = sum_names_have_task(sum->names, part->id.task);
    for (size_t i = 0; i < part->shot_count && !overlaps; i++)
        overlaps = sum_names_have_shot(sum->names, part->shots[i].index);
    return overlaps;
}

int sum_add(struct sum *sum, const struct sum_part *part, bool *ret_spoiled,
            struct error *ret_error)
{
    struct runs runs = runs_of(&sum->shape, part->window);
    *ret_spoiled = false;
    if (sum_names_count(sum->names) >= BINS_ADDS_MAX)
        return error_set(ret_error, ERROR_TASKS, "a sum cannot take more than %llu parts",
                         (unsigned long long)BINS_ADDS_MAX);
    if (add_name(sum, part, ret_error) < 0)
        return -1;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sum->shape.array_count; i++)
        rc = check_size(&runs, sum->shape.arrays[i], part->files[i], ret_error);
    if (rc == 0)
        rc = make_blocks(sum, &runs, ret_error);
    if (rc == 0)
        rc = sum->shape.array_count * runs.points * sizeof(float) <= SMALL_BYTES
                 ? add_small(sum, part, &runs, ret_error)
                 : add_large(sum, part, &runs, ret_spoiled, ret_error);
    if (rc == 0)
        return 0;
    sum_names_remove(sum->names, part->id.task);
    return name_part(ret_error, part);
}

/* --- Adding a file --- */

bool sum_meets(const struct sum *sum, const struct sum_names *names)
{
    bool meets = false;
    for (size_t i = 0; i < sum_names_count(names) && !meets; i++) {
        const struct sum_name name = sum_names_get(names, i);
        meets = sum_names_have_task(sum->names, name.id.task);
        for (size_t j = 0; j < name.shot_count && !meets; j++)
            meets = sum_names_have_shot(sum->names, name.shots[j]);
    }
    return meets;
}

static int add_block(struct sum *sum, const struct sum_place *at, const union sum_block *from,
                     struct error *ret_error)
{
    union sum_block **place = &sum->block[at->array][at->block];
    size_t size = sum_block_size(sum->shape.exact);
    if (!from)
        return 0;
    if (*place) {
        sum_block_merge(sum->shape.exact, *place, from);
        return 0;
    }
    if (!(*place = malloc(size)))
        return error_set(ret_error, ERROR_SYSTEM,
                         "no memory for the sum, which takes %llu MB now",
                         (unsigned long long)(sum->bytes >> 20));
    memcpy(*place, from, size);
    sum->bytes += size;
    return 0;
}

static int add_blocks(struct sum *sum, struct sum_reader *reader, struct error *ret_error)
{
    const union sum_block *block;
    struct sum_place place;
    int rc;
    while ((rc = sum_reader_next_block(reader, &block, &place, ret_error)) > 0)
        if (add_block(sum, &place, block, ret_error) < 0)
            return -1;
    return rc;
}

int sum_add_file(struct sum *sum, const char *path, bool *ret_spoiled, struct error *ret_error)
{
    struct sum_reader *reader = sum_reader_open(&path, 1, ret_error);
    int rc = reader ? 0 : -1;
    *ret_spoiled = false;
    if (rc == 0 && !sum_shape_equal(&sum->shape, sum_reader_shape(reader)))
        rc = error_set(ret_error, ERROR_TASKS, "\"%s\" is a part of another sum", path);
    if (rc == 0)
        rc = sum_names_merge(sum->names, sum_reader_names(reader), ret_error);
    if (rc == 0) {
        rc = add_blocks(sum, reader, ret_error);
        *ret_spoiled = rc < 0;
    }
    sum_reader_close(reader);
    return rc;
}
