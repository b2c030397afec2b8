/* beofarm-worker: joins a farm's master and computes its tasks on this node. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/azure/container.h"
#include "common/descriptors.h"
#include "common/fd.h"
#include "common/hidden.h"
#include "common/json.h"
#include "common/limits.h"
#include "common/log.h"
#include "common/mpi_world.h"
#include "worker/agent.h"
#include "worker/doctor.h"
#include "worker/mate.h"
#include "worker/remote.h"
#include "worker/topology.h"

static const char usage[] =
    "Usage: beofarm-worker [OPTION]... [HOST[:PORT]]\n"
    "       beofarm-worker --topology [--bandwidth] [--json] [--worker JSON]\n"
    "       beofarm-worker --mate\n"
    "       beofarm-worker --remote SOCKET -- NODE COMMAND...\n"
    "\n"
    "Joins the master of a farm and computes its tasks in the slots of this node. HOST:PORT\n"
    "is where the master listens ([ADDRESS]:PORT for IPv6; without it, $BEOFARM_MASTER,\n"
    "$BEOFARM_MASTER_ADDR and $BEOFARM_PORT say so).\n"
    "\n"
    "  --farm NAME         the farm's name [$BEOFARM_FARM]\n"
    "  --secret-file FILE  holds the farm's secret, 64 hex digits: RUN/secret\n"
    "                      [$BEOFARM_SECRET]\n"
    "  --network WHICH     interface or CIDR that Open MPI keeps to [$BEOFARM_NETWORK]\n"
    "  --tcp               join by TCP even where MPI works\n"
    "  --wait SECONDS      how long to wait for a master that is not there yet [60; 600 with\n"
    "                      a container]\n"
    "  --topology          say what this node is and which slots it would make\n"
    "  --json              ... as JSON\n"
    "  --bandwidth         ... and how fast their memory is (it computes for a second)\n"
    "  --worker JSON       ... for these \"worker\" settings of a farm file\n"
    "  --mate              stand in for a worker of several nodes on one of the others; goes\n"
    "                      into the background [$AZ_BATCH_HOST_LIST, $BEOFARM_FARM,\n"
    "                      $BEOFARM_SECRET]\n"
    "  --remote SOCKET     run a command on another node of the task that this is part of\n"
    "  --help, --version\n"
    "\n"
    "SIGTERM makes it leave in order: it finishes or hands back what it has.\n";

#define BANDWIDTH_S 0.25

enum {
    OPTION_FARM = 256,
    OPTION_SECRET_FILE,
    OPTION_NETWORK,
    OPTION_TCP,
    OPTION_WAIT,
    OPTION_TOPOLOGY,
    OPTION_JSON,
    OPTION_BANDWIDTH,
    OPTION_WORKER,
    OPTION_MATE,
    OPTION_REMOTE
};

static const struct option option_table[] = {
    {"farm", required_argument, NULL, OPTION_FARM},
    {"secret-file", required_argument, NULL, OPTION_SECRET_FILE},
    {"network", required_argument, NULL, OPTION_NETWORK},
    {"tcp", no_argument, NULL, OPTION_TCP},
    {"wait", required_argument, NULL, OPTION_WAIT},
    {"topology", no_argument, NULL, OPTION_TOPOLOGY},
    {"json", no_argument, NULL, OPTION_JSON},
    {"bandwidth", no_argument, NULL, OPTION_BANDWIDTH},
    {"worker", required_argument, NULL, OPTION_WORKER},
    {"mate", no_argument, NULL, OPTION_MATE},
    {"remote", required_argument, NULL, OPTION_REMOTE},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

struct arguments {
    const char *farm, *secret_file, *network, *wait, *worker, *remote;
    char *master; /* HOST[:PORT], cut apart in place */
    char **words; /* of a remote command */
    int word_count;
    bool tcp, topology, json, bandwidth, mate;
};

static int print_topology(const struct arguments *arguments, struct error *ret_error)
{
    cJSON *settings = NULL;
    struct topology_request request;
    struct topology *topology = NULL;
    struct topology_plan *plan = NULL;
    struct bandwidth measured = {0};
    struct buf out;
    int rc = -1;
    buf_init(&out, (size_t)16 << 20);
    if (arguments->worker && json_parse(arguments->worker, strlen(arguments->worker),
                                        "--worker", JSON_STRICT, &settings, ret_error) < 0)
        return -1;
    if (topology_request_read(&request, settings, ret_error) == 0)
        topology = topology_open(NULL, ret_error);
    if (topology)
        plan = topology_plan_create(topology, &request, ret_error);
    if (plan)
        rc = arguments->bandwidth ? bandwidth_measure(plan, doctor_cache_bytes(topology),
                                                      BANDWIDTH_S, &measured, ret_error)
                                  : 0;
    if (rc == 0 && (arguments->json ? doctor_print_json : doctor_print_text)(
                       &out, topology, plan, measured.count ? &measured : NULL) < 0)
        rc = error_set(ret_error, ERROR_SYSTEM, "no memory to describe this node");
    if (rc == 0)
        fwrite(out.data, 1, out.size, stdout);
    buf_fini(&out);
    bandwidth_fini(&measured);
    topology_plan_destroy(plan);
    if (topology)
        topology_close(topology);
    cJSON_Delete(settings);
    return rc;
}

static int read_port(const char *text, int *ret_port, struct error *ret_error)
{
    char *end;
    long port = strtol(text, &end, 10);
    if (end == text || *end || port < 1 || port > 65535)
        return error_set(ret_error, ERROR_USAGE, "port \"%s\" is not a number from 1 to 65535",
                         text);
    *ret_port = (int)port;
    return 0;
}

/* "host", "host:port", "[address]:port" */
static int read_master(struct dial_options *dial, char *text, struct error *ret_error)
{
    char *port = NULL;
    if (text[0] == '[' && strchr(text, ']')) {
        char *close = strchr(text, ']');
        *close = 0;
        text++;
        port = close[1] == ':' ? close + 2 : NULL;
    } else if (strchr(text, ':') && strchr(text, ':') == strrchr(text, ':')) {
        port = strchr(text, ':');
        *port++ = 0;
    }
    dial->host = text;
    dial->address = NULL; /* the environment's is another machine's */
    return port ? read_port(port, &dial->port, ret_error) : 0;
}

static int read_secret(struct auth_secret *secret, const char *file, struct error *ret_error)
{
    const char *hex = getenv("BEOFARM_SECRET");
    char *text = NULL;
    size_t size;
    if (file && json_read_text(file, 4096, &text, &size, ret_error) < 0)
        return -1;
    if (file) {
        text[strcspn(text, "\r\n")] = 0;
        hex = text;
    }
    int rc =
        hex ? auth_secret_parse(hex, secret, ret_error)
            : error_set(ret_error, ERROR_USAGE,
                        "the farm's secret is needed: set BEOFARM_SECRET, or name the file "
                        "\"secret\" of the run directory with --secret-file");
    if (rc == 0 && file) /* for the worker's other nodes, and for other workers */
        setenv("BEOFARM_SECRET", hex, 1);
    free(text);
    return rc;
}

static int read_options(struct agent_options *options, const struct arguments *arguments,
                        struct error *ret_error)
{
    struct dial_options *dial = &options->dial;
    const char *port = getenv("BEOFARM_PORT");
    *dial = (struct dial_options){
        .host = getenv("BEOFARM_MASTER"),
        .address = getenv("BEOFARM_MASTER_ADDR"),
        .port = 4004,
        .farm = arguments->farm ? arguments->farm : getenv("BEOFARM_FARM"),
        .network = arguments->network ? arguments->network : getenv("BEOFARM_NETWORK"),
        .mpi = !arguments->tcp,
        .cancel_fd = -1,
    };
    options->wait_s = container_target_get().store ? 600 : 60; /* nodes take their time */
    if (port && *port && read_port(port, &dial->port, ret_error) < 0)
        return -1;
    if (arguments->master && read_master(dial, arguments->master, ret_error) < 0)
        return -1;
    if (arguments->wait) {
        char *end;
        options->wait_s = strtod(arguments->wait, &end);
        if (*end || end == arguments->wait || !(options->wait_s >= 0 && options->wait_s < 1e9))
            return error_set(ret_error, ERROR_USAGE, "--wait \"%s\" is not a number of seconds",
                             arguments->wait);
    }
    if ((!dial->host || !*dial->host) && (!dial->address || !*dial->address))
        return error_set(ret_error, ERROR_USAGE,
                         "no master is named: give HOST:PORT, or set BEOFARM_MASTER");
    if (!dial->host || !*dial->host)
        dial->host = dial->address;
    if (!dial->farm || !*dial->farm)
        return error_set(ret_error, ERROR_USAGE,
                         "the farm's name is needed: --farm NAME, or set BEOFARM_FARM");
    return read_secret(&dial->secret, arguments->secret_file, ret_error);
}

static int fail(const struct error *error)
{
    log_error("%s", error->text);
    return error->code;
}

static int work(const struct arguments *arguments)
{
    struct agent_options options;
    struct error error = {0};
    if (limits_check_stack(&error) < 0 || limits_check_files(LIMITS_FILES, &error) < 0 ||
        read_options(&options, arguments, &error) < 0)
        return fail(&error);
    descriptors_raise();
    int code = agent_run(&options, &error);
    auth_secret_wipe(&options.dial.secret);
    if (code)
        fail(&error);
    mpi_world_exit(code);
    return code;
}

/* In the background: what it says goes to mate.txt, beside the task's stdout.txt. */
static int be_mate(void)
{
    struct mate_settings settings;
    struct error error = {0};
    char log_path[4096];
    const char *folder = getenv("AZ_BATCH_TASK_DIR");
    snprintf(log_path, sizeof log_path, "%s/mate.txt", folder ? folder : ".");
    if (mate_settings_read(&settings, &error) < 0)
        return fail(&error);
    settings.detach = true;
    settings.log_path = log_path;
    int code = mate_run(&settings, &error);
    auth_secret_wipe(&settings.secret);
    return code ? fail(&error) : 0;
}

static int be_remote(const struct arguments *arguments)
{
    struct error error;
    int code = remote_run(arguments->remote, arguments->words, arguments->word_count, &error);
    if (code >= 0)
        return code;
    fprintf(stderr, "beofarm-worker: %s\n", error.text);
    return 255; /* as ssh says it */
}

/* For models: where we were started, which whoever submitted us can read. */
static void worker_dir_set(void)
{
    char *here = getcwd(NULL, 0);
    if (here)
        setenv("BEOFARM_WORKER_DIR", here, 1);
    free(here);
}

static int read_arguments(struct arguments *arguments, int argc, char **argv)
{
    int option;
    while ((option = getopt_long(argc, argv, "hV", option_table, NULL)) >= 0) {
        switch (option) {
        case OPTION_FARM:
            arguments->farm = optarg;
            break;
        case OPTION_SECRET_FILE:
            arguments->secret_file = optarg;
            break;
        case OPTION_NETWORK:
            arguments->network = optarg;
            break;
        case OPTION_TCP:
            arguments->tcp = true;
            break;
        case OPTION_WAIT:
            arguments->wait = optarg;
            break;
        case OPTION_TOPOLOGY:
            arguments->topology = true;
            break;
        case OPTION_JSON:
            arguments->json = true;
            break;
        case OPTION_BANDWIDTH:
            arguments->bandwidth = true;
            break;
        case OPTION_WORKER:
            arguments->worker = optarg;
            break;
        case OPTION_MATE:
            arguments->mate = true;
            break;
        case OPTION_REMOTE:
            arguments->remote = optarg;
            break;
        default:
            return option;
        }
    }
    if (arguments->remote) {
        arguments->words = argv + optind;
        arguments->word_count = argc - optind;
        return arguments->word_count < 2 ? '?' : 0;
    }
    arguments->master = optind < argc ? argv[optind++] : NULL;
    return optind < argc ? '?' : 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments = {0};
    struct error error = {0};
    fd_open_standard();
    log_open("worker");
    switch (read_arguments(&arguments, argc, argv)) {
    case 0:
        break;
    case 'h':
        fputs(usage, stdout);
        return 0;
    case 'V':
        puts(PACKAGE_STRING);
        return 0;
    default:
        fputs(usage, stderr);
        return ERROR_USAGE;
    }
    if (arguments.mate)
        return be_mate();
    if (arguments.remote)
        return be_remote(&arguments);
    worker_dir_set();
    hidden_remember();
    if (!arguments.topology)
        return work(&arguments);
    if (print_topology(&arguments, &error) == 0)
        return 0;
    fprintf(stderr, "%s\n", error.text);
    return error.code;
}
