/*
 * spawn_loop PROGRAM COUNT LOOPS [ARGUMENT...]: the limit of "a process per task". LOOPS processes,
 * each bound to a CPU of its own, start PROGRAM with posix_spawn and wait for it, COUNT times
 * together. Prints how many were started per second.
 */
#include "config.h"

#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Bind to the index-th CPU that we may use, round and round. */
static void bind_to(long index)
{
    cpu_set_t allowed, one;
    if (sched_getaffinity(0, sizeof allowed, &allowed) < 0)
        return;
    index %= CPU_COUNT(&allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &allowed) && index-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            (void)sched_setaffinity(0, sizeof one, &one);
        }
}

/* argv[0] is the program. */
static int loop_run(char **argv, long count)
{
    for (long i = 0; i < count; i++) {
        pid_t child;
        int status;
        if (posix_spawn(&child, argv[0], NULL, NULL, argv, environ) != 0 ||
            waitpid(child, &status, 0) != child || status != 0)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    long count = argc >= 4 ? atol(argv[2]) : 0;
    long loops = argc >= 4 ? atol(argv[3]) : 0;
    if (count < 1 || loops < 1) {
        fprintf(stderr, "usage: spawn_loop PROGRAM COUNT LOOPS [ARGUMENT...]\n");
        return 2;
    }
    argv[3] = argv[1]; /* from here on it is the program's own list */
    double start_s = now_s();
    for (long i = 0; i < loops; i++)
        if (fork() == 0) {
            bind_to(i);
            _exit(loop_run(argv + 3, count * (i + 1) / loops - count * i / loops));
        }
    for (long i = 0; i < loops; i++) {
        int status = 1;
        if (wait(&status) < 0 || status != 0) {
            fprintf(stderr, "spawn_loop: cannot run %s\n", argv[1]);
            return 1;
        }
    }
    printf("%.1f\n", (double)count / (now_s() - start_s));
    return 0;
}
