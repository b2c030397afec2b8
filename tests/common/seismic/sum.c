#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/seismic/sum.h"
#include "common/tree.h"
#include "common/whole.h"

#define NX     7
#define NY     9
#define NZ     301
#define POINTS (NX * NY * NZ) /* more than four blocks, the last one not full */
#define SHOTS  6

static struct error error;
static char folder[] = "/tmp/beofarm-sum-XXXXXX";

static const struct sum_shape shapes[2] = {
    {.exact = false,
     .number = 5,
     .n = {NX, NY, NZ},
     .array_count = 2,
     .arrays = {"gradient", "illumination"}},
    {.exact = true,
     .number = 5,
     .n = {NX, NY, NZ},
     .array_count = 2,
     .arrays = {"gradient", "illumination"}},
};

static const char *path_of(const char *name)
{
    static char paths[8][128];
    static int next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

/* A file in memory. */
static int file_of(const void *bytes, size_t size)
{
    int fd = memfd_create("array", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    return fd;
}

static float gradients[SHOTS][POINTS], illuminations[SHOTS][POINTS];

static void draw_shots(void)
{
    uint64_t seed = 7;
    for (int shot = 0; shot < SHOTS; shot++)
        for (int i = 0; i < POINTS; i++) {
            seed = seed * UINT64_C(6364136223846793005) + 1;
            gradients[shot][i] =
                ldexpf((float)(int32_t)(seed >> 32), (int)(seed >> 20 & 63) - 70);
            illuminations[shot][i] = (float)(seed >> 40);
        }
}

/* Shot `shot` as task 10 + shot, attempt 1. */
static int add_shot(struct sum *sum, int shot)
{
    const struct shot_ref ref = {(uint64_t)shot, 1};
    const int files[] = {file_of(gradients[shot], sizeof(gradients[shot])),
                         file_of(illuminations[shot], sizeof(illuminations[shot]))};
    const struct sum_part part = {
        .id = {10 + (uint64_t)shot, 1}, .shots = &ref, .shot_count = 1, .files = files};
    bool spoiled;
    int rc = sum_add(sum, &part, &spoiled, &error);
    assert_false(spoiled);
    close(files[0]);
    close(files[1]);
    return rc;
}

static struct sum *sum_with(const struct sum_shape *shape, const int *shots, int count)
{
    struct sum *sum = sum_create(shape, &error);
    assert_non_null(sum);
    for (int i = 0; i < count; i++)
        assert_int_equal(add_shot(sum, shots[i]), 0);
    return sum;
}

static void write_sum(const struct sum *sum, const char *path)
{
    if (sum_write(&sum, 1, path, &error) < 0)
        fail_msg("%s", error.text);
}

static float *read_array(const char *const *paths, size_t count, const char *name)
{
    float *values = malloc(POINTS * sizeof(float));
    if (sum_read_array(paths, count, name, values, POINTS, &error) < 0)
        fail_msg("%s", error.text);
    return values;
}

static void assert_says(const char *part)
{
    if (!strstr(error.text, part))
        fail_msg("\"%s\" is not in: %s", part, error.text);
}

/* --- What is refused --- */

static int check(const void *bytes, size_t size, const struct grid_box *window)
{
    static float zeros[POINTS];
    const struct shot_ref ref = {3, 1};
    const int files[] = {file_of(zeros, window ? size : sizeof(zeros)), file_of(bytes, size)};
    const struct sum_part part = {
        .id = {1, 1}, .shots = &ref, .shot_count = 1, .window = window, .files = files};
    struct sum *sum = sum_create(&shapes[1], &error);
    bool spoiled;
    int rc = sum_check_part(&shapes[1], &part, &error);
    /* Adding says the same, and adds nothing. */
    assert_int_equal(sum_add(sum, &part, &spoiled, &error), rc);
    assert_false(spoiled);
    assert_int_equal(sum_names_count(sum_get_names(sum)), rc == 0);
    sum_destroy(sum);
    close(files[0]);
    close(files[1]);
    return rc;
}

static void values_that_are_not_finite_are_refused_by_shot_and_point(void **state)
{
    (void)state;
    float *values = calloc(POINTS, sizeof(*values));
    assert_int_equal(check(values, sizeof(float) * POINTS, NULL), 0);
    values[(2 * NY + 3) * NZ + 299] = NAN;
    assert_int_equal(check(values, sizeof(float) * POINTS, NULL), -1);
    assert_string_equal(
        error.text,
        "shot of index 3: illumination.f32 has NaN at point (2, 3, 299) of the model");
    const struct grid_box window = {{2, 3, 290}, {1, 1, 10}};
    assert_int_equal(check(values + (2 * NY + 3) * NZ + 290, 40, &window), -1);
    assert_says("NaN at point (2, 3, 299)");
    values[(2 * NY + 3) * NZ + 299] = -INFINITY;
    assert_int_equal(check(values, sizeof(float) * POINTS, NULL), -1);
    assert_says("-infinity at point");
    free(values);
}

static void files_of_the_wrong_size_are_refused(void **state)
{
    (void)state;
    float *values = calloc(POINTS + 1, sizeof(*values));
    assert_int_equal(check(values, sizeof(float) * POINTS - 1, NULL), -1);
    assert_says(
        "illumination.f32 has 75851 bytes, but 7 x 9 x 301 points of 4 bytes are 75852");
    assert_int_equal(check(values, sizeof(float) * POINTS + 4, NULL), -1);
    assert_int_equal(check(values, 0, NULL), -1);
    free(values);
}

static void a_shot_or_task_is_added_once_alone(void **state)
{
    (void)state;
    struct sum *sum = sum_with(&shapes[1], (int[]){1, 3}, 2);
    assert_int_equal(add_shot(sum, 3), -1);
    assert_says("task 13 would be in the sum twice");
    const struct shot_ref refs[] = {{5, 1}, {3, 1}};
    const struct sum_part part = {.id = {99, 1}, .shots = refs, .shot_count = 2};
    bool spoiled;
    assert_int_equal(sum_add(sum, &part, &spoiled, &error), -1);
    assert_says("the shot of index 3, of task 99, would be in the sum twice");
    assert_int_equal(sum_names_count(sum_get_names(sum)), 2);
    sum_destroy(sum);
}

static void files_with_a_shot_in_common_are_not_merged(void **state)
{
    (void)state;
    struct sum *a = sum_with(&shapes[0], (int[]){0, 1}, 2);
    struct sum *b = sum_with(&shapes[0], (int[]){2, 1}, 2);
    const struct sum *both[] = {a, b};
    write_sum(a, path_of("a"));
    write_sum(b, path_of("b"));
    const char *paths[] = {path_of("a"), path_of("b")};
    assert_null(sum_reader_open(paths, 2, &error));
    assert_says("/b\": task 11 would be in the sum twice");
    assert_int_equal(sum_merge(paths, 2, path_of("c"), &error), -1);
    assert_int_equal(access(path_of("c"), F_OK), -1);
    assert_int_equal(sum_write(both, 2, path_of("c"), &error), -1);
    assert_int_equal(access(path_of("c"), F_OK), -1);
    sum_destroy(a);
    sum_destroy(b);
}

static void parts_of_different_sums_are_not_merged(void **state)
{
    (void)state;
    struct sum_shape other = shapes[0];
    other.number++;
    struct sum *a = sum_with(&shapes[0], (int[]){0}, 1), *b = sum_with(&other, (int[]){1}, 1);
    write_sum(a, path_of("a"));
    write_sum(b, path_of("b"));
    const char *paths[] = {path_of("a"), path_of("b")};
    assert_null(sum_reader_open(paths, 2, &error));
    assert_says("a part of another sum");
    sum_destroy(a);
    sum_destroy(b);
}

static void read_bytes(const char *path, char **ret_bytes, size_t *ret_size)
{
    struct stat stat_;
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    assert_int_equal(fstat(fileno(stream), &stat_), 0);
    *ret_size = (size_t)stat_.st_size;
    *ret_bytes = malloc(*ret_size);
    assert_int_equal(fread(*ret_bytes, 1, *ret_size, stream), *ret_size);
    fclose(stream);
}

static void assert_same_files(const char *path, const char *other)
{
    char *left, *right;
    size_t left_size, right_size;
    read_bytes(path, &left, &left_size);
    read_bytes(other, &right, &right_size);
    assert_int_equal(left_size, right_size);
    assert_memory_equal(left, right, left_size);
    free(left);
    free(right);
}

static void write_bytes(const char *path, const char *bytes, size_t size)
{
    FILE *stream = fopen(path, "w");
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static int read_through(const char *path)
{
    struct sum_piece piece;
    struct sum_reader *reader = sum_reader_open(&path, 1, &error);
    int rc = reader ? 1 : -1;
    while (rc > 0)
        rc = sum_reader_next(reader, &piece, &error);
    sum_reader_close(reader);
    return rc;
}

/* A small sum, so that every cut and every changed byte can be tried. */
static void write_small(const char *path, bool exact)
{
    const struct sum_shape shape = {
        .exact = exact, .number = 1, .n = {3, 1, 5}, .array_count = 1, .arrays = {"g"}};
    const struct shot_ref refs[] = {{70000, 1}, {2, 1}};
    const int file = file_of(gradients[0], 15 * sizeof(float));
    const struct sum_part part = {
        .id = {300, 2}, .shots = refs, .shot_count = 2, .files = &file};
    struct sum *sum = sum_create(&shape, &error);
    bool spoiled;
    assert_int_equal(sum_add(sum, &part, &spoiled, &error), 0);
    write_sum(sum, path);
    sum_destroy(sum);
    close(file);
}

static void files_that_were_cut_off_or_damaged_give_sentences(void **state)
{
    (void)state;
    const char *path = path_of("damaged");
    for (int exact = 0; exact < 2; exact++) {
        char *bytes;
        size_t size;
        write_small(path, exact);
        read_bytes(path, &bytes, &size);
        assert_int_equal(read_through(path), 0);
        for (size_t cut = 0; cut < size; cut++) {
            write_bytes(path, bytes, cut);
            assert_int_equal(read_through(path), -1);
            assert_says("it is cut off");
        }
        for (size_t i = 0; i < size; i++) {
            bytes[i] ^= 0x41;
            write_bytes(path, bytes, size);
            assert_int_equal(read_through(path), -1);
            assert_says("damaged\"");
            bytes[i] ^= 0x41;
        }
        bytes = realloc(bytes, size + 1);
        bytes[size] = 0;
        write_bytes(path, bytes, size + 1);
        assert_int_equal(read_through(path), -1);
        assert_says("does not end where it should");
        free(bytes);
    }
}

static void a_sum_that_no_float_can_hold_is_an_error(void **state)
{
    (void)state;
    for (int mode = 0; mode < 2; mode++) {
        struct sum *sum = sum_create(&shapes[mode], &error);
        float kept = gradients[0][5000];
        gradients[0][5000] = gradients[1][5000] = 3e38f;
        assert_int_equal(add_shot(sum, 0) + add_shot(sum, 1), 0);
        write_sum(sum, path_of("a"));
        assert_int_equal(read_through(path_of("a")), -1);
        assert_says("\"gradient\" at point 5000 is larger");
        gradients[0][5000] = gradients[1][5000] = kept;
        sum_destroy(sum);
    }
}

/* --- What comes out --- */

/* Partitions over up to three workers, in all sorts of orders; merged in memory, by files, by a
 * tree of files. */
static void exact_sums_are_the_same_bits_however_they_were_made(void **state)
{
    (void)state;
    static const int orders[][SHOTS] = {{0, 1, 2, 3, 4, 5}, {5, 3, 1, 0, 2, 4}};
    struct sum *all = sum_with(&shapes[1], orders[0], SHOTS);
    char name[128];
    const char *whole = name;
    snprintf(name, sizeof(name), "%s/all", folder);
    write_sum(all, whole);
    float *reference = read_array(&whole, 1, "gradient");
    for (int cut = 1; cut < SHOTS - 1; cut++) {
        struct sum *a = sum_with(&shapes[1], orders[1], cut);
        struct sum *b = sum_with(&shapes[1], orders[1] + cut, 1);
        struct sum *c = sum_with(&shapes[1], orders[1] + cut + 1, SHOTS - cut - 1);
        const struct sum *two[] = {c, a};
        assert_int_equal(sum_write(two, 2, path_of("ac"), &error), 0);
        write_sum(b, path_of("b"));
        const char *parts[] = {path_of("b"), path_of("ac")};
        float *direct = read_array(parts, 2, "gradient");
        assert_memory_equal(direct, reference, POINTS * sizeof(float));
        assert_int_equal(sum_merge(parts, 2, path_of("abc"), &error), 0);
        assert_same_files(path_of("abc"), whole);
        free(direct);
        sum_destroy(a);
        sum_destroy(b);
        sum_destroy(c);
    }
    free(reference);
    sum_destroy(all);
}

static void what_is_sent_is_the_file(void **state)
{
    (void)state;
    struct sum *a = sum_with(&shapes[1], (int[]){4, 0}, 2);
    struct sum *b = sum_with(&shapes[1], (int[]){2}, 1);
    const struct sum *two[] = {a, b};
    int fd = open(path_of("sent"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(sum_send(two, 2, fd, &error), 0);
    close(fd);
    assert_int_equal(sum_write(two, 2, path_of("written"), &error), 0);
    assert_same_files(path_of("sent"), path_of("written"));
    fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_int_equal(sum_send(two, 2, fd, &error), -1);
    close(fd);
    sum_destroy(a);
    sum_destroy(b);
}

static volatile sig_atomic_t writes_in_vain;

static void count_write(int number)
{
    (void)number;
    writes_in_vain++;
}

static void what_could_not_be_sent_once_is_not_tried_again(void **state)
{
    (void)state;
    struct sum *sum = sum_with(&shapes[1], (int[]){4, 0}, 2);
    const struct sum *one[] = {sum};
    int ends[2];
    void (*before)(int) = signal(SIGPIPE, count_write);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    assert_int_equal(sum_send(one, 1, ends[1], &error), -1);
    assert_says(strerror(EPIPE));
    assert_int_equal(writes_in_vain, 1);
    close(ends[1]);
    signal(SIGPIPE, before);
    sum_destroy(sum);
}

static void a_file_is_added_to_a_sum_as_shots_are(void **state)
{
    (void)state;
    struct sum *all = sum_with(&shapes[1], (int[]){0, 1, 2, 3, 4, 5}, SHOTS);
    struct sum *some = sum_with(&shapes[1], (int[]){5, 1, 3}, 3);
    struct sum *sum = sum_with(&shapes[1], (int[]){4, 0}, 2);
    bool spoiled;
    write_sum(all, path_of("all"));
    write_sum(some, path_of("some"));
    assert_int_equal(sum_add_file(sum, path_of("some"), &spoiled, &error), 0);
    assert_int_equal(add_shot(sum, 2), 0);
    write_sum(sum, path_of("sum"));
    assert_same_files(path_of("sum"), path_of("all"));
    assert_true(sum_bytes(sum) >= sum_bytes(some));
    sum_destroy(all);
    sum_destroy(some);
    sum_destroy(sum);
}

static void a_file_that_does_not_fit_is_not_added(void **state)
{
    (void)state;
    struct sum *some = sum_with(&shapes[1], (int[]){5, 1}, 2);
    struct sum *sum = sum_with(&shapes[1], (int[]){1, 0}, 2);
    struct sum *other = sum_with(&shapes[0], (int[]){0}, 1);
    char *bytes;
    size_t size;
    bool spoiled;
    write_sum(some, path_of("some"));
    assert_true(sum_meets(sum, sum_get_names(some)));
    assert_false(sum_meets(other, sum_get_names(some)));
    assert_int_equal(sum_add_file(sum, path_of("some"), &spoiled, &error), -1);
    assert_false(spoiled);
    assert_int_equal(sum_names_count(sum_get_names(sum)), 2);
    assert_int_equal(sum_add_file(other, path_of("some"), &spoiled, &error), -1);
    assert_says("another sum");
    assert_false(spoiled);
    sum_destroy(sum);
    sum = sum_with(&shapes[1], (int[]){2, 0}, 2);
    read_bytes(path_of("some"), &bytes, &size);
    write_bytes(path_of("some"), bytes, size - 1);
    assert_int_equal(sum_add_file(sum, path_of("some"), &spoiled, &error), -1);
    assert_says("cut off");
    assert_true(spoiled);
    free(bytes);
    sum_destroy(some);
    sum_destroy(sum);
    sum_destroy(other);
}

/* n 2^-53 sum|x|, of sum.h, and half a unit in the last place of the float. */
static void double_sums_differ_by_no_more_than_stated(void **state)
{
    (void)state;
    struct sum *a = sum_with(&shapes[0], (int[]){4, 0, 2}, 3);
    struct sum *b = sum_with(&shapes[0], (int[]){5, 3, 1}, 3);
    write_sum(a, path_of("a"));
    write_sum(b, path_of("b"));
    const char *paths[] = {path_of("a"), path_of("b")};
    float *values = read_array(paths, 2, "gradient");
    for (int i = 0; i < POINTS; i++) {
        long double sum = 0, size = 0;
        for (int shot = 0; shot < SHOTS; shot++) {
            sum += (long double)gradients[shot][i];
            size += fabsl((long double)gradients[shot][i]);
        }
        assert_true(fabsl((long double)values[i] - sum) <=
                    SHOTS * 0x1p-53L * size + fabsl(sum) * 0x1p-24L);
    }
    free(values);
    sum_destroy(a);
    sum_destroy(b);
}

static void windows_are_added_where_they_lie(void **state)
{
    (void)state;
    static const struct grid_box windows[] = {
        {{0, 0, 0}, {NX, NY, NZ}}, {{6, 8, 300}, {1, 1, 1}}, {{1, 2, 3}, {4, 5, 200}},
        {{2, 0, 0}, {3, NY, NZ}},  {{0, 4, 0}, {NX, 2, NZ}}, {{3, 3, 0}, {1, 1, NZ}}};
    for (int mode = 0; mode < 2; mode++)
        for (size_t i = 0; i < sizeof(windows) / sizeof(*windows); i++) {
            const struct grid_box *box = &windows[i];
            const size_t *n = box->n, size = n[0] * n[1] * n[2];
            const struct shot_ref ref = {0, 1};
            const int file = file_of(gradients[0], size * sizeof(float));
            const int files[] = {file, file};
            const struct sum_part part = {
                .id = {1, 1}, .shots = &ref, .shot_count = 1, .window = box, .files = files};
            struct sum *sum = sum_create(&shapes[mode], &error);
            bool spoiled;
            assert_int_equal(sum_add(sum, &part, &spoiled, &error), 0);
            const char *path = path_of("window");
            write_sum(sum, path);
            float *got = read_array(&path, 1, "illumination");
            float *wanted = calloc(POINTS, sizeof(*wanted));
            const float *next = gradients[0];
            for (size_t x = 0; x < n[0]; x++)
                for (size_t y = 0; y < n[1]; y++)
                    for (size_t z = 0; z < n[2]; z++)
                        wanted[((x + box->first[0]) * NY + y + box->first[1]) * NZ + z +
                               box->first[2]] = *next++;
            assert_memory_equal(got, wanted, POINTS * sizeof(float));
            free(got);
            free(wanted);
            sum_destroy(sum);
            close(file);
        }
}

static void memory_is_taken_where_something_was_added(void **state)
{
    (void)state;
    const struct sum_shape large = {
        .exact = true, .number = 1, .n = {1000, 1000, 1000}, .array_count = 1, .arrays = {"g"}};
    const struct grid_box window = {{500, 500, 0}, {1, 1, 1000}};
    const struct shot_ref ref = {0, 1};
    const int file = file_of(gradients[0], 1000 * sizeof(float));
    const struct sum_part part = {
        .id = {1, 1}, .shots = &ref, .shot_count = 1, .window = &window, .files = &file};
    struct sum *sum = sum_create(&large, &error);
    bool spoiled;
    assert_int_equal(sum_add(sum, &part, &spoiled, &error), 0);
    assert_in_range(sum_bytes(sum), 1, 4 << 20);
    sum_destroy(sum);
    close(file);
}

static void names_come_back_in_the_order_of_tasks(void **state)
{
    (void)state;
    struct sum *sum = sum_with(&shapes[1], (int[]){4, 1, 3}, 3);
    const char *path = path_of("names");
    write_sum(sum, path);
    struct sum_reader *reader = sum_reader_open(&path, 1, &error);
    const struct sum_names *names = sum_reader_names(reader);
    assert_int_equal(sum_names_count(names), 3);
    assert_int_equal(sum_names_shots(names), 3);
    assert_int_equal(sum_names_get(names, 0).id.task, 11);
    assert_int_equal(sum_names_get(names, 2).id.task, 14);
    assert_int_equal(sum_names_get(names, 2).shots[0], 4);
    assert_true(sum_names_have(names, (struct attempt_id){13, 1}));
    assert_false(sum_names_have(names, (struct attempt_id){13, 2}));
    assert_false(sum_names_have(names, (struct attempt_id){12, 1}));
    assert_true(sum_shape_equal(sum_reader_shape(reader), &shapes[1]));
    sum_reader_close(reader);
    sum_destroy(sum);
}

static void a_full_disk_gives_a_sentence(void **state)
{
    (void)state;
    struct sum *sum = sum_with(&shapes[1], (int[]){4}, 1);
    const struct sum *sums = sum;
    assert_int_equal(sum_write(&sums, 1, "/nowhere/at/all", &error), -1);
    assert_says("/nowhere/at/all");
    sum_destroy(sum);
}

static int make_folder(void **state)
{
    (void)state;
    draw_shots();
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return tree_remove(AT_FDCWD, folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_that_are_not_finite_are_refused_by_shot_and_point),
        cmocka_unit_test(files_of_the_wrong_size_are_refused),
        cmocka_unit_test(a_shot_or_task_is_added_once_alone),
        cmocka_unit_test(files_with_a_shot_in_common_are_not_merged),
        cmocka_unit_test(parts_of_different_sums_are_not_merged),
        cmocka_unit_test(files_that_were_cut_off_or_damaged_give_sentences),
        cmocka_unit_test(a_sum_that_no_float_can_hold_is_an_error),
        cmocka_unit_test(a_full_disk_gives_a_sentence),
        cmocka_unit_test(what_is_sent_is_the_file),
        cmocka_unit_test(what_could_not_be_sent_once_is_not_tried_again),
        cmocka_unit_test(a_file_is_added_to_a_sum_as_shots_are),
        cmocka_unit_test(a_file_that_does_not_fit_is_not_added),
        cmocka_unit_test(exact_sums_are_the_same_bits_however_they_were_made),
        cmocka_unit_test(double_sums_differ_by_no_more_than_stated),
        cmocka_unit_test(windows_are_added_where_they_lie),
        cmocka_unit_test(memory_is_taken_where_something_was_added),
        cmocka_unit_test(names_come_back_in_the_order_of_tasks),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
