/*
 * One loop for life: while there is no link, a timer dials; while there is one, messages are taken.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/tree.h"
#include "worker/dial.h"
#include "worker/mate_private.h"

#define DIAL_LIMIT_NS (5 * CLOCK_SECOND_NS)
#define DIAL_EVERY_NS (CLOCK_SECOND_NS / 2)

struct life {
    struct mate mate;
    struct dial_options dial;
    struct loop_timer *redial;
    int64_t until_ns; /* dial so long */
    struct error error;
};

/* --- Settings --- */

int mate_port_read(int *ret_port, struct error *ret_error)
{
    const char *text = getenv("BEOFARM_MATE_PORT");
    char *end;
    long port = text && *text ? strtol(text, &end, 10) : MATE_PORT;
    if (text && *text && (*end || port < 1 || port > 65535))
        return error_set(ret_error, ERROR_USAGE,
                         "BEOFARM_MATE_PORT=\"%s\" is not a number from 1 to 65535", text);
    *ret_port = (int)port;
    return 0;
}

int mate_settings_read(struct mate_settings *ret_settings, struct error *ret_error)
{
    const char *hosts = getenv("AZ_BATCH_HOST_LIST"), *farm = getenv("BEOFARM_FARM");
    const char *secret = getenv("BEOFARM_SECRET");
    size_t size = hosts ? strcspn(hosts, ",") : 0;
    *ret_settings = (struct mate_settings){0};
    if (size == 0 || size >= sizeof ret_settings->host)
        return error_set(
            ret_error, ERROR_USAGE,
            "a mate finds its worker in AZ_BATCH_HOST_LIST, which is not set: it is "
            "for multi-instance tasks of Azure Batch");
    if (!farm || !*farm || strlen(farm) >= sizeof ret_settings->farm || !secret)
        return error_set(
            ret_error, ERROR_USAGE,
            "a mate needs the farm's name and secret: BEOFARM_FARM, BEOFARM_SECRET");
    memcpy(ret_settings->host, hosts, size);
    memcpy(ret_settings->farm, farm, strlen(farm));
    if (mate_port_read(&ret_settings->port, ret_error) < 0)
        return -1;
    return auth_secret_parse(secret, &ret_settings->secret, ret_error);
}

/* --- The link --- */

static void link_end(struct mate *mate, const char *why)
{
    struct life *life = (struct life *)mate;
    log_info("the worker is gone: %s", why);
    mate_task_clear(mate);
    loop_watch_remove(mate->watch);
    link_close(mate->link);
    mate->watch = NULL;
    mate->link = NULL;
    if (mate->stash) /* a worker that comes again does not know it */
        tree_remove(AT_FDCWD, mate->stash);
    life->until_ns = clock_monotonic_ns() + MATE_REDIAL_NS;
    loop_timer_arm(life->redial, clock_monotonic_ns());
}

/* To be called at the end of what may send. */
static void link_flush(struct mate *mate)
{
    struct error error;
    if (!mate->link)
        return;
    if (link_progress(mate->link, &error) < 0)
        link_end(mate, error.text);
    else
        loop_watch_set(mate->watch,
                       LOOP_READ | (link_wants_write(mate->link) ? LOOP_WRITE : 0));
}

/* A link that fails is noticed when it is read; what follows is not sent. */
void mate_send(struct mate *mate)
{
    struct error error;
    if (!mate->link)
        return;
    if (buf_failed(&mate->message) || link_send(mate->link, &mate->message, &error) < 0)
        log_warn("a message to the worker is lost");
    else if (mate->watch)
        loop_watch_set(mate->watch, LOOP_READ | LOOP_WRITE);
}

void mate_fail(struct mate *mate, const struct error *error)
{
    mate_begin(&mate->message, MATE_FAILED);
    wire_put_varint(&mate->message, mate->turn);
    wire_put_text(&mate->message, error->text);
    mate_send(mate);
    mate_task_clear(mate);
}

static int message_take(struct mate *mate)
{
    struct wire_reader reader;
    wire_reader_init(&reader, mate->piece.data, mate->piece.size);
    enum mate_message type = (enum mate_message)wire_get_u8(&reader);
    if (type == MATE_RUN || type == MATE_KILL)
        return mate_run_take(mate, type, &reader);
    return mate_task_take(mate, type, &reader);
}

static void link_ready(unsigned events, void *context)
{
    struct mate *mate = context;
    struct error error = {0};
    int rc = 0;
    (void)events;
    while (mate->link && (rc = link_receive(mate->link, &mate->piece, &error)) > 0)
        if (message_take(mate) < 0) {
            error_set(&error, ERROR_NETWORK, "it talks nonsense");
            rc = -1;
            break;
        }
    if (rc < 0) {
        link_end(mate, error.text);
        return;
    }
    mate_task_feed(mate);
    link_flush(mate);
}

static void pulse_expired(void *context)
{
    struct mate *mate = context;
    struct error error;
    int64_t now = clock_monotonic_ns();
    loop_timer_arm(mate->pulse, now + MATE_PULSE_NS);
    if (!mate->link)
        return;
    if (now - mate->link->heard_ns > MATE_SILENT_NS) {
        link_end(mate, "it was silent");
        return;
    }
    if (link_pulse(mate->link, &error) < 0)
        link_end(mate, error.text);
    else
        link_flush(mate);
}

static void dial_now(void *context)
{
    struct life *life = context;
    struct mate *mate = &life->mate;
    struct dial_answer answer;
    int64_t now = clock_monotonic_ns();
    mate->link = dial(&life->dial, &answer, &life->error);
    if (mate->link)
        mate->watch = loop_watch_add(mate->loop, link_fd(mate->link), LOOP_READ, link_ready,
                                     mate, &life->error);
    if (mate->watch) {
        log_info("the worker is at %s", life->dial.host);
        life->error.code = ERROR_NONE;
        return;
    }
    link_close(mate->link);
    mate->link = NULL;
    if (now < life->until_ns && life->error.code != ERROR_AUTH)
        loop_timer_arm(life->redial, now + DIAL_EVERY_NS);
    else
        loop_stop(mate->loop);
}

/* --- Life --- */

static void caught(int signal, void *context)
{
    struct mate *mate = context;
    (void)signal;
    mate->stopped = true;
    loop_stop(mate->loop);
}

static int life_open(struct life *life, const struct mate_settings *settings,
                     struct error *ret_error)
{
    static const int signals[] = {SIGTERM, SIGINT, SIGHUP, 0};
    struct mate *mate = &life->mate;
    mate->dir_fd = mate->file.fd = -1;
    buf_init(&mate->message, MESSAGE_MATE_MAX);
    buf_init(&mate->piece, MESSAGE_MATE_MAX);
    life->dial = (struct dial_options){.host = settings->host,
                                       .port = settings->port,
                                       .farm = settings->farm,
                                       .limit_ns = DIAL_LIMIT_NS,
                                       .cancel_fd = -1,
                                       .secret = settings->secret};
    life->until_ns = clock_monotonic_ns() + MATE_FIRST_NS;
    mate->loop = loop_create(ret_error);
    if (!mate->loop || loop_signals(mate->loop, signals, caught, mate, ret_error) < 0)
        return -1;
    mate->children = children_create(mate->loop, ret_error);
    if (!mate->children)
        return -1;
    life->redial = loop_timer_add(mate->loop, dial_now, life);
    mate->pulse = loop_timer_add(mate->loop, pulse_expired, mate);
    if (!life->redial || !mate->pulse)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a mate");
    loop_timer_arm(life->redial, clock_monotonic_ns());
    loop_timer_arm(mate->pulse, clock_monotonic_ns() + MATE_PULSE_NS);
    return 0;
}

static void life_close(struct life *life)
{
    struct mate *mate = &life->mate;
    mate_task_clear(mate);
    loop_watch_remove(mate->watch);
    link_close(mate->link);
    children_destroy(mate->children);
    loop_timer_remove(life->redial);
    loop_timer_remove(mate->pulse);
    loop_destroy(mate->loop);
    if (mate->stash)
        tree_remove(AT_FDCWD, mate->stash);
    free(mate->stash);
    buf_fini(&mate->message);
    buf_fini(&mate->piece);
    auth_secret_wipe(&life->dial.secret);
}

/* Into the background, away from whoever waits for our output to end. 1 in the foreground. */
static int detach(const char *log_path, struct error *ret_error)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int out = log_path ? open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : null;
    if (null < 0 || out < 0)
        return error_errno(ret_error, errno, "\"%s\" cannot be written",
                           log_path ? log_path : "/dev/null");
    pid_t pid = fork();
    if (pid != 0) {
        close(null);
        if (out != null)
            close(out);
        return pid > 0 ? 1 : error_errno(ret_error, errno, "no process can be started");
    }
    setsid();
    dup2(null, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    return 0;
}

int mate_run(const struct mate_settings *settings, struct error *ret_error)
{
    struct life life = {0};
    int rc = settings->detach ? detach(settings->log_path, ret_error) : 0;
    if (rc > 0)
        return 0;
    if (rc == 0)
        rc = life_open(&life, settings, ret_error);
    if (rc == 0)
        rc = loop_run(life.mate.loop, ret_error);
    if (rc == 0 && !life.mate.stopped && life.error.code) {
        *ret_error = life.error;
        rc = -1;
    }
    life_close(&life);
    return rc == 0 ? 0 : (int)ret_error->code;
}
