/*
 * A worker's mates, with a mate that the test plays itself: what it is told, and what becomes of
 * what it says.
 */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/link_tcp.h"
#include "common/tree.h"
#include "worker/mate_private.h"
#include "worker/mates_private.h"

#define LIMIT_NS (100 * CLOCK_SECOND_NS)

static struct error error;

/* A worker with one other node, on this machine; and what its owner was told. */
struct bench {
    struct loop *loop;
    struct loop_timer *limit;
    struct mates *mates;
    struct auth_secret secret;
    char folder[64], *paths[3];
    char *hosts[3];
    int port, dir_fd;
    bool ready, lost, done;
    char sentence[ERROR_TEXT_MAX];
    struct link *link; /* the mate's end */
    struct buf message;
};

static void told_ready(void *context)
{
    struct bench *bench = context;
    bench->ready = true;
    loop_stop(bench->loop);
}

static void told_lost(void *context, const struct error *why)
{
    struct bench *bench = context;
    bench->lost = true;
    snprintf(bench->sentence, sizeof bench->sentence, "%s", why->text);
    loop_stop(bench->loop);
}

static void told_done(void *context, const struct error *why)
{
    struct bench *bench = context;
    bench->done = true;
    snprintf(bench->sentence, sizeof bench->sentence, "%s", why ? why->text : "");
    loop_stop(bench->loop);
}

static void limit_reached(void *context)
{
    (void)context;
    fail_msg("nothing happens any more");
}

/* Let the worker do what it has to; the mate's end is looked at between. */
static void rest(void *context)
{
    loop_stop(((struct bench *)context)->loop);
}

static void turn(struct bench *bench)
{
    struct loop_timer *timer = loop_timer_add(bench->loop, rest, bench);
    loop_timer_arm(timer, clock_monotonic_ns() + CLOCK_MS_NS);
    assert_int_equal(loop_run(bench->loop, &error), 0);
    loop_timer_remove(timer);
}

static int free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void file_put(const struct bench *bench, const char *name, const char *text)
{
    int fd = openat(bench->dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static char *file_get(const struct bench *bench, const char *name, char text[256])
{
    int fd = openat(bench->dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, 255) : 0;
    text[got > 0 ? got : 0] = 0;
    if (fd >= 0)
        close(fd);
    return fd >= 0 ? text : NULL;
}

static int bench_open_patient(void **state, int64_t patience_ns)
{
    struct bench *bench = calloc(1, sizeof *bench);
    static const char *const names[] = {"party", "task", "stash"};
    char own[] = "127.0.0.9", other[] = "127.0.0.1";
    snprintf(bench->folder, sizeof bench->folder, "/tmp/beofarm-mates-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    for (size_t i = 0; i < 3; i++) {
        assert_true(asprintf(&bench->paths[i], "%s/%s", bench->folder, names[i]) > 0);
        assert_int_equal(mkdir(bench->paths[i], 0700), 0);
    }
    bench->hosts[0] = strdup(own);
    bench->hosts[1] = strdup(other);
    bench->dir_fd = open(bench->paths[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bench->loop = loop_create(&error);
    bench->limit = loop_timer_add(bench->loop, limit_reached, bench);
    loop_timer_arm(bench->limit, clock_monotonic_ns() + LIMIT_NS);
    assert_int_equal(auth_secret_create(&bench->secret, &error), 0);
    buf_init(&bench->message, MESSAGE_MATE_MAX);
    bench->port = free_port();
    const struct mates_settings settings = {.hosts = bench->hosts,
                                            .count = 2,
                                            .farm = "toy",
                                            .secret = &bench->secret,
                                            .port = bench->port,
                                            .folder = bench->paths[0],
                                            .stash = bench->paths[2],
                                            .patience_ns = patience_ns,
                                            .ready = told_ready,
                                            .lost = told_lost,
                                            .context = bench};
    bench->mates = mates_create(bench->loop, &settings, &error);
    if (!bench->mates)
        fail_msg("%s", error.text);
    *state = bench;
    return 0;
}

static int bench_open(void **state)
{
    return bench_open_patient(state, LIMIT_NS);
}

static int bench_open_hasty(void **state)
{
    return bench_open_patient(state, CLOCK_SECOND_NS / 2);
}

static int bench_close(void **state)
{
    struct bench *bench = *state;
    mates_destroy(bench->mates);
    link_close(bench->link);
    loop_timer_remove(bench->limit);
    loop_destroy(bench->loop);
    close(bench->dir_fd);
    buf_fini(&bench->message);
    tree_remove(AT_FDCWD, bench->folder);
    for (size_t i = 0; i < 3; i++)
        free(bench->paths[i]);
    free(bench->hosts[0]);
    free(bench->hosts[1]);
    free(bench);
    return 0;
}

/* Come as the mate would. False if the worker refuses. */
static bool mate_come(struct bench *bench, const struct auth_secret *secret)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)bench->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct auth_hello hello = {.farm = "toy", .host = "other", .pid = 1};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = AUTH_MOVING;
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    struct auth *auth = auth_client_create(fd, secret, &hello, &error);
    while (rc == AUTH_MOVING) {
        rc = auth_progress(auth, &error);
        turn(bench);
    }
    auth_destroy(auth);
    if (rc == AUTH_DONE)
        bench->link = link_tcp_create(fd, &error);
    else
        close(fd);
    turn(bench);
    return rc == AUTH_DONE;
}

/* The next message for the mate: its type, and its body in *ret_reader. */
static enum mate_message hear(struct bench *bench, struct wire_reader *ret_reader)
{
    int got = 0;
    while (got == 0) {
        turn(bench);
        assert_int_equal(link_progress(bench->link, &error), 0);
        got = link_receive(bench->link, &bench->message, &error);
        assert_true(got >= 0);
    }
    wire_reader_init(ret_reader, bench->message.data, bench->message.size);
    return (enum mate_message)wire_get_u8(ret_reader);
}

static void say(struct bench *bench)
{
    assert_int_equal(link_send(bench->link, &bench->message, &error), 0);
    assert_int_equal(link_progress(bench->link, &error), 0);
    turn(bench);
}

static void say_turn(struct bench *bench, enum mate_message type, uint64_t number)
{
    mate_begin(&bench->message, type);
    wire_put_varint(&bench->message, number);
    if (type == MATE_SEEN)
        wire_put_u8(&bench->message, 0);
    say(bench);
}

/* Take the directory as it is sent, until all of it is there; the names, one behind the other. */
static void take_directory(struct bench *bench, uint64_t number, char names[256],
                           char contents[256], bool *ret_known)
{
    struct wire_reader reader;
    size_t size;
    enum mate_message type;
    names[0] = contents[0] = 0;
    *ret_known = false;
    assert_int_equal(hear(bench, &reader), MATE_LAY);
    assert_int_equal(wire_get_varint(&reader), number);
    say_turn(bench, MATE_SEEN, number);
    while ((type = hear(bench, &reader)) != MATE_LAID) {
        const char *bytes = wire_get_bytes(&reader, &size);
        char *to = type == MATE_BYTES ? contents : names;
        snprintf(to + strlen(to), 256 - strlen(to), "%.*s%s", (int)size, bytes,
                 type == MATE_BYTES ? "" : " ");
        if (type == MATE_FILE) {
            wire_get_u32(&reader);
            wire_get_varint(&reader);
            wire_get_bytes(&reader, &size);
            *ret_known |= wire_get_u8(&reader);
        }
    }
    say_turn(bench, MATE_HERE, number);
}

static void wait_done(struct bench *bench)
{
    while (!bench->done)
        turn(bench);
    bench->done = false;
}

static void whoever_does_not_know_the_secret_is_no_mate(void **state)
{
    struct bench *bench = *state;
    struct auth_secret wrong;
    assert_int_equal(auth_secret_create(&wrong, &error), 0);
    assert_false(mate_come(bench, &wrong));
    assert_false(bench->ready);
    while (!bench->lost) /* nobody else comes */
        turn(bench);
    assert_non_null(strstr(bench->sentence, "of this worker's 1 other nodes only 0 came"));
}

static void a_directory_is_laid_and_shared_files_are_sent_once(void **state)
{
    struct bench *bench = *state;
    char *const variables[] = {(char[]){"A=1"}, NULL};
    char names[256], contents[256];
    bool known;
    assert_true(mate_come(bench, &bench->secret));
    assert_true(bench->ready);
    assert_int_equal(mkdirat(bench->dir_fd, "deep", 0755), 0);
    file_put(bench, "deep/own", "1");
    file_put(bench, "shared", "22");
    char cached[128];
    snprintf(cached, sizeof cached, "%s/cached", bench->folder);
    assert_int_equal(linkat(bench->dir_fd, "shared", AT_FDCWD, cached, 0), 0);
    assert_int_equal(symlinkat("shared", bench->dir_fd, "to"), 0);
    for (uint64_t number = 1; number < 3; number++) {
        mates_lay(bench->mates, bench->paths[1], bench->dir_fd, variables, told_done, bench);
        take_directory(bench, number, names, contents, &known);
        wait_done(bench);
        assert_string_equal(bench->sentence, "");
        assert_string_equal(names, "deep deep/own shared to ");
        assert_string_equal(contents, number == 1 ? "122" : "1");
        assert_int_equal(known, number == 2);
        mates_clear(bench->mates);
        struct wire_reader reader;
        assert_int_equal(hear(bench, &reader), MATE_CLEAR);
    }
}

/* A directory is laid for a task without variables of its own. */
static void lay(struct bench *bench)
{
    char *const variables[] = {NULL};
    mates_lay(bench->mates, bench->paths[1], bench->dir_fd, variables, told_done, bench);
}

/* The mate has come and been told; what it answers is the test's. */
static void lay_begun(struct bench *bench, struct wire_reader *reader)
{
    assert_true(mate_come(bench, &bench->secret));
    lay(bench);
    assert_int_equal(hear(bench, reader), MATE_LAY);
}

/* The mate has taken all of it. */
static void lay_wholly(struct bench *bench)
{
    char names[256], contents[256];
    bool known;
    lay(bench);
    take_directory(bench, 1, names, contents, &known);
    wait_done(bench);
}

static void changed(struct bench *bench, uint64_t number, const char *path, const char *text)
{
    mate_begin(&bench->message, MATE_CHANGED);
    wire_put_varint(&bench->message, number);
    wire_put_text(&bench->message, path);
    wire_put_u32(&bench->message, 0644);
    wire_put_varint(&bench->message, strlen(text));
    say(bench);
    mate_begin(&bench->message, MATE_CONTENT);
    wire_put_varint(&bench->message, number);
    wire_put_text(&bench->message, text);
    say(bench);
}

static void what_nodes_have_left_comes_but_never_over_our_own(void **state)
{
    struct bench *bench = *state;
    char text[256];
    struct wire_reader reader;
    assert_true(mate_come(bench, &bench->secret));
    file_put(bench, "input", "old");
    lay_wholly(bench);
    file_put(bench, "both", "ours");
    mates_gather(bench->mates, told_done, bench);
    assert_int_equal(hear(bench, &reader), MATE_GATHER);
    changed(bench, 1, "new/deep", "theirs");
    changed(bench, 1, "both", "theirs");
    changed(bench, 1, "input", "changed");
    changed(bench, 7, "input", "of another task");
    say_turn(bench, MATE_GATHERED, 1);
    wait_done(bench);
    assert_string_equal(bench->sentence, "");
    assert_string_equal(file_get(bench, "new/deep", text), "theirs");
    assert_string_equal(file_get(bench, "both", text), "ours");
    assert_string_equal(file_get(bench, "input", text), "changed");
    mates_clear(bench->mates);
}

static void paths_that_lead_outside_end_the_connection(void **state)
{
    struct bench *bench = *state;
    struct wire_reader reader;
    assert_true(mate_come(bench, &bench->secret));
    lay_wholly(bench);
    mates_gather(bench->mates, told_done, bench);
    assert_int_equal(hear(bench, &reader), MATE_GATHER);
    mate_begin(&bench->message, MATE_CHANGED);
    wire_put_varint(&bench->message, 1);
    wire_put_text(&bench->message, "../outside");
    wire_put_u32(&bench->message, 0644);
    wire_put_varint(&bench->message, 1);
    say(bench);
    while (!bench->lost)
        turn(bench);
    wait_done(bench);
    assert_non_null(strstr(bench->sentence, "is lost"));
    mates_clear(bench->mates);
}

static void a_failure_on_a_node_is_told_with_its_name(void **state)
{
    struct bench *bench = *state;
    struct wire_reader reader;
    lay_begun(bench, &reader);
    mate_begin(&bench->message, MATE_FAILED);
    wire_put_varint(&bench->message, 1);
    wire_put_text(&bench->message, "the disk is full");
    say(bench);
    wait_done(bench);
    assert_string_equal(bench->sentence, "node 127.0.0.1: the disk is full");
    mates_clear(bench->mates);
}

static void a_node_that_is_gone_fails_what_was_begun_and_all_that_follows(void **state)
{
    struct bench *bench = *state;
    struct wire_reader reader;
    lay_begun(bench, &reader);
    link_close(bench->link);
    bench->link = NULL;
    wait_done(bench);
    assert_true(bench->lost);
    assert_non_null(strstr(bench->sentence, "node 127.0.0.1 is lost"));
    mates_clear(bench->mates);
    lay(bench);
    wait_done(bench);
    mates_gather(bench->mates, told_done, bench);
    wait_done(bench);
    assert_non_null(strstr(bench->sentence, "node 127.0.0.1 is lost"));
    mates_clear(bench->mates);
}

static void a_node_keeps_variables_that_are_its_own(void **state)
{
    (void)state;
    char *const task[] = {(char[]){"PATH=/task"}, (char[]){"AZ_BATCH_NODE_ID=first"},
                          (char[]){"HOME=/first"}, (char[]){"BEOFARM_ATTEMPT_KEY=1"}, NULL};
    char *const own[] = {(char[]){"PATH=/own"}, (char[]){"AZ_BATCH_NODE_ID=second"},
                         (char[]){"BEOFARM_SECRET=no"}, (char[]){"BEOFARM_ATTEMPT_KEY=2"},
                         NULL};
    char **merged = mate_variables_merge(task, own);
    assert_non_null(merged);
    assert_string_equal(merged[0], "PATH=/task");
    assert_string_equal(merged[1], "AZ_BATCH_NODE_ID=second");
    assert_null(merged[2]);
    mate_variables_free(merged);
}

int main(void)
{
#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, bench_open, bench_close)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whoever_does_not_know_the_secret_is_no_mate,
                                        bench_open_hasty, bench_close),
        BENCH_TEST(a_directory_is_laid_and_shared_files_are_sent_once),
        BENCH_TEST(what_nodes_have_left_comes_but_never_over_our_own),
        BENCH_TEST(paths_that_lead_outside_end_the_connection),
        BENCH_TEST(a_failure_on_a_node_is_told_with_its_name),
        BENCH_TEST(a_node_that_is_gone_fails_what_was_begun_and_all_that_follows),
        cmocka_unit_test(a_node_keeps_variables_that_are_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
