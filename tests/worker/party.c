#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "worker/party.h"
#include "worker/party_network.h"

static struct error error;

static void text_read(const struct party *party, const char *name, char *text, size_t size)
{
    char path[200];
    snprintf(path, sizeof path, "%s/%s", party->folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

static void lists_that_do_not_name_as_many_nodes_are_refused(void **state)
{
    (void)state;
    static const char *const lists[] = {"10.0.0.4", "10.0.0.4,10.0.0.5,10.0.0.6", "10.0.0.4,,",
                                        ",", "10.0.0.4,"};
    const struct party_request request = {.nodes = 2, .cores = 1};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct slot slot = {0};
        struct party party;
        assert_int_equal(party_open(&party, &request, lists[i], &slot, &error), -1);
        assert_int_equal(error.code, ERROR_CONFIG);
        assert_non_null(strstr(error.text, "AZ_BATCH_HOST_LIST"));
        party_close(&party);
        slot_fini(&slot);
    }
}

static void ranks_are_spread_evenly(void **state)
{
    (void)state;
    for (size_t nodes = 1; nodes < 9; nodes++)
        for (size_t ranks = nodes; ranks < 40; ranks++) {
            size_t sum = 0;
            for (size_t i = 0; i < nodes; i++) {
                size_t here = party_ranks(ranks, nodes, i);
                assert_in_range(here, ranks / nodes, (ranks + nodes - 1) / nodes);
                sum += here;
            }
            assert_int_equal(sum, ranks);
        }
}

static void machines_of_their_own_are_listed_with_their_ranks_and_a_way_to_them(void **state)
{
    (void)state;
    const struct party_request request = {.nodes = 3, .ranks = 8, .cores = 4};
    struct slot slot = {0};
    struct party party;
    struct stat stat_now;
    char text[5000], folder[64];
    if (party_open(&party, &request, "10.0.0.4,10.0.0.5,10.0.0.6", &slot, &error) != 0)
        fail_msg("%s", error.text);
    assert_true(party.apart);
    text_read(&party, "hosts", text, sizeof text);
    assert_string_equal(text, "10.0.0.4 slots=3\n10.0.0.5 slots=3\n10.0.0.6 slots=2\n");
    text_read(&party, "rsh", text, sizeof text);
    assert_non_null(strstr(text, "--remote"));
    assert_int_equal(stat(party.folder, &stat_now), 0);
    assert_int_equal(stat_now.st_mode & 0777, 0700); /* nobody else may ask the worker */
    assert_string_equal(slot_getenv(&slot, "AZ_BATCH_HOST_LIST"), "10.0.0.4,10.0.0.5,10.0.0.6");
    assert_string_equal(slot_getenv(&slot, "BEOFARM_NODES"), "3");
    assert_string_equal(slot_getenv(&slot, "BEOFARM_RANKS"), "8");
    assert_string_equal(slot_getenv(&slot, "OMP_NUM_THREADS"), "1"); /* 12 cores, 8 ranks */
    assert_non_null(slot_getenv(&slot, "OMPI_MCA_plm_rsh_agent"));
    assert_null(slot_getenv(&slot, "OMPI_MCA_rmaps_base_oversubscribe"));
    memcpy(folder, party.folder, sizeof folder);
    party_close(&party);
    assert_int_equal(access(folder, F_OK), -1);
    slot_fini(&slot);
}

static void nodes_of_one_machine_are_localhost_and_need_no_way(void **state)
{
    (void)state;
    const struct party_request request = {.nodes = 3, .cores = 2};
    struct slot slot = {0};
    struct party party;
    char text[5000];
    if (party_open(&party, &request, NULL, &slot, &error) != 0)
        fail_msg("%s", error.text);
    assert_false(party.apart);
    text_read(&party, "hosts", text, sizeof text);
    assert_string_equal(text, "localhost slots=3\n"); /* a rank for each node at least */
    assert_string_equal(slot_getenv(&slot, "AZ_BATCH_HOST_LIST"),
                        "localhost,localhost,localhost");
    assert_null(slot_getenv(&slot, "OMPI_MCA_plm_rsh_agent"));
    assert_string_equal(slot_getenv(&slot, "OMPI_MCA_rmaps_base_oversubscribe"), "1");
    assert_string_equal(slot_getenv(&slot, "OMPI_MCA_mpi_yield_when_idle"), "1");
    party_close(&party);
    slot_fini(&slot);
}

static void the_network_is_that_of_the_nodes_own_address(void **state)
{
    (void)state;
    char network[PARTY_NETWORK_MAX];
    assert_true(party_network_find("127.0.0.1", network));
    assert_string_equal(network, "127.0.0.1/8");
    assert_false(party_network_find("192.0.2.77", network)); /* nobody's, by RFC 5737 */
    assert_false(party_network_find("localhost", network));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_that_do_not_name_as_many_nodes_are_refused),
        cmocka_unit_test(ranks_are_spread_evenly),
        cmocka_unit_test(machines_of_their_own_are_listed_with_their_ranks_and_a_way_to_them),
        cmocka_unit_test(nodes_of_one_machine_are_localhost_and_need_no_way),
        cmocka_unit_test(the_network_is_that_of_the_nodes_own_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
