/* beofarm-shot: computes the shots of a survey, for beofarm-worker or by hand. */
#include "config.h"

#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/log.h"
#include "common/processors.h"
#include "worker/seismic/shot_cli.h"
#include "worker/seismic/shot_serve.h"

#define PROCESSORS (PROCESSORS_SETS * CPU_SETSIZE)

/* Where OMP_PROC_BIND is set, OpenMP has bound this thread to the first of its places, which a
 * program begun again would take for all there are: back to all of them. */
static void unbind(void)
{
    cpu_set_t sets[PROCESSORS_SETS] = {0};
    int ids[PROCESSORS], places = omp_get_num_places();
    for (int place = 0; place < places; place++) {
        int count = omp_get_place_num_procs(place);
        if (count > PROCESSORS)
            return;
        omp_get_place_proc_ids(place, ids);
        for (int i = 0; i < count; i++)
            CPU_SET_S((size_t)ids[i], sizeof(sets), sets);
    }
    if (places > 0)
        sched_setaffinity(0, sizeof(sets), sets);
    /* Where it cannot be set, threads have one processor: slow, not wrong. */
}

/*
 * Threads that wait for each other spin before they sleep. GNU's OpenMP spins for milliseconds,
 * which where others use the cores as well makes a run up to twenty times slower (measured), and
 * reads how long only when a program begins; so begin again, with some microseconds.
 */
static void spin_less(char **argv)
{
    if (getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY"))
        return;
    if (setenv("GOMP_SPINCOUNT", "5000", 0) < 0)
        return;
    unbind();
    execv("/proc/self/exe", argv);
    /* Without /proc it goes on as it is. */
}

/* What is begun again by its link would be called "exe" in lists of processes. And as many threads
 * compute as were told: OMP_DYNAMIC would have fewer the busier the machine is, and with a farm all
 * of it is. */
static void settle(void)
{
    prctl(PR_SET_NAME, "beofarm-shot");
    omp_set_dynamic(false);
}

/* Standard output is for answers alone: whatever a library prints goes to standard error. */
static int serve(struct error *ret_error)
{
    int out_fd = dup(STDOUT_FILENO);
    if (out_fd < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "standard output cannot be moved");
    int rc = shot_serve(STDIN_FILENO, out_fd, ret_error);
    close(out_fd);
    return rc;
}

/* The threads wait for each other many times in a time step: where some have to take turns at the
 * processors, all wait for those. */
static void threads_remark(const struct shot_cli *cli)
{
    int count = omp_get_num_procs();
    if (cli->threads > count)
        log_warn(
            "--threads %d: there %s %d processor%s for them, which makes them wait for each "
            "other; --threads %d is faster",
            cli->threads, count == 1 ? "is" : "are", count, count == 1 ? "" : "s", count);
}

static int compute(const struct shot_cli *cli, struct error *ret_error)
{
    threads_remark(cli);
    return shot_cli_run(cli, ret_error);
}

int main(int argc, char **argv)
{
    struct shot_cli cli;
    struct error error = {0};
    fd_open_standard();
    spin_less(argv);
    settle();
    log_open("shot");
    fd_signals_ignore();
    int rc = shot_cli_parse(&cli, argc, argv, &error);
    if (rc == 0 && cli.help)
        fputs(shot_cli_help, stdout);
    else if (rc == 0 && cli.version)
        printf("beofarm-shot %s\n", PACKAGE_VERSION);
    else if (rc == 0)
        rc = cli.serve ? serve(&error) : compute(&cli, &error);
    if (rc < 0)
        log_error("%s", error.text);
    return rc < 0 ? (int)error.code : 0;
}
