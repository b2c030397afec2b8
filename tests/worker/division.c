/*
 * What must hold of every division, whatever the machine and the numbers. (Single cases with their
 * exact slots are in topology.c.)
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "worker/division.h"

static const char *const machines[] = {
    "core:1 pu:1",
    "core:7 pu:2",
    "pack:2 l3:1 core:8 pu:2",
    "pack:2 [numa] l3:3 core:4 pu:1",
    "numa:4 l3:2 core:3 pu:1",
    "pack:1 [numa] [numa] l3:2 core:5 pu:4",
};

#define MACHINES (sizeof machines / sizeof *machines)

static void places_open(const char *machine, bool smt, hwloc_topology_t *ret_topology,
                        struct place_list *ret_places)
{
    assert_int_equal(hwloc_topology_init(ret_topology), 0);
    assert_int_equal(hwloc_topology_set_synthetic(*ret_topology, machine), 0);
    assert_int_equal(hwloc_topology_load(*ret_topology), 0);
    assert_int_equal(place_list_make(ret_places, *ret_topology, smt), 0);
}

static void places_close(hwloc_topology_t topology, struct place_list *places)
{
    place_list_fini(places);
    hwloc_topology_destroy(topology);
}

/* How many slots cross a boundary at `level`. */
static size_t crossing(const struct division *division, const struct place_list *places,
                       enum level level)
{
    size_t count = 0;
    for (size_t slot = 0; slot < division->slot_count; slot++) {
        const size_t *row = &division->places[slot * division->threads];
        unsigned domain = places->items[row[0]].domain[level];
        bool crosses = false;
        for (size_t i = 1; i < division->threads; i++)
            crosses = crosses || places->items[row[i]].domain[level] != domain;
        count += crosses;
    }
    return count;
}

/* The size of the largest domain of a level. */
static size_t largest(const struct place_list *places, enum level level)
{
    size_t best = 0;
    for (size_t i = 0; i < places->count; i++) {
        size_t size = 0;
        for (size_t k = 0; k < places->count; k++)
            size += places->items[k].domain[level] == places->items[i].domain[level];
        best = size > best ? size : best;
    }
    return best;
}

/* The most and the fewest slots that have one place. */
static void uses_count(const struct division *division, const struct place_list *places,
                       size_t *ret_most, size_t *ret_fewest)
{
    *ret_most = 0;
    *ret_fewest = SIZE_MAX;
    for (size_t place = 0; place < places->count; place++) {
        size_t uses = 0;
        for (size_t i = 0; i < division->slot_count * division->threads; i++)
            uses += division->places[i] == place;
        *ret_most = uses > *ret_most ? uses : *ret_most;
        *ret_fewest = uses < *ret_fewest ? uses : *ret_fewest;
    }
}

static void rows_check(const struct division *division, const struct place_list *places)
{
    for (size_t slot = 0; slot < division->slot_count; slot++) {
        const size_t *row = &division->places[slot * division->threads];
        for (size_t i = 0; i < division->threads; i++) {
            assert_true(row[i] < places->count);
            assert_true(i == 0 || row[i] > row[i - 1]); /* so none twice in a slot */
        }
    }
}

static void division_check(const struct place_list *places, size_t slots, unsigned threads)
{
    size_t most = 0;
    size_t fewest = 0;
    struct division division;
    assert_int_equal(division_make(&division, places, slots, threads, 0, NULL), 0);
    assert_true(slots == 0 || division.slot_count == slots);
    assert_true(threads == 0 || division.threads == threads);
    rows_check(&division, places);
    uses_count(&division, places, &most, &fewest);

    size_t wanted = division.slot_count * division.threads;
    assert_int_equal(division.shared, wanted > places->count);
    if (division.shared) { /* evenly */
        assert_true(most - fewest <= 1);
        assert_int_equal(division.idle, 0);
    } else {
        assert_int_equal(most, 1);
        assert_int_equal(division.idle, places->count - wanted);
        assert_int_equal(crossing(&division, places, division.level), division.straddling);
    }
    if (slots == 0) { /* as many as fit without straddling */
        assert_int_equal(division.straddling, 0);
        assert_false(division.shared);
        for (enum level level = LEVEL_CACHE_KIND; level < LEVEL_COUNT; level++)
            if (largest(places, level) >= division.threads)
                assert_int_equal(crossing(&division, places, level), 0);
    }
    division_fini(&division);
}

static void holds_for_all_numbers_on_all_machines(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2 * MACHINES; i++) {
        hwloc_topology_t topology;
        struct place_list places;
        places_open(machines[i / 2], i % 2, &topology, &places);
        for (unsigned threads = 0; threads <= places.count; threads++)
            for (size_t slots = 0; slots <= places.count + 3; slots++)
                division_check(&places, slots, threads);
        places_close(topology, &places);
    }
}

/* Few slots spread: no package has two more than another, no L3 within one either. */
static void spreads_slots_evenly(void **state)
{
    (void)state;
    hwloc_topology_t topology;
    struct place_list places;
    places_open("pack:2 [numa] l3:3 core:4 pu:1", false, &topology, &places);
    for (size_t slots = 1; slots <= places.count; slots++) {
        struct division division;
        size_t packages[2] = {0};
        size_t caches[6] = {0};
        assert_int_equal(division_make(&division, &places, slots, 1, 0, NULL), 0);
        for (size_t i = 0; i < slots; i++) {
            const struct place *place = &places.items[division.places[i]];
            packages[place->domain[LEVEL_PACKAGE]]++;
            caches[place->domain[LEVEL_CACHE]]++;
        }
        assert_true(packages[0] - packages[1] <= 1);
        for (size_t i = 1; i < 6; i++)
            assert_true(caches[0] - caches[i] <= 1);
        division_fini(&division);
    }
    places_close(topology, &places);
}

static void keeps_auto_within_a_quota(void **state)
{
    (void)state;
    static const struct {
        double quota;
        size_t slots;
        unsigned threads;
        size_t expected_slots;
        unsigned expected_threads;
    } cases[] = {
        {0.1, 0, 0, 1, 1},  {1.4, 0, 0, 1, 1}, {1.5, 0, 0, 2, 1},   {8, 0, 0, 8, 1},
        {100, 0, 0, 24, 1}, {8, 0, 3, 2, 3},   {2, 0, 3, 1, 3},     {8, 2, 0, 2, 4},
        {2, 4, 0, 4, 1},    {8, 12, 2, 12, 2}, {1e300, 0, 4, 6, 4},
    };
    hwloc_topology_t topology;
    struct place_list places;
    places_open("pack:2 [numa] l3:3 core:4 pu:1", false, &topology, &places);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct division division;
        assert_int_equal(division_make(&division, &places, cases[i].slots, cases[i].threads,
                                       cases[i].quota, NULL),
                         0);
        assert_int_equal(division.slot_count, cases[i].expected_slots);
        assert_int_equal(division.threads, cases[i].expected_threads);
        division_fini(&division);
    }
    places_close(topology, &places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_for_all_numbers_on_all_machines),
        cmocka_unit_test(spreads_slots_evenly),
        cmocka_unit_test(keeps_auto_within_a_quota),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
