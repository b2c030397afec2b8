/* Containers by SAS: which URLs are taken, what is never said, SAS that are renewed. */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/azure/container.h"
#include "common/azure/sas_time.h"
#include "common/clock.h"
#include "common/store.h"
#include "common/whereabouts.h"
#include "tests/common/azure/server.h"

#define SAS "sp=rw&sig=TOPSECRET"

static void urls_of_containers_are_taken(void **state)
{
    static const char *const good[] = {
        "blob:https://a.blob.core.windows.net/farm?" SAS,
        "blob:https://a.blob.core.windows.net/farm/?" SAS,
        "blob:http://127.0.0.1:10000/account/farm?" SAS,
        "blob:https://a.blob.core.windows.net/farm",
    };
    struct error error;
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct container *container = container_open(good[i], "run-1", NULL, &error);
        char name[CONTAINER_NAME_SIZE];
        struct blob_place place;
        assert_non_null(container);
        assert_int_equal(container_place(container, name, &place, &error, "out/%d", 7), 0);
        assert_string_equal(place.container, "farm");
        assert_string_equal(place.name, "run-1/out/7");
        assert_int_equal(container_place_shared(container, name, &place, &error, "x"), 0);
        assert_string_equal(place.name, "x");
        container_close(container);
    }
}

static void others_are_refused_without_their_secrets(void **state)
{
    static const char *const bad[] = {
        "blob:",
        "blob:?" SAS,
        "blob:farm?" SAS,
        "blob:https://?" SAS,
        "blob:https:///farm?" SAS,
        "blob:https://a.blob.core.windows.net?" SAS,
        "blob:https://a.blob.core.windows.net/?" SAS,
        "blob:https://a.blob.core.windows.net/No_Container?" SAS,
        "blob:https://a.blob.core.windows.net/x?" SAS,
        "dir:/farm?" SAS,
        "bolb:https://a.blob.core.windows.net/farm?" SAS,
    };
    struct error error;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_null(container_open(bad[i], "run-1", NULL, &error));
        assert_null(strstr(error.text, "TOPSECRET"));
        if (strncmp(bad[i], "dir:", 4) != 0) {
            assert_null(store_open(bad[i], &error));
            assert_null(strstr(error.text, "TOPSECRET"));
        }
    }
}

static void names_that_are_too_long_are_refused(void **state)
{
    char name[CONTAINER_NAME_SIZE], longest[BLOB_NAME_MAX + 1];
    struct blob_place place;
    struct error error;
    (void)state;
    struct container *container =
        container_open("blob:https://a.example/farm", "run-1", NULL, &error);
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(
        container_place(container, name, &place, &error, "%s", longest + strlen("run-1/")), 0);
    assert_int_equal(container_place(container, name, &place, &error, "%s", longest + 5), -1);
    assert_int_equal(container_place_shared(container, name, &place, &error, "%sx", longest),
                     -1);
    container_close(container);
}

static int64_t ahead_s;

static int64_t wall_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (now.tv_sec + ahead_s) * CLOCK_SECOND_NS + now.tv_nsec;
}

/* A service that has a new SAS, and remembers which it was asked with. */
struct service {
    char renewed[128], last[256];
    const char *body;
};

static bool service_answer(void *context, const struct server_request *request,
                           struct buf *answer)
{
    struct service *service = context;
    snprintf(service->last, sizeof(service->last), "%s", request->target);
    if (strstr(request->target, "/run-1/sas?"))
        server_put(answer, *service->renewed ? 200 : 404, NULL, service->renewed);
    else
        server_put(answer, service->body ? 200 : 404, NULL, service->body ? service->body : "");
    return true;
}

static void a_sas_is_renewed_in_time(void **state)
{
    struct service service = {.body = "{\"ended\":\"done\"}"};
    struct server *server = server_start(service_answer, &service);
    struct whereabouts whereabouts;
    struct error error;
    char store[256], ends[SAS_TIME_SIZE];
    int64_t now = clock_wall_ns() / CLOCK_SECOND_NS;
    (void)state;
    /* It ends soon: so a new one is looked for after a quarter of that. */
    snprintf(store, sizeof(store), "blob:%s/farm?sp=r&se=%s&sig=OLD", server_url(server),
             sas_time_format(now + 100, ends));
    struct container *container = container_open(store, "run-1", NULL, &error);
    assert_int_equal(container_expiry_s(container), now + 100);
    snprintf(service.renewed, sizeof(service.renewed), "sp=r&se=%s&sig=NEW\n",
             sas_time_format(now + 90000, ends));
    assert_int_equal(whereabouts_get(container, &whereabouts, &error), 0);
    assert_non_null(strstr(service.last, "sig=OLD"));
    clock_replace(NULL, wall_ns);
    assert_int_equal(container_look_s(container), now + 25);
    ahead_s = 26;
    assert_int_equal(whereabouts_get(container, &whereabouts, &error), 0);
    assert_non_null(strstr(service.last, "sig=NEW"));
    assert_int_equal(container_expiry_s(container), now + 90000);
    /* Whoever comes later has it at once, even when the old one has ended. */
    ahead_s = 200;
    struct container *late = container_open(store, "run-1", NULL, &error);
    assert_int_equal(whereabouts_get(late, &whereabouts, &error), 0);
    assert_non_null(strstr(service.last, "sig=NEW"));
    assert_int_equal(container_expiry_s(late), now + 90000);
    container_close(late);
    /* One that ends earlier, or is missing, is not taken. */
    snprintf(service.renewed, sizeof(service.renewed), "sp=r&se=%s&sig=WORSE",
             sas_time_format(now + 80000, ends));
    ahead_s = 80000;
    assert_int_equal(whereabouts_get(container, &whereabouts, &error), 0);
    assert_non_null(strstr(service.last, "sig=NEW"));
    clock_replace(NULL, NULL);
    container_close(container);
    server_stop(server);
}

static void where_the_master_is_must_make_sense(void **state)
{
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"host\":\"n1\"}",
                                      "{\"host\":\"n1\",\"port\":0}",
                                      "{\"host\":\"n1\",\"port\":65536}",
                                      "{\"host\":7,\"port\":80}",
                                      "{\"port\":80}",
                                      "{\"host\":\"n1\",\"port\":\"80\"}",
                                      "{\"host\":\"n1\",\"port\":80"};
    struct service service = {.body = NULL};
    struct server *server = server_start(service_answer, &service);
    struct whereabouts whereabouts;
    struct error error;
    char store[256];
    (void)state;
    snprintf(store, sizeof(store), "blob:%s/farm?sig=X", server_url(server));
    struct container *container = container_open(store, "run-1", NULL, &error);
    assert_int_equal(whereabouts_get(container, &whereabouts, &error), BLOB_MISSING);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        service.body = bad[i];
        assert_int_equal(whereabouts_get(container, &whereabouts, &error), -1);
    }
    service.body =
        "{\"host\":\"n1\",\"address\":\"10.0.0.4\",\"port\":4004,\"instance\":\"i\"}";
    assert_int_equal(whereabouts_get(container, &whereabouts, &error), 0);
    assert_string_equal(whereabouts.host, "n1");
    assert_string_equal(whereabouts.address, "10.0.0.4");
    assert_int_equal(whereabouts.port, 4004);
    container_close(container);
    server_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_of_containers_are_taken),
        cmocka_unit_test(others_are_refused_without_their_secrets),
        cmocka_unit_test(names_that_are_too_long_are_refused),
        cmocka_unit_test(a_sas_is_renewed_in_time),
        cmocka_unit_test(where_the_master_is_must_make_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
