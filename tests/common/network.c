#include "config.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/network.h"

static void an_unknown_network_is_answered_with_those_there_are(void **state)
{
    (void)state;
    static const char *const names[] = {"no-such0", "192.0.2.1/33", "192.0.2.1/", "/8", "1/8"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sockaddr_storage address;
        struct error error;
        assert_int_equal(network_find(names[i], &address, &error), -1);
        assert_int_equal(error.code, ERROR_CONFIG);
        assert_non_null(strstr(error.text, names[i]));
    }
}

static void loopback_is_found_by_name_and_by_cidr(void **state)
{
    (void)state;
    static const char *const names[] = {"lo", "127.0.0.0/8", "127.0.0.1/32"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct sockaddr_storage address;
        char text[NETWORK_ADDRESS_MAX];
        struct error error;
        assert_int_equal(network_find(names[i], &address, &error), 0);
        assert_string_equal(network_format((struct sockaddr *)&address, text), "127.0.0.1");
    }
}

static void what_is_no_connected_socket_has_no_interface(void **state)
{
    (void)state;
    char name[NETWORK_NAME_MAX];
    int pair[2];
    network_of_socket(-1, name);
    assert_string_equal(name, "");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    network_of_socket(pair[0], name);
    assert_string_equal(name, "");
    close(pair[0]);
    close(pair[1]);
}

/* Datagram sockets connect without a peer. */
static void a_socket_has_the_interface_of_its_address(void **state)
{
    (void)state;
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char name[NETWORK_NAME_MAX];
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    network_of_socket(fd, name);
    assert_string_equal(name, "lo");
    close(fd);
}

static void an_address_mapped_into_ipv6_counts_as_what_it_is(void **state)
{
    (void)state;
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(9)};
    const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};
    char name[NETWORK_NAME_MAX], text[NETWORK_ADDRESS_MAX];
    memcpy(&to.sin6_addr, mapped, sizeof mapped);
    assert_string_equal(network_format((struct sockaddr *)&to, text), "127.0.0.1");
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0) {
        print_message("skipped: this machine has no IPv6\n");
        if (fd >= 0)
            close(fd);
        skip();
    }
    network_of_socket(fd, name);
    assert_string_equal(name, "lo");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_unknown_network_is_answered_with_those_there_are),
        cmocka_unit_test(loopback_is_found_by_name_and_by_cidr),
        cmocka_unit_test(what_is_no_connected_socket_has_no_interface),
        cmocka_unit_test(a_socket_has_the_interface_of_its_address),
        cmocka_unit_test(an_address_mapped_into_ipv6_counts_as_what_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
