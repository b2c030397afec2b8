/*
 * crowd - thousands of workers in one process, for tests and benchmarks of a master.
 *
 *     crowd --workers 5000 --secret-file FILE --farm NAME [--delay-ms MS] [--credits N] HOST:PORT
 *
 * Each has a connection of its own over TCP: it proves the secret, says READY with one slot, takes
 * leases, returns a result for each (after MS milliseconds, one at a time, if there is a delay;
 * none before all have joined, so that no farm is over before its last worker came), honours
 * CANCEL, RECALL and STOP, and keeps up its heartbeat, as beofarm-worker does. A result has the
 * task's first value for each of the job's results. A worker that is refused in a way that permits
 * another try dials again; one that loses its link does not.
 *
 * Prints a line of JSON when all have joined, and one at the end:
 *
 *     {"event":"joined","workers":5000,"after_s":1.2}
 *     {"event":"refused","sentence":"..."}                       the first time
 *     {"event":"end","joined":5000,"stopped":5000,"lost":0,"refused":0,"results":20000}
 *
 * Exit code: 0 if every worker was told to stop.
 */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/auth.h"
#include "common/clock.h"
#include "common/descriptors.h"
#include "common/json.h"
#include "common/link_tcp.h"
#include "common/loop.h"
#include "common/message.h"
#include "common/values.h"

#define DIAL_AGAIN_NS   (200 * CLOCK_MS_NS)
#define HEARTBEAT_NS    (15 * CLOCK_SECOND_NS) /* until the job says */
#define RESULTS_PER_JOB 1000

enum phase { WAITING, CONNECTING, PROVING, LINKED, GONE };

struct crowd {
    struct loop *loop;
    struct sockaddr_in master;
    struct auth_secret secret;
    struct auth_hello hello;
    uint32_t credits;
    int64_t delay_ns, heartbeat_ns, began_ns;
    size_t result_count; /* values in a result, as the job says */
    struct worker *workers;
    unsigned count, ready, here, joined, stopped, lost, refused;
    unsigned long long results;
};

struct lease {
    struct attempt_id id;
    int64_t started_ns;
    size_t size;
    struct lease *next;
    uint8_t payload[];
};

struct worker {
    struct crowd *crowd;
    enum phase phase;
    int fd; /* until it belongs to the link */
    struct auth *auth;
    struct link *link;
    struct loop_watch *watch;
    struct loop_timer *timer; /* to dial again, then the pulse */
    struct loop_timer *work;  /* the first lease's end */
    struct lease *first, *last;
};

static void dial(struct worker *worker);
static void linked_ready(unsigned events, void *context);

static void fail(const char *sentence)
{
    fprintf(stderr, "crowd: %s\n", sentence);
    exit(1);
}

static void leave(struct worker *worker, bool stopped)
{
    struct crowd *crowd = worker->crowd;
    *(stopped ? &crowd->stopped : &crowd->lost) += 1;
    loop_watch_remove(worker->watch);
    worker->watch = NULL;
    loop_timer_disarm(worker->timer);
    loop_timer_disarm(worker->work);
    link_close(worker->link);
    worker->link = NULL;
    worker->phase = GONE;
    while (worker->first) {
        struct lease *lease = worker->first;
        worker->first = lease->next;
        free(lease);
    }
    worker->last = NULL;
    if (--crowd->here == 0)
        loop_stop(crowd->loop);
}

/* Tasks */

static void result_send(struct worker *worker, const struct lease *lease, int64_t now_ns)
{
    struct crowd *crowd = worker->crowd;
    struct value *values = NULL, *copies = calloc(crowd->result_count + 1, sizeof *copies);
    size_t count = 0;
    struct buf encoded, message;
    struct error error;
    buf_init(&encoded, MESSAGE_MAX);
    buf_init(&message, MESSAGE_MAX);
    if (!copies || values_decode(lease->payload, lease->size, &values, &count, &error) < 0)
        fail("a payload is no list of values");
    for (size_t i = 0; i < crowd->result_count && count; i++)
        copies[i] = values[0];
    values_encode(&encoded, copies, crowd->result_count);
    const struct result result = {.id = lease->id,
                                  .started_ns = clock_wall_ns(),
                                  .elapsed_s = (double)(now_ns - lease->started_ns) / 1e9,
                                  .values = encoded.data,
                                  .values_size = encoded.size};
    message_begin(&message, MESSAGE_RESULTS);
    message_add_result(&message, &result);
    if (link_send(worker->link, &message, &error) == 0)
        crowd->results++;
    buf_fini(&encoded);
    buf_fini(&message);
    free(copies);
    free(values);
}

static void lease_drop(struct worker *worker, struct lease *lease)
{
    struct lease **at = &worker->first, *before = NULL;
    while (*at != lease) {
        before = *at;
        at = &before->next;
    }
    *at = lease->next;
    if (worker->last == lease)
        worker->last = before;
    free(lease);
}

/* Start the first lease, or end it if its time has come; the next one starts at once. */
static void work(void *context)
{
    struct worker *worker = context;
    int64_t now_ns = clock_monotonic_ns();
    while (worker->first && worker->crowd->ready == worker->crowd->count) {
        struct lease *lease = worker->first;
        if (!lease->started_ns)
            lease->started_ns = now_ns;
        if (lease->started_ns + worker->crowd->delay_ns > now_ns) {
            loop_timer_arm(worker->work, lease->started_ns + worker->crowd->delay_ns);
            break;
        }
        result_send(worker, lease, now_ns);
        lease_drop(worker, lease);
    }
    link_progress(worker->link, NULL);
}

static int take_leases(struct worker *worker, const struct buf *message, struct error *error)
{
    struct wire_reader reader = message_body(message);
    struct attempt_id id;
    const void *payload;
    size_t size;
    int rc;
    while ((rc = message_next_lease(&reader, &id, &payload, &size, error)) > 0) {
        struct lease *lease = malloc(sizeof *lease + size);
        if (!lease)
            fail("no memory for a lease");
        *lease = (struct lease){.id = id, .size = size};
        memcpy(lease->payload, payload, size);
        *(worker->last ? &worker->last->next : &worker->first) = lease;
        worker->last = lease;
    }
    work(worker);
    return rc;
}

static int take_cancels(struct worker *worker, const struct buf *message, struct error *error)
{
    struct wire_reader reader = message_body(message);
    struct attempt_id id;
    int rc;
    while ((rc = message_next_attempt(&reader, &id, error)) > 0)
        for (struct lease *lease = worker->first, *next; lease; lease = next) {
            next = lease->next;
            if (lease->id.task == id.task && lease->id.attempt == id.attempt)
                lease_drop(worker, lease);
        }
    work(worker);
    return rc;
}

/* The newest first, but not the one that runs. */
static int take_recall(struct worker *worker, const struct buf *message, struct error *error)
{
    uint32_t count;
    if (message_get_count(message, &count, error) < 0)
        return -1;
    struct buf answer;
    buf_init(&answer, MESSAGE_MAX);
    message_begin(&answer, MESSAGE_HANDBACK);
    for (; count && worker->last && !worker->last->started_ns; count--) {
        message_add_attempt(&answer, worker->last->id);
        lease_drop(worker, worker->last);
    }
    int rc = link_send(worker->link, &answer, error);
    buf_fini(&answer);
    return rc;
}

/* What the master says */

static void all_are_ready(struct crowd *crowd)
{
    printf("{\"event\":\"joined\",\"workers\":%u,\"after_s\":%.3f}\n", crowd->ready,
           (double)(clock_monotonic_ns() - crowd->began_ns) / 1e9);
    for (unsigned i = 0; i < crowd->count; i++)
        if (crowd->workers[i].first)
            loop_timer_arm(crowd->workers[i].work, clock_monotonic_ns());
}

static int take_job(struct worker *worker, const struct buf *message, struct error *error)
{
    struct crowd *crowd = worker->crowd;
    const char *text;
    size_t size;
    cJSON *job;
    double heartbeat_s;
    if (message_get_job(message, &text, &size, error) < 0 ||
        json_parse(text, size, "the job", JSON_STRICT, &job, error) < 0)
        return -1;
    int rc = json_get_real(job, "$", "heartbeat_timeout_s", 15, &heartbeat_s, error);
    crowd->result_count = (size_t)cJSON_GetArraySize(json_member(job, "results"));
    cJSON_Delete(job);
    if (rc < 0)
        return -1;
    crowd->heartbeat_ns = (int64_t)(heartbeat_s * 1e9);
    loop_timer_arm(worker->timer, clock_monotonic_ns() + crowd->heartbeat_ns / 4);
    struct buf answer;
    buf_init(&answer, MESSAGE_MAX);
    const struct ready ready = {.host = crowd->hello.host,
                                .host_size = strlen(crowd->hello.host),
                                .pid = getpid(),
                                .slots = 1,
                                .credits = crowd->credits};
    message_put_ready(&answer, &ready);
    rc = link_send(worker->link, &answer, error);
    buf_fini(&answer);
    if (++crowd->ready == crowd->count)
        all_are_ready(crowd);
    return rc;
}

/* 1: go on; 0: it was told to stop; -1. */
static int take(struct worker *worker, const struct buf *message, struct error *error)
{
    switch (message_type(message)) {
    case MESSAGE_JOB:
        return take_job(worker, message, error) < 0 ? -1 : 1;
    case MESSAGE_LEASE:
        return take_leases(worker, message, error) < 0 ? -1 : 1;
    case MESSAGE_CANCEL:
        return take_cancels(worker, message, error) < 0 ? -1 : 1;
    case MESSAGE_RECALL:
        return take_recall(worker, message, error) < 0 ? -1 : 1;
    case MESSAGE_STOP:
        return 0;
    default: /* ACK: nothing is kept here */
        return 1;
    }
}

static void listen_to(struct worker *worker)
{
    struct error error;
    struct buf message;
    int got, going = 1;
    buf_init(&message, MESSAGE_MAX);
    while (going > 0 && (got = link_receive(worker->link, &message, &error)) != 0)
        going = got < 0 ? -1 : take(worker, &message, &error);
    buf_fini(&message);
    /* As a worker does (answer_pulse in worker/agent_link.c). */
    if (going > 0 &&
        clock_monotonic_ns() - worker->link->spoke_ns >= worker->crowd->heartbeat_ns / 8 &&
        link_pulse(worker->link, &error) < 0)
        going = -1;
    if (going > 0 && link_progress(worker->link, &error) < 0)
        going = -1;
    if (going > 0)
        loop_watch_set(worker->watch,
                       LOOP_READ | (link_wants_write(worker->link) ? LOOP_WRITE : 0));
    else
        leave(worker, going == 0);
}

static void linked_ready(unsigned events, void *context)
{
    (void)events;
    struct worker *worker = context;
    listen_to(worker);
}

static void pulse(struct worker *worker)
{
    struct error error;
    int64_t now_ns = clock_monotonic_ns(), heartbeat_ns = worker->crowd->heartbeat_ns;
    bool due = now_ns - worker->link->spoke_ns >= heartbeat_ns / 4;
    if (now_ns - worker->link->heard_ns > heartbeat_ns ||
        (due && link_pulse(worker->link, &error) < 0))
        leave(worker, false);
    else
        loop_timer_arm(worker->timer, now_ns + heartbeat_ns / 4);
}

/* Joining */

static void dial_again(struct worker *worker)
{
    loop_watch_remove(worker->watch);
    worker->watch = NULL;
    auth_destroy(worker->auth);
    worker->auth = NULL;
    close(worker->fd);
    worker->phase = WAITING;
    loop_timer_arm(worker->timer, clock_monotonic_ns() + DIAL_AGAIN_NS);
}

static void refused(struct worker *worker, const struct error *error)
{
    struct crowd *crowd = worker->crowd;
    bool told = strncmp(error->text, "the master refused", 18) == 0; /* not: it hung up */
    if (told && crowd->refused++ == 0)
        printf("{\"event\":\"refused\",\"sentence\":\"%s\"}\n", error->text);
    if (error->code != ERROR_NETWORK)
        fail(error->text);
    dial_again(worker);
}

static void prove(struct worker *worker)
{
    struct error error;
    int state = auth_progress(worker->auth, &error);
    if (state < 0) {
        refused(worker, &error);
        return;
    }
    if (state == AUTH_MOVING) {
        loop_watch_set(worker->watch, auth_wants_write(worker->auth) ? LOOP_WRITE : LOOP_READ);
        return;
    }
    auth_destroy(worker->auth);
    worker->auth = NULL;
    loop_watch_remove(worker->watch);
    worker->link = link_tcp_create(worker->fd, &error);
    if (worker->link)
        worker->watch = loop_watch_add(worker->crowd->loop, link_fd(worker->link), LOOP_READ,
                                       linked_ready, worker, &error);
    if (!worker->watch)
        fail(error.text);
    worker->phase = LINKED;
    worker->crowd->joined++;
    loop_timer_arm(worker->timer, clock_monotonic_ns() + HEARTBEAT_NS / 4);
    listen_to(worker);
}

static void joining_ready(unsigned events, void *context)
{
    (void)events;
    struct worker *worker = context;
    struct crowd *crowd = worker->crowd;
    struct error error;
    if (worker->phase == CONNECTING) {
        int code = 0;
        socklen_t size = sizeof code;
        getsockopt(worker->fd, SOL_SOCKET, SO_ERROR, &code, &size);
        worker->auth =
            code ? NULL : auth_client_create(worker->fd, &crowd->secret, &crowd->hello, &error);
        if (!worker->auth) {
            dial_again(worker);
            return;
        }
        worker->phase = PROVING;
    }
    prove(worker);
}

static void dial(struct worker *worker)
{
    struct crowd *crowd = worker->crowd;
    struct error error;
    worker->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (worker->fd < 0)
        fail("no socket to be had; raise the limit on open files (ulimit -n)");
    worker->phase = CONNECTING;
    if (connect(worker->fd, (struct sockaddr *)&crowd->master, sizeof crowd->master) < 0 &&
        errno != EINPROGRESS) {
        dial_again(worker);
        return;
    }
    worker->watch =
        loop_watch_add(crowd->loop, worker->fd, LOOP_WRITE, joining_ready, worker, &error);
    if (!worker->watch)
        fail(error.text);
}

static void timer_expired(void *context)
{
    struct worker *worker = context;
    if (worker->phase == WAITING)
        dial(worker);
    else if (worker->phase == LINKED)
        pulse(worker);
}

/* The program */

static void secret_read(struct crowd *crowd, const char *path)
{
    char text[AUTH_SECRET_HEX + 16] = "";
    struct error error;
    FILE *file = fopen(path, "r");
    if (!file || !fgets(text, sizeof text, file))
        fail("the file of the secret cannot be read");
    fclose(file);
    if (auth_secret_parse(text, &crowd->secret, &error) < 0)
        fail(error.text);
}

static void master_read(struct crowd *crowd, char *text)
{
    char *colon = strrchr(text, ':');
    if (!colon)
        fail("the master is given as ADDRESS:PORT");
    *colon = 0;
    crowd->master.sin_family = AF_INET;
    crowd->master.sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10));
    if (inet_pton(AF_INET, text, &crowd->master.sin_addr) != 1)
        fail("the master is given as ADDRESS:PORT");
}

static void arguments_read(struct crowd *crowd, int argc, char **argv)
{
    static const struct option options[] = {
        {"workers", required_argument, NULL, 'w'},
        {"secret-file", required_argument, NULL, 's'},
        {"farm", required_argument, NULL, 'f'},
        {"delay-ms", required_argument, NULL, 'd'},
        {"credits", required_argument, NULL, 'c'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'w')
            crowd->count = (unsigned)strtoul(optarg, NULL, 10);
        else if (option == 's')
            secret_read(crowd, optarg);
        else if (option == 'f')
            snprintf(crowd->hello.farm, sizeof crowd->hello.farm, "%s", optarg);
        else if (option == 'd')
            crowd->delay_ns = strtol(optarg, NULL, 10) * CLOCK_MS_NS;
        else if (option == 'c')
            crowd->credits = (uint32_t)strtoul(optarg, NULL, 10);
        else
            exit(2);
    }
    if (optind + 1 != argc || crowd->count == 0)
        fail("usage: crowd --workers N --secret-file FILE --farm NAME ADDRESS:PORT");
    master_read(crowd, argv[optind]);
}

static void workers_start(struct crowd *crowd)
{
    crowd->workers = calloc(crowd->count, sizeof *crowd->workers);
    if (!crowd->workers)
        fail("no memory for so many workers");
    crowd->here = crowd->count;
    crowd->began_ns = clock_monotonic_ns();
    for (unsigned i = 0; i < crowd->count; i++) {
        struct worker *worker = &crowd->workers[i];
        worker->crowd = crowd;
        worker->timer = loop_timer_add(crowd->loop, timer_expired, worker);
        worker->work = loop_timer_add(crowd->loop, work, worker);
        if (!worker->timer || !worker->work)
            fail("no memory for so many workers");
        loop_timer_arm(worker->timer, crowd->began_ns);
    }
}

int main(int argc, char **argv)
{
    static struct crowd crowd = {.credits = 2, .heartbeat_ns = HEARTBEAT_NS};
    struct error error;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    descriptors_raise();
    snprintf(crowd.hello.host, sizeof crowd.hello.host, "crowd");
    crowd.hello.pid = getpid();
    arguments_read(&crowd, argc, argv);
    crowd.loop = loop_create(&error);
    if (!crowd.loop)
        fail(error.text);
    workers_start(&crowd);
    if (loop_run(crowd.loop, &error) < 0)
        fail(error.text);
    printf("{\"event\":\"end\",\"joined\":%u,\"stopped\":%u,\"lost\":%u,\"refused\":%u,"
           "\"results\":%llu}\n",
           crowd.joined, crowd.stopped, crowd.lost, crowd.refused, crowd.results);
    loop_destroy(crowd.loop);
    free(crowd.workers);
    return crowd.stopped == crowd.count ? 0 : 1;
}
