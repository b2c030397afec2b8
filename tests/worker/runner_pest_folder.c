/* What becomes of a slot's model folder from run to run: what is laid anew, mended, shared, large,
 * or on a disk that is full; and runs that are cancelled. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <dirent.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/worker/adder.h"

/* --- From run to run --- */

static void a_run_does_not_see_the_outputs_of_the_one_before(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES,
        MODEL("test -e out.dat && exit 5; test -e once && exit 0; touch once; " ADD),
        {"out.dat", "8\n8\n", 0644, true, false},
        {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(adder_run(1, 1, 2), 1, 2);
    assert_said(adder_run(2, 1, 2), RESULT_NO_VALUE, "no file \"out.dat\"");
}

static void inputs_are_written_anew_whatever_became_of_them(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, MODEL(ADD "; rm in.dat; ln -s in.tpl in.dat"), {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(adder_run(1, 1, 2), 1, 2);
    assert_values(adder_run(2, 3, 4), 3, 4);
}

#define COUNTING "echo x >> log; grep -c x log > out.dat; grep -c x log >> out.dat"

static void what_a_model_leaves_its_next_run_finds(void **state)
{
    (void)state;
    static const struct rig_file files[] = {CASE_FILES, MODEL(COUNTING), {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(adder_run(1, 1, 2), 1, 1);
    assert_values(adder_run(2, 1, 2), 2, 2);
}

static void a_fresh_folder_is_laid_for_every_run_if_wanted(void **state)
{
    (void)state;
    static const struct rig_file files[] = {CASE_FILES, MODEL(COUNTING), {0}};
    rig_open(&rig, CASE("\"model\"", ",\"fresh\":true"), files);
    assert_values(adder_run(1, 1, 2), 1, 1);
    assert_values(adder_run(2, 1, 2), 1, 1);
}

static void after_a_run_that_was_killed_the_folder_is_laid_anew(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, MODEL(COUNTING "; read a < in.dat; case $a in 9*) kill -9 $$;; esac"), {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(adder_run(1, 1, 2), 1, 1);
    assert_int_equal(adder_run(2, 9, 2)->result.status, RESULT_SIGNAL);
    assert_values(adder_run(3, 1, 2), 1, 1);
}

static void a_model_that_removes_its_folders_is_given_new_ones(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES, MODEL("sort -g in/in.dat > out.dat; rm -r in"), {0}};
    rig_open(&rig,
             "{\"runner\":\"pest\",\"params\":[\"a\",\"b\"],\"results\":[\"sum\",\"first\"],"
             "\"work\":{\"commands\":[\"model\"],"
             "\"inputs\":[{\"template\":\"in.tpl\",\"file\":\"in/in.dat\"}],"
             "\"outputs\":[{\"instructions\":\"out.ins\",\"file\":\"out.dat\"}]}}",
             files);
    assert_values(adder_run(1, 1, 2), 1, 2);
    assert_values(adder_run(2, 3, 4), 3, 4);
    assert_int_equal(rig.trouble.code, 0);
}

/* --- Files that slots share --- */

/* A file so large that it is a link. */
static const char *large_text(void)
{
    static char text[(1 << 20) + 100];
    memset(text, 'a', sizeof(text) - 2);
    text[sizeof(text) - 2] = '\n';
    return text;
}

/* Writes the first character of big.dat as a number (a is 1), then changes it if parameter a is 9,
 * and waits for a file if b is 9. */
#define SPOILER                                                                                \
    "{ read a; read b; } < in.dat; "                                                           \
    "x=$(head -c 1 big.dat | tr ab 12); "                                                      \
    "case $a in 9*) chmod u+w big.dat; printf b | dd of=big.dat conv=notrunc 2>/dev/null;; "   \
    "esac; "                                                                                   \
    "case $b in 9*) touch waits; while ! test -e go; do sleep 0.01; done;; esac; "             \
    "echo $x > out.dat; echo $x >> out.dat"

static bool waits(void *context)
{
    (void)context;
    return adder_has("work/slot-3/model/waits");
}

static void a_link_that_was_written_into_is_mended_and_copied(void **state)
{
    (void)state;
    struct rig_file files[] = {
        CASE_FILES, MODEL(SPOILER), {"big.dat", large_text(), 0644, true, false}, {0}};
    struct stat stat_buffer;
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(adder_run(1, 1, 1), 1, 1);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    if (stat_buffer.st_nlink == 1) {
        print_message("the file system has reflinks: there are no links to write into\n");
        skip();
    }
    /* It is run again with a file of its own, and that now stays as the model left it. */
    assert_values(adder_run(2, 9, 1), 1, 1);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_nlink, 1);
    assert_values(adder_run(3, 1, 1), 2, 2);
    /* Another slot gets what the farm's file is. */
    struct runner *first = rig.runner, *other = rig_open_slot(&rig, 4);
    rig.runner = other;
    assert_values(adder_run(4, 1, 1), 1, 1);
    rig.runner = first;
    rig.ops->close(other);
}

static void a_run_that_another_slots_model_harmed_is_run_again(void **state)
{
    (void)state;
    struct rig_file files[] = {
        CASE_FILES, MODEL(SPOILER), {"big.dat", large_text(), 0644, true, false}, {0}};
    const double waiting[] = {1, 9};
    struct stat stat_buffer;
    rig_open(&rig, CASE("\"model\"", ""), files);
    struct runner *first = rig.runner, *other = rig_open_slot(&rig, 4);
    rig_start_reals(&rig, 1, waiting, 2);
    rig_wait_until(&rig, waits, NULL);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    bool links = stat_buffer.st_nlink > 1; /* no: the file system has reflinks */
    rig.runner = other;
    assert_values(adder_run(2, 9, 1), 1, 1);
    rig.runner = first;
    /* Slot 3 has not read what was written; but that cannot be known. */
    unlink(rig_path(&rig, "work/slot-3/model/waits"));
    adder_write("work/slot-3/model/go", "");
    rig_wait(&rig, 2);
    assert_values(rig_result(&rig, 1), 1, 1);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_nlink, 1);
    if (links)
        assert_true(waits(NULL)); /* the second run was there */
    assert_values(adder_run(3, 1, 1), 1, 1);
    rig.ops->close(other);
}

static void a_link_that_was_only_touched_does_no_harm(void **state)
{
    (void)state;
    struct rig_file files[] = {CASE_FILES,
                               MODEL("touch big.dat; echo x >> runs; " ADD),
                               {"big.dat", large_text(), 0644, true, false},
                               {0}};
    struct stat stat_buffer;
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(adder_run(1, 1, 2), 1, 2);
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/runs"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_size, 2); /* one run */
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/big.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_nlink, 1);
}

static void small_files_and_those_declared_are_the_slots_own(void **state)
{
    (void)state;
    struct rig_file files[] = {CASE_FILES,
                               MODEL("echo b >> small.dat; echo b >> big.dat; " ADD),
                               {"big.dat", large_text(), 0644, true, true},
                               {"small.dat", "a\n", 0444, true, false},
                               {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    struct runner *first = rig.runner, *other = rig_open_slot(&rig, 4);
    assert_values(adder_run(1, 1, 2), 1, 2);
    assert_values(adder_run(2, 1, 2), 1, 2);
    rig.runner = other;
    assert_values(adder_run(3, 1, 2), 1, 2);
    rig.runner = first;
    struct stat stat_buffer;
    assert_int_equal(stat(rig_path(&rig, "work/slot-3/model/small.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_size, 6);
    assert_int_equal(stat(rig_path(&rig, "work/slot-4/model/small.dat"), &stat_buffer), 0);
    assert_int_equal(stat_buffer.st_size, 4);
    rig.ops->close(other);
}

/* --- Cancelling, large files, full disks --- */

static void a_cancelled_run_ends_with_all_it_started(void **state)
{
    (void)state;
    struct rig_file files[] = {
        CASE_FILES,
        MODEL("read a < in.dat; case $a in 9*) touch waits; $SLEEP;; esac; " COUNTING),
        {0}};
    files[2].content = adder_with_sleep(files[2].content);
    const double params[] = {9, 9};
    rig_open(&rig, CASE("\"model\"", ""), files);
    rig_start_reals(&rig, 5, params, 2);
    rig_wait_until(&rig, waits, NULL);
    rig.ops->cancel(rig.runner, (struct attempt_id){6, 1}, RUNNER_CANCEL_NOW); /* not ours */
    rig.ops->cancel(rig.runner, (struct attempt_id){5, 1}, RUNNER_CANCEL_NOW);
    rig_wait(&rig, 1);
    assert_said(rig_result(&rig, 5), RESULT_SIGNAL, "cancelled");
    assert_int_equal(rig_count_processes(adder_sleep), 0);
    assert_values(adder_run(6, 1, 1), 1, 1);
}

static void tasks_may_be_cancelled_while_the_folder_is_laid(void **state)
{
    (void)state;
    const double params[] = {1, 2};
    rig_open(&rig, CASE("\"model\"", ""), adder_files);
    for (uint64_t task = 1; task <= 3; task++) {
        rig_start_reals(&rig, task, params, 2);
        rig.ops->cancel(rig.runner, (struct attempt_id){task, 1}, RUNNER_CANCEL_GENTLY);
        rig_wait(&rig, task);
        assert_said(rig_result(&rig, task), RESULT_SIGNAL, "cancelled");
    }
    assert_values(adder_run(4, 1, 2), 1, 2);
    rig_start_reals(&rig, 5, params, 2);
    rig_close(&rig); /* in the middle */
    rig.loop = NULL;
}

/* So many lines that reading them takes a tenth of a second, then the observations. */
#define LARGE_OUTPUT                                                                           \
    "head -c 16000000 /dev/zero | tr '\\0' '\\n' > out.dat; cat in.dat >> out.dat"

static const struct rig_file large[] = {
    {"in.tpl", TEMPLATE, 0644, true, false},
    {"out.ins", "pif @\nl16000001 !first!\nl1 !sum!\n", 0644, true, false},
    MODEL(LARGE_OUTPUT "; touch done"),
    {0}};

static int count_threads(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* The model is through, and a thread more than before reads what it wrote. */
static bool is_being_read(void *context)
{
    return adder_has("work/slot-3/model/done") && count_threads() > *(int *)context;
}

static void start_reading(void)
{
    const double params[] = {1, 2};
    rig_open(&rig, CASE("\"model\"", ""), large);
    int threads = count_threads();
    rig_start_reals(&rig, 1, params, 2);
    rig_wait_until(&rig, is_being_read, &threads);
    assert_int_equal(rig.count, 0);
}

static void a_large_output_file_is_read_beside_the_loop(void **state)
{
    (void)state;
    start_reading();
    rig_wait(&rig, 1);
    assert_values(rig_result(&rig, 1), 1, 2);
}

static void reading_can_be_cancelled(void **state)
{
    (void)state;
    start_reading();
    rig.ops->cancel(rig.runner, (struct attempt_id){1, 1}, RUNNER_CANCEL_NOW);
    assert_int_equal(rig.count, 1); /* though it is read to its end, for nobody */
    assert_said(rig_result(&rig, 1), RESULT_SIGNAL, "cancelled");
    assert_values(adder_run(2, 3, 4), 3, 4);
}

static void large_inputs_are_written_beside_the_loop(void **state)
{
    (void)state;
    static char template[(1 << 20) + 1000];
    int head = snprintf(template, sizeof(template), "%s", TEMPLATE);
    memset(template + head, 'x', sizeof(template) - (size_t)head - 1);
    struct rig_file files[] = {{"in.tpl", template, 0644, true, false},
                               {"out.ins", INSTRUCTIONS, 0644, true, false},
                               MODEL("test $(wc -c < in.dat) -gt 1000000 || exit 1; " ADD),
                               {0}};
    const double params[] = {5, 6};
    rig_open(&rig, CASE("\"model\"", ""), files);
    assert_values(adder_run(1, 1, 2), 1, 2);
    /* The folder is laid, so the first that a task does is to write. */
    rig_start_reals(&rig, 2, params, 2);
    assert_int_equal(rig.count, 1);
    rig.ops->cancel(rig.runner, (struct attempt_id){2, 1}, RUNNER_CANCEL_NOW);
    assert_int_equal(rig.count, 2);
    assert_values(adder_run(3, 3, 4), 3, 4);
}

/* A disk of its own for slot 3. */
static void mount_small(const char *size)
{
    if (mount("none", rig_path(&rig, "work/slot-3"), "tmpfs", 0, size) < 0) {
        print_message("needs the right to mount\n");
        skip();
    }
}

static int unmount_and_close(void **state)
{
    if (rig.loop)
        umount2(rig_path(&rig, "work/slot-3"), MNT_DETACH);
    return adder_close(state);
}

static void a_model_that_fills_its_disk_fails_its_run_alone(void **state)
{
    (void)state;
    static const struct rig_file files[] = {
        CASE_FILES,
        MODEL("read a < in.dat; case $a in 9*) head -c 9000000 /dev/zero > junk || exit 1;; "
              "esac; " ADD),
        {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    mount_small("size=2M");
    assert_values(adder_run(1, 1, 2), 1, 2);
    assert_said(adder_run(2, 9, 2), RESULT_EXIT, "disk of the node is full");
    assert_values(adder_run(3, 3, 4), 3, 4);
    assert_int_equal(rig.trouble.code, 0);
}

static void a_disk_that_holds_no_model_is_the_workers_trouble(void **state)
{
    (void)state;
    struct rig_file files[] = {
        CASE_FILES, MODEL(ADD), {"big.dat", large_text(), 0644, true, false}, {0}};
    rig_open(&rig, CASE("\"model\"", ""), files);
    mount_small("size=512k");
    assert_int_equal(adder_run(1, 1, 2)->result.status, RESULT_NO_START);
    assert_int_equal(rig.trouble.code, ERROR_SYSTEM);
    assert_non_null(strstr(rig.trouble.text, "big.dat"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, adder_close)
    const struct CMUnitTest tests[] = {
        TEST(a_run_does_not_see_the_outputs_of_the_one_before),
        TEST(inputs_are_written_anew_whatever_became_of_them),
        TEST(what_a_model_leaves_its_next_run_finds),
        TEST(a_fresh_folder_is_laid_for_every_run_if_wanted),
        TEST(after_a_run_that_was_killed_the_folder_is_laid_anew),
        TEST(a_model_that_removes_its_folders_is_given_new_ones),
        TEST(a_link_that_was_written_into_is_mended_and_copied),
        TEST(a_run_that_another_slots_model_harmed_is_run_again),
        TEST(a_link_that_was_only_touched_does_no_harm),
        TEST(small_files_and_those_declared_are_the_slots_own),
        TEST(a_cancelled_run_ends_with_all_it_started),
        TEST(tasks_may_be_cancelled_while_the_folder_is_laid),
        TEST(a_large_output_file_is_read_beside_the_loop),
        TEST(reading_can_be_cancelled),
        TEST(large_inputs_are_written_beside_the_loop),
        cmocka_unit_test_teardown(a_model_that_fills_its_disk_fails_its_run_alone,
                                  unmount_and_close),
        cmocka_unit_test_teardown(a_disk_that_holds_no_model_is_the_workers_trouble,
                                  unmount_and_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
