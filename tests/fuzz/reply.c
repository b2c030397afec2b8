/*
 * Any line, as what a persistent runner may print: reading never crashes nor passes the end, what
 * was read can be sent to the master, and the quick scanner and the strict reader read alike. (A
 * newline in front, which the scanner does not know as a blank, leaves a line to the strict one.)
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "worker/reply.h"

#define DOUBLE_EXACT (UINT64_C(1) << 53) /* from here on cJSON's numbers are rounded */

static const char names_text[] = "[\"a\",\"b\",\"head at well 3\",\"\"]";

static void check_bounds(const struct reply *reply, size_t size)
{
    struct buf buf;
    buf_init(&buf, MESSAGE_MAX);
    FUZZ_CHECK(reply->task >= 1 && reply->value_count == 4);
    FUZZ_CHECK(reply->error.size <= size && reply->output_count <= size);
    for (size_t i = 0; i < reply->output_count; i++)
        FUZZ_CHECK(reply->outputs[i].size <= size);
    FUZZ_CHECK(values_encode(&buf, reply->values, reply->value_count) == 0);
    buf_fini(&buf);
}

static void check_same_text(const struct reply_text *one, const struct reply_text *other)
{
    FUZZ_CHECK(one->size == other->size);
    FUZZ_CHECK(!one->size || !memcmp(one->text, other->text, one->size));
}

static bool is_number(const struct value *value)
{
    return value->kind == VALUE_INTEGER || value->kind == VALUE_REAL;
}

static double number(const struct value *value)
{
    return value->kind == VALUE_INTEGER ? (double)value->integer : value->real;
}

/* A cJSON number does not know whether it was written as 2 or 2.0; what it is must be the same. */
static void check_same_value(const struct value *one, const struct value *other)
{
    FUZZ_CHECK(is_number(one) == is_number(other));
    if (is_number(one))
        FUZZ_CHECK(number(one) == number(other));
    else
        FUZZ_CHECK(one->kind == other->kind);
    if (one->kind == VALUE_TEXT)
        check_same_text(&(struct reply_text){one->text, one->text_size},
                        &(struct reply_text){other->text, other->text_size});
}

static void check_same(const struct reply *one, const struct reply *other)
{
    FUZZ_CHECK(one->task == other->task || one->task >= DOUBLE_EXACT);
    FUZZ_CHECK(one->ok == other->ok);
    FUZZ_CHECK(one->output_count == other->output_count);
    check_same_text(&one->error, &other->error);
    for (size_t i = 0; i < one->output_count; i++)
        check_same_text(&one->outputs[i], &other->outputs[i]);
    for (size_t i = 0; i < one->value_count; i++) {
        FUZZ_CHECK(one->given[i] == other->given[i]);
        check_same_value(&one->values[i], &other->values[i]);
    }
}

static void check_line(struct reply_reader *quick, struct reply_reader *strict,
                       const char *line, size_t size)
{
    struct reply one, other;
    struct error error = {0}, strict_error = {0};
    /* `line` has the newline in front, and one behind, as the runner reads lines. */
    int status = reply_read(quick, line + 1, size, &one, &error);
    int strict_status = reply_read(strict, line, size + 1, &other, &strict_error);
    if (status == 0)
        check_bounds(&one, size);
    else
        FUZZ_CHECK(error.code == ERROR_TASKS && error.text[0]);
    if (strict_status == 0) {
        FUZZ_CHECK(status == 0); /* the scanner may take more, such as NaN; never less */
        check_same(&one, &other);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    cJSON *names = cJSON_Parse(names_text);
    struct reply_reader *quick = reply_reader_create(names, &error);
    struct reply_reader *strict = reply_reader_create(names, &error);
    char *line = malloc(size + 2);
    FUZZ_CHECK(names && quick && strict && line);
    line[0] = '\n';
    memcpy(line + 1, data, size);
    line[size + 1] = '\n';
    check_line(quick, strict, line, size);
    free(line);
    reply_reader_destroy(strict);
    reply_reader_destroy(quick);
    cJSON_Delete(names);
    return 0;
}
