#include "config.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "worker/party_network.h"

bool party_network_find(const char *host, char network[PARTY_NETWORK_MAX])
{
    struct in_addr wanted;
    struct ifaddrs *all = NULL;
    bool found = false;
    if (inet_pton(AF_INET, host, &wanted) != 1 || getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *one = all; one && !found; one = one->ifa_next) {
        struct sockaddr_in address, mask;
        if (!one->ifa_addr || !one->ifa_netmask || one->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(&address, one->ifa_addr, sizeof address);
        memcpy(&mask, one->ifa_netmask, sizeof mask);
        found = address.sin_addr.s_addr == wanted.s_addr;
        if (found)
            snprintf(network, PARTY_NETWORK_MAX, "%s/%d", host,
                     __builtin_popcount((unsigned)mask.sin_addr.s_addr));
    }
    freeifaddrs(all);
    return found;
}
