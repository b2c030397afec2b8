/* Which scheduled events are ours. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/eviction.h"

#define NOW 1795251600 /* Sat, 21 Nov 2026 09:00:00 GMT */

static char id[EVICTION_ID_MAX];
static double left_s;

static bool find(const char *text)
{
    return eviction_find(text, strlen(text), "node_3", NOW, id, &left_s);
}

#define EVENT(type, resources, when)                                                           \
    "{\"DocumentIncarnation\":2,\"Events\":[{\"EventId\":\"A1\",\"EventType\":\"" type         \
    "\",\"ResourceType\":\"VirtualMachine\",\"Resources\":[" resources                         \
    "],\"EventStatus\":\"Scheduled\",\"NotBefore\":\"" when "\"}]}"

static void our_preemption_is_found(void **state)
{
    (void)state;
    assert_true(
        find(EVENT("Preempt", "\"node_2\",\"node_3\"", "Sat, 21 Nov 2026 09:00:30 GMT")));
    assert_string_equal(id, "A1");
    assert_true(left_s == 30);
    assert_true(find(EVENT("Terminate", "\"NODE_3\"", "")));
    assert_true(left_s == 0);
}

static void others_events_are_not_ours(void **state)
{
    (void)state;
    assert_false(find(EVENT("Preempt", "\"node_2\"", "")));
    assert_false(find(EVENT("Preempt", "\"node_33\"", "")));
    assert_false(find(EVENT("Reboot", "\"node_3\"", "")));
    assert_false(find(EVENT("Freeze", "\"node_3\"", "")));
    assert_false(find("{\"DocumentIncarnation\":1,\"Events\":[]}"));
}

static void nonsense_is_no_event(void **state)
{
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"Events\":7}",
        "{\"Events\":[7,null,{}]}",
        "{\"Events\":[{\"EventType\":\"Preempt\"}]}",
        "{\"Events\":[{\"EventType\":\"Preempt\",\"Resources\":\"node_3\"}]}",
        "{\"Events\":[{\"EventType\":\"Preempt\",\"Resources\":[3,null]}]}",
        "{\"Events\":[{\"EventType\":3,\"Resources\":[\"node_3\"]}]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_false(find(texts[i]));
    /* As long as we do not know our name, nothing is ours. */
    const char *event = EVENT("Preempt", "\"\"", "");
    assert_false(eviction_find(event, strlen(event), "", NOW, id, &left_s));
}

static void where_nobody_answers_nothing_is_watched(void **state)
{
    (void)state;
    unsetenv("AZ_BATCH_NODE_ID");
    unsetenv("BEOFARM_METADATA");
    assert_null(eviction_watch(NULL, NULL, NULL));
    setenv("AZ_BATCH_NODE_ID", "tvm-1", 1);
    setenv("BEOFARM_METADATA", "", 1);
    assert_null(eviction_watch(NULL, NULL, NULL));
    eviction_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_preemption_is_found),
        cmocka_unit_test(others_events_are_not_ours),
        cmocka_unit_test(nonsense_is_no_event),
        cmocka_unit_test(where_nobody_answers_nothing_is_watched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
