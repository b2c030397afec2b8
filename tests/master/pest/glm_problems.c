/*
 * glm_problems.c - seven small problems with known results (glm_problems.h).
 *
 * The minima were found by another minimiser (scipy, trust-region reflective); runs and phi of
 * PEST++ 5.2.23 were measured with its defaults.
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>

#include "tests/master/pest/glm_problems.h"

static void rosenbrock(const double *p, size_t count, double *o)
{
    (void)count;
    o[0] = 10.0 * (p[1] - p[0] * p[0]);
    o[1] = 1.0 - p[0];
}

/* Two straight lines that meet at p[3]. */
static void two_lines(const double *p, size_t count, double *o)
{
    static const double w[13] = {0.052, 0.068, 0.103, 0.128, 0.172, 0.195, 0.230,
                                 0.275, 0.315, 0.332, 0.350, 0.423, 0.488};

    (void)count;
    for (int i = 0; i < 13; i++)
        o[i] = w[i] <= p[3] ? p[0] * w[i] + p[2] : p[1] * w[i] + (p[0] - p[1]) * p[3] + p[2];
}

static void storage(const double *p, size_t count, double *o)
{
    static const double t[16] = {0.1, 0.2, 0.5, 1,   2,    5,    10,   20,
                                 50,  100, 200, 500, 1000, 2000, 5000, 10000};

    (void)count;
    for (int i = 0; i < 16; i++)
        o[i] = p[0] / p[1] * (1.0 - exp(-p[1] / p[2] * t[i]));
}

static void decay(const double *p, size_t count, double *o)
{
    (void)count;
    for (int i = 0; i < 20; i++)
        o[i] = p[0] * exp(-p[1] * i) + p[2] * exp(-p[3] * i);
}

static void smear(const double *p, size_t count, int outputs, double *o)
{
    for (int j = 0; j < outputs; j++) {
        o[j] = 0.0;
        for (int i = 0; i < (int)count; i++)
            o[j] += p[i] / (1.0 + abs(i - j));
    }
}

static void linear15(const double *p, size_t count, double *o)
{
    smear(p, count, 15, o);
}

static void linear6(const double *p, size_t count, double *o)
{
    smear(p, count, 6, o);
}

const struct glm_problem glm_problems[GLM_PROBLEMS] = {
    {.name = "g1_rosen",
     .model = rosenbrock,
     .minimum = 0.0,
     .single_runs = 207,
     .rows = {{18, 3.9795},
              {107, 2.0586},
              {202, .883},
              {316, .3076},
              {354, .0527},
              {433, 8.03e-4},
              {455, 1.43e-5},
              {592, 1.9e-20}},
     .row_count = 8,
     .control = "pcf\n"
                "* control data\n"
                "restart estimation\n"
                "2 2 1 0 1\n"
                "1 1 double point 1 0 0\n"
                "10.0 -3.0 0.3 0.03 10\n"
                "10.0 10.0 0.001\n"
                "0.1\n"
                "30 0.005 4 4 0.005 4\n"
                "0 0 0\n"
                "* parameter groups\n"
                "pg relative 0.01 0.001 switch 2.0 parabolic\n"
                "* parameter data\n"
                "x none relative -1.2 -10 10 pg 1 0 1\n"
                "y none relative 1.0 -10 10 pg 1 0 1\n"
                "* observation groups\n"
                "og\n"
                "* observation data\n"
                "r1 0 1 og\n"
                "r2 0 1 og\n"
                "* model command line\n"
                "./gmodel rosen\n"
                "* model input/output\n"
                "par.dat.tpl par.dat\n"
                "out.dat.ins out.dat\n"
                "* prior information\n"},
    {.name = "g2_twoline",
     .model = two_lines,
     .minimum = 6.70931499188e-4,
     .single_runs = 101,
     .rows = {{20, .0025335},
              {42, 7.42014e-4},
              {67, 6.71284e-4},
              {99, 6.70963e-4},
              {163, 6.7096e-4}},
     .row_count = 5,
     .control = "pcf\n"
                "* control data\n"
                "restart estimation\n"
                "4 13 3 0 1\n"
                "1 1 double point 1 0 0\n"
                "10.0 -3.0 0.3 0.03 10\n"
                "10.0 10.0 0.001\n"
                "0.1\n"
                "30 0.005 4 4 0.005 4\n"
                "0 0 0\n"
                "* parameter groups\n"
                "sg relative 0.01 0.0 switch 2.0 parabolic\n"
                "yg relative 0.01 0.0 switch 2.0 parabolic\n"
                "xg relative 0.01 0.0 switch 2.0 parabolic\n"
                "* parameter data\n"
                "s1 none relative 0.3 0.01 5 sg 1 0 1\n"
                "s2 none relative 0.8 0.01 5 sg 1 0 1\n"
                "y1 none relative 0.4 0.01 5 yg 1 0 1\n"
                "xc none factor 0.3 0.01 0.8 xg 1 0 1\n"
                "* observation groups\n"
                "og\n"
                "* observation data\n"
                "o1 0.501 1 og\n"
                "o2 0.521 1 og\n"
                "o3 0.52 1 og\n"
                "o4 0.531 1 og\n"
                "o5 0.534 1 og\n"
                "o6 0.548 1 og\n"
                "o7 0.601 1 og\n"
                "o8 0.626 1 og\n"
                "o9 0.684 1 og\n"
                "o10 0.696 1 og\n"
                "o11 0.706 1 og\n"
                "o12 0.783 1 og\n"
                "o13 0.832 1 og\n"
                "* model command line\n"
                "./gmodel twoline\n"
                "* model input/output\n"
                "par.dat.tpl par.dat\n"
                "out.dat.ins out.dat\n"
                "* prior information\n"},
    {.name = "g3_stor",
     .model = storage,
     .minimum = 4.80226289874e-9,
     .single_runs = 59,
     .rows = {{18, 5039.2},
              {38, 108.975},
              {58, .0628344},
              {81, 1.55947e-6},
              {104, 4.82869e-9},
              {180, 4.80226e-9}},
     .row_count = 6,
     .control = "pcf\n"
                "* control data\n"
                "restart estimation\n"
                "3 16 3 0 1\n"
                "1 1 double point 1 0 0\n"
                "10.0 -3.0 0.3 0.03 10\n"
                "3.0 3.0 0.001\n"
                "0.1\n"
                "30 0.005 4 4 0.005 4\n"
                "0 0 0\n"
                "* parameter groups\n"
                "rg relative 0.01 0 switch 2 parabolic\n"
                "cg relative 0.01 0 switch 2 parabolic\n"
                "kg relative 0.01 0 switch 2 parabolic\n"
                "* parameter data\n"
                "rech fixed factor 0.1 1e-10 1e10 rg 1 0 1\n"
                "cond log factor 5e-3 1e-5 1e2 cg 1 0 1\n"
                "sc log factor 5e-2 1e-6 1.0 kg 1 0 1\n"
                "* observation groups\n"
                "og\n"
                "* observation data\n"
                "h1 0.0499875 1 og\n"
                "h2 0.09995 1 og\n"
                "h3 0.249688 1 og\n"
                "h4 0.498752 1 og\n"
                "h5 0.995017 1 og\n"
                "h6 2.46901 1 og\n"
                "h7 4.87706 1 og\n"
                "h8 9.51626 1 og\n"
                "h9 22.1199 1 og\n"
                "h10 39.3469 1 og\n"
                "h11 63.2121 1 og\n"
                "h12 91.7915 1 og\n"
                "h13 99.3262 1 og\n"
                "h14 99.9955 1 og\n"
                "h15 100 1 og\n"
                "h16 100 1 og\n"
                "* model command line\n"
                "./gmodel stor\n"
                "* model input/output\n"
                "par.dat.tpl par.dat\n"
                "out.dat.ins out.dat\n"
                "* prior information\n"},
    {.name = "g4_stor_always3",
     .model = storage,
     .minimum = 4.80226289874e-9,
     .single_runs = 80,
     .rows = {{20, 5039.2},
              {42, 127.102},
              {64, .029513},
              {89, 3.29033e-6},
              {117, 5.14e-9},
              {210, 4.8023e-9}},
     .row_count = 6,
     .control = "pcf\n"
                "* control data\n"
                "restart estimation\n"
                "3 16 3 0 1\n"
                "1 1 double point 1 0 0\n"
                "10.0 -3.0 0.3 0.03 10\n"
                "3.0 3.0 0.001\n"
                "0.1\n"
                "30 0.005 4 4 0.005 4\n"
                "0 0 0\n"
                "* parameter groups\n"
                "rg relative 0.01 0 always_3 2 best_fit\n"
                "cg relative 0.01 0 always_3 2 best_fit\n"
                "kg relative 0.01 0 always_3 2 best_fit\n"
                "* parameter data\n"
                "rech fixed factor 0.1 1e-10 1e10 rg 1 0 1\n"
                "cond log factor 5e-3 1e-5 1e2 cg 1 0 1\n"
                "sc log factor 5e-2 1e-6 1.0 kg 1 0 1\n"
                "* observation groups\n"
                "og\n"
                "* observation data\n"
                "h1 0.0499875 1 og\n"
                "h2 0.09995 1 og\n"
                "h3 0.249688 1 og\n"
                "h4 0.498752 1 og\n"
                "h5 0.995017 1 og\n"
                "h6 2.46901 1 og\n"
                "h7 4.87706 1 og\n"
                "h8 9.51626 1 og\n"
                "h9 22.1199 1 og\n"
                "h10 39.3469 1 og\n"
                "h11 63.2121 1 og\n"
                "h12 91.7915 1 og\n"
                "h13 99.3262 1 og\n"
                "h14 99.9955 1 og\n"
                "h15 100 1 og\n"
                "h16 100 1 og\n"
                "* model command line\n"
                "./gmodel stor\n"
                "* model input/output\n"
                "par.dat.tpl par.dat\n"
                "out.dat.ins out.dat\n"
                "* prior information\n"},
    {.name = "g5_decay_bound",
     .model = decay,
     .minimum = 0.527171257264,
     .single_runs = 72,
     .rows = {{20, 2.80016}, {42, .794232}, {64, .527848}, {89, .527176}, {153, .527172}},
     .row_count = 5,
     .control = "pcf\n"
                "* control data\n"
                "restart estimation\n"
                "4 20 2 0 2\n"
                "1 1 double point 1 0 0\n"
                "10.0 -3.0 0.3 0.03 10\n"
                "10.0 10.0 0.001\n"
                "0.1\n"
                "30 0.005 4 4 0.005 4\n"
                "0 0 0\n"
                "* parameter groups\n"
                "ag relative 0.01 0.0001 switch 2 parabolic\n"
                "kg relative 0.01 0 switch 2 parabolic\n"
                "* parameter data\n"
                "a none relative 5.0 0.1 8.0 ag 1 0 1\n"
                "k1 log factor 1.0 0.01 10 kg 1 0 1\n"
                "b none relative 2.5 0.1 50 ag 2.0 -1.0 1\n"
                "k2 log factor 0.1 0.001 1 kg 1 0 1\n"
                "* observation groups\n"
                "og\n"
                "og2\n"
                "* observation data\n"
                "c1 14 1 og\n"
                "c2 9.9030736 0.5 og\n"
                "c3 7.3476745 1 og\n"
                "c4 5.7159663 0.5 og\n"
                "c5 4.6418211 1 og\n"
                "c6 3.914644 0.5 og\n"
                "c7 3.4153175 1 og\n"
                "c8 3.0730386 0.5 og\n"
                "c9 2.838359 1 og\n"
                "c10 2.6699704 0.5 og\n"
                "c11 2.5321966 1 og2\n"
                "c12 2.398643 0.5 og2\n"
                "c13 2.2566936 1 og2\n"
                "c14 2.1085169 0.5 og2\n"
                "c15 1.9667909 1 og2\n"
                "c16 1.8464703 0.5 og2\n"
                "c17 1.7561707 1 og2\n"
                "c18 1.6931242 0.5 og2\n"
                "c19 1.6440123 1 og2\n"
                "c20 1.5911609 0.5 og2\n"
                "* model command line\n"
                "./gmodel decay\n"
                "* model input/output\n"
                "par.dat.tpl par.dat\n"
                "out.dat.ins out.dat\n"
                "* prior information\n"},
    {.name = "g6_lin10_prior",
     .model = linear15,
     .minimum = 0.094468231429,
     .single_runs = 85,
     .rows = {{24, .0959693}, {50, .0944684}, {79, .0944682}, {146, .0944682}},
     .row_count = 4,
     .control = "pcf\n"
                "* control data\n"
                "restart estimation\n"
                "10 15 1 9 2\n"
                "1 1 double point 1 0 0\n"
                "10.0 -3.0 0.3 0.03 10\n"
                "10.0 10.0 0.001\n"
                "0.1\n"
                "30 0.005 4 4 0.005 4\n"
                "0 0 0\n"
                "* singular value decomposition\n"
                "1\n"
                "10 5e-7\n"
                "0\n"
                "* parameter groups\n"
                "pg relative 0.01 0.001 always_2 2 parabolic\n"
                "* parameter data\n"
                "p1 none relative 1.0 -10 10 pg 1 0 1\n"
                "p2 none relative 1.0 -10 10 pg 1 0 1\n"
                "p3 none relative 1.0 -10 10 pg 1 0 1\n"
                "p4 none relative 1.0 -10 10 pg 1 0 1\n"
                "p5 none relative 1.0 -10 10 pg 1 0 1\n"
                "p6 none relative 1.0 -10 10 pg 1 0 1\n"
                "p7 none relative 1.0 -10 10 pg 1 0 1\n"
                "p8 none relative 1.0 -10 10 pg 1 0 1\n"
                "p9 tied relative 1.0 -10 10 pg 1 0 1\n"
                "p10 fixed relative 1.0 -10 10 pg 1 0 1\n"
                "p9 p8\n"
                "* observation groups\n"
                "og\n"
                "pri\n"
                "* observation data\n"
                "y1 3.266323898 1 og\n"
                "y2 3.657352435 1 og\n"
                "y3 3.669847764 1 og\n"
                "y4 3.558503828 1 og\n"
                "y5 3.560447501 1 og\n"
                "y6 3.732956623 1 og\n"
                "y7 3.917530633 1 og\n"
                "y8 3.886273634 1 og\n"
                "y9 3.536966973 1 og\n"
                "y10 2.939490021 1 og\n"
                "y11 2.0645916 1 og\n"
                "y12 1.648836314 1 og\n"
                "y13 1.389203854 1 og\n"
                "y14 1.207053378 1 og\n"
                "y15 1.070473285 1 og\n"
                "* model command line\n"
                "./gmodel lin10\n"
                "* model input/output\n"
                "par.dat.tpl par.dat\n"
                "out.dat.ins out.dat\n"
                "* prior information\n"
                "pi1 1.0 * p1 = 1.0 0.5 pri\n"
                "pi2 1.0 * p2 = 1.0 0.5 pri\n"
                "pi3 1.0 * p3 = 1.0 0.5 pri\n"
                "pi4 1.0 * p4 = 1.0 0.5 pri\n"
                "pi5 1.0 * p5 = 1.0 0.5 pri\n"
                "pi6 1.0 * p6 = 1.0 0.5 pri\n"
                "pi7 1.0 * p7 = 1.0 0.5 pri\n"
                "pi8 1.0 * p8 = 1.0 0.5 pri\n"
                "pid1 1.0 * p1 - 1.0 * p2 = 0.0 0.2 pri\n"},
    {.name = "g7_regul",
     .model = linear6,
     .minimum = 0.0,
     .single_runs = 112,
     .rows = {{26, 6.32942}, {51, 6.14444}, {89, 6.1169}, {221, 6.11372}},
     .row_count = 4,
     .control = "pcf\n"
                "* control data\n"
                "restart regularization\n"
                "10 6 1 10 2\n"
                "1 1 double point 1 0 0\n"
                "10.0 -3.0 0.3 0.03 10\n"
                "10.0 10.0 0.001\n"
                "0.1\n"
                "30 0.005 4 4 0.005 4\n"
                "0 0 0\n"
                "* singular value decomposition\n"
                "1\n"
                "10 5e-7\n"
                "0\n"
                "* parameter groups\n"
                "pg relative 0.01 0.0 switch 2 parabolic\n"
                "* parameter data\n"
                "p1 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p2 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p3 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p4 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p5 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p6 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p7 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p8 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p9 log factor 1.0 0.01 100 pg 1 0 1\n"
                "p10 log factor 1.0 0.01 100 pg 1 0 1\n"
                "* observation groups\n"
                "og\n"
                "regul_p\n"
                "* observation data\n"
                "y1 3.266323898 10 og\n"
                "y2 3.637352631 10 og\n"
                "y3 3.669670738 10 og\n"
                "y4 3.578502065 10 og\n"
                "y5 3.560801539 10 og\n"
                "y6 3.712961519 10 og\n"
                "* model command line\n"
                "./gmodel lin10\n"
                "* model input/output\n"
                "par.dat.tpl par.dat\n"
                "out.dat.ins out.dat\n"
                "* prior information\n"
                "pr1 1.0 * log(p1) = 0.0 1.0 regul_p\n"
                "pr2 1.0 * log(p2) = 0.0 1.0 regul_p\n"
                "pr3 1.0 * log(p3) = 0.0 1.0 regul_p\n"
                "pr4 1.0 * log(p4) = 0.0 1.0 regul_p\n"
                "pr5 1.0 * log(p5) = 0.0 1.0 regul_p\n"
                "pr6 1.0 * log(p6) = 0.0 1.0 regul_p\n"
                "pr7 1.0 * log(p7) = 0.0 1.0 regul_p\n"
                "pr8 1.0 * log(p8) = 0.0 1.0 regul_p\n"
                "pr9 1.0 * log(p9) = 0.0 1.0 regul_p\n"
                "pr10 1.0 * log(p10) = 0.0 1.0 regul_p\n"
                "* regularisation\n"
                "6.0 6.6 0.1\n"
                "1.0 1.0e-10 1.0e10\n"
                "1.3 0.01\n"},
};
