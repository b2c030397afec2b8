#include "config.h"

#include "tests/common/azure/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define REQUEST_MAX     ((size_t)64 << 20)

struct server {
    int fd;
    char url[64];
    server_answer *answer;
    void *context;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_t threads[CONNECTIONS_MAX];
    int fds[CONNECTIONS_MAX];
    int connections, requests;
};

struct connection {
    struct server *server;
    int fd, number;
};

static void need(bool fine, const char *what)
{
    if (!fine) {
        perror(what);
        exit(99);
    }
}

const char *server_header(const struct server_request *request, const char *name, char *text,
                          size_t size)
{
    text[0] = '\0';
    for (const char *line = strstr(request->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        size_t length = strlen(name);
        if (strncasecmp(line, name, length) != 0 || line[length] != ':')
            continue;
        line += length + 1;
        line += strspn(line, " ");
        snprintf(text, size, "%.*s", (int)strcspn(line, "\r"), line);
        break;
    }
    return text;
}

void server_put(struct buf *answer, int status, const char *headers, const char *body)
{
    buf_printf(answer, "HTTP/1.1 %d Said\r\nContent-Length: %zu\r\n%s\r\n%s", status,
               strlen(body), headers ? headers : "", body);
}

static bool more(int fd, struct buf *buf)
{
    uint8_t *room = buf_reserve(buf, 65536);
    ssize_t count = room ? recv(fd, room, 65536, 0) : -1;
    if (count <= 0)
        return false;
    buf_commit(buf, (size_t)count);
    return true;
}

/* One request, read into buf and taken apart. False at the connection's end. */
static bool request_read(int fd, struct buf *buf, struct server_request *request, char *head,
                         size_t head_size, char *method, char *target)
{
    char length[32];
    const char *end;
    while (!buf->size || !(end = strstr(buf_text(buf), "\r\n\r\n")))
        if (!more(fd, buf))
            return false;
    size_t size = (size_t)(end - buf_text(buf)) + 4;
    snprintf(head, head_size, "%.*s", (int)size, buf_text(buf));
    need(sscanf(head, "%15s %4095s", method, target) == 2, "a request line");
    request->head = head;
    request->method = method;
    request->target = target;
    request->body_size =
        strtoul(server_header(request, "content-length", length, sizeof(length)), NULL, 10);
    while (buf->size < size + request->body_size)
        if (!more(fd, buf))
            return false;
    request->body = buf_text(buf) + size;
    return true;
}

static void write_all(int fd, const struct buf *answer)
{
    size_t sent = 0;
    while (sent < answer->size) {
        ssize_t count = send(fd, answer->data + sent, answer->size - sent, MSG_NOSIGNAL);
        if (count <= 0)
            return;
        sent += (size_t)count;
    }
}

static void *connection_serve(void *argument)
{
    struct connection *connection = argument;
    struct server *server = connection->server;
    static _Thread_local char head[65536];
    char method[16], target[4096];
    struct buf buf, answer;
    bool keep = true;
    buf_init(&buf, REQUEST_MAX);
    buf_init(&answer, REQUEST_MAX);
    while (keep) {
        struct server_request request = {.connection = connection->number};
        if (!request_read(connection->fd, &buf, &request, head, sizeof(head), method, target))
            break;
        pthread_mutex_lock(&server->mutex);
        request.number = ++server->requests;
        buf_clear(&answer);
        keep = server->answer(server->context, &request, &answer);
        pthread_mutex_unlock(&server->mutex);
        write_all(connection->fd, &answer);
        buf_consume(&buf, strlen(head) + request.body_size);
    }
    shutdown(connection->fd, SHUT_RDWR);
    buf_fini(&buf);
    buf_fini(&answer);
    free(connection);
    return NULL;
}

static void *server_serve(void *argument)
{
    struct server *server = argument;
    for (;;) {
        int fd = accept(server->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        pthread_mutex_lock(&server->mutex);
        need(server->connections < CONNECTIONS_MAX, "room for a connection");
        struct connection *connection = calloc(1, sizeof(*connection));
        need(connection != NULL, "memory");
        connection->server = server;
        connection->fd = server->fds[server->connections] = fd;
        need(pthread_create(&server->threads[server->connections], NULL, connection_serve,
                            connection) == 0,
             "a thread");
        connection->number = ++server->connections;
        pthread_mutex_unlock(&server->mutex);
    }
}

struct server *server_start(server_answer *answer, void *context)
{
    struct server *server = calloc(1, sizeof(*server));
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);
    need(server != NULL, "memory");
    server->answer = answer;
    server->context = context;
    pthread_mutex_init(&server->mutex, NULL);
    server->fd = socket(AF_INET, SOCK_STREAM, 0);
    need(server->fd >= 0 && bind(server->fd, (struct sockaddr *)&address, size) == 0 &&
             listen(server->fd, 64) == 0 &&
             getsockname(server->fd, (struct sockaddr *)&address, &size) == 0,
         "a listening socket");
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d", ntohs(address.sin_port));
    need(pthread_create(&server->thread, NULL, server_serve, server) == 0, "a thread");
    return server;
}

void server_stop(struct server *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->fd);
    for (int i = 0; i < server->connections; i++) {
        shutdown(server->fds[i], SHUT_RDWR);
        pthread_join(server->threads[i], NULL);
        close(server->fds[i]);
    }
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

const char *server_url(const struct server *server)
{
    return server->url;
}

static int locked(struct server *server, const int *number)
{
    pthread_mutex_lock(&server->mutex);
    int value = *number;
    pthread_mutex_unlock(&server->mutex);
    return value;
}

int server_requests(struct server *server)
{
    return locked(server, &server->requests);
}

int server_connections(struct server *server)
{
    return locked(server, &server->connections);
}
