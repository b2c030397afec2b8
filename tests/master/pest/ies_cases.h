/*
 * ies_cases.h - control files and models for tests of the smoother, and what tests ask of results.
 */
#ifndef BEOFARM_TESTS_MASTER_PEST_IES_CASES_H
#define BEOFARM_TESTS_MASTER_PEST_IES_CASES_H

#include <stdbool.h>

#include "tests/master/pest/ies_rig.h"

/* Three parameters, six observations. Bounds are wide: the prior's standard deviation is 40 / 4. */
#define LINEAR(noptmax, options)                                                               \
    "pcf\n* control data\nrestart estimation\n3 6 1 0 1\n1 1 single point\n10 2 0.3 0.01 10\n" \
    "5 5 0.001\n0.1\n" noptmax " 0.0001 40 40 0.001 4\n1 1 1\n"                                \
    "* parameter groups\ng relative 0.01 0 switch 2 parabolic\n"                               \
    "* parameter data\n"                                                                       \
    "a none factor 1 -20 20 g 1 0 1\nb none factor 2 -20 20 g 1 0 1\n"                         \
    "c none factor -1 -20 20 g 1 0 1\n"                                                        \
    "* observation groups\nobs\n* observation data\n"                                          \
    "o1 4 0.5 obs\no2 -3 1 obs\no3 7 2 obs\no4 1 0.5 obs\no5 2 1 obs\no6 100 0 obs\n"          \
    "* model command line\nmodel\n* model input/output\na.tpl a.in\nb.ins b.out\n" options

#define MIXED(noptmax, options)                                                                \
    "pcf\n* control data\nrestart estimation\n5 2 1 0 1\n1 1 single point\n10 2 0.3 0.01 10\n" \
    "5 5 0.001\n0.1\n" noptmax " 0.001 40 40 0.001 4\n1 1 1\n"                                 \
    "* parameter groups\ng relative 0.01 0 switch 2 parabolic\n"                               \
    "* parameter data\n"                                                                       \
    "k log factor 1 0.1 10 g 1 0 1\ns none factor 3 1 5 g 1 0 1\n"                             \
    "t tied factor 2 0.3 12 g 1 0 1\nf fixed factor 7 1 10 g 1 0 1\n"                          \
    "z log factor 1 0.5 2 g 1 0 1\nt k\n"                                                      \
    "* observation groups\nobs\n* observation data\no1 100 1 obs\no2 8 1 obs\n"                \
    "* model command line\nmodel\n* model input/output\na.tpl a.in\nb.ins b.out\n" options

/* The names of their parameters. */
extern const char *const abc[3];
extern const char *const mixed_names[5];
/* What goes into LINEAR. */
extern const double design[6][3], measured[5], weights[5], centre[3];

/* Models of LINEAR and MIXED, and one whose two observations are its first parameter. */
bool linear(const double *values, const char *purpose, double *observations);
bool mixed(const double *values, const char *purpose, double *observations);
bool identity(const double *values, const char *purpose, double *observations);

/* To its end, which must be a good one; or to a sentence with this part. */
void run(const struct ies_rig *rig, struct ies_rig_result *ret);
void refuse(const struct ies_rig *rig, const char *part);

/* Two files of the same bytes. */
void same_files(const char *left, const char *right);

#endif
