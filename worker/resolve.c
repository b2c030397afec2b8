/*
 * getaddrinfo has no time limit and can take half a minute where a name server does not answer,
 * so it runs in a thread that is left behind when it takes too long. The query is freed by
 * whoever lets go of it last.
 */
#include "config.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/thread.h"
#include "worker/resolve.h"

struct query {
    atomic_int holders;
    int done_fd;
    char host[1025], service[16]; /* NI_MAXHOST */
    atomic_bool answered;         /* what follows may be looked at */
    int code;
    struct addrinfo *found;
};

static const struct addrinfo hints_any = {
    .ai_family = AF_UNSPEC,
    .ai_socktype = SOCK_STREAM,
    .ai_flags = AI_NUMERICSERV,
};

static void query_release(struct query *query)
{
    if (atomic_fetch_sub(&query->holders, 1) > 1)
        return;
    if (query->found)
        freeaddrinfo(query->found);
    close(query->done_fd);
    free(query);
}

static void *query_main(void *context)
{
    struct query *query = context;
    const uint64_t one = 1;
    query->code = getaddrinfo(query->host, query->service, &hints_any, &query->found);
    atomic_store(&query->answered, true);
    while (write(query->done_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    query_release(query);
    return NULL;
}

static int query_thread(struct query *query)
{
    pthread_t thread;
    int code = thread_start(&thread, query_main, query);
    if (code == 0)
        pthread_detach(thread);
    return code;
}

static struct query *query_start(const char *host, int port, struct error *ret_error)
{
    struct query *query = calloc(1, sizeof *query);
    if (!query || strlen(host) >= sizeof query->host ||
        (query->done_fd = eventfd(0, EFD_CLOEXEC)) < 0) {
        error_set(ret_error, ERROR_NETWORK, "cannot look up the master's host name");
        free(query);
        return NULL;
    }
    snprintf(query->host, sizeof query->host, "%s", host);
    snprintf(query->service, sizeof query->service, "%d", port);
    atomic_init(&query->holders, 2);
    int code = query_thread(query);
    if (code != 0) {
        error_errno(ret_error, code, "cannot start a thread to look up %s", host);
        atomic_store(&query->holders, 1);
        query_release(query);
        return NULL;
    }
    return query;
}

/* 0: answered; -1: not in time, or interrupted. */
static int query_wait(const struct query *query, int64_t deadline_ns, int cancel_fd,
                      struct error *ret_error)
{
    int ready = fd_wait(query->done_fd, POLLIN, deadline_ns, cancel_fd), code = errno;
    if (atomic_load(&query->answered))
        return 0;
    if (ready < 0 && code == ECANCELED)
        return error_set(ret_error, ERROR_INTERRUPTED, "interrupted while dialling");
    return error_set(ret_error, ERROR_NETWORK,
                     "no name server answered in time for the master's host %s", query->host);
}

static void list_add(struct resolved *list, size_t *count, size_t max,
                     const struct addrinfo *found)
{
    for (; found && *count < max; found = found->ai_next) {
        bool known = false;
        for (size_t i = 0; i < *count; i++)
            known = known || (list[i].size == found->ai_addrlen &&
                              memcmp(&list[i].address, found->ai_addr, list[i].size) == 0);
        if (known || found->ai_addrlen > sizeof list->address)
            continue;
        list[*count] = (struct resolved){.size = found->ai_addrlen};
        memcpy(&list[*count].address, found->ai_addr, found->ai_addrlen);
        ++*count;
    }
}

/* Numeric addresses need no resolver. */
static void list_add_numeric(struct resolved *list, size_t *count, size_t max,
                             const char *address, int port)
{
    char service[16];
    struct addrinfo hints = hints_any, *found = NULL;
    hints.ai_flags |= AI_NUMERICHOST;
    snprintf(service, sizeof service, "%d", port);
    if (getaddrinfo(address, service, &hints, &found) == 0) {
        list_add(list, count, max, found);
        freeaddrinfo(found);
    }
}

int resolve(const char *host, const char *address, int port, int64_t deadline_ns, int cancel_fd,
            struct resolved *ret_list, size_t max, struct error *ret_error)
{
    size_t count = 0;
    error_set(ret_error, ERROR_NETWORK, "neither the master's host nor its address is known");
    list_add_numeric(ret_list, &count, max, host, port);
    if (count == 0 && *host) {
        struct query *query = query_start(host, port, ret_error);
        int answered = query ? query_wait(query, deadline_ns, cancel_fd, ret_error) : -1;
        if (answered == 0 && query->code == 0)
            list_add(ret_list, &count, max > 1 ? max - 1 : max, query->found);
        else if (answered == 0)
            error_set(ret_error, ERROR_NETWORK, "the master's host %s cannot be resolved: %s",
                      host, gai_strerror(query->code));
        if (query)
            query_release(query);
        if (answered < 0 && ret_error && ret_error->code == ERROR_INTERRUPTED)
            return -1;
    }
    if (address && *address)
        list_add_numeric(ret_list, &count, max, address, port);
    return count > 0 ? (int)count : -1;
}
