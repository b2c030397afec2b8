/*
 * aquifer.h - steady flow in a confined aquifer between hills and a river.
 *
 * A rectangle of COLUMNS x ROWS square cells of CELL_M metres, x to the east, y to the north. Water
 * comes in as recharge and, in the west, from the hills through a head-dependent boundary; it
 * leaves to a river in the east and to wells. With head h (m), transmissivity T (m2/d), recharge R
 * (m/d), and exchange q (m3/d) of each cell with river or hills, in every cell
 *
 *     div(T grad h) CELL_M^2 + R CELL_M^2 + q - pumping = 0,     q = C (stage - h)
 *
 * in finite differences of five points; between two cells T is the harmonic mean of theirs.
 */
#ifndef BEOFARM_EXAMPLES_AQUIFER_AQUIFER_H
#define BEOFARM_EXAMPLES_AQUIFER_AQUIFER_H

#define COLUMNS   60
#define ROWS      40
#define CELLS     (COLUMNS * ROWS)
#define CELL_M    50.0
#define PILOTS    8 /* pilot points, where T is given */
#define WELLS     2 /* pumped wells */
#define BOREHOLES 20

struct place {
    double x, y; /* m */
};

extern const struct place aquifer_pilots[PILOTS];
extern const struct place aquifer_wells[WELLS];
extern const struct place aquifer_boreholes[BOREHOLES];

/* What is estimated. */
struct aquifer {
    double transmissivity[PILOTS]; /* m2/d, > 0; between the points log T is interpolated */
    double recharge_upland;        /* m/d, x < UPLAND_M */
    double recharge_lowland;
    double river_conductance; /* m2/d per cell of the river, >= 0 */
    double hills_conductance; /* m2/d per cell of the western side, > 0 */
};

#define UPLAND_M 1500.0

/* What is computed for one state of pumping. */
struct aquifer_flow {
    double head[CELLS];  /* m; cell of column c, row r is at r * COLUMNS + c */
    double river_inflow; /* m3/d that the river receives */
    double hills_inflow; /* m3/d that come from the hills */
};

/* Solve for pumping[w] m3/d at well w. `flow->head` holds a first guess. 0, or -1 if the iteration
 * does not converge. */
int aquifer_solve(const struct aquifer *aquifer, const double pumping[WELLS],
                  struct aquifer_flow *flow);

/* Head at a place, bilinear between the centres of cells. */
double aquifer_head(const struct aquifer_flow *flow, struct place place);

#endif
