#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "master/pest/ensemble.h"
#include "tests/scratch.h"

static const char *const names[] = {"k", "s", "f"};

static void refuse(const char *file, const double *fallback, const char *says)
{
    struct error error = {0};
    struct ensemble ensemble;

    int result = ensemble_load(file, names, 3, fallback, 0, &ensemble, &error);
    if (result == 0 || !strstr(error.text, says))
        print_message("# \"%s\" should say \"%s\"\n", error.text, says);
    assert_int_equal(-1, result);
    assert_non_null(strstr(error.text, says));
}

static void bad_ensembles_are_refused(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "is empty"},
        {"real_name\n0\n", "has no columns"},
        {"real_name,k,s,f\n", "has no realisations"},
        {"real_name,k,s\n0,1,2\n", "lacks 1 of the 3 columns that are needed: \"f\""},
        {"real_name,x\n0,1\n", "\"k\", \"s\", \"f\""},
        {"real_name,k,s,f,K\n0,1,2,3,4\n", "two columns are named \"k\""},
        {"real_name,k,s,f\n0,1,2\n", "e.csv:2"},
        {"real_name,k,s,f\n0,1,x,3\n", "realisation \"0\", column 2 (from 1): \"x\""},
        {"real_name,k,s,f\n0,1,nan,3\n", "is NaN"},
        {"real_name,k,s,f\n0,1,,3\n", "is blank"},
        {"real_name,k,s,f\n,1,2,3\n", "the name of realisation 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        scratch_text("e.csv", cases[i].text);
        refuse("e.csv", NULL, cases[i].says);
    }
    refuse("nowhere.csv", NULL, "nowhere.csv");
}

static void bad_dense_ensembles_are_refused(void **state)
{
    struct ensemble one = {1, 3, (double[]){1, 2, 3}, (char *[]){"base"}};
    struct error error = {0};
    size_t size;

    (void)state;
    assert_int_equal(0, ensemble_save(&one, names, "e.bin", ENSEMBLE_DENSE, &error));
    char *bytes = scratch_read("e.bin", &size);
    for (size_t cut = 1; cut < size; cut++) { /* no prefix is taken for an ensemble */
        struct ensemble ensemble;

        scratch_write("cut.bin", bytes, cut);
        assert_int_equal(-1, ensemble_load("cut.bin", names, 3, NULL, 0, &ensemble, &error));
    }
    memset(bytes + 12, 0x7f, 4); /* the length of a name */
    scratch_write("cut.bin", bytes, size);
    refuse("cut.bin", NULL, "ends in the middle");
    free(bytes);
}

static void columns_are_put_in_order_and_filled(void **state)
{
    double fallback[3] = {NAN, 7, NAN}, values[3];
    struct error error = {0};

    (void)state;
    /* As pandas writes it: no name above the realisations'. */
    scratch_text("e.csv", ",F,other,K\nbase,3,9,1\n\"1, two\",3.5D0,9,1.5\n");
    struct ensemble_reader *reader = ensemble_open("e.csv", names, 3, fallback, &error);
    assert_non_null(reader);
    assert_int_equal(2, ensemble_realisations(reader));
    assert_int_equal(1, ensemble_missing(reader));
    assert_int_equal(1, ensemble_unused(reader));
    assert_string_equal("1, two", ensemble_name(reader, 1));
    assert_int_equal(1, ensemble_find(reader, "1, two"));
    assert_int_equal(-1, ensemble_find(reader, "BASE"));
    assert_int_equal(0, ensemble_read(reader, 1, values, &error));
    assert_true(values[0] == 1.5 && values[1] == 7 && values[2] == 3.5);
    assert_int_equal(0, ensemble_read(reader, 0, values, &error));
    assert_true(values[0] == 1 && values[1] == 7 && values[2] == 3);
    ensemble_close(reader);
    fallback[1] = NAN;
    refuse("e.csv", fallback, "\"s\"");
}

static void what_is_written_is_read_the_same(void **state)
{
    static const struct {
        const char *path;
        enum ensemble_format format;
    } files[] = {
        {"e.csv", ENSEMBLE_CSV}, {"e.bin", ENSEMBLE_DENSE}, {"e.jcb", ENSEMBLE_BINARY}};
    double values[] = {1, 1e-300, -1.0 / 3, 0, 5e17, 6.25};
    char *realisations[] = {"base", "17"};
    struct ensemble written = {2, 3, values, realisations}, read;
    struct error error = {0};

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(files[i].format, ensemble_format_of(files[i].path));
        assert_int_equal(
            0, ensemble_save(&written, names, files[i].path, files[i].format, &error));
        assert_int_equal(0, ensemble_load(files[i].path, names, 3, NULL, 0, &read, &error));
        assert_int_equal(2, read.realisations);
        assert_memory_equal(values, read.values, sizeof values);
        assert_string_equal("17", read.names[1]);
        ensemble_fini(&read);
        assert_int_equal(0, ensemble_load(files[i].path, names, 3, NULL, 1, &read, &error));
        assert_int_equal(1, read.realisations);
        ensemble_fini(&read);
    }
}

static void an_abandoned_file_leaves_the_old_one(void **state)
{
    struct error error = {0};
    double values[3] = {1, 2, 3};

    (void)state;
    scratch_text("keep.csv", "old");
    struct ensemble_writer *writer =
        ensemble_create("keep.csv", ENSEMBLE_CSV, names, 3, &error);
    assert_non_null(writer);
    assert_int_equal(0, ensemble_write(writer, "0", values, &error));
    ensemble_abandon(writer);
    char *text = scratch_read("keep.csv", NULL);
    assert_string_equal("old", text);
    free(text);
    assert_null(ensemble_create("nowhere/e.csv", ENSEMBLE_CSV, names, 3, &error));
    assert_non_null(strstr(error.text, "nowhere"));
}

static void a_file_cut_while_open_is_said(void **state)
{
    struct error error = {0};
    double values[3];

    (void)state;
    scratch_text("e.csv", "real_name,k,s,f\n0,1,2,3\n1,1,2,3\n");
    struct ensemble_reader *reader = ensemble_open("e.csv", names, 3, NULL, &error);
    assert_non_null(reader);
    assert_int_equal(0, truncate("e.csv", 20));
    assert_int_equal(-1, ensemble_read(reader, 1, values, &error));
    assert_int_equal(ERROR_CHANGED, error.code);
    ensemble_close(reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_ensembles_are_refused),
        cmocka_unit_test(bad_dense_ensembles_are_refused),
        cmocka_unit_test(columns_are_put_in_order_and_filled),
        cmocka_unit_test(what_is_written_is_read_the_same),
        cmocka_unit_test(an_abandoned_file_leaves_the_old_one),
        cmocka_unit_test(a_file_cut_while_open_is_said),
    };

    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
