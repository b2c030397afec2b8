/* The equations of aquifer.h, solved by conjugate gradients with a diagonal preconditioner. */
#include <math.h>
#include <string.h>

#include "examples/aquifer/aquifer.h"

#define RIVER_SOUTH_M  2000.0 /* x of the river at y = 0 ... */
#define RIVER_NORTH_M  2600.0 /* ... and at the northern side */
#define STAGE_SOUTH_M  40.0
#define STAGE_NORTH_M  42.0
#define HILLS_M        55.0 /* head behind the western side */
#define ITERATIONS_MAX 5000
#define RESIDUAL_MAX   1e-12 /* of the right-hand side: heads are good to 1e-9 m */
#define INTERPOLATION_M2                                                                       \
    1.0 /* keeps the weight finite where a cell's centre is a pilot point */

const struct place aquifer_pilots[PILOTS] = {
    {300, 400},  {300, 1500},  {1000, 900}, {1200, 1800},
    {1300, 200}, {1900, 1300}, {2300, 500}, {2700, 1600},
};
const struct place aquifer_wells[WELLS] = {{900, 1300}, {1700, 500}};
const struct place aquifer_boreholes[BOREHOLES] = {
    {150, 250},   {200, 1000},  {250, 1750},  {500, 600},   {550, 1350},
    {700, 1700},  {750, 200},   {850, 1000},  {1000, 1450}, {1050, 550},
    {1250, 1150}, {1400, 1650}, {1450, 350},  {1600, 800},  {1750, 1450},
    {1850, 250},  {1950, 950},  {2150, 1700}, {2450, 1000}, {2800, 400},
};

struct equations {
    double east[CELLS], north[CELLS]; /* conductance to that neighbour; 0 at the side, m2/d */
    double diagonal[CELLS], right[CELLS];
    double river[CELLS], stage[CELLS], hills[CELLS]; /* conductances and the river's level */
};

static struct place centre(int cell)
{
    return (struct place){(cell % COLUMNS + 0.5) * CELL_M, (cell / COLUMNS + 0.5) * CELL_M};
}

/* Inverse distance weighting of log T. */
static double transmissivity(const struct aquifer *aquifer, struct place at)
{
    double sum = 0, weights = 0;
    for (int i = 0; i < PILOTS; i++) {
        double dx = at.x - aquifer_pilots[i].x, dy = at.y - aquifer_pilots[i].y;
        double weight = 1 / (dx * dx + dy * dy + INTERPOLATION_M2);
        sum += weight * log(aquifer->transmissivity[i]);
        weights += weight;
    }
    return exp(sum / weights);
}

static void boundaries_fill(const struct aquifer *aquifer, struct equations *equations)
{
    for (int row = 0; row < ROWS; row++) {
        double part = (row + 0.5) / ROWS;
        double x = RIVER_SOUTH_M + part * (RIVER_NORTH_M - RIVER_SOUTH_M);
        int river = row * COLUMNS + (int)(x / CELL_M);
        equations->river[river] = aquifer->river_conductance;
        equations->stage[river] = STAGE_SOUTH_M + part * (STAGE_NORTH_M - STAGE_SOUTH_M);
        equations->hills[(size_t)row * COLUMNS] = aquifer->hills_conductance;
    }
}

static void conductances_fill(const struct aquifer *aquifer, struct equations *equations)
{
    double t[CELLS];
    for (int i = 0; i < CELLS; i++)
        t[i] = transmissivity(aquifer, centre(i));
    for (int i = 0; i < CELLS; i++) {
        if (i % COLUMNS < COLUMNS - 1)
            equations->east[i] = 2 * t[i] * t[i + 1] / (t[i] + t[i + 1]);
        if (i / COLUMNS < ROWS - 1)
            equations->north[i] = 2 * t[i] * t[i + COLUMNS] / (t[i] + t[i + COLUMNS]);
    }
}

static void equations_make(const struct aquifer *aquifer, const double pumping[WELLS],
                           struct equations *equations)
{
    memset(equations, 0, sizeof *equations);
    boundaries_fill(aquifer, equations);
    conductances_fill(aquifer, equations);
    for (int i = 0; i < CELLS; i++) {
        double recharge =
            centre(i).x < UPLAND_M ? aquifer->recharge_upland : aquifer->recharge_lowland;
        equations->diagonal[i] += equations->river[i] + equations->hills[i] +
                                  equations->east[i] + equations->north[i];
        if (i % COLUMNS < COLUMNS - 1)
            equations->diagonal[i + 1] += equations->east[i];
        if (i / COLUMNS < ROWS - 1)
            equations->diagonal[i + COLUMNS] += equations->north[i];
        equations->right[i] = recharge * CELL_M * CELL_M +
                              equations->river[i] * equations->stage[i] +
                              equations->hills[i] * HILLS_M;
    }
    for (int w = 0; w < WELLS; w++) {
        int column = (int)(aquifer_wells[w].x / CELL_M),
            row = (int)(aquifer_wells[w].y / CELL_M);
        equations->right[row * COLUMNS + column] -= pumping[w];
    }
}

static void multiply(const struct equations *equations, const double *in, double *out)
{
    for (int i = 0; i < CELLS; i++)
        out[i] = equations->diagonal[i] * in[i];
    for (int i = 0; i < CELLS - 1; i++) {
        out[i] -= equations->east[i] * in[i + 1];
        out[i + 1] -= equations->east[i] * in[i];
    }
    for (int i = 0; i < CELLS - COLUMNS; i++) {
        out[i] -= equations->north[i] * in[i + COLUMNS];
        out[i + COLUMNS] -= equations->north[i] * in[i];
    }
}

static double product(const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < CELLS; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Hestenes and Stiefel 1952, preconditioned by the diagonal. */
static int gradients_solve(const struct equations *equations, double *head)
{
    double residual[CELLS], direction[CELLS], scaled[CELLS], image[CELLS];
    double limit = RESIDUAL_MAX * sqrt(product(equations->right, equations->right));
    multiply(equations, head, image);
    for (int i = 0; i < CELLS; i++) {
        residual[i] = equations->right[i] - image[i];
        direction[i] = scaled[i] = residual[i] / equations->diagonal[i];
    }
    double before = product(residual, scaled);
    for (int n = 0; n < ITERATIONS_MAX; n++) {
        if (sqrt(product(residual, residual)) <= limit)
            return 0;
        multiply(equations, direction, image);
        double step = before / product(direction, image);
        for (int i = 0; i < CELLS; i++) {
            head[i] += step * direction[i];
            residual[i] -= step * image[i];
            scaled[i] = residual[i] / equations->diagonal[i];
        }
        double now = product(residual, scaled);
        for (int i = 0; i < CELLS; i++)
            direction[i] = scaled[i] + now / before * direction[i];
        before = now;
    }
    return -1;
}

int aquifer_solve(const struct aquifer *aquifer, const double pumping[WELLS],
                  struct aquifer_flow *flow)
{
    static struct equations equations;
    equations_make(aquifer, pumping, &equations);
    if (gradients_solve(&equations, flow->head) < 0)
        return -1;
    flow->river_inflow = flow->hills_inflow = 0;
    for (int i = 0; i < CELLS; i++) {
        flow->river_inflow += equations.river[i] * (flow->head[i] - equations.stage[i]);
        flow->hills_inflow += equations.hills[i] * (HILLS_M - flow->head[i]);
    }
    return 0;
}

double aquifer_head(const struct aquifer_flow *flow, struct place place)
{
    double x = place.x / CELL_M - 0.5, y = place.y / CELL_M - 0.5;
    int column = (int)x, row = (int)y;
    const double *head = &flow->head[row * COLUMNS + column];
    double east = x - column, north = y - row;
    return (1 - north) * ((1 - east) * head[0] + east * head[1]) +
           north * ((1 - east) * head[COLUMNS] + east * head[COLUMNS + 1]);
}
