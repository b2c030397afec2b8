/*
 * Below u = 1 the series (Abramowitz and Stegun 5.1.11), above it the continued fraction
 * (5.1.22) in its even part, by the modified Lentz method (Thompson and Barnett, 1986,
 * https://doi.org/10.1016/0021-9991(86)90046-X). Either needs at most some 50 terms.
 */
#include <float.h>
#include <math.h>

#include "examples/theis/well_function.h"

#define EULER     0.57721566490153286061
#define TERMS_MAX 1000 /* never reached for finite u; bounds the loops */

static double series(double u)
{
    double sum = -EULER - log(u);
    double power = 1; /* (-u)^k / k! */
    for (int k = 1; k < TERMS_MAX; k++) {
        power *= -u / k;
        double term = power / k;
        sum -= term;
        if (fabs(term) < DBL_EPSILON * fabs(sum))
            break;
    }
    return sum;
}

static double continued_fraction(double u)
{
    double b = u + 1;
    double c = 1 / DBL_MIN;
    double d = 1 / b;
    double h = d;
    for (int k = 1; k < TERMS_MAX; k++) {
        double a = -(double)k * k;
        b += 2;
        d = 1 / (a * d + b);
        c = b + a / c;
        h *= c * d;
        if (fabs(c * d - 1) < DBL_EPSILON)
            break;
    }
    return h * exp(-u);
}

double well_function(double u)
{
    if (!(u >= 0))
        return NAN;
    if (u == 0)
        return INFINITY;
    return u < 1 ? series(u) : continued_fraction(u);
}

double theis_drawdown(const struct theis *theis, double distance, double days)
{
    double scale = theis->storativity / (4 * theis->transmissivity * days);
    double drawdown = well_function(distance * distance * scale);
    if (isfinite(theis->river)) {
        double image = 2 * theis->river - distance;
        drawdown -= well_function(image * image * scale);
    }
    return theis->pumping / (4 * M_PI * theis->transmissivity) * drawdown;
}
