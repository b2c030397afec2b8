/*
 * What is put into a vault comes out again, wherever the border of its memory is.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/seismic/vault.h"

enum { ITEMS = 7, VALUES = 150 };

static wave_real in[ITEMS * VALUES], out[ITEMS * VALUES];

static int setup(void **state)
{
    (void)state;
    for (int i = 0; i < ITEMS * VALUES; i++)
        in[i] = (wave_real)(sin(0.1 * i) * pow(10, (double)i / 100 - 5));
    return 0;
}

static void round_trip(size_t held, bool pack, double tolerance)
{
    const struct vault_options options = {.count = ITEMS,
                                          .values = VALUES,
                                          .memory_bytes = held * vault_item_bytes(VALUES, pack),
                                          .dir = "/tmp",
                                          .pack = pack,
                                          .threads = 2};
    struct vault vault;
    struct error error;
    assert_int_equal(vault_open(&vault, &options, &error), 0);
    assert_int_equal(vault_put(&vault, 0, 3, in, &error), 0);
    assert_int_equal(vault_put(&vault, 3, ITEMS - 3, in + 3 * VALUES, &error), 0);
    for (size_t item = ITEMS; item-- > 0;)
        assert_int_equal(vault_get(&vault, item, 1, out + item * VALUES, &error), 0);
    for (int item = 0; item < ITEMS; item++)
        for (int i = 0; i < VALUES; i++) {
            double most = 0; /* of its block of 64 */
            for (int j = i / 64 * 64; j < VALUES && j < (i / 64 + 1) * 64; j++)
                most = fmax(most, fabs((double)in[item * VALUES + j]));
            double apart = (double)out[item * VALUES + i] - (double)in[item * VALUES + i];
            assert_true(fabs(apart) <= tolerance * most);
        }
    vault_close(&vault);
}

static void values_come_back_as_they_were(void **state)
{
    (void)state;
    for (size_t held = 0; held <= ITEMS; held++)
        round_trip(held, false, 0);
}

static void packed_values_are_off_by_a_65536th_of_their_block(void **state)
{
    (void)state;
    for (size_t held = 0; held <= ITEMS; held += 3)
        round_trip(held, true, 1.0 / 65534 + 1e-7); /* half a step of 1/32767, and rounding */
}

static void zeros_and_tiny_values_pack(void **state)
{
    (void)state;
    const struct vault_options options = {
        .count = 1, .values = 70, .memory_bytes = 1 << 20, .pack = true, .threads = 1};
    struct vault vault;
    wave_real values[70] = {0}, back[70];
    values[69] = (wave_real)1e-42;
    assert_int_equal(vault_open(&vault, &options, NULL), 0);
    vault_put(&vault, 0, 1, values, NULL);
    vault_get(&vault, 0, 1, back, NULL);
    for (int i = 0; i < 70; i++)
        assert_true(fabs((double)back[i]) < 1e-41);
    vault_close(&vault);
}

static void without_a_disk_or_a_folder_there_is_a_sentence(void **state)
{
    (void)state;
    struct vault_options options = {.count = ITEMS, .values = VALUES, .threads = 1};
    struct vault vault;
    struct error error;
    assert_int_equal(vault_open(&vault, &options, &error), -1);
    assert_non_null(strstr(error.text, "spill"));
    options.dir = "/no/such/folder";
    assert_int_equal(vault_open(&vault, &options, &error), -1);
    assert_non_null(strstr(error.text, "/no/such/folder"));
    vault_close(&vault);
}

static void what_lies_in_memory_is_used_in_place(void **state)
{
    (void)state;
    const struct vault_options options = {.count = ITEMS,
                                          .values = VALUES,
                                          .memory_bytes = 4 * VALUES * sizeof(wave_real),
                                          .dir = "/tmp",
                                          .threads = 1};
    struct vault vault;
    assert_int_equal(vault_open(&vault, &options, NULL), 0);
    assert_non_null(vault_place(&vault, 1, 3));
    assert_null(vault_place(&vault, 1, 4));
    memcpy(vault_place(&vault, 0, 4), in, 4 * VALUES * sizeof(wave_real));
    vault_get(&vault, 3, 1, out, NULL);
    assert_memory_equal(out, in + 3 * VALUES, VALUES * sizeof(wave_real));
    vault_close(&vault);
}

/* Bytes of this process that the system may take when it needs them. */
static long reclaimable(void)
{
    char line[256];
    long kilobytes = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof(line), file))
        sscanf(line, "LazyFree: %ld", &kilobytes);
    if (file)
        fclose(file);
    return kilobytes;
}

/* Programs of slots that wait keep theirs, while shots of other slots need it. Of many pages, as a
 * processor tells of a few dozen small ones when it has some more to tell. */
static void what_is_kept_for_the_next_vault_the_system_may_take(void **state)
{
    (void)state;
    enum { MANY = 1 << 20 };
    const struct vault_options options = {
        .count = 1, .values = MANY, .memory_bytes = MANY * sizeof(wave_real), .threads = 1};
    wave_real *values = calloc(MANY, sizeof *values);
    struct vault vault;
    struct error error;
    assert_non_null(values);
    vault_forget();
    long before = reclaimable();
    if (before < 0) {
        free(values);
        print_message("# this kernel does not tell it\n");
        skip();
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(vault_open(&vault, &options, &error), 0);
        values[i] = 1;
        assert_int_equal(vault_put(&vault, 0, 1, values, &error), 0);
        assert_int_equal(reclaimable(), before); /* what is in use is not */
        vault_close(&vault);
        assert_true(reclaimable() > before);
    }
    vault_forget();
    free(values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_a_disk_or_a_folder_there_is_a_sentence),
        cmocka_unit_test(values_come_back_as_they_were),
        cmocka_unit_test(packed_values_are_off_by_a_65536th_of_their_block),
        cmocka_unit_test(zeros_and_tiny_values_pack),
        cmocka_unit_test(what_lies_in_memory_is_used_in_place),
        cmocka_unit_test(what_is_kept_for_the_next_vault_the_system_may_take),
    };
    return cmocka_run_group_tests(tests, setup, NULL);
}
