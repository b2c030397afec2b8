#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/reply.h"

static struct reply_reader *reader;
static cJSON *names;

static int setup(void **state)
{
    struct error error;
    (void)state;
    names = cJSON_Parse("[\"a\",\"b\"]");
    reader = reply_reader_create(names, &error);
    return reader ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    reply_reader_destroy(reader);
    cJSON_Delete(names);
    return 0;
}

static int read_line(const char *line, struct reply *reply, struct error *error)
{
    return reply_read(reader, line, strlen(line), reply, error);
}

static void lines_that_are_no_replies_are_quoted(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "iteration 7",
        "17",
        "[]",
        "{}",
        "{\"task\":0,\"ok\":true}",
        "{\"task\":1.5,\"ok\":true}",
        "{\"task\":1}",
        "{\"task\":1,\"ok\":1}",
        "{\"task\":1,\"ok\":true}{\"task\":2,\"ok\":true}",
        "{\"task\":1,\"ok\":true,\"values\":[1]}",
        "{\"task\":1,\"ok\":true,\"values\":{\"a\":[1]}}",
        "{\"task\":1,\"ok\":true,\"values\":{\"a\":01}}",
        "{\"task\":1,\"ok\":true,\"values\":{\"a\":1.}}",
        "{\"task\":1,\"ok\":true,\"values\":{\"a\":0x1p3}}",
        "{\"task\":1,\"ok\":true,\"outputs\":[1]}",
        "{\"task\":1,\"ok\":true,\"values\":{\"a\":\"\xff\"}}",
        "{\"task\":1,\"ok\":true,\"task\":2}",
    };
    struct reply reply;
    struct error error;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(read_line(bad[i], &reply, &error), -1);
        assert_non_null(strstr(error.text, "no reply"));
    }
}

static void usual_and_unusual_replies_read_alike(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "{\"task\":17,\"ok\":true,\"values\":{\"a\":2.5,\"b\":\"x\"},\"outputs\":[\"o\"]}",
        (" { \"outputs\" : [ \"o\" ] , "
         "\"values\" : { \"b\" : \"x\" , \"a\" : 25e-1 , \"c\" : 1 } , "
         "\"ok\" : true , \"task\" : 17 } \r"),
        ("{\"task\":17,\"ok\":true,\"more\":{},\"values\":{\"a\":2.5,\"b\":\"\\u0078\"},"
         "\"outputs\":[\"o\"]}"),
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        struct reply reply;
        struct error error;
        assert_int_equal(read_line(lines[i], &reply, &error), 0);
        assert_int_equal(reply.task, 17);
        assert_true(reply.ok);
        assert_true(reply.given[0] && reply.given[1]);
        assert_true(reply.values[0].real == 2.5); /* exact in binary */
        assert_int_equal(reply.values[1].text_size, 1);
        assert_memory_equal(reply.values[1].text, "x", 1);
        assert_int_equal(reply.output_count, 1);
        assert_memory_equal(reply.outputs[0].text, "o", 1);
    }
}

static void numbers_keep_their_kind(void **state)
{
    (void)state;
    struct reply reply;
    struct error error;
    read_line("{\"task\":1,\"ok\":true,\"values\":{\"a\":-7,\"b\":123456789012345678901}}",
              &reply, &error);
    assert_int_equal(reply.values[0].kind, VALUE_INTEGER);
    assert_int_equal(reply.values[0].integer, -7);
    assert_int_equal(reply.values[1].kind, VALUE_REAL);
    read_line("{\"task\":1,\"ok\":true,\"values\":{\"a\":NaN,\"b\":-Infinity}}", &reply,
              &error);
    assert_true(isnan(reply.values[0].real));
    assert_true(isinf(reply.values[1].real));
}

static void tasks_are_written_with_numbers_as_numbers(void **state)
{
    (void)state;
    const char *texts[] = {"1e-5", "007", "a\"b", "-0.5", "0x10", "", "1 ", "nan"};
    const char *params_names[] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p\n7"};
    struct value values[8];
    struct template_text printed[8];
    for (size_t i = 0; i < 8; i++) {
        values[i] = (struct value){VALUE_TEXT, 0, 0, texts[i], strlen(texts[i])};
        printed[i] = (struct template_text){texts[i], strlen(texts[i])};
    }
    struct params params = {
        .names = params_names, .count = 8, .values = values, .texts = printed};
    struct buf buf;
    buf_init(&buf, 10000);
    reply_put_task(&buf, (struct attempt_id){17, 2}, &params, "/w d");
    assert_string_equal(
        buf_text(&buf),
        "{\"task\":17,\"attempt\":2,\"params\":{\"p0\":1e-5,\"p1\":\"007\",\"p2\":\"a\\\"b\","
        "\"p3\":-0.5,\"p4\":\"0x10\",\"p5\":\"\",\"p6\":\"1 \",\"p\\n7\":\"nan\"},\"dir\":\"/w "
        "d\"}\n");
    buf_fini(&buf);
}

static void texts_have_a_longest(void **state)
{
    (void)state;
    static const char head[] = "{\"task\":1,\"ok\":true,\"values\":{\"a\":\"";
    struct reply reply;
    struct error error;
    for (size_t size = VALUE_TEXT_MAX; size <= VALUE_TEXT_MAX + 1; size++) {
        char *line = malloc(sizeof(head) + size + 4);
        memcpy(line, head, sizeof(head) - 1);
        memset(line + sizeof(head) - 1, 'x', size);
        strcpy(line + sizeof(head) - 1 + size, "\"}}");
        assert_int_equal(read_line(line, &reply, &error), size > VALUE_TEXT_MAX ? -1 : 0);
        free(line);
    }
    assert_non_null(strstr(error.text, "\"a\" is longer than"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(lines_that_are_no_replies_are_quoted),
        T(usual_and_unusual_replies_read_alike),
        T(numbers_keep_their_kind),
        T(tasks_are_written_with_numbers_as_numbers),
        T(texts_have_a_longest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
