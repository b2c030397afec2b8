#include "config.h"

#include <math.h>

#include "worker/seismic/cpml.h"

/* Aimed-at reflection at normal incidence: what 20 points reach with single precision to spare. */
#define REFLECTION 1e-6

/* Layers act on what they let pass, if only a little, and on sources and receivers beside them,
 * whose weights reach into them. So they must not follow each small change of a model, of which J
 * knows nothing; least of all one from a round number, as many models have for their fastest. */
static double tuned_velocity(const struct cpml_tuning *tuning)
{
    return fmax(250, 250 * round(tuning->velocity_max / 250));
}

static void coefficients(double depth, double width, double spacing,
                         const struct cpml_tuning *tuning, wave_real *ret_a, wave_real *ret_b,
                         wave_real *ret_damping)
{
    double part = depth / width;
    double d0 = -3 * tuned_velocity(tuning) * log(REFLECTION) / (2 * width * spacing);
    double d = d0 * part * part, alpha = M_PI * tuning->frequency * (1 - part);
    double b = exp(-(d + alpha) * tuning->dt);
    *ret_b = (wave_real)b;
    *ret_damping = (wave_real)d;
    *ret_a = (wave_real)(d * (b - 1) / (d + alpha));
}

int cpml_width(int pad, int half)
{
    int width = pad - half;
    return width > 0 ? width : 0;
}

size_t cpml_window(const struct layout *layout, int side, size_t *ret_start)
{
    int width = cpml_width(layout->pad[GRID_Z][side], layout->half);
    size_t n = layout->n[GRID_Z], reached = (size_t)(width + layout->radius);
    reached = reached < n ? reached : n;
    size_t length = (reached + CPML_PIECE - 1) / CPML_PIECE * CPML_PIECE;
    *ret_start = side && length < n ? n - length : 0;
    return length;
}

/* Coefficients along a window of a row's end. */
static void end_init(struct cpml *cpml, const struct layout *layout, int side)
{
    cpml->length[side] = cpml_window(layout, side, &cpml->start[side]);
    size_t half = cpml->first_half[side] - cpml->start[side];
    size_t whole = cpml->first[side] - cpml->start[side];
    for (int j = 0; j < cpml->width[side]; j++) {
        cpml->end_psi_a[side][half + (size_t)j] = cpml->psi_a[side][j];
        cpml->end_psi_b[side][half + (size_t)j] = cpml->psi_b[side][j];
        cpml->end_zeta_a[side][whole + (size_t)j] = cpml->zeta_a[side][j];
        cpml->end_zeta_b[side][whole + (size_t)j] = cpml->zeta_b[side][j];
    }
}

void cpml_init(struct cpml *cpml, const struct layout *layout, enum grid_axis axis,
               double spacing, const struct cpml_tuning *tuning)
{
    size_t n = layout->n[axis], reach = (size_t)layout->radius;
    *cpml = (struct cpml){.width = {cpml_width(layout->pad[axis][0], layout->half),
                                    cpml_width(layout->pad[axis][1], layout->half)}};
    for (int side = 0; side < 2; side++) {
        size_t width = (size_t)cpml->width[side];
        if (width == 0)
            continue;
        cpml->first_half[side] = side ? n - 1 - width : 0;
        cpml->first[side] = side ? n - width : 0;
        size_t touched = width + reach < n ? width + reach : n;
        cpml->lo[side] = side ? n - touched : 0;
        cpml->hi[side] = side ? n : touched;
        for (size_t j = 0; j < width; j++) {
            double whole = side ? (double)(j + 1) : (double)(width - j);
            wave_real *damping = &cpml->damping[side][j];
            coefficients(whole - 0.5, (double)width, spacing, tuning, &cpml->psi_a[side][j],
                         &cpml->psi_b[side][j], damping);
            coefficients(whole, (double)width, spacing, tuning, &cpml->zeta_a[side][j],
                         &cpml->zeta_b[side][j], damping);
        }
        if (axis == GRID_Z)
            end_init(cpml, layout, side);
    }
}
