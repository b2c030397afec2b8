/*
 * Sums that go from worker to worker. The giver is this thread with its door; the taker a thread
 * beside it.
 */
#include "config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/errand.h"
#include "common/fd.h"
#include "common/seismic/sum.h"
#include "worker/dial.h"
#include "worker/door.h"
#include "worker/gift.h"

#define POINTS      6
#define INSTANCE    0xa1
#define TASK        77
#define FARM        "toy"
#define DESCRIPTORS 256
#define STRANGERS   90
#define SHORT_NS    (CLOCK_SECOND_NS / 20)

static struct error error;

/* What the giver does when it has heard what is wanted. */
enum giving { GIVE, GIVE_LATE, GIVE_HALF, GIVE_OTHER, REFUSE, END, PUT_OFF };

struct bench {
    struct loop *loop;
    struct loop_timer *limit;
    struct errand *errand;
    struct door *door;
    struct sockaddr_storage address; /* of it; any port */
    struct gift_terms giver, taker;
    enum giving giving;
    unsigned came;
    int heard; /* what gift_hear said */
    uint64_t task;
    /* The taker's: */
    struct shot_task wanted;
    struct attempt_id ids[2];
    struct buf payload;
    int fd, rc;
    struct error error;
};

static struct bench bench;

/* A sum of one shot as this attempt. */
static struct sum *sum_of(struct attempt_id id, uint64_t shot, uint64_t number)
{
    const struct sum_shape shape = {.exact = true,
                                    .number = number,
                                    .n = {1, 1, POINTS},
                                    .array_count = 1,
                                    .arrays = {"gradient"}};
    const float values[POINTS] = {1, 2, 3, 4, 5, 6};
    const struct shot_ref ref = {shot, 1};
    int file = memfd_create("array", MFD_CLOEXEC);
    const struct sum_part part = {.id = id, .shots = &ref, .shot_count = 1, .files = &file};
    struct sum *sum = sum_create(&shape, &error);
    bool spoiled;
    assert_int_equal(fd_write(file, values, sizeof(values)), 0);
    assert_int_equal(sum_add(sum, &part, &spoiled, &error), 0);
    close(file);
    return sum;
}

static void send_half(const struct sum *sum, int fd)
{
    static char bytes[1 << 16];
    int file = memfd_create("sum", MFD_CLOEXEC);
    assert_int_equal(sum_send(&sum, 1, file, &error), 0);
    ssize_t size = pread(file, bytes, sizeof(bytes), 0);
    assert_true(size > 0);
    assert_int_equal(fd_write(fd, bytes, (size_t)size / 2), 0);
    close(file);
}

/* Signs, until the taker goes. */
static void put_off(int fd)
{
    const int64_t end_ns = clock_monotonic_ns() + 30 * CLOCK_SECOND_NS;
    struct pollfd end = {.fd = fd, .events = POLLRDHUP};
    while (clock_monotonic_ns() < end_ns && poll(&end, 1, 1) == 0)
        gift_delay(fd);
}

static void give(int fd)
{
    bool other = bench.giving == GIVE_OTHER;
    const struct sum *sum = sum_of((struct attempt_id){other ? 12 : 10, 1}, 3, 1);
    for (int i = 0; bench.giving == GIVE_LATE && i < 3; i++)
        gift_delay(fd);
    if (bench.giving == GIVE || bench.giving == GIVE_LATE || other)
        assert_int_equal(sum_send(&sum, 1, fd, &error), 0);
    else if (bench.giving == GIVE_HALF)
        send_half(sum, fd);
    else if (bench.giving == PUT_OFF)
        put_off(fd);
    if (bench.giving == REFUSE) {
        error_set(&error, ERROR_TASKS, "there is nothing");
        gift_refuse(fd, &error);
    }
    sum_destroy((struct sum *)sum);
}

static void came(void *context, int fd, const struct sockaddr *from)
{
    struct shot_task said;
    (void)context;
    (void)from;
    bench.came++;
    bench.heard = gift_hear(&bench.giver, fd, INSTANCE, &said, &bench.task, &error);
    if (bench.heard == 0) {
        assert_int_equal(said.attempt_count, 2);
        assert_int_equal(said.attempts[1].task, 11);
        shot_task_fini(&said);
        give(fd);
    }
    close(fd);
}

static void too_late(void *context)
{
    (void)context;
    fail_msg("nothing happens");
}

static struct gift_terms terms_of(uint8_t secret)
{
    struct gift_terms terms = {.farm = FARM, .cancel_fd = -1};
    memset(&terms.secret, secret, sizeof(terms.secret));
    return terms;
}

static int open_bench(void **state)
{
    (void)state;
    struct sockaddr_in *in = (struct sockaddr_in *)&bench.address;
    bench = (struct bench){.giver = terms_of(7), .taker = terms_of(7), .fd = -1};
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench.loop = loop_create(&error);
    bench.limit = loop_timer_add(bench.loop, too_late, NULL);
    bench.errand = errand_create(bench.loop, &error);
    loop_timer_arm(bench.limit, clock_monotonic_ns() + 60 * CLOCK_SECOND_NS);
    const struct door_settings settings = {
        .farm = FARM, .secret = &bench.giver.secret, .address = &bench.address, .came = came};
    bench.door = door_open(bench.loop, &settings, &error);
    assert_non_null(bench.door);
    bench.ids[0] = (struct attempt_id){10, 1};
    bench.ids[1] = (struct attempt_id){11, 2};
    bench.wanted = (struct shot_task){.operation = SHOT_TAKE,
                                      .sum = 1,
                                      .exact = true,
                                      .attempts = bench.ids,
                                      .attempt_count = 2,
                                      .giver = {INSTANCE, "127.0.0.1", door_port(bench.door)}};
    buf_init(&bench.payload, 1 << 16);
    return 0;
}

static int close_bench(void **state)
{
    (void)state;
    door_close(bench.door);
    errand_destroy(bench.errand);
    loop_destroy(bench.loop);
    buf_fini(&bench.payload);
    if (bench.fd >= 0)
        close(bench.fd);
    return 0;
}

/* --- The taker --- */

static void take(void *context)
{
    (void)context;
    bench.rc = gift_fetch(&bench.taker, TASK, bench.payload.data, bench.payload.size, bench.fd,
                          &bench.error);
}

static void taken(void *context)
{
    (void)context;
    loop_stop(bench.loop);
}

/* Have the taker ask for what is wanted: what gift_fetch says. */
static int fetch(void)
{
    buf_clear(&bench.payload);
    assert_int_equal(shot_task_encode(&bench.wanted, &bench.payload, &error), 0);
    if (bench.fd >= 0)
        close(bench.fd);
    bench.fd = memfd_create("taken", MFD_CLOEXEC);
    errand_start(bench.errand, take, taken, NULL);
    assert_int_equal(loop_run(bench.loop, &error), 0);
    return bench.rc;
}

static int check(struct gift_contents *ret_contents)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", bench.fd);
    return gift_check(path, &bench.wanted, ret_contents, &bench.error);
}

static void assert_says(const char *part)
{
    if (!strstr(bench.error.text, part))
        fail_msg("\"%s\" is not in: %s", part, bench.error.text);
}

/* --- What goes wrong --- */

static void who_does_not_know_the_secret_gets_nothing(void **state)
{
    (void)state;
    bench.taker = terms_of(8);
    assert_int_equal(fetch(), -1);
    assert_int_equal(bench.error.code, ERROR_AUTH);
    assert_int_equal(bench.came, 0);
}

/* Standard error of three refusals. */
static size_t refusals_told(void)
{
    static char text[1 << 12];
    size_t lines = 0;
    int file = memfd_create("log", MFD_CLOEXEC), before = dup(STDERR_FILENO);
    dup2(file, STDERR_FILENO);
    bench.taker = terms_of(8);
    for (int i = 0; i < 3; i++)
        fetch();
    dup2(before, STDERR_FILENO);
    close(before);
    ssize_t size = pread(file, text, sizeof(text) - 1, 0);
    close(file);
    text[size > 0 ? size : 0] = '\0';
    for (const char *at = text; (at = strstr(at, "is refused")); at++)
        lines++;
    return lines;
}

/* They come within a moment: those of a scanner would be without end. */
static void one_stranger_is_told_of_for_many(void **state)
{
    (void)state;
    int64_t start_ns = clock_monotonic_ns();
    size_t lines = refusals_told();
    assert_true(lines >= 1);
    assert_true(lines == 1 || clock_monotonic_ns() - start_ns > 10 * CLOCK_SECOND_NS);
}

static void whoever_is_gone_is_told_of(void **state)
{
    (void)state;
    door_close(bench.door);
    bench.door = NULL;
    assert_int_equal(fetch(), -1);
    assert_says("cannot connect to the worker that holds it at 127.0.0.1");
}

static int knock(void)
{
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)door_port(bench.door)),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    connect(fd, (const struct sockaddr *)&address, sizeof(address));
    return fd;
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* From now on this process may have no more descriptors. Returns what it might have before. */
static struct rlimit limit_descriptors(rlim_t most)
{
    struct rlimit before, low;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = before;
    low.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    return before;
}

/* Strangers knock, more of them than there is room for, and say nothing. */
static void strangers_leave_room_for_others(void **state)
{
    (void)state;
    int fds[STRANGERS];
    const struct rlimit limit = limit_descriptors(DESCRIPTORS);
    door_close(bench.door);
    const struct door_settings settings = {
        .farm = FARM, .secret = &bench.giver.secret, .address = &bench.address, .came = came};
    bench.door = door_open(bench.loop, &settings, &error);
    bench.wanted.giver.port = door_port(bench.door);
    for (size_t i = 0; i < STRANGERS; i++)
        fds[i] = knock();
    size_t before = open_descriptors();
    while (fetch() < 0) { /* as long as the oldest has his chance */
        assert_true(open_descriptors() <= before + DESCRIPTORS / 4 + 1);
        poll(NULL, 0, 20);
    }
    assert_true(open_descriptors() <= before + DESCRIPTORS / 4 + 1);
    for (size_t i = 0; i < STRANGERS; i++)
        close(fds[i]);
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void stop(void *context)
{
    loop_stop(context);
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

/* A door that looks again and again who is there would do so for all of that time. */
static void a_door_without_descriptors_waits(void **state)
{
    (void)state;
    struct loop_timer *timer = loop_timer_add(bench.loop, stop, bench.loop);
    int fd = knock();
    const struct rlimit limit = limit_descriptors(0);
    double before = cpu_seconds();
    loop_timer_arm(timer, clock_monotonic_ns() + CLOCK_SECOND_NS);
    assert_int_equal(loop_run(bench.loop, &error), 0);
    double used = cpu_seconds() - before;
    setrlimit(RLIMIT_NOFILE, &limit);
    close(fd);
    loop_timer_remove(timer);
    assert_true(used < 0.2); /* of a second; waiting takes next to nothing */
    assert_int_equal(fetch(), 0);
}

/* A socket that nobody looks at. */
static void whoever_is_silent_is_waited_for_no_longer_than_was_said(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    bench.wanted.giver.port = ntohs(address.sin_port);
    bench.taker.connect_ns = SHORT_NS;
    assert_int_equal(fetch(), -1);
    assert_int_equal(bench.error.code, ERROR_NETWORK);
    close(fd);
}

static void who_gives_up_waits_no_more(void **state)
{
    (void)state;
    const uint64_t one = 1;
    bench.taker.cancel_fd = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(write(bench.taker.cancel_fd, &one, sizeof(one)), sizeof(one));
    assert_int_equal(fetch(), -1);
    close(bench.taker.cancel_fd);
}

static void another_process_at_the_same_door_gives_nothing(void **state)
{
    (void)state;
    bench.wanted.giver.instance = INSTANCE + 1;
    assert_int_equal(fetch(), -1);
    assert_int_equal(bench.heard, -1);
    assert_says("another worker process");
}

static void what_the_giver_cannot_give_it_says(void **state)
{
    (void)state;
    bench.giving = REFUSE;
    assert_int_equal(fetch(), -1);
    assert_says("there is nothing");
}

static void signs_of_a_busy_giver_are_no_part_of_the_sum(void **state)
{
    (void)state;
    struct gift_contents contents;
    bench.giving = GIVE_LATE;
    assert_int_equal(fetch(), 0);
    assert_int_equal(check(&contents), 0);
    assert_int_equal(contents.attempts, 1);
}

static void signs_alone_do_not_make_the_taker_wait_for_ever(void **state)
{
    (void)state;
    bench.giving = PUT_OFF;
    bench.taker.busy_ns = SHORT_NS;
    assert_int_equal(fetch(), -1);
    assert_says("is busy");
}

static void a_sum_that_is_cut_off_is_refused(void **state)
{
    (void)state;
    struct gift_contents contents;
    bench.giving = GIVE_HALF;
    assert_int_equal(fetch(), 0);
    assert_int_equal(check(&contents), -1);
    assert_says("cut off");
    bench.giving = END;
    assert_int_equal(fetch(), 0);
    assert_int_equal(check(&contents), -1);
    assert_says("cut off");
}

static void a_sum_of_something_else_is_refused(void **state)
{
    (void)state;
    struct gift_contents contents;
    bench.giving = GIVE_OTHER;
    assert_int_equal(fetch(), 0);
    assert_int_equal(check(&contents), -1);
    assert_says("not asked for");
    bench.giving = GIVE;
    assert_int_equal(fetch(), 0);
    assert_int_equal(check(&contents), 0);
    bench.wanted.exact = false;
    assert_int_equal(check(&contents), -1);
    assert_says("another sum");
    bench.wanted.exact = true;
    bench.wanted.sum = 2;
    assert_int_equal(check(&contents), -1);
    assert_says("another sum");
}

/* Proven, but with nonsense to say. */
static const char *nonsense;
static size_t nonsense_size;

static void talk(void *context)
{
    (void)context;
    struct auth_welcome welcome;
    const struct dial_options options = {.host = "127.0.0.1",
                                         .port = door_port(bench.door),
                                         .farm = FARM,
                                         .cancel_fd = -1,
                                         .secret = bench.taker.secret};
    int fd = dial_connect(&options, &welcome, &bench.error);
    bench.rc = fd < 0 || send(fd, nonsense, nonsense_size, MSG_NOSIGNAL) < 0 ||
                       shutdown(fd, SHUT_WR) < 0
                   ? -1
                   : 0;
    char byte;
    while (fd_wait(fd, POLLIN, INT64_MAX, -1) > 0 && recv(fd, &byte, 1, 0) > 0)
        ;
    close(fd);
}

static void requests_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = {
        {"", 0},
        {"\x05", 1},
        {"\x05\0\0\0abc", 7},
        {"\x05\0\0\0abcde", 9},
        {"\xff\xff\xff\xff", 4},
        {"\x08\0\0\0BFGIFT1\n", 12},
        {"\x09\0\0\0BFGIFT1\n\x01", 13},
        {"\x0c\0\0\0BFGIFT1\n\x01xyz", 16},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        nonsense = cases[i].bytes;
        nonsense_size = cases[i].size;
        bench.heard = 0;
        errand_start(bench.errand, talk, taken, NULL);
        assert_int_equal(loop_run(bench.loop, &error), 0);
        assert_int_equal(bench.rc, 0);
        assert_int_equal(bench.came, i + 1);
        assert_int_equal(bench.heard, -1);
    }
}

/* --- What goes well --- */

static void what_is_asked_for_comes(void **state)
{
    (void)state;
    struct gift_contents contents;
    assert_int_equal(fetch(), 0);
    assert_int_equal(bench.heard, 0);
    assert_int_equal(bench.task, TASK);
    if (check(&contents) < 0)
        fail_msg("%s", bench.error.text);
    assert_int_equal(contents.attempts, 1);
    assert_int_equal(contents.shots, 1);
}

#define BENCH_TEST(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BENCH_TEST(who_does_not_know_the_secret_gets_nothing),
        BENCH_TEST(one_stranger_is_told_of_for_many),
        BENCH_TEST(whoever_is_gone_is_told_of),
        BENCH_TEST(whoever_is_silent_is_waited_for_no_longer_than_was_said),
        BENCH_TEST(strangers_leave_room_for_others),
        BENCH_TEST(a_door_without_descriptors_waits),
        BENCH_TEST(who_gives_up_waits_no_more),
        BENCH_TEST(another_process_at_the_same_door_gives_nothing),
        BENCH_TEST(what_the_giver_cannot_give_it_says),
        BENCH_TEST(signs_of_a_busy_giver_are_no_part_of_the_sum),
        BENCH_TEST(signs_alone_do_not_make_the_taker_wait_for_ever),
        BENCH_TEST(a_sum_that_is_cut_off_is_refused),
        BENCH_TEST(a_sum_of_something_else_is_refused),
        BENCH_TEST(requests_that_are_none_are_refused),
        BENCH_TEST(what_is_asked_for_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
