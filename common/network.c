#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/network.h"

struct prefix {
    int family;
    uint8_t bytes[16];
    unsigned bits;
};

static socklen_t address_size(int family)
{
    return family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static const void *address_bytes(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET)
        return &((const struct sockaddr_in *)address)->sin_addr;
    return &((const struct sockaddr_in6 *)address)->sin6_addr;
}

char *network_format(const struct sockaddr *address, char text[NETWORK_ADDRESS_MAX])
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    const uint8_t *bytes = address_bytes(address);
    int family = address->sa_family;
    if (family == AF_INET6 && memcmp(bytes, mapped, sizeof mapped) == 0) {
        family = AF_INET;
        bytes += sizeof mapped;
    }
    if (!inet_ntop(family, bytes, text, NETWORK_ADDRESS_MAX))
        snprintf(text, NETWORK_ADDRESS_MAX, "?");
    return text;
}

/* Read "10.0.0.0/24". False if the text is no CIDR. */
static bool prefix_parse(const char *text, struct prefix *ret_prefix)
{
    char head[NETWORK_ADDRESS_MAX];
    const char *slash = strchr(text, '/');
    if (!slash || (size_t)(slash - text) >= sizeof head)
        return false;
    memcpy(head, text, (size_t)(slash - text));
    head[slash - text] = 0;
    ret_prefix->family = strchr(head, ':') ? AF_INET6 : AF_INET;
    char *end;
    unsigned long bits = strtoul(slash + 1, &end, 10);
    if (end == slash + 1 || *end || bits > (ret_prefix->family == AF_INET ? 32 : 128))
        return false;
    ret_prefix->bits = (unsigned)bits;
    return inet_pton(ret_prefix->family, head, ret_prefix->bytes) == 1;
}

static bool prefix_holds(const struct prefix *prefix, const struct sockaddr *address)
{
    if (address->sa_family != prefix->family)
        return false;
    const uint8_t *bytes = address_bytes(address);
    for (unsigned bit = 0; bit < prefix->bits; bit++)
        if ((bytes[bit / 8] ^ prefix->bytes[bit / 8]) & (0x80 >> (bit % 8)))
            return false;
    return true;
}

static bool usable(const struct ifaddrs *entry)
{
    return entry->ifa_addr && (entry->ifa_flags & IFF_UP) &&
           (entry->ifa_addr->sa_family == AF_INET || entry->ifa_addr->sa_family == AF_INET6);
}

/* A link-local IPv6 address is of no use to peers that do not know the interface. */
static bool link_local(const struct sockaddr *address)
{
    return address->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

static int list_fail(const char *network, const struct ifaddrs *entries,
                     struct error *ret_error)
{
    char names[512] = "";
    size_t used = 0;
    for (const struct ifaddrs *entry = entries; entry; entry = entry->ifa_next) {
        char text[NETWORK_ADDRESS_MAX];
        if (!usable(entry) || entry->ifa_addr->sa_family != AF_INET || used >= sizeof names)
            continue;
        int more = snprintf(names + used, sizeof names - used, "%s%s (%s)", used ? ", " : "",
                            entry->ifa_name, network_format(entry->ifa_addr, text));
        used += more > 0 ? (size_t)more : 0;
    }
    return error_set(ret_error, ERROR_CONFIG,
                     "no interface of this machine belongs to network '%s'; name one of %s, or "
                     "a CIDR that holds its address",
                     network, names[0] ? names : "(none is up)");
}

/* The first address that matches, of one family. A NULL prefix means: match the name. */
static const struct sockaddr *match(const struct ifaddrs *entries, const char *name,
                                    const struct prefix *prefix, int family)
{
    for (const struct ifaddrs *entry = entries; entry; entry = entry->ifa_next) {
        if (!usable(entry) || entry->ifa_addr->sa_family != family ||
            link_local(entry->ifa_addr))
            continue;
        if (prefix ? prefix_holds(prefix, entry->ifa_addr) : strcmp(entry->ifa_name, name) == 0)
            return entry->ifa_addr;
    }
    return NULL;
}

/* The source address of the default route: connecting a datagram socket sends nothing. */
static bool default_route(struct sockaddr_storage *ret_address)
{
    struct sockaddr_in far = {.sin_family = AF_INET, .sin_port = htons(9)};
    inet_pton(AF_INET, "192.0.2.1", &far.sin_addr); /* TEST-NET-1, nobody's */
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t size = sizeof *ret_address;
    bool found = fd >= 0 && connect(fd, (struct sockaddr *)&far, sizeof far) == 0 &&
                 getsockname(fd, (struct sockaddr *)ret_address, &size) == 0;
    if (fd >= 0)
        close(fd);
    return found;
}

static const struct sockaddr *first_outward(const struct ifaddrs *entries)
{
    for (int family = 0; family < 2; family++)
        for (const struct ifaddrs *entry = entries; entry; entry = entry->ifa_next)
            if (usable(entry) && !(entry->ifa_flags & IFF_LOOPBACK) &&
                !link_local(entry->ifa_addr) &&
                entry->ifa_addr->sa_family == (family ? AF_INET6 : AF_INET))
                return entry->ifa_addr;
    return NULL;
}

static int find_any(const struct ifaddrs *entries, struct sockaddr_storage *ret_address)
{
    if (default_route(ret_address))
        return 0;
    const struct sockaddr *found = first_outward(entries);
    if (found) {
        memcpy(ret_address, found, address_size(found->sa_family));
    } else {
        struct sockaddr_in loopback = {.sin_family = AF_INET,
                                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        memcpy(ret_address, &loopback, sizeof loopback);
    }
    return 0;
}

int network_find(const char *network, struct sockaddr_storage *ret_address,
                 struct error *ret_error)
{
    struct ifaddrs *entries;
    if (getifaddrs(&entries) < 0)
        return error_errno(ret_error, errno, "cannot list this machine's interfaces");
    memset(ret_address, 0, sizeof *ret_address);
    int result;
    if (!network || !*network) {
        result = find_any(entries, ret_address);
    } else {
        struct prefix prefix;
        bool cidr = prefix_parse(network, &prefix);
        const struct sockaddr *found = match(entries, network, cidr ? &prefix : NULL, AF_INET);
        if (!found)
            found = match(entries, network, cidr ? &prefix : NULL, AF_INET6);
        if (found)
            memcpy(ret_address, found, address_size(found->sa_family));
        result = found ? 0 : list_fail(network, entries, ret_error);
    }
    freeifaddrs(entries);
    return result;
}

/* An IPv4 address that came mapped into IPv6, as IPv4. */
static void unmap(struct sockaddr_storage *address)
{
    const struct in6_addr *mapped = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (address->ss_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(mapped))
        return;
    struct sockaddr_in plain = {.sin_family = AF_INET};
    memcpy(&plain.sin_addr, mapped->s6_addr + 12, sizeof plain.sin_addr);
    memcpy(address, &plain, sizeof plain);
}

void network_of_socket(int fd, char name[NETWORK_NAME_MAX])
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    struct ifaddrs *entries = NULL;
    name[0] = 0;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
        (address.ss_family != AF_INET && address.ss_family != AF_INET6) ||
        getifaddrs(&entries) < 0)
        return;
    unmap(&address);
    struct prefix whole = {.family = address.ss_family,
                           .bits = address.ss_family == AF_INET ? 32 : 128};
    memcpy(whole.bytes, address_bytes((struct sockaddr *)&address), whole.bits / 8);
    for (const struct ifaddrs *entry = entries; entry && !name[0]; entry = entry->ifa_next)
        if (usable(entry) && prefix_holds(&whole, entry->ifa_addr))
            snprintf(name, NETWORK_NAME_MAX, "%s", entry->ifa_name);
    freeifaddrs(entries);
}

bool network_is_loopback_only(void)
{
    struct ifaddrs *entries;
    if (getifaddrs(&entries) < 0)
        return false;
    bool only = first_outward(entries) == NULL;
    freeifaddrs(entries);
    return only;
}
