/* The driver by itself: a folder, a loop, and a farm that only remembers what it is told. */
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/values.h"
#include "master/driver.h"

struct bench {
    char folder[64];
    cJSON *work;
    struct loop *loop;
    struct driver *driver;
    uint64_t cancelled[600]; /* tasks, in this order */
    size_t cancelled_count;
};

static const struct driver_ops *ops;

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    (void)info;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void wake(void *context)
{
    (void)context;
}

/* As the farm does: a task that is cancelled ends before this returns. */
static void cancel(void *context, uint64_t task)
{
    struct bench *bench = context;
    const struct result result = {.id = {.task = task}, .status = RESULT_CANCELLED};
    assert_true(bench->cancelled_count < 600);
    bench->cancelled[bench->cancelled_count++] = task;
    ops->ended(bench->driver, &result, false);
}

static void open_it(struct bench *bench)
{
    struct error error;
    const struct driver_context context = {.work = bench->work,
                                           .folder = bench->folder,
                                           .loop = bench->loop,
                                           .wake = wake,
                                           .wake_context = bench,
                                           .cancel = cancel,
                                           .run_dir = bench->folder};
    bench->driver = ops->open(&context, &error);
    if (!bench->driver)
        fail_msg("%s", error.text);
    bench->cancelled_count = 0;
}

static int setup(void **state)
{
    struct bench *bench = calloc(1, sizeof *bench);
    ops = driver_find("socket");
    assert_non_null(ops);
    strcpy(bench->folder, "/tmp/beofarm-socket-XXXXXX");
    assert_non_null(mkdtemp(bench->folder));
    bench->loop = loop_create(NULL);
    bench->work =
        cJSON_Parse("{\"kind\":\"socket\",\"command\":[\"true\"],\"params\":[\"K\",\"S\"]}");
    open_it(bench);
    *state = bench;
    return 0;
}

static int teardown(void **state)
{
    struct bench *bench = *state;
    ops->close(bench->driver);
    loop_destroy(bench->loop);
    cJSON_Delete(bench->work);
    nftw(bench->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(bench);
    return 0;
}

/* Let the loop run for a moment: until nothing has happened for 20 ms. */
static void stop(void *context)
{
    loop_stop(context);
}

static void settle(struct bench *bench)
{
    struct loop_timer *timer = loop_timer_add(bench->loop, stop, bench->loop);
    loop_timer_arm(timer, clock_monotonic_ns() + 20 * CLOCK_MS_NS);
    assert_int_equal(loop_run(bench->loop, NULL), 0);
    loop_timer_remove(timer);
}

/* What `next` says once what was written has been made durable, which a busy disk may delay. */
static enum driver_next next_at_last(struct bench *bench, uint32_t slots)
{
    enum driver_next said = ops->next(bench->driver, slots);
    for (int i = 0; i < 500 && said == DRIVER_WAIT; i++) {
        settle(bench);
        said = ops->next(bench->driver, slots);
    }
    return said;
}

static enum driver_next limited_at_last(struct bench *bench, uint64_t tasks)
{
    enum driver_next said = ops->limited(bench->driver, tasks);
    for (int i = 0; i < 500 && said == DRIVER_WAIT; i++) {
        settle(bench);
        said = ops->limited(bench->driver, tasks);
    }
    return said;
}

static int connect_to(struct bench *bench)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s/driver.sock", bench->folder);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    settle(bench);
    return fd;
}

static void say(struct bench *bench, int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    settle(bench);
}

/* All that has come. */
static const char *hear(int fd)
{
    static char text[65536];
    ssize_t size = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    text[size > 0 ? size : 0] = '\0';
    return text;
}

static void end_task(struct bench *bench, uint64_t task, enum result_status status)
{
    const struct result result = {.id = {.task = task, .attempt = 1}, .status = status};
    ops->ran(bench->driver, task, "here", 1);
    ops->ended(bench->driver, &result, false);
}

static int64_t first_integer(struct bench *bench, uint64_t task)
{
    struct buf payload;
    struct value *values;
    size_t count;
    struct error error;
    buf_init(&payload, 1000);
    assert_int_equal(ops->payload(bench->driver, task, &payload), 0);
    assert_int_equal(values_decode(payload.data, payload.size, &values, &count, &error), 0);
    assert_int_equal(count, 2);
    int64_t first = values[0].integer;
    free(values);
    buf_fini(&payload);
    return first;
}

#define SETS                                                                                   \
    "{\"do\":\"submit\",\"sets\":[{\"id\":1,\"params\":[11,0]},"                               \
    "{\"id\":2,\"params\":{\"S\":0,\"K\":12}},{\"id\":3,\"params\":[13,0],\"priority\":1}]}\n"

static void bad_work_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *work, *words;
    } cases[] = {
        {"{\"command\":[\"true\"],\"params\":[\"K\",\"K\"]}", "$.work.params[1]"},
        {"{\"command\":[\"true\"],\"params\":[\"K\",3]}", "$.work.params[1]"},
        {"{\"command\":[\"true\"],\"params\":[\"PATH\"]}", "PATH"},
        {"{\"command\":[\"true\"],\"params\":[\"a=b\"]}", "$.work.params"},
        {"{\"command\":[\"true\"],\"params\":[\"status\"]}", "status"},
        {"{\"command\":[\"echo\",\"{Q}\"],\"params\":[\"K\"]}", "$.work.command[1]"},
        {"{\"command\":[\"true\"],\"params\":[\"K\"],\"values\":[{\"name\":\"K\","
         "\"regex\":\"x\"}]}",
         "K"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cJSON *work = cJSON_Parse(cases[i].work);
        struct error error = {0};
        const struct driver_context context = {.work = work, .folder = "/", .plan_only = true};
        assert_null(ops->open(&context, &error));
        if (!strstr(error.text, cases[i].words))
            fail_msg("%s: %s", cases[i].work, error.text);
        cJSON_Delete(work);
    }
}

static void only_as_many_are_handed_out_as_slots_want(void **state)
{
    struct bench *bench = *state;
    int fd = connect_to(bench);
    say(bench, fd, SETS);
    assert_int_equal(ops->next(bench->driver, 0), DRIVER_WAIT); /* nobody is there */
    assert_int_equal(next_at_last(bench, 2), DRIVER_TASK);
    assert_int_equal(next_at_last(bench, 2), DRIVER_TASK);
    assert_int_equal(ops->next(bench->driver, 2), DRIVER_WAIT);
    assert_int_equal(first_integer(bench, 1), 13); /* of higher priority */
    assert_int_equal(first_integer(bench, 2), 11);
    struct buf none;
    buf_init(&none, 100);
    assert_int_equal(ops->payload(bench->driver, 3, &none), -1);
    end_task(bench, 1, RESULT_OK);
    assert_int_equal(next_at_last(bench, 2), DRIVER_TASK);
    assert_int_equal(first_integer(bench, 3), 12);
    assert_int_equal(ops->next(bench->driver, 2), DRIVER_WAIT);
    settle(bench);
    const char *heard = hear(fd);
    assert_non_null(strstr(heard, "\"accepted\",\"ids\":[1,2,3]"));
    assert_non_null(strstr(heard, "\"seq\":1,\"id\":3,\"status\":\"ok\""));
    close(fd);
}

static void another_master_hands_out_the_same_tasks(void **state)
{
    struct bench *bench = *state;
    int fd = connect_to(bench);
    say(bench, fd, SETS);
    assert_int_equal(next_at_last(bench, 2), DRIVER_TASK);
    assert_int_equal(next_at_last(bench, 2), DRIVER_TASK);
    end_task(bench, 1, RESULT_OK);
    say(bench, fd, "{\"do\":\"cancel\",\"id\":1}\n"); /* task 2 */
    assert_int_equal(bench->cancelled_count, 1);
    ops->close(bench->driver);
    close(fd);

    open_it(bench); /* the journal has heard of neither end */
    for (int i = 0; i < 3; i++)
        assert_int_equal(next_at_last(bench, 5), DRIVER_TASK);
    assert_int_equal(ops->next(bench->driver, 5), DRIVER_WAIT);
    assert_int_equal(bench->cancelled_count, 1); /* so that it is not run again */
    assert_int_equal(bench->cancelled[0], 2);
    assert_int_equal(first_integer(bench, 1), 13);
    assert_int_equal(first_integer(bench, 3), 12);
    end_task(bench, 1, RESULT_OK); /* told before */
    end_task(bench, 3, RESULT_OK);
    fd = connect_to(bench);
    say(bench, fd, "{\"do\":\"results\",\"since\":0}\n");
    const char *heard = hear(fd);
    assert_non_null(strstr(heard, "\"seq\":3,\"id\":2"));
    assert_null(strstr(heard, "\"seq\":4"));
    close(fd);
}

static void a_lost_ledger_costs_numbers_and_nothing_else(void **state)
{
    struct bench *bench = *state;
    char path[96];
    ops->close(bench->driver);
    snprintf(path, sizeof path, "%s/driver.ledger", bench->folder);
    assert_int_equal(unlink(path), 0);
    open_it(bench);
    const struct result result = {.id = {.task = 5, .attempt = 1}, .status = RESULT_OK};
    ops->ended(bench->driver, &result, true); /* the journal knows of a task 5 */
    int fd = connect_to(bench);
    say(bench, fd, SETS);
    for (int i = 0; i < 8; i++)
        assert_int_equal(next_at_last(bench, 5), DRIVER_TASK);
    assert_int_equal(ops->next(bench->driver, 5), DRIVER_WAIT);
    assert_int_equal(bench->cancelled_count, 5); /* 1 to 5 stand for nothing */
    assert_int_equal(first_integer(bench, 6), 13);
    close(fd);
}

static void it_ends_when_all_have_finished_and_heard(void **state)
{
    struct bench *bench = *state;
    int one = connect_to(bench), two = connect_to(bench);
    say(bench, one, "{\"do\":\"attach\",\"client\":\"one\"}\n");
    say(bench, two, "{\"do\":\"attach\",\"client\":\"two\"}\n");
    say(bench, one, SETS "{\"do\":\"finish\"}\n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(next_at_last(bench, 3), DRIVER_TASK);
    for (uint64_t task = 1; task <= 3; task++)
        end_task(bench, task, task == 2 ? RESULT_EXIT : RESULT_OK);
    settle(bench);
    assert_int_equal(ops->next(bench->driver, 3), DRIVER_WAIT); /* `two` has not finished */
    assert_false(ops->over(bench->driver));
    say(bench, two, "{\"do\":\"finish\"}\n");
    assert_int_equal(next_at_last(bench, 3), DRIVER_FINISHED);
    assert_int_equal(next_at_last(bench, 3), DRIVER_FINISHED);
    assert_true(ops->over(bench->driver));
    assert_non_null(strstr(hear(two), "\"event\":\"end\",\"finished\":true"));
    const char *heard = hear(one);
    assert_non_null(strstr(heard, "\"status\":\"exit\",\"code\":0"));
    assert_non_null(strstr(heard, "\"event\":\"end\""));
    close(one);
    close(two);
}

static void sets_that_the_limit_leaves_are_told_and_kept(void **state)
{
    struct bench *bench = *state;
    int one = connect_to(bench), two = connect_to(bench);
    say(bench, two, "{\"do\":\"attach\",\"client\":\"two\"}\n");
    say(bench, one, SETS);
    assert_int_equal(next_at_last(bench, 1), DRIVER_TASK); /* id 3 */
    hear(one);
    assert_int_equal(ops->limited(bench->driver, 1), DRIVER_WAIT); /* it runs */
    const char *heard = hear(one);
    assert_non_null(strstr(heard, "\"event\":\"left\",\"ids\":[1,2]"));
    assert_non_null(strstr(heard, "$.limits.tasks"));
    assert_null(strstr(hear(two), "left"));
    say(bench, one, "{\"do\":\"submit\",\"id\":4,\"params\":[1,1]}\n");
    heard = hear(one);
    assert_non_null(strstr(heard, "\"event\":\"error\""));
    assert_non_null(strstr(heard, "$.limits.tasks"));
    end_task(bench, 1, RESULT_OK);
    settle(bench);
    assert_int_equal(limited_at_last(bench, 1), DRIVER_FINISHED);
    assert_non_null(strstr(hear(one), "\"id\":3,\"status\":\"ok\""));
    assert_false(ops->over(bench->driver)); /* it can be resumed */
    ops->close(bench->driver);
    assert_non_null(strstr(hear(two), "\"finished\":false,\"sentence\":\"$.limits.tasks"));
    close(one);
    close(two);

    open_it(bench); /* with a higher limit */
    for (int i = 0; i < 3; i++)
        assert_int_equal(next_at_last(bench, 3), DRIVER_TASK);
    assert_int_equal(first_integer(bench, 2), 11);
    assert_int_equal(first_integer(bench, 3), 12);
}

static void tasks_taken_beyond_a_lowered_limit_are_not_waited_for(void **state)
{
    struct bench *bench = *state;
    int fd = connect_to(bench);
    say(bench, fd, SETS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(next_at_last(bench, 3), DRIVER_TASK);
    ops->close(bench->driver);
    close(fd);
    open_it(bench);
    assert_int_equal(next_at_last(bench, 3), DRIVER_TASK);
    end_task(bench, 1, RESULT_OK);
    fd = connect_to(bench);
    assert_int_equal(limited_at_last(bench, 1), DRIVER_FINISHED);
    assert_non_null(strstr(hear(fd), "\"left\",\"ids\":[1,2]"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bad_work_is_refused_with_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(only_as_many_are_handed_out_as_slots_want, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(another_master_hands_out_the_same_tasks, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_lost_ledger_costs_numbers_and_nothing_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(sets_that_the_limit_leaves_are_told_and_kept, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(tasks_taken_beyond_a_lowered_limit_are_not_waited_for,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(it_ends_when_all_have_finished_and_heard, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
