#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/json.h"

static cJSON *parse(const char *text)
{
    struct error error = {0};
    cJSON *root = NULL;
    if (json_parse(text, strlen(text), "t.json", JSON_COMMENTS, &root, &error) < 0)
        fail_msg("%s", error.text);
    return root;
}

/* Malformed texts and what is said about them. */
static void malformed_texts_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } table[] = {
        {"", "t.json:1:1: expected a value, found the end of the text"},
        {"{\n  \"a\": 1,\n  \"b\" 2}", "t.json:3:7: expected ':' after the key, found '2'"},
        {"{\"a\": 1 \"b\": 2}", "t.json:1:9: expected ',' or '}', found '\"'"},
        {"[1, 2", "t.json:1:6: expected ',' or ']', found the end of the text"},
        {"[1 /* x */, 2,]", "t.json:1:14: a comma after the last value; remove it"},
        {"{\"a\": 1,}", "t.json:1:8: a comma after the last value; remove it"},
        {"{,}", "t.json:1:2: expected a key in quotes, found ','"},
        {"[,]", "t.json:1:2: expected a value, found ','"},
        {"{a: 1}", "t.json:1:2: expected a key in quotes, found 'a'"},
        {"[abc]", "t.json:1:2: expected a value, found the word abc (texts stand in \"\")"},
        {"[01]", "t.json:1:2: a number may not begin with 0"},
        {"[+1]", "t.json:1:2: expected a value, found '+'"},
        {"[1.]", "t.json:1:4: expected a digit after the decimal point, found ']'"},
        {"[.5]", "t.json:1:2: expected a value, found '.'"},
        {"[1e]", "t.json:1:4: expected a digit of the exponent, found ']'"},
        {"[-]", "t.json:1:3: expected a digit, found ']'"},
        {"[1e999]", "t.json:1:2: the number 1e999 is too large (over 1.8e308)"},
        {"[0.0000000000000000000000000000000000000000000000000000000000000001]",
         "t.json:1:2: a number of more than 63 characters"},
        {"[NaN]", "t.json:1:2: NaN is not JSON; write null"},
        {"[True]", "t.json:1:2: True is not JSON; write true"},
        {"[\"a\nb\"]", "t.json:1:2: this text has no closing '\"' on its line"},
        {"[\"a\tb\"]", "t.json:1:4: a control character (0x09) in a text; write \\u0009"},
        {"[\"\\x\"]", "t.json:1:3: not an escape that JSON has; write \\\\ for a backslash"},
        {"[\"\\u00g0\"]", "t.json:1:3: \\u wants four hexadecimal digits"},
        {"[\"\\u0000\"]", "t.json:1:3: \\u0000 (a NUL) is not allowed in a text"},
        {"[\"\\ud800x\"]",
         "t.json:1:3: half of a surrogate pair; it wants a second half after it"},
        {"[\"\\udc00\"]",
         "t.json:1:3: half of a surrogate pair; it wants a first half before it"},
        {"[\"\xe9\"]", "t.json:1:3: not UTF-8 (the byte 0xE9); save the file as UTF-8"},
        {"[\"\xc0\x80\"]", "t.json:1:3: not UTF-8 (the byte 0xC0); save the file as UTF-8"},
        {"1 2", "t.json:1:3: expected nothing more after the value, found '2'"},
        {"{} // end\n}", "t.json:2:1: expected nothing more after the value, found '}'"},
        {"[1] /", "t.json:1:5: a lone '/'; comments are // or /* */"},
        {"[1, /* 2]", "t.json:1:5: this comment has no end; close it with */"},
        {"[1}", "t.json:1:3: expected ',' or ']', found '}'"},
        {"\x01", "t.json:1:1: expected a value, found the byte 0x01"},
        {"{\"a\": {\"b c\": [{\"x\": 1, \"y\": 2, \"x\": 3}]}}",
         "t.json: $.a[\"b c\"][0]: the key \"x\" stands twice"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error = {0};
        cJSON *root = NULL;
        assert_int_equal(json_parse(table[i].text, strlen(table[i].text), "t.json",
                                    JSON_COMMENTS, &root, &error),
                         -1);
        assert_int_equal(error.code, ERROR_CONFIG);
        assert_string_equal(error.text, table[i].sentence);
        assert_null(root);
    }
}

static void nul_bytes_are_refused_everywhere(void **state)
{
    (void)state;
    static const char *const texts[] = {"[1]\0", "\0[1]", "[\"a\0b\"]", "// \0\n1"};
    static const size_t sizes[] = {4, 4, 7, 6};
    for (size_t i = 0; i < 4; i++) {
        struct error error = {0};
        cJSON *root;
        assert_int_equal(json_parse(texts[i], sizes[i], "t", JSON_COMMENTS, &root, &error), -1);
        assert_int_equal(error.code, ERROR_CONFIG);
    }
}

static void comments_are_refused_where_they_are_not_allowed(void **state)
{
    (void)state;
    struct error error;
    cJSON *root;
    assert_int_equal(json_parse("1 // one", 8, "t", JSON_STRICT, &root, &error), -1);
    assert_string_equal(error.text, "t:1:3: comments are not allowed here");
}

static void nesting_is_bounded(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 4];
    struct error error;
    cJSON *root;
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_int_equal(json_parse(text, 2 * JSON_DEPTH_MAX + 2, "t", 0, &root, &error), -1);
    assert_string_equal(error.text,
                        "t:1:201: more than 200 arrays and objects inside each other");
    assert_int_equal(json_parse(text + 1, 2 * JSON_DEPTH_MAX, "t", 0, &root, &error), 0);
    cJSON_Delete(root);
}

static void comments_are_blanks_and_texts_keep_theirs(void **state)
{
    (void)state;
    cJSON *root =
        parse("\xEF\xBB\xBF// one\n{ /* two\n * lines */ \"a\" /**/: \"// no /* */\" } // x");
    assert_string_equal(json_member(root, "a")->valuestring, "// no /* */");
    cJSON_Delete(root);
    root = parse("\xEF\xBB\xBF"
                 "7");
    assert_int_equal(root->valueint, 7);
    cJSON_Delete(root);
}

/* Reads from `text` that must fail with a sentence about `path`. */
static void getters_name_the_path_of_a_wrong_value(void **state)
{
    (void)state;
    cJSON *root =
        parse("{\"n\": \"3\", \"x y\": 2.5, \"big\": 1e300, \"b\": 1, \"o\": [], \"a\": {}}");
    struct error error;
    int64_t integer;
    double real;
    bool boolean;
    const char *text;
    const cJSON *item;
    assert_int_equal(json_get_integer(root, "$.l", "n", 1, &integer, &error), -1);
    assert_string_equal(error.text, "$.l.n: expected a whole number, found \"3\"");
    assert_int_equal(json_get_integer(root, "$.l", "x y", 1, &integer, &error), -1);
    assert_string_equal(error.text, "$.l[\"x y\"]: expected a whole number, found 2.5");
    assert_int_equal(json_get_integer(root, "$", "big", 1, &integer, &error), -1);
    assert_int_equal(json_get_real(root, "$", "n", 1, &real, &error), -1);
    assert_int_equal(json_get_bool(root, "$", "b", true, &boolean, &error), -1);
    assert_string_equal(error.text, "$.b: expected true or false, found 1");
    assert_int_equal(json_get_text(root, "$", "b", NULL, &text, &error), -1);
    assert_int_equal(json_get_object(root, "$", "o", &item, &error), -1);
    assert_string_equal(error.text, "$.o: expected an object, found an array");
    assert_int_equal(json_get_array(root, "$", "a", &item, &error), -1);
    assert_null(json_need(root, "$.l", "gone", &error));
    assert_string_equal(error.text, "$.l: the key \"gone\" is missing");
    cJSON_Delete(root);
}

static void getters_read_values_and_fall_back(void **state)
{
    (void)state;
    cJSON *root =
        parse("{\"n\": 9007199254740992, \"r\": 0.5, \"t\": \"x\", \"b\": false, \"z\": null}");
    struct error error;
    int64_t integer;
    double real;
    bool boolean;
    const char *text;
    const cJSON *item;
    assert_int_equal(json_get_integer(root, "$", "n", 1, &integer, &error), 0);
    assert_true(integer == INT64_C(9007199254740992));
    assert_int_equal(json_get_integer(root, "$", "z", 7, &integer, &error), 0);
    assert_int_equal(integer, 7);
    assert_int_equal(json_get_real(root, "$", "r", 1, &real, &error), 0);
    assert_true(real == 0.5);
    assert_int_equal(json_get_bool(root, "$", "b", true, &boolean, &error), 0);
    assert_false(boolean);
    assert_int_equal(json_get_text(root, "$", "t", NULL, &text, &error), 0);
    assert_string_equal(text, "x");
    assert_int_equal(json_get_text(NULL, "$", "t", "none", &text, &error), 0);
    assert_string_equal(text, "none");
    assert_int_equal(json_get_array(root, "$", "gone", &item, &error), 0);
    assert_null(item);
    cJSON_Delete(root);
}

static void bad_paths_say_where_they_are_bad(void **state)
{
    (void)state;
    static const struct {
        const char *path, *sentence;
    } table[] = {
        {"a", "JSON path a: at character 1: a path begins with $"},
        {"", "JSON path : at character 1: a path begins with $"},
        {"$a", "JSON path $a: at character 2: expected .key or [index]"},
        {"$.",
         "JSON path $.: at character 3: expected a key after the dot; quote unusual ones: "
         "[\"a key\"]"},
        {"$[x]", "JSON path $[x]: at character 3: expected an index from 0, or a quoted key"},
        {"$[-1]", "JSON path $[-1]: at character 3: expected an index from 0, or a quoted key"},
        {"$[1", "JSON path $[1: at character 4: expected ]"},
        {"$[\"x]", "JSON path $[\"x]: at character 6: this quoted key has no end"},
        {"$[99999999999]",
         "JSON path $[99999999999]: at character 13: the index is over 1000000000"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error;
        assert_null(json_path_create(table[i].path, &error));
        assert_string_equal(error.text, table[i].sentence);
    }
}

static void paths_find_what_stands_there(void **state)
{
    (void)state;
    cJSON *root = parse("{\"a\": {\"b\": [1, 2, 3, {\"x y\": 4, \"q\\\"\": 5}]}, \"3d\": 6, "
                        "\"caf\xc3\xa9\": 7}");
    static const struct {
        const char *path;
        int value; /* 0: nothing is there */
    } table[] = {
        {"$.a.b[0]", 1},
        {"$.a.b[3][\"x y\"]", 4},
        {"$.a['b'][3]['q\"']", 5},
        {"$[\"3d\"]", 6},
        {"$.3d", 6},
        {"$.caf\xc3\xa9", 7},
        {"$.a.b[4]", 0},
        {"$.a.b.c", 0},
        {"$.a[0]", 0},
        {"$.A.b[0]", 0},
        {"$.a.b[3][\"q\\\"\"]", 5},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct json_path *path = json_path_create(table[i].path, NULL);
        assert_non_null(path);
        const cJSON *item = json_path_find(path, root);
        assert_int_equal(item ? item->valueint : 0, table[i].value);
        json_path_destroy(path);
    }
    struct json_path *path = json_path_create("$", NULL);
    assert_ptr_equal(json_path_find(path, root), root);
    json_path_destroy(path);
    cJSON_Delete(root);
}

static void texts_are_printed_so_that_any_bytes_are_json(void **state)
{
    (void)state;
    static const char bytes[] =
        "a\"\\\n\x01\x7f \xc3\xa9 \xff\xc3 \xe2\x80\xa8 \xed\xa0\x80 \xf0\x9f\x98\x80\x0b";
    struct buf buf;
    buf_init(&buf, 1000);
    assert_int_equal(json_put_text(&buf, bytes, sizeof(bytes) - 1), 0);
    assert_string_equal(buf_text(&buf),
                        "\"a\\\"\\\\\\n\\u0001\\u007f \xc3\xa9 \xef\xbf\xbd\xef\xbf\xbd "
                        "\\u2028 \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd "
                        "\xf0\x9f\x98\x80\\u000b\"");
    buf_fini(&buf);
    buf_init(&buf, 3);
    assert_int_equal(json_put_text(&buf, "long", 4), -1);
    buf_fini(&buf);
}

static void trees_are_printed_without_losing_a_digit(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[0.1,0.30000000000000004,1e-320,9007199254740993,-0],"
                               "\"b\":{},\"c\":[],\"d\":[true,false,null,\"x\"]}";
    cJSON *root = parse(text), *again;
    struct buf buf;
    buf_init(&buf, 1000);
    for (unsigned indent = 0; indent <= 2; indent += 2) {
        buf_clear(&buf);
        assert_int_equal(json_put(&buf, root, indent), 0);
        again = parse(buf_text(&buf));
        assert_int_equal(json_diff(root, again, NULL, NULL), 0);
        cJSON_Delete(again);
    }
    cJSON_Delete(root);
    root = parse("{\"a\": [1, {}], \"b\": {\"c\": []}}");
    buf_clear(&buf);
    json_put(&buf, root, 2);
    assert_string_equal(
        buf_text(&buf),
        "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": {\n    \"c\": []\n  }\n}");
    cJSON_Delete(root);
    buf_clear(&buf);
    json_put_real(&buf, (double)NAN);
    assert_string_equal(buf_text(&buf), "null");
    buf_fini(&buf);
}

static void keep_path(void *context, const char *path, const cJSON *a, const cJSON *b)
{
    struct buf *buf = context;
    buf_printf(buf, "%s%s ", path, !a ? "+" : !b ? "-" : "");
}

static void differences_are_named_by_path(void **state)
{
    (void)state;
    cJSON *a = parse(
        "{\"x\": 1, \"y\": [1, 2, 3], \"z\": {\"k l\": true, \"m\": \"t\"}, \"w\": null}");
    cJSON *b = parse("{\"z\": {\"m\": \"u\", \"k l\": false}, \"y\": [1, 5], \"x\": 1, \"v\": "
                     "0, \"w\": {}}");
    struct buf buf;
    buf_init(&buf, 1000);
    assert_int_equal(json_diff(a, b, keep_path, &buf), 6);
    assert_string_equal(buf_text(&buf), "$.v+ $.w $.y[1] $.y[2]- $.z[\"k l\"] $.z.m ");
    assert_int_equal(json_diff(a, a, keep_path, &buf), 0);
    cJSON_Delete(a);
    cJSON_Delete(b);
    buf_fini(&buf);
}

static void files_that_cannot_be_read_say_why(void **state)
{
    (void)state;
    struct error error;
    cJSON *root;
    assert_int_equal(json_read_file("/nonexistent/farm.json", 0, &root, &error), -1);
    assert_string_equal(error.text,
                        "/nonexistent/farm.json: cannot be opened: No such file or directory");
    assert_int_equal(json_read_file("/", 0, &root, &error), -1);
    assert_string_equal(error.text, "/: not a regular file");
    assert_int_equal(json_read_file("/dev/zero", 0, &root, &error), -1);
}

static void files_are_read_up_to_their_bound(void **state)
{
    (void)state;
    char path[] = "test_json.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[1, 2]", 6), 6);
    close(fd);
    struct error error;
    char *text;
    size_t size;
    assert_int_equal(json_read_text(path, 5, &text, &size, &error), -1);
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_int_equal(json_read_text(path, 6, &text, &size, &error), 0);
    assert_int_equal(size, 6);
    assert_string_equal(text, "[1, 2]");
    free(text);
    cJSON *root;
    assert_int_equal(json_read_file(path, 0, &root, &error), 0);
    assert_int_equal(cJSON_GetArraySize(root), 2);
    assert_int_equal(json_write_file(path, root, 0, &error), 0);
    cJSON_Delete(root);
    assert_int_equal(json_read_text(path, 6, &text, &size, &error), 0);
    assert_string_equal(text, "[1,2]");
    free(text);
    unlink(path);
}

static void a_byte_order_mark_is_no_part_of_a_file(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } table[] = {
        {"\xEF\xBB\xBFptf ~\n", "ptf ~\n"}, {"\xEF\xBB\xBF", ""},
        {"\xEF\xBB", "\xEF\xBB"},           {"", ""},
        {"x\xEF\xBB\xBF", "x\xEF\xBB\xBF"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error;
        char path[] = "test_json.XXXXXX", *text;
        size_t size;
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(write(fd, table[i].bytes, strlen(table[i].bytes)),
                         strlen(table[i].bytes));
        close(fd);
        assert_int_equal(json_read_text(path, 100, &text, &size, &error), 0);
        assert_int_equal(size, strlen(table[i].text));
        assert_string_equal(text, table[i].text);
        free(text);
        unlink(path);
    }
}

static void excerpts_are_cut_between_characters(void **state)
{
    (void)state;
    char text[12];
    cJSON *root = parse("[\"caf\xc3\xa9 caf\xc3\xa9\", \"a\", 1.5, null]");
    assert_string_equal(json_excerpt(cJSON_GetArrayItem(root, 0), text, sizeof(text)),
                        "\"caf\xc3\xa9 c...");
    assert_string_equal(json_excerpt(cJSON_GetArrayItem(root, 0), text, 9), "\"caf...");
    assert_string_equal(json_excerpt(cJSON_GetArrayItem(root, 1), text, sizeof(text)), "\"a\"");
    assert_string_equal(json_excerpt(cJSON_GetArrayItem(root, 2), text, sizeof(text)), "1.5");
    assert_string_equal(json_excerpt(cJSON_GetArrayItem(root, 3), text, sizeof(text)), "null");
    assert_string_equal(json_excerpt(root, text, sizeof(text)), "an array");
    cJSON_Delete(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_texts_are_refused_with_their_place),
        cmocka_unit_test(nul_bytes_are_refused_everywhere),
        cmocka_unit_test(comments_are_refused_where_they_are_not_allowed),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(comments_are_blanks_and_texts_keep_theirs),
        cmocka_unit_test(getters_name_the_path_of_a_wrong_value),
        cmocka_unit_test(getters_read_values_and_fall_back),
        cmocka_unit_test(bad_paths_say_where_they_are_bad),
        cmocka_unit_test(paths_find_what_stands_there),
        cmocka_unit_test(texts_are_printed_so_that_any_bytes_are_json),
        cmocka_unit_test(trees_are_printed_without_losing_a_digit),
        cmocka_unit_test(differences_are_named_by_path),
        cmocka_unit_test(files_that_cannot_be_read_say_why),
        cmocka_unit_test(files_are_read_up_to_their_bound),
        cmocka_unit_test(a_byte_order_mark_is_no_part_of_a_file),
        cmocka_unit_test(excerpts_are_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
