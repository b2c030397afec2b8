#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/worker/machines.h"

static void shares_a_node_with_other_workers(void **state)
{
    (void)state;
    static const struct {
        const char *machine, *share, *expected;
    } shares[] = {
        {TWO_SOCKETS, "1/2", "0;1;2;3;4;5;6;7"},
        {TWO_SOCKETS, "2/2", "8;9;10;11;12;13;14;15"},
        {"core:3 pu:2", "2/2", "2-3;4-5"},
        {"core:2 pu:1", "3/4", "0"}, /* more workers than cores */
        {"gpus-nvidia.xml", "1/2", "0;1;2;3 |0;;;"},
        {"gpus-nvidia.xml", "2/2", "4;5;6;7 |0;1;;"}, /* indices into its own two */
    };
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        struct topology_source source = machine(shares[i].machine);
        source.share = shares[i].share;
        assert_string_equal(describe(plan_from(&source, request(0, 0))), shares[i].expected);
    }
    struct topology_source source = machine("gpus-nvidia.xml");
    source.share = "2/4";
    const struct topology_plan *made = plan_from(&source, request(0, 0));
    assert_string_equal(made->slots[0].cpus, "2");
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), ""); /* the others' */
    source.share = "4/4";
    made = plan_from(&source, request(0, 0));
    assert_string_equal(variable(made, 0, "CUDA_VISIBLE_DEVICES"), "2");
}

static void refuses_what_is_no_share(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",   "1",  "0/2",  "3/2", "-1/2",
                                        "1/", "/2", "1/2x", "a/b", "1/99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error error = {0};
        struct topology_source source = machine(TWO_SOCKETS);
        source.share = wrong[i];
        assert_null(topology_open(&source, &error));
        assert_int_equal(error.code, ERROR_USAGE);
        assert_non_null(strstr(error.text, "BEOFARM_SHARE"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_plan(shares_a_node_with_other_workers),
        cmocka_unit_test(refuses_what_is_no_share),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
