/* beofarm-master: runs one farm's master in the current directory (docs/architecture.md). */
#include "config.h"

#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "common/descriptors.h"
#include "common/errand.h"
#include "common/fd.h"
#include "common/hidden.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mpi_world.h"
#include "master/attempts.h"
#include "master/farm.h"
#include "master/forget.h"
#include "master/plan.h"
#include "master/probe.h"
#include "master/rebuild.h"

#define MATRIX_BYTES (1 << 20) /* and more: a mapping of its own */

static const char usage[] =
    "Usage: beofarm-master [--run-dir DIR] [--port PORT] [--driver-socket PATH] [FARM]\n"
    "       beofarm-master --plan FARM | --results RUN_DIR |\n"
    "                      --forget-failed RUN_DIR | --probe\n"
    "       beofarm-master --attempts RUN_DIR --task N\n"
    "\n"
    "Runs the master of a farm in the current directory, which holds farm.json (or FARM) and\n"
    "files.json. It is started by `beofarm run`; what it needs to know is in its environment.\n"
    "\n"
    "  --run-dir DIR      where journal.db, results.csv and out/ go [$BEOFARM_RUN_DIR, or .]\n"
    "  --port PORT        the port to listen on first [$BEOFARM_PORT, or the farm file's]\n"
    "  --driver-socket PATH\n"
    "                     listen on this Unix socket for an optimiser that says what to run\n"
    "  --plan FARM        print what a farm file comes to, as JSON, and start nothing\n"
    "  --results RUN_DIR  write results.csv again from journal.db\n"
    "  --forget-failed RUN_DIR  forget that tasks failed, so that the next master runs them\n"
    "                     again; prints how many\n"
    "  --attempts RUN_DIR say how failed attempts of the task --task N ended\n"
    "  --probe            print whether workers can join by MPI here, as JSON\n"
    "  --help, --version\n"
    "\n"
    "Environment: BEOFARM_SECRET (64 hex digits), BEOFARM_RUN_DIR, BEOFARM_STORE,\n"
    "BEOFARM_PORT, BEOFARM_NETWORK (interface or CIDR), BEOFARM_LOG (error, warn, info,\n"
    "debug).\n";

enum {
    OPTION_RUN_DIR = 256,
    OPTION_PORT,
    OPTION_DRIVER_SOCKET,
    OPTION_PLAN,
    OPTION_RESULTS,
    OPTION_FORGET_FAILED,
    OPTION_PROBE,
    OPTION_ATTEMPTS,
    OPTION_TASK
};

static const struct option options[] = {
    {"run-dir", required_argument, NULL, OPTION_RUN_DIR},
    {"port", required_argument, NULL, OPTION_PORT},
    {"driver-socket", required_argument, NULL, OPTION_DRIVER_SOCKET},
    {"plan", required_argument, NULL, OPTION_PLAN},
    {"results", required_argument, NULL, OPTION_RESULTS},
    {"forget-failed", required_argument, NULL, OPTION_FORGET_FAILED},
    {"attempts", required_argument, NULL, OPTION_ATTEMPTS},
    {"task", required_argument, NULL, OPTION_TASK},
    {"probe", no_argument, NULL, OPTION_PROBE},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *run_dir, *port, *attempts, *task, *driver_socket, *farm;
};

static int fail(const struct error *error)
{
    log_error("%s", error->text);
    return error->code;
}

/* For --plan and the like the sentence is for a person, not for a log. */
static int complain(const struct error *error)
{
    fprintf(stderr, "%s\n", error->text);
    return error->code;
}

static int read_port(const char *text, int *ret_port, struct error *ret_error)
{
    char *end;
    long port = text && *text ? strtol(text, &end, 10) : -1;
    if (text && *text && (*end || port < 0 || port > 65535))
        return error_set(ret_error, ERROR_USAGE, "port \"%s\" is not a number from 0 to 65535",
                         text);
    *ret_port = (int)port;
    return 0;
}

/* BEOFARM_ALONE_S; 0 where it says nothing that makes sense. */
static double alone_s(void)
{
    const char *text = getenv("BEOFARM_ALONE_S");
    char *end = NULL;
    double seconds = text ? strtod(text, &end) : 0;
    return text && end != text && !*end && seconds > 0 && seconds < 1e9 ? seconds : 0;
}

/* A matrix goes back to the system when it is freed, whichever thread it was for. By itself glibc
 * keeps blocks of up to 32 MiB, once one has been freed, in an arena for each thread. */
static void memory_give_back(void)
{
    mallopt(M_MMAP_THRESHOLD, MATRIX_BYTES);
    mallopt(M_TRIM_THRESHOLD, MATRIX_BYTES);
}

static int run(const struct arguments *arguments)
{
    struct error error = {0};
    struct farm_options farm = {.farm_path = arguments->farm ? arguments->farm : "farm.json",
                                .manifest_path = "files.json",
                                .run_dir = arguments->run_dir ? arguments->run_dir
                                                              : getenv("BEOFARM_RUN_DIR"),
                                .store = getenv("BEOFARM_STORE"),
                                .run = container_target_get().run,
                                .secret = getenv("BEOFARM_SECRET"),
                                .network = getenv("BEOFARM_NETWORK"),
                                .alone_s = alone_s(),
                                .driver_socket = arguments->driver_socket};
    if (!farm.run_dir || !*farm.run_dir)
        farm.run_dir = ".";
    if (read_port(arguments->port ? arguments->port : getenv("BEOFARM_PORT"), &farm.port,
                  &error) < 0)
        return fail(&error);
    if (!farm.secret) {
        error_set(&error, ERROR_USAGE,
                  "BEOFARM_SECRET is not set; start farms with `beofarm run FARM`");
        return fail(&error);
    }
    if (limits_check_files(LIMITS_FILES, &error) < 0)
        return fail(&error);
    descriptors_raise();
    memory_give_back();
    int code = farm_run(&farm, &error);
    if (code != ERROR_NONE && code != ERROR_TASKS && code != ERROR_INTERRUPTED)
        fail(&error);
    mpi_world_exit(code);
    if (errand_is_abroad()) {
        fflush(stdout);
        fflush(stderr);
        _exit(code);
    }
    return code;
}

static int print_attempts(const struct arguments *arguments)
{
    struct error error;
    char *end;
    const char *text = arguments->task ? arguments->task : "";
    unsigned long long task = strtoull(text, &end, 10);
    if (*end || task == 0) {
        error_set(&error, ERROR_USAGE, "--task \"%s\" is no number of a task", text);
        return complain(&error);
    }
    if (attempts_print(arguments->attempts, task, stdout, &error) < 0)
        return complain(&error);
    return 0;
}

static int print_version(void)
{
    puts(PACKAGE_STRING);
    return 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct error error = {0};
    int option;
    fd_open_standard();
    fd_signals_ignore();
    if (limits_check_stack(&error) < 0)
        return complain(&error);
    log_open("master");
    hidden_remember();
    while ((option = getopt_long(argc, argv, "hV", options, NULL)) >= 0) {
        switch (option) {
        case OPTION_RUN_DIR:
            arguments.run_dir = optarg;
            break;
        case OPTION_PORT:
            arguments.port = optarg;
            break;
        case OPTION_DRIVER_SOCKET:
            arguments.driver_socket = optarg;
            break;
        case OPTION_ATTEMPTS:
            arguments.attempts = optarg;
            break;
        case OPTION_TASK:
            arguments.task = optarg;
            break;
        case OPTION_PLAN:
            return plan_print(optarg, &error) < 0 ? complain(&error) : 0;
        case OPTION_RESULTS:
            return rebuild_results(optarg, &error) < 0 ? complain(&error) : 0;
        case OPTION_FORGET_FAILED:
            return forget_failed(optarg, stdout, &error) < 0 ? complain(&error) : 0;
        case OPTION_PROBE:
            return probe_print(&error) < 0 ? complain(&error) : 0;
        case 'h':
            fputs(usage, stdout);
            return 0;
        case 'V':
            return print_version();
        default:
            fputs(usage, stderr);
            return ERROR_USAGE;
        }
    }
    if (optind < argc)
        arguments.farm = argv[optind++];
    if (optind < argc || (arguments.farm && arguments.attempts)) {
        fprintf(stderr, "beofarm-master takes no argument \"%s\"\n%s", argv[argc - 1], usage);
        return ERROR_USAGE;
    }
    return arguments.attempts ? print_attempts(&arguments) : run(&arguments);
}
