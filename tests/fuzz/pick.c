/*
 * The first line is a rule (a regex, or a path after "$"), the rest is what a model printed: it
 * may come in pieces of any size, and what was found can be sent to the master.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "worker/pick.h"

#define RULE_MAX 40

/* The rule as the job has it: [{"name": "v", "regex" or "path": TEXT}]. */
static cJSON *make_rules(const char *text, size_t size)
{
    char rule[RULE_MAX + 1];
    cJSON *rules = cJSON_CreateArray(), *item = cJSON_CreateObject();
    memcpy(rule, text, size);
    rule[size] = 0;
    cJSON_AddStringToObject(item, "name", "v");
    cJSON_AddStringToObject(item, rule[0] == '$' ? "path" : "regex", rule);
    cJSON_AddItemToArray(rules, item);
    return rules;
}

/* Feed the text in pieces of `piece` bytes. The list, or what pick_finish said. */
static int pick_text(struct pick *pick, const uint8_t *text, size_t size, size_t piece,
                     struct buf *values)
{
    struct error error = {0};
    pick_begin(pick);
    for (size_t at = 0; at < size; at += piece)
        pick_feed_stdout(pick, text + at, size - at < piece ? size - at : piece);
    int status = pick_finish(pick, NULL, values, &error);
    FUZZ_CHECK(status == 0 || (error.code == ERROR_TASKS && error.text[0]));
    return status;
}

static void check_text(struct pick *pick, const uint8_t *text, size_t size)
{
    struct buf whole, pieces;
    struct value *values;
    size_t count;
    buf_init(&whole, 4 << 20);
    buf_init(&pieces, 4 << 20);
    int status = pick_text(pick, text, size, size + 1, &whole);
    FUZZ_CHECK(pick_text(pick, text, size, 3, &pieces) == status);
    if (status == 0) {
        FUZZ_CHECK(whole.size == pieces.size && !memcmp(whole.data, pieces.data, whole.size));
        FUZZ_CHECK(values_decode(whole.data, whole.size, &values, &count, NULL) == 0);
        FUZZ_CHECK(count == 1);
        free(values);
    }
    buf_fini(&whole);
    buf_fini(&pieces);
}

/* glibc's regcomp writes repetitions out: a{999}{999} and a+++++++++++++++ take it gigabytes. What
 * the writer of a farm file does to himself is not looked for here. */
static bool is_tame(const uint8_t *rule, size_t size)
{
    size_t pluses = 0;
    for (size_t i = 0; i < size; i++)
        pluses += rule[i] == '+';
    return pluses <= 8 && !memchr(rule, '{', size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error error;
    const uint8_t *end = memchr(data, '\n', size < RULE_MAX ? size : RULE_MAX);
    if (!end || !is_tame(data, (size_t)(end - data)))
        return 0;
    cJSON *rules = make_rules((const char *)data, (size_t)(end - data));
    cJSON *names = cJSON_Parse("[\"v\"]");
    struct pick *pick = pick_create(rules, names, &error);
    if (pick)
        check_text(pick, end + 1, size - (size_t)(end + 1 - data));
    pick_destroy(pick);
    cJSON_Delete(rules);
    cJSON_Delete(names);
    return 0;
}
