#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/schema.h"

static void collect(void *context, const char *path, const char *sentence)
{
    struct buf *buf = context;
    buf_printf(buf, "%s%s: %s", buf->size ? "\n" : "", path, sentence);
}

/* Check `document` against `text`; the mistakes must read `wanted`, a line each. */
static void check(const char *text, const char *document, const char *wanted)
{
    struct error error;
    struct schema *schema = schema_create(text, strlen(text), "s", &error);
    if (!schema)
        fail_msg("%s", error.text);
    cJSON *root = cJSON_Parse(document);
    assert_non_null(root);
    struct buf buf;
    buf_init(&buf, 100000);
    size_t count = schema_check(schema, root, collect, &buf);
    assert_string_equal(buf_text(&buf), wanted);
    assert_int_equal(count == 0, !*wanted);
    assert_int_equal(schema_check(schema, root, NULL, NULL), count);
    buf_fini(&buf);
    cJSON_Delete(root);
    schema_destroy(schema);
}

static void schemas_with_mistakes_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *schema, *sentence;
    } table[] = {
        {"{", "s:1:2: expected a key in quotes, found the end of the text"},
        {"[]", "s: $: expected a schema (an object)"},
        {"{\"tipe\": \"string\"}", "s: $.tipe: a keyword that schema.h does not list"},
        {"{\"patternProperties\": {}}",
         "s: $.patternProperties: a keyword that schema.h does not list"},
        {"{\"type\": \"text\"}", "s: $.type: not a type, or an array of types"},
        {"{\"type\": [\"string\", \"int\"]}", "s: $.type: not a type, or an array of types"},
        {"{\"properties\": {\"a\": {\"minimum\": \"1\"}}}",
         "s: $.properties.a.minimum: expected a number"},
        {"{\"minLength\": -1}", "s: $.minLength: expected a whole number from 0"},
        {"{\"required\": [1]}", "s: $.required: expected an array of texts"},
        {"{\"additionalProperties\": true}",
         "s: $.additionalProperties: expected a schema (an object)"},
        {"{\"items\": [1]}", "s: $.items: expected a schema (an object)"},
        {"{\"anyOf\": [{}, {\"x\": 1}]}",
         "s: $.anyOf[1].x: a keyword that schema.h does not list"},
        {"{\"$ref\": \"#/$defs/gone\"}",
         "s: $[\"$ref\"]: points to nothing under \"#/$defs/\""},
        {"{\"$defs\": {\"a\": {\"enum\": 1}}}", "s: $[\"$defs\"].a.enum: expected an array"},
        {"{\"pattern\": \"(\"}", "s: $.pattern: not a POSIX extended regular expression"},
    };
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        struct error error;
        assert_null(schema_create(table[i].schema, strlen(table[i].schema), "s", &error));
        assert_string_equal(error.text, table[i].sentence);
    }
}

static void references_in_a_circle_end(void **state)
{
    (void)state;
    check("{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"$ref\": \"#/$defs/a\"}}}", "1",
          "$: the schema goes round in circles here");
}

static void scalars_are_checked(void **state)
{
    (void)state;
    check("{\"type\": \"string\"}", "3", "$: expected a text, found 3");
    check("{\"type\": [\"number\", \"string\"]}", "true",
          "$: expected a number or a text, found true");
    check("{\"type\": \"integer\"}", "3.5", "$: expected a whole number, found 3.5");
    check("{\"type\": \"integer\"}", "3.0", "");
    check("{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 9}", "10",
          "$: expected a whole number from 1 to 9, found 10");
    check("{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 9007199254740991}", "-1",
          "$: expected a whole number from 0 to 9007199254740991, found -1");
    check("{\"type\": \"number\", \"exclusiveMinimum\": 0}", "0",
          "$: expected a number above 0, found 0");
    check("{\"exclusiveMaximum\": 1}", "1", "$: expected another value below 1, found 1");
    check("{\"type\": \"string\", \"minLength\": 1}", "\"\"", "$: may not be empty");
    check("{\"minLength\": 3}", "\"\xc3\xa9\xc3\xa9\"", "$: must have at least 3 characters");
    check("{\"maxLength\": 2}", "\"\xc3\xa9\xc3\xa9\"", "");
    check("{\"maxLength\": 1}", "\"ab\"", "$: may have at most 1 characters");
    check("{\"type\": \"string\", \"pattern\": \"^a+$\"}", "\"ab\"",
          "$: expected a text that matches ^a+$, found \"ab\"");
    check("{\"title\": \"some a's\", \"type\": \"string\", \"pattern\": \"^a+$\"}", "\"ab\"",
          "$: expected some a's, found \"ab\"");
    check("{\"enum\": [\"auto\", \"mpi\", 3]}", "\"atuo\"",
          "$: \"atuo\" is unknown; did you mean \"auto\"?");
    check("{\"enum\": [\"auto\", \"mpi\", 3]}", "4",
          "$: expected \"auto\", \"mpi\" or 3, found 4");
    check("{\"enum\": [\"auto\", 3]}", "3", "");
    check("{\"const\": {\"a\": [1]}}", "{\"a\": [1]}", "");
    check("{\"const\": 1}", "true", "$: expected 1, found true");
}

static void objects_are_checked(void **state)
{
    (void)state;
    static const char schema[] = "{\"type\": \"object\", \"required\": [\"name\", \"size\"], "
                                 "\"additionalProperties\": false,"
                                 " \"properties\": {\"name\": {\"type\": \"string\"}, "
                                 "\"size\": {\"type\": \"integer\"}}}";
    check(schema, "{\"name\": \"x\", \"size\": 1}", "");
    check(schema, "[]", "$: expected an object, found an array");
    check(schema, "{\"nmae\": 1, \"a b\": 2, \"size\": \"x\"}",
          "$: the key \"name\" is missing\n"
          "$.nmae: unknown key; did you mean \"name\"?\n"
          "$[\"a b\"]: unknown key; known here: \"name\", \"size\"\n"
          "$.size: expected a whole number, found \"x\"");
    check(
        "{\"additionalProperties\": {\"type\": \"string\"}, \"propertyNames\": {\"title\": \"a "
        "capital\", \"pattern\": \"^[A-Z]$\"}}",
        "{\"A\": \"x\", \"b\": 3}",
        "$.b: expected a text, found 3\n$: expected a capital, found \"b\"");
    static const char one[] = "{\"properties\": {\"a\": {}, \"b\": {}}, \"minProperties\": 1, "
                              "\"maxProperties\": 1}";
    check(one, "{}", "$: must have at least one of these keys: \"a\", \"b\"");
    check(one, "{\"a\": 1, \"b\": 1}", "$: may have only one of these keys: \"a\", \"b\"");
    check(one, "{\"b\": 1}", "");
}

static void arrays_are_checked(void **state)
{
    (void)state;
    static const char schema[] =
        "{\"items\": {\"type\": \"integer\"}, \"minItems\": 2, \"maxItems\": 3}";
    check(schema, "[1, 2]", "");
    check(schema, "[]", "$: may not be empty");
    check(schema, "[1]", "$: must have at least 2 items");
    check(schema, "[1, \"x\", 3, null]",
          "$[1]: expected a whole number, found \"x\"\n"
          "$[3]: expected a whole number, found null\n$: may have only 3 items");
}

static void of_alternatives_the_meant_one_is_checked(void **state)
{
    (void)state;
    static const char kinds[] =
        "{\"oneOf\": [{\"$ref\": \"#/$defs/sweep\"}, {\"$ref\": \"#/$defs/pest\"}], \"$defs\": "
        "{"
        "\"sweep\": {\"type\": \"object\", \"required\": [\"kind\", \"csv\"], "
        "\"additionalProperties\": false, \"properties\": {\"kind\": {\"const\": \"sweep\"}, "
        "\"csv\": {\"type\": \"string\"}}}, "
        "\"pest\": {\"type\": \"object\", \"required\": [\"kind\"], \"properties\": "
        "{\"kind\": {\"const\": \"pest\"}}}}}";
    check(kinds, "{\"kind\": \"sweep\", \"csv\": \"x\"}", "");
    check(kinds, "{\"kind\": \"sweep\", \"cvs\": \"x\"}",
          "$: the key \"csv\" is missing\n$.cvs: unknown key; did you mean \"csv\"?");
    check(kinds, "{\"kind\": \"swep\"}",
          "$.kind: \"swep\" is unknown; did you mean \"sweep\"? (known: \"sweep\", \"pest\")");
    check(kinds, "{\"kind\": 3}", "$.kind: 3 is unknown; known: \"sweep\", \"pest\"");
    check(kinds, "{}", "$: the key \"kind\" is missing; it says which: \"sweep\", \"pest\"");
    check(kinds, "3", "$: expected an object, found 3");
    static const char keys[] =
        "{\"oneOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}]}";
    check(keys, "{\"a\": 1}", "");
    check(keys, "{}", "$: one of the keys \"a\" or \"b\" is missing");
    check(keys, "{\"a\": 1, \"b\": 1}", "$: may have only one of the keys \"a\" or \"b\"");
    static const char types[] =
        "{\"anyOf\": [{\"const\": \"auto\"}, {\"type\": \"integer\", \"minimum\": 1}, "
        "{\"type\": \"array\", \"items\": {\"type\": \"string\"}}]}";
    check(types, "\"auto\"", "");
    check(types, "[\"x\"]", "");
    check(types, "0",
          "$: expected \"auto\", a whole number of at least 1 or an array, found 0");
    check(types, "[\"x\", 4]", "$[1]: expected a text, found 4");
    check("{\"oneOf\": [{\"type\": \"number\"}, {\"minimum\": 0}]}", "1",
          "$: fits 2 of the alternatives, and should fit one");
}

static const char filled_schema[] =
    "{\"properties\": {\"a\": {\"type\": \"integer\", \"default\": 3}, "
    "\"o\": {\"$ref\": \"#/$defs/o\", \"default\": {}}, "
    "\"l\": {\"items\": {\"anyOf\": [{\"type\": \"string\"}, {\"$ref\": \"#/$defs/o\"}]}}, "
    "\"m\": {\"additionalProperties\": {\"$ref\": \"#/$defs/o\"}}, "
    "\"n\": {\"description\": \"no default\", \"type\": \"string\"}}, "
    "\"$defs\": {\"o\": {\"type\": \"object\", \"description\": \"an o\", \"properties\": "
    "{\"b\": {\"description\": \"a b\", "
    "\"default\": \"x\"}, \"c\": {\"default\": [1]}}}}}";

static void defaults_are_filled_in_at_any_depth(void **state)
{
    (void)state;
    struct error error;
    struct schema *schema = schema_create(filled_schema, strlen(filled_schema), "s", &error);
    cJSON *root = cJSON_Parse("{\"l\": [\"s\", {\"b\": 1}], \"m\": {\"k\": {}}}");
    cJSON *wanted =
        cJSON_Parse("{\"a\": 3, \"o\": {\"b\": \"x\", \"c\": [1]}, \"l\": [\"s\", {\"b\": 1, "
                    "\"c\": [1]}], \"m\": {\"k\": {\"b\": \"x\", \"c\": [1]}}}");
    assert_int_equal(schema_fill(schema, root, &error), 0);
    assert_int_equal(json_diff(root, wanted, NULL, NULL), 0);
    assert_int_equal(schema_fill(schema, root, &error), 0);
    assert_int_equal(json_diff(root, wanted, NULL, NULL), 0);
    cJSON_Delete(root);
    cJSON_Delete(wanted);
    schema_destroy(schema);
}

static void keys_are_described_by_path(void **state)
{
    (void)state;
    static const struct {
        const char *path, *description;
    } table[] = {
        {"$.n", "no default"}, {"$.o", "an o"},          {"$.o.b", "a b"}, {"$.l[1].b", "a b"},
        {"$.m.k.b", "a b"},    {"$.m[\"x y\"]", "an o"}, {"$.a", NULL},    {"$.nn", NULL},
        {"$.l[0].b", NULL},    {"$.o.b.c", NULL},        {"$", NULL},
    };
    struct error error;
    struct schema *schema = schema_create(filled_schema, strlen(filled_schema), "s", &error);
    cJSON *root = cJSON_Parse("{\"l\": [\"s\", {\"b\": 1}], \"m\": {\"k\": {}, \"x y\": {}}}");
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        const char *description = schema_describe(schema, root, table[i].path);
        if (table[i].description)
            assert_string_equal(description, table[i].description);
        else
            assert_null(description);
    }
    cJSON_Delete(root);
    schema_destroy(schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schemas_with_mistakes_are_refused),
        cmocka_unit_test(references_in_a_circle_end),
        cmocka_unit_test(scalars_are_checked),
        cmocka_unit_test(objects_are_checked),
        cmocka_unit_test(arrays_are_checked),
        cmocka_unit_test(of_alternatives_the_meant_one_is_checked),
        cmocka_unit_test(defaults_are_filled_in_at_any_depth),
        cmocka_unit_test(keys_are_described_by_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
