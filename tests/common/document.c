/* Documents are checked against a schema and rules, and every mistake is told. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/document.h"
#include "common/json.h"

static const char schema[] = "{\"type\": \"object\", \"additionalProperties\": false,"
                             " \"properties\": {\"low\": {\"type\": \"integer\"},"
                             " \"high\": {\"type\": \"integer\", \"default\": 9}}}";
static const size_t schema_size = sizeof(schema) - 1;

static void check_order(struct document_rules *rules, const cJSON *root)
{
    const cJSON *low = json_member(root, "low"), *high = json_member(root, "high");
    if (low && high && low->valueint > high->valueint) {
        document_note(rules, "$.low", "is above \"high\"");
        document_note(rules, "$.high", "is below \"low\"");
    }
}

static const struct document_kind kind = {.schema = (const unsigned char *)schema,
                                          .schema_size = &schema_size,
                                          .schema_name = "range.schema.json",
                                          .check = check_order,
                                          .remedy = "; look"};

static void keep_last(void *context, const char *sentence)
{
    struct error *last = context;
    error_set(last, ERROR_CONFIG, "%s", sentence);
}

static int parse(const char *text, cJSON **root, struct error *error)
{
    return document_parse(&kind, text, strlen(text), "r.json", root, error);
}

static void what_is_no_json_is_not_reported(void **state)
{
    (void)state;
    struct error error = {0}, last = {0};
    cJSON *root = NULL;
    assert_int_equal(document_check(&kind, "{", 1, "r.json", keep_last, &last, &root, &error),
                     -1);
    assert_int_equal(last.code, 0);
    assert_int_equal(error.code, ERROR_CONFIG);
    assert_null(root);
}

static void rules_are_asked_only_of_what_is_valid(void **state)
{
    (void)state;
    static const char text[] = "{\"low\": 3, \"high\": 2, \"hihg\": 1}";
    struct error error, last = {0};
    cJSON *root = NULL;
    assert_int_equal(
        document_check(&kind, text, strlen(text), "r.json", keep_last, &last, &root, &error),
        1);
    assert_ptr_equal(strstr(last.text, "r.json: $.hihg: "), last.text);
    assert_null(root);
}

static void mistakes_are_counted_and_the_first_is_said(void **state)
{
    (void)state;
    struct error error;
    cJSON *root = NULL;
    assert_int_equal(parse("{\"low\": 3, \"high\": 2}", &root, &error), -1);
    assert_string_equal(error.text, "r.json: $.low: is above \"high\" (and 1 more; look)");
    assert_int_equal(parse("{\"hihg\": 2}", &root, &error), -1);
    assert_null(strstr(error.text, "more"));
    assert_null(root);
}

static void mistakes_need_not_be_reported(void **state)
{
    (void)state;
    static const char text[] = "{\"low\": 3, \"high\": 2}";
    struct error error;
    cJSON *root = NULL;
    assert_int_equal(
        document_check(&kind, text, strlen(text), "r.json", NULL, NULL, &root, &error), 2);
    assert_null(root);
}

/* A name of 900 bytes or more leaves no room behind it in a sentence. */
static void what_a_long_sentence_cuts_is_not_the_count(void **state)
{
    (void)state;
    static const char text[] = "{\"low\": 3, \"high\": 2}";
    char name[1000];
    struct error error;
    cJSON *root = NULL;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(document_parse(&kind, text, strlen(text), name, &root, &error), -1);
    assert_non_null(strstr(error.text, "(and 1 more; look)"));
}

static void a_good_document_has_its_defaults(void **state)
{
    (void)state;
    struct error error;
    cJSON *root = NULL;
    assert_int_equal(parse("{\"low\": 3} // a comment", &root, &error), 0);
    assert_int_equal(json_member(root, "high")->valueint, 9);
    cJSON_Delete(root);
}

static void a_file_that_is_not_there_is_the_systems_error(void **state)
{
    (void)state;
    struct error error;
    cJSON *root = NULL;
    assert_int_equal(document_read(&kind, "/nonexistent/r.json", &root, &error), -1);
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_null(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_json_is_not_reported),
        cmocka_unit_test(rules_are_asked_only_of_what_is_valid),
        cmocka_unit_test(mistakes_are_counted_and_the_first_is_said),
        cmocka_unit_test(mistakes_need_not_be_reported),
        cmocka_unit_test(what_a_long_sentence_cuts_is_not_the_count),
        cmocka_unit_test(a_good_document_has_its_defaults),
        cmocka_unit_test(a_file_that_is_not_there_is_the_systems_error),
    };
    return cmocka_run_group_tests_name("document", tests, NULL, NULL);
}
