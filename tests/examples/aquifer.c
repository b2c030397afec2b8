#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "examples/aquifer/aquifer.h"

#define HILLS_M 55.0

static const double none[WELLS];

static struct aquifer uniform(double transmissivity)
{
    struct aquifer aquifer = {.recharge_upland = 6e-4,
                              .recharge_lowland = 3e-4,
                              .river_conductance = 40,
                              .hills_conductance = 3};
    for (int i = 0; i < PILOTS; i++)
        aquifer.transmissivity[i] = transmissivity;
    return aquifer;
}

static struct aquifer varied(void)
{
    struct aquifer aquifer = uniform(100);
    for (int i = 0; i < PILOTS; i++)
        aquifer.transmissivity[i] *= 1 + i * i;
    return aquifer;
}

static void what_comes_in_goes_out(void **state)
{
    (void)state;
    static struct aquifer_flow flow;
    const double pumping[WELLS] = {700, 500};
    struct aquifer aquifer = varied();
    double recharge =
        (30 * aquifer.recharge_upland + 30 * aquifer.recharge_lowland) * ROWS * CELL_M * CELL_M;
    assert_int_equal(aquifer_solve(&aquifer, pumping, &flow), 0);
    /* The residual is 1e-12 of the right-hand side, whose norm is about 1e4 m3/d here, and is
     * summed over CELLS: 1e-12 1e4 sqrt(2400). */
    assert_true(fabs(recharge + flow.hills_inflow - flow.river_inflow - 1200) < 1e-6);
}

/* Without a river all recharge leaves through the west, and the flow is one-dimensional. At a
 * distance x from the centre of the western cells, continuous and discrete solution agree, since
 * the second difference of a parabola is exact: T h' = recharge that falls east of there. */
static void without_a_river_heads_are_parabolas(void **state)
{
    (void)state;
    static struct aquifer_flow flow;
    struct aquifer aquifer = uniform(100);
    aquifer.river_conductance = 0;
    assert_int_equal(aquifer_solve(&aquifer, none, &flow), 0);
    double up = aquifer.recharge_upland, low = aquifer.recharge_lowland;
    double head = HILLS_M + (up + low) * 30 * CELL_M * CELL_M / aquifer.hills_conductance;
    for (int column = 0; column < COLUMNS; column++) {
        for (int row = 0; row < ROWS; row++) /* 1e-9 m is what the residual allows */
            assert_true(fabs(flow.head[row * COLUMNS + column] - head) < 1e-7);
        double face = (column + 1) * CELL_M;
        double east = face < UPLAND_M ? up * (UPLAND_M - face) + low * UPLAND_M
                                      : low * (2 * UPLAND_M - face);
        head += east * CELL_M / 100;
    }
}

/* The equations are symmetric: well A draws down the water at B as B does at A. */
static void drawdown_is_reciprocal(void **state)
{
    (void)state;
    static struct aquifer_flow still, first, second;
    const double pump_first[WELLS] = {500, 0}, pump_second[WELLS] = {0, 500};
    struct aquifer aquifer = varied();
    int cell[WELLS];
    for (int w = 0; w < WELLS; w++)
        cell[w] =
            (int)(aquifer_wells[w].y / CELL_M) * COLUMNS + (int)(aquifer_wells[w].x / CELL_M);
    assert_int_equal(aquifer_solve(&aquifer, none, &still), 0);
    assert_int_equal(aquifer_solve(&aquifer, pump_first, &first), 0);
    assert_int_equal(aquifer_solve(&aquifer, pump_second, &second), 0);
    double there = still.head[cell[1]] - first.head[cell[1]];
    double here = still.head[cell[0]] - second.head[cell[0]];
    assert_true(here > 0.01 && fabs(here - there) < 1e-7); /* as above */
}

static void heads_between_centres_are_bilinear(void **state)
{
    (void)state;
    static struct aquifer_flow flow;
    for (int i = 0; i < CELLS; i++)
        flow.head[i] = 3 + 2 * (i % COLUMNS) + 5 * (i / COLUMNS);
    /* x = 1010 m is column 19.7 between centres, y = 730 m row 14.1 */
    double head = aquifer_head(&flow, (struct place){1010, 730});
    assert_true(fabs(head - (3 + 2 * 19.7 + 5 * 14.1)) < 1e-12); /* a few roundings of 100 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_in_goes_out),
        cmocka_unit_test(without_a_river_heads_are_parabolas),
        cmocka_unit_test(drawdown_is_reciprocal),
        cmocka_unit_test(heads_between_centres_are_bilinear),
    };
    return cmocka_run_group_tests_name("examples/aquifer", tests, NULL, NULL);
}
