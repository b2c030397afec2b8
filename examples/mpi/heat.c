/*
 * Heat in a rod by explicit differences, split over MPI ranks: a model that itself uses MPI.
 *
 *     mpirun -n 2 ./heat KAPPA SECONDS
 *
 * u_t = kappa u_xx on 0 < x < 1 with u = 0 at both ends and u = sin(pi x) at the start has the
 * solution exp(-kappa pi^2 t) sin(pi x). Prints u in the middle, and the largest error over all
 * cells.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <mpi.h>

#define CELLS   200 /* interior nodes */
#define COURANT 0.4 /* kappa dt / dx^2; the scheme is stable up to 0.5 */

static const double pi = 3.14159265358979323846;

struct part {
    int rank, ranks;
    int first, count; /* its nodes: 1 + first to first + count */
    double *u, *next; /* count nodes, with a ghost at either end */
};

static int create(struct part *part)
{
    MPI_Comm_rank(MPI_COMM_WORLD, &part->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &part->ranks);
    part->first = CELLS * part->rank / part->ranks;
    part->count = CELLS * (part->rank + 1) / part->ranks - part->first;
    part->u = calloc((size_t)part->count + 2, sizeof(double));
    part->next = calloc((size_t)part->count + 2, sizeof(double));
    return part->u && part->next ? 0 : -1;
}

/* Position of the part's node i, which counts from 1. */
static double position(const struct part *part, int i)
{
    return (part->first + i) / (CELLS + 1.0);
}

static void exchange_ghosts(struct part *part)
{
    int left = part->rank ? part->rank - 1 : MPI_PROC_NULL;
    int right = part->rank + 1 < part->ranks ? part->rank + 1 : MPI_PROC_NULL;
    double *u = part->u;
    int n = part->count;
    MPI_Sendrecv(&u[1], 1, MPI_DOUBLE, left, 0, &u[n + 1], 1, MPI_DOUBLE, right, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    MPI_Sendrecv(&u[n], 1, MPI_DOUBLE, right, 0, &u[0], 1, MPI_DOUBLE, left, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
}

/* One step; `courant` is kappa dt / dx^2. */
static void step(struct part *part, double courant)
{
    exchange_ghosts(part);
    for (int i = 1; i <= part->count; i++)
        part->next[i] =
            part->u[i] + courant * (part->u[i - 1] - 2 * part->u[i] + part->u[i + 1]);
    double *u = part->u;
    part->u = part->next;
    part->next = u;
}

static void report(const struct part *part, double kappa, double seconds)
{
    double mine[2] = {0, 0}, all[2]; /* error; u next to the middle */
    for (int i = 1; i <= part->count; i++) {
        double x = position(part, i);
        double error = fabs(part->u[i] - exp(-kappa * pi * pi * seconds) * sin(pi * x));
        mine[0] = error > mine[0] ? error : mine[0];
        if (part->first + i == CELLS / 2)
            mine[1] = part->u[i];
    }
    MPI_Reduce(mine, all, 2, MPI_DOUBLE, MPI_MAX, 0, MPI_COMM_WORLD);
    if (part->rank == 0)
        printf("ranks = %d\nmiddle = %.9f\nerror = %.3e\n", part->ranks, all[1], all[0]);
}

int main(int argc, char **argv)
{
    struct part part;
    MPI_Init(&argc, &argv);
    double kappa = argc > 1 ? strtod(argv[1], NULL) : 0,
           seconds = argc > 2 ? strtod(argv[2], NULL) : 0;
    if (!(kappa > 0) || !(seconds > 0) || create(&part) < 0) {
        fprintf(stderr, "usage: heat KAPPA SECONDS (both positive)\n");
        MPI_Abort(MPI_COMM_WORLD, 2);
    }
    for (int i = 1; i <= part.count; i++)
        part.u[i] = sin(pi * position(&part, i));
    double dx = 1.0 / (CELLS + 1), dt_max = COURANT * dx * dx / kappa;
    long steps = (long)ceil(seconds / dt_max);
    for (long i = 0; i < steps; i++)
        step(&part, kappa * (seconds / (double)steps) / (dx * dx));
    report(&part, kappa, seconds);
    free(part.u);
    free(part.next);
    MPI_Finalize();
    return 0;
}
