/* glm_regul.c - see glm_regul.h. */
#include "config.h"

#include <math.h>

#include "master/pest/glm_regul.h"

#define TURNS 100

int glm_regul_init(struct glm_regul *regul, const struct pest_control *control, bool rows,
                   double portion, struct error *ret_error)
{
    *regul = (struct glm_regul){.factor = 1.0};
    if (control->pestmode != PEST_REGULARISATION || !rows)
        return 0;
    *regul = (struct glm_regul){
        .on = true,
        .portion = fmax(0.0, portion),
        .limit = control->phimlim,
        .accept = portion > 0.0 ? -HUGE_VAL : fmax(control->phimaccept, control->phimlim),
        .fraction = control->fracphim,
        .least = control->wfmin * control->wfmin,
        .most = control->wfmax * control->wfmax,
        .step = control->wffac,
        .tolerance = control->wftol,
        .factor = control->wfinit * control->wfinit,
    };
    if (!(regul->limit > 0.0) && regul->portion == 0.0)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: regularisation mode needs PHIMLIM > 0 in the regularisation "
                         "section, not %g",
                         control->path ? control->path : "control file", regul->limit);
    if (!(control->wfmin > 0.0) || !(control->wfmax >= control->wfmin))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s: WFMIN %g and WFMAX %g must be positive and in this order",
                         control->path ? control->path : "control file", control->wfmin,
                         control->wfmax);
    if (!(regul->step > 1.0))
        regul->step = 1.3;
    if (!(regul->tolerance > 0.0))
        regul->tolerance = 0.01;
    regul->factor = fmax(regul->least, fmin(regul->most, regul->factor));
    return 0;
}

bool glm_regul_begin(struct glm_regul *regul, double measurement, double regularisation)
{
    double before = regul->factor, portion = regul->portion;

    if (!regul->on || portion == 0.0 || !(regularisation > 0.0) || !(measurement > 0.0))
        return false;
    regul->factor = portion / (1.0 - portion) * measurement / regularisation;
    regul->factor = fmax(regul->least, fmin(regul->most, regul->factor));
    return regul->factor != before;
}

double glm_regul_merit(const struct glm_regul *regul, double measurement, double regularisation)
{
    if (!regul->on)
        return measurement;
    if (regul->portion > 0.0)
        return measurement + regul->factor * regularisation;
    return 2.0 * fmax(0.0, measurement - regul->limit) + regul->factor * regularisation;
}

double glm_regul_target(const struct glm_regul *regul, double measurement)
{
    if (regul->fraction > 0.0 && regul->fraction < 1.0)
        return fmax(regul->limit, regul->fraction * measurement);
    return regul->limit;
}

struct aim {
    struct glm_regul *regul;
    struct glm_model *model;
    const struct glm_box *box;
    double lambda;
    const double *centre;
    int effort;
    double *step;
    struct error *error;
};

/* The measurement phi that the upgrade with f² = factor comes to; negative: it failed. */
static double phi_at(const struct aim *aim, double factor)
{
    double measurement, regularisation;

    aim->regul->factor = factor;
    glm_model_factor(aim->model, factor);
    if (glm_model_upgrade(aim->model, aim->box, aim->lambda, aim->centre, aim->effort,
                          aim->step, aim->error) != 0)
        return -1.0;
    glm_model_predict(aim->model, aim->step, &measurement, &regularisation);
    return measurement;
}

/* Go from the present factor until the target lies between *low and *high (as f²; measurement
 * phi grows with it). 1: an end of what is allowed is the answer; -1: failed. */
static int bracket(const struct aim *aim, double target, double *low, double *high)
{
    struct glm_regul *regul = aim->regul;
    double from = regul->factor, ratio = regul->step * regul->step, phi = phi_at(aim, from);
    bool up = phi < target;

    for (int turn = 0; turn < TURNS && phi >= 0.0; turn++, ratio *= ratio) {
        double to = up ? fmin(regul->most, from * ratio) : fmax(regul->least, from / ratio);

        if (to == from)
            return 1;
        phi = phi_at(aim, to);
        if (phi >= 0.0 && up != (phi < target)) {
            *low = up ? from : to;
            *high = up ? to : from;
            return 0;
        }
        from = to;
    }
    return -1;
}

int glm_regul_upgrade(struct glm_regul *regul, struct glm_model *model,
                      const struct glm_box *box, double lambda, const double *centre,
                      int effort, double target, double *ret_step, struct error *ret_error)
{
    struct aim aim = {regul, model, box, lambda, centre, effort, ret_step, ret_error};
    double low = 0.0, high = 0.0, phi = 0.0;
    int found;

    if (!regul->on || regul->portion > 0.0) {
        glm_model_factor(model, regul->factor);
        return glm_model_upgrade(model, box, lambda, centre, effort, ret_step, ret_error);
    }
    found = bracket(&aim, target, &low, &high);
    if (found != 0)
        return found > 0 ? 0 : -1;
    /* WFTOL is about f; a tenth of it, so that phi is met better than it is judged. */
    while (high > low * (1.0 + 0.2 * regul->tolerance) && phi >= 0.0) {
        double middle = sqrt(low * high);

        phi = phi_at(&aim, middle);
        *(phi < target ? &low : &high) = middle;
    }
    return phi >= 0.0 && phi_at(&aim, low) >= 0.0 ? 0 : -1;
}
