/*
 * The integral of exp(-a x^2) over the real axis, on MPI ranks: each sums its part of a trapezoidal
 * rule over [-L, L]. With step h the rule errs by 2 sqrt(pi/a) exp(-(pi/h)^2 / a), far below a
 * double's digits here, and the tails beyond L = 10/sqrt(a) by less than exp(-100).
 *
 *     mpirun -n 4 ./integral A
 */
#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS 4000000

int main(int argc, char **argv)
{
    int rank, size, name_size;
    double part = 0, sum = 0, a = argc > 1 ? strtod(argv[1], NULL) : 1;
    char name[MPI_MAX_PROCESSOR_NAME], path[64];
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    MPI_Get_processor_name(name, &name_size);
    double edge = 10 / sqrt(a), h = 2 * edge / STEPS;
    for (long i = rank; i <= STEPS; i += size) {
        double x = -edge + (double)i * h;
        part += exp(-a * x * x) * h;
    }
    MPI_Reduce(&part, &sum, 1, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    /* A file for each rank, on whatever node it runs. */
    snprintf(path, sizeof path, "part-%d.txt", rank);
    FILE *file = fopen(path, "w");
    if (file) {
        fprintf(file, "%s %.17g\n", name, part);
        fclose(file);
    }
    if (rank == 0)
        printf("ranks = %d\nintegral = %.15g\nerror = %.3g\n", size, sum,
               fabs(sum - sqrt(acos(-1) / a)));
    MPI_Finalize();
    return file ? 0 : 1;
}
