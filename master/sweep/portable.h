/*
 * portable.h - log and exp that give the same bits on every machine.
 *
 * libm's differ in the last digit between versions and processors, and then a random sample drawn
 * again on another machine would not be the same sample. These use nothing but the four
 * operations, which IEEE 754 rounds in one way only. Accurate to about 2 units in the last place.
 */
#ifndef BEOFARM_MASTER_SWEEP_PORTABLE_H
#define BEOFARM_MASTER_SWEEP_PORTABLE_H

/* Natural logarithm of a positive, finite x (subnormals too). */
double portable_log(double x);

/* e to the x; 0 below -745.2, infinity above 709.8. */
double portable_exp(double x);

#endif
