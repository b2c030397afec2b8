/*
 * How singletons find each other: each process starts without mpirun, and MPI_Comm_join has the
 * two ends exchange their addresses through an ompi-server that both were told of in
 * OMPI_MCA_pmix_server_uri before MPI_Init. Open MPI starts a small daemon (orted) beside each
 * such process; it ends with the process.
 *
 * How it ends: MPI_Finalize first disconnects every communicator made by a join, and that waits
 * until the peer finalises too, so a worker that leaves early would hang its master and itself.
 * So a process that ever joined leaves by _exit; the daemon then removes the session's files.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <mpi.h>

#include "common/auth.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/limits.h"
#include "common/mpi_private.h"
#include "common/mpi_session.h"
#include "common/mpi_world.h"
#include "common/network.h"

#define STOP_LIMIT_MS   1000                   /* for it to end when asked */
#define SERVER_LIMIT_NS (15 * CLOCK_SECOND_NS) /* for the ompi-server to write its URI */

/* Of those through which Open MPI and its daemon talk: it aborts the process where they cannot grow
 * to 4 MiB. */
#define FILE_BYTES ((size_t)8 << 20)

static struct {
    pthread_mutex_t mutex; /* guards the two below */
    bool joining;          /* the gate's one place is taken */
    bool given_up;

    bool failed; /* MPI_Init or the server failed: not to be tried again */
    bool initialised;
    pid_t server; /* the ompi-server, 0 if none of ours */
    char instance[AUTH_NAME_MAX];
    char uri[AUTH_URI_MAX];
} world = {.mutex = PTHREAD_MUTEX_INITIALIZER};

/* --- what is there -------------------------------------------------------------------- */

/* Find an executable in PATH or beside Open MPI's own prefix. */
static bool program_find(const char *name, char path[4096])
{
    const char *prefix = getenv("OPAL_PREFIX");
    if (prefix && snprintf(path, 4096, "%s/bin/%s", prefix, name) < 4096 &&
        access(path, X_OK) == 0)
        return true;
    const char *next = getenv("PATH");
    if (!next)
        next = "/usr/local/bin:/usr/bin:/bin";
    while (*next) {
        size_t size = strcspn(next, ":");
        if (size > 0 && snprintf(path, 4096, "%.*s/%s", (int)size, next, name) < 4096 &&
            access(path, X_OK) == 0)
            return true;
        next += size + (next[size] == ':');
    }
    return false;
}

const char *mpi_world_version(void)
{
    static char version[64];
    static const char name[] = "Open MPI v";
    char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
    int size = 0;
    if (!version[0]) { /* the text begins "Open MPI v4.1.4, package: ..." */
        MPI_Get_library_version(text, &size);
        bool ours = strncmp(text, name, sizeof name - 1) == 0;
        const char *rest = ours ? text + sizeof name - 1 : text;
        snprintf(version, sizeof version, "%s%.*s", ours ? "Open MPI " : "",
                 (int)strcspn(rest, ", \n"), rest);
    }
    return version;
}

static int program_check(const char *name, struct error *ret_error)
{
    char path[4096];
    if (program_find(name, path))
        return 0;
    return error_set(ret_error, ERROR_SYSTEM,
                     "Open MPI's program %s is not in PATH; install it (Debian package "
                     "openmpi-bin)",
                     name);
}

/* What any process needs: the right Open MPI, and the daemon that MPI_Init starts. MPI_Init
 * would end the process if it were missing. */
static int library_check(struct error *ret_error)
{
    static const char wanted[] = "Open MPI 4.";
    if (strncmp(mpi_world_version(), wanted, sizeof wanted - 1) != 0)
        return error_set(ret_error, ERROR_SYSTEM,
                         "workers join by MPI with Open MPI 4 alone, and this is %s; the farm "
                         "can use tcp",
                         mpi_world_version());
    return program_check("orted", ret_error);
}

int mpi_world_works(struct error *ret_error)
{
    if (library_check(ret_error) < 0 || limits_check_size(FILE_BYTES, ret_error) < 0)
        return -1;
    return program_check("ompi-server", ret_error);
}

const char *mpi_world_instance(void)
{
    return world.instance;
}

const char *mpi_world_uri(void)
{
    return world.uri;
}

/* --- environment ---------------------------------------------------------------------- */

static int mca_set(const char *key, const char *value, bool override, struct error *ret_error)
{
    char name[256];
    if (snprintf(name, sizeof name, "OMPI_MCA_%s", key) >= (int)sizeof name)
        return error_set(ret_error, ERROR_CONFIG, "mpi.mca: the key '%.64s…' is too long", key);
    if (setenv(name, value, override) < 0)
        return error_errno(ret_error, errno, "cannot set %s", name);
    return 0;
}

static int mca_apply(const char *mca, struct error *ret_error)
{
    if (!mca || !*mca)
        return 0;
    cJSON *map = cJSON_Parse(mca);
    int result = 0;
    if (!cJSON_IsObject(map))
        result = error_set(ret_error, ERROR_CONFIG, "mpi.mca is not a JSON object");
    for (cJSON *item = map ? map->child : NULL; item && result == 0; item = item->next) {
        if (!cJSON_IsString(item))
            result =
                error_set(ret_error, ERROR_CONFIG, "mpi.mca.%s is not a text", item->string);
        else
            result = mca_set(item->string, item->valuestring, true, ret_error);
    }
    cJSON_Delete(map);
    return result;
}

/* Settings that make a farm of singletons work; the user's own environment goes before the
 * soft ones, and the farm file before all. */
static int environment_set(const char *network, const char *mca, struct error *ret_error)
{
    static const char *const soft[][2] = {
        /* A join gives way; see way_give. */
        {"mpi_yield_when_idle", "1"},
        /* The point-to-point layers that can connect to processes met later. Shared memory
         * needs one /dev/shm and the right to read a stranger's memory, which containers
         * and namespaces with equal host names do not give. */
        {"pml", "ob1"},
        {"btl", "self,tcp"},
        {"osc", "^ucx"},
        /* What link_mpi has under way must fit the kernel's buffer, and packets must be below
         * the eager limit: link_mpi_room.c reads both. The system cuts the former to
         * net.core.wmem_max. */
        {"btl_tcp_sndbuf", "1572864"},
        {"btl_tcp_eager_limit", "131072"},
        /* Read ahead by as much as makes a small packet one read, not by its 30 KiB a connection,
         * which large ones would pay for with a copy. */
        {"btl_tcp_endpoint_cache", "4096"},
        /* Children are started by posix_spawn or fork and exec, which is safe with tcp. */
        {"mpi_warn_on_fork", "0"},
        {"btl_base_warn_component_unused", "0"},
        {"orte_allowed_exit_without_sync", "1"},
    };
    char lo[] = "lo";
    struct sockaddr_storage address;
    if (!network || !*network)
        network = network_is_loopback_only() ? lo : "";
    if (*network && network_find(network, &address, ret_error) < 0)
        return -1;
    for (size_t i = 0; i < sizeof soft / sizeof *soft; i++)
        if (mca_set(soft[i][0], soft[i][1], false, ret_error) < 0)
            return -1;
    if (*network && (mca_set("oob_tcp_if_include", network, true, ret_error) < 0 ||
                     mca_set("btl_tcp_if_include", network, true, ret_error) < 0))
        return -1;
    const char *session = mpi_session_make(ret_error);
    if (!session || mca_set("orte_tmpdir_base", session, false, ret_error) < 0)
        return -1;
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    return mca_apply(mca, ret_error);
}

/* Open MPI tells processes apart by a number of 16 bits, the job family, which it would draw from
 * the host's name and a process number. Two that agree, as one pair among 300 workers does every
 * other time, break the second's join and whatever joins after it. So the master numbers them. */
enum { FAMILY_SERVER = 1, FAMILY_MASTER = 2, FAMILY_WORKERS = 2 /* + the worker's number */ };

static int family_set(unsigned family, struct error *ret_error)
{
    char jobid[16];
    snprintf(jobid, sizeof jobid, "%u", family << 16);
    if (mca_set("ess_base_jobid", jobid, true, ret_error) < 0)
        return -1;
    return mca_set("ess_base_vpid", "0", true, ret_error);
}

/* --- the ompi-server ------------------------------------------------------------------ */

/* In the child: never returns. Only async-signal-safe calls. */
static void server_exec(const char *program, const char *file, const char *log, pid_t parent)
{
    sigset_t none;
    char *arguments[] = {(char *)program, "--no-daemonize", "-r", (char *)file, NULL};
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(127);
    setpgid(0, 0); /* Ctrl-C is for the farm, which still needs its server while it stops */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int null = open("/dev/null", O_RDWR);
    int out = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    dup2(null, 0);
    dup2(out >= 0 ? out : null, 1);
    dup2(out >= 0 ? out : null, 2);
    syscall(SYS_close_range, 3U, ~0U, 0U);
    execv(program, arguments);
    _exit(127);
}

/* The first line of the URI file. False while it is not all there. */
static bool uri_read(const char *file)
{
    FILE *stream = fopen(file, "re");
    if (!stream)
        return false;
    char line[AUTH_URI_MAX];
    bool whole = fgets(line, sizeof line, stream) && strchr(line, '\n');
    fclose(stream);
    if (whole) {
        line[strcspn(line, "\r\n")] = 0;
        snprintf(world.uri, sizeof world.uri, "%s", line);
    }
    return whole && world.uri[0];
}

/* Sleep until the directory changes, the server dies or time is up. */
static int uri_wait(const char *file, int notify_fd, struct error *ret_error)
{
    const int64_t deadline_ns = clock_monotonic_ns() + SERVER_LIMIT_NS;
    int pid_fd = (int)syscall(SYS_pidfd_open, world.server, 0);
    int result = -2;
    while (result == -2) {
        char events[4096];
        int64_t left_ms = (deadline_ns - clock_monotonic_ns()) / CLOCK_MS_NS;
        struct pollfd ready[2] = {{.fd = notify_fd, .events = POLLIN},
                                  {.fd = pid_fd, .events = POLLIN}};
        if (uri_read(file))
            result = 0;
        else if (left_ms <= 0)
            result = error_set(ret_error, ERROR_SYSTEM, "ompi-server did not start in time");
        else if (ready[1].revents || (poll(ready, 2, (int)left_ms) >= 0 && ready[1].revents))
            result = error_set(ret_error, ERROR_SYSTEM, "ompi-server ended at once");
        else if (ready[0].revents && read(notify_fd, events, sizeof events) < 0 &&
                 errno != EAGAIN && errno != EINTR)
            result = error_errno(ret_error, errno, "cannot watch for %s", file);
    }
    if (pid_fd >= 0)
        close(pid_fd);
    return result;
}

/* Ask the server to end, which it does at once and tidily; insist if it does not. */
static void server_stop(void)
{
    if (world.server <= 0)
        return;
    int pid_fd = (int)syscall(SYS_pidfd_open, world.server, 0);
    struct pollfd ended = {.fd = pid_fd, .events = POLLIN};
    kill(world.server, SIGTERM);
    if (pid_fd < 0 || poll(&ended, 1, STOP_LIMIT_MS) <= 0)
        kill(world.server, SIGKILL);
    while (waitpid(world.server, NULL, 0) < 0 && errno == EINTR)
        ;
    if (pid_fd >= 0)
        close(pid_fd);
    world.server = 0;
}

static int server_start(const char *directory, struct error *ret_error)
{
    char program[4096], file[4096], log[4096];
    if (!program_find("ompi-server", program))
        return program_check("ompi-server", ret_error);
    if (snprintf(file, sizeof file, "%s/ompi-server.uri", directory) >= (int)sizeof file ||
        snprintf(log, sizeof log, "%s/ompi-server.log", directory) >= (int)sizeof log)
        return error_set(ret_error, ERROR_CONFIG, "the directory's name is too long: %s",
                         directory);
    unlink(file);
    int notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (notify_fd < 0 ||
        inotify_add_watch(notify_fd, directory, IN_CLOSE_WRITE | IN_MOVED_TO) < 0) {
        error_errno(ret_error, errno, "cannot watch the directory %s", directory);
        if (notify_fd >= 0)
            close(notify_fd);
        return -1;
    }
    pid_t self = getpid();
    pid_t child = fork();
    if (child == 0)
        server_exec(program, file, log, self);
    int result = child < 0 ? error_errno(ret_error, errno, "cannot start ompi-server") : 0;
    world.server = child < 0 ? 0 : child;
    if (result == 0)
        result = uri_wait(file, notify_fd, ret_error);
    close(notify_fd);
    if (result < 0) {
        server_stop();
        error_prefix(ret_error, "see %s", log);
    }
    return result;
}

/* Open MPI 4's switch for whether a look for news gives the core away when there were none, which
 * its headers for users do not declare. Weak: without it, mpi_yield_when_idle holds throughout. */
bool opal_progress_set_yield_when_idle(bool yields) __attribute__((weak));

/* A join spins inside MPI, so it gives way to whoever has work to do, also if it is stuck. Links
 * look only when a packet is there or all but there; on a node whose cores are all at work,
 * giving way would cost each packet the time slice of a model. */
static void way_give(bool gives)
{
    if (opal_progress_set_yield_when_idle)
        opal_progress_set_yield_when_idle(gives);
}

/* --- initialising --------------------------------------------------------------------- */

static int initialise(const char *instance, struct error *ret_error)
{
    int provided = 0;
    /* Open MPI writes to the socket of a killed peer without asking for no signal. */
    signal(SIGPIPE, SIG_IGN);
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_MULTIPLE, &provided);
    if (code != MPI_SUCCESS)
        return mpi_world_fail(code, "MPI_Init_thread", ret_error);
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_set_errhandler(MPI_COMM_SELF, MPI_ERRORS_RETURN);
    if (provided < MPI_THREAD_MULTIPLE)
        return error_set(ret_error, ERROR_SYSTEM, "this Open MPI was built without threads");
    snprintf(world.instance, sizeof world.instance, "%s", instance);
    world.initialised = true;
    way_give(false);
    return 0;
}

/* Whether this process may still enter a universe. */
static int fresh_check(const char *instance, struct error *ret_error)
{
    if (world.failed)
        return error_set(ret_error, ERROR_SYSTEM, "MPI failed earlier in this process");
    if (world.initialised)
        return error_set(ret_error, ERROR_SYSTEM,
                         "this process's MPI already belongs to another master (%s)",
                         world.instance);
    if (!*instance || strlen(instance) >= sizeof world.instance)
        return error_set(ret_error, ERROR_BUG, "a master's instance needs 1 to %d bytes",
                         AUTH_NAME_MAX - 1);
    return 0;
}

int mpi_world_serve(const char *instance, const char *directory, const char *network,
                    const char *mca, struct error *ret_error)
{
    if (fresh_check(instance, ret_error) < 0 || mpi_world_works(ret_error) < 0)
        return -1;
    world.failed = true; /* until all went well */
    if (environment_set(network, mca, ret_error) < 0 ||
        family_set(FAMILY_SERVER, ret_error) < 0 || server_start(directory, ret_error) < 0)
        return -1;
    if (family_set(FAMILY_MASTER, ret_error) < 0 ||
        mca_set("pmix_server_uri", world.uri, true, ret_error) < 0 ||
        initialise(instance, ret_error) < 0) {
        server_stop();
        return -1;
    }
    world.failed = false;
    return 0;
}

int mpi_world_enter(const char *instance, uint64_t number, const char *uri, const char *network,
                    const char *mca, struct error *ret_error)
{
    if (world.initialised && strcmp(world.instance, instance) == 0)
        return 0;
    if (fresh_check(instance, ret_error) < 0 || library_check(ret_error) < 0)
        return -1;
    if (!*uri || strlen(uri) >= sizeof world.uri)
        return error_set(ret_error, ERROR_NETWORK, "the master gave no usable MPI server");
    if (number < 1 || number > MPI_WORLD_NUMBER_MAX)
        return error_set(
            ret_error, ERROR_NETWORK,
            "the first %d workers of a master join by MPI, and this is number %llu",
            MPI_WORLD_NUMBER_MAX, (unsigned long long)number);
    world.failed = true;
    snprintf(world.uri, sizeof world.uri, "%s", uri);
    if (environment_set(network, mca, ret_error) < 0 ||
        family_set(FAMILY_WORKERS + (unsigned)number, ret_error) < 0 ||
        mca_set("pmix_server_uri", uri, true, ret_error) < 0 ||
        initialise(instance, ret_error) < 0)
        return -1;
    world.failed = false;
    return 0;
}

/* --- the gate ------------------------------------------------------------------------- */

bool mpi_world_joinable(void)
{
    pthread_mutex_lock(&world.mutex);
    bool joinable = world.initialised && !world.joining && !world.given_up;
    pthread_mutex_unlock(&world.mutex);
    return joinable;
}

bool mpi_world_usable(void)
{
    return world.initialised ? mpi_world_joinable()
                             : !world.failed && mpi_world_works(NULL) == 0;
}

int mpi_world_join_begin(struct error *ret_error)
{
    pthread_mutex_lock(&world.mutex);
    bool joinable = world.initialised && !world.joining && !world.given_up;
    if (joinable) {
        world.joining = true;
        way_give(true);
    }
    pthread_mutex_unlock(&world.mutex);
    return joinable ? 0 : error_set(ret_error, ERROR_NETWORK, "another MPI join is under way");
}

void mpi_world_join_end(void)
{
    pthread_mutex_lock(&world.mutex);
    world.joining = false;
    way_give(false);
    pthread_mutex_unlock(&world.mutex);
}

void mpi_world_give_up(void)
{
    pthread_mutex_lock(&world.mutex);
    world.given_up = true;
    pthread_mutex_unlock(&world.mutex);
}

int mpi_world_fail(int mpi_code, const char *what, struct error *ret_error)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int size = 0, up = 0;
    if (MPI_Initialized(&up) == MPI_SUCCESS && up)
        MPI_Error_string(mpi_code, text, &size);
    return error_set(ret_error, ERROR_NETWORK, "%s failed: %s (MPI error %d)", what,
                     text[0] ? text : "no reason given", mpi_code);
}

void mpi_world_exit(int status)
{
    server_stop();
    mpi_session_remove();
    if (!world.initialised)
        return;
    fflush(NULL);
    _exit(status);
}
