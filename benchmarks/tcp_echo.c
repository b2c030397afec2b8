/*
 * tcp_echo SIZE COUNT CONNECTIONS: the limit of moving bulk data. CONNECTIONS pairs of processes on
 * loopback; one sends SIZE bytes, the other sends them back when it has them all, COUNT times
 * together. Prints how many there and back per second. Nothing is computed, kept or checked.
 */
#include "config.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static bool send_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool receive_all(int fd, char *bytes, size_t size)
{
    return recv(fd, bytes, size, MSG_WAITALL) == (ssize_t)size;
}

/* A connected pair over loopback. */
static bool pair_connect(int ends[2])
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0 ||
        connect(ends[0], (struct sockaddr *)&address, length) < 0)
        return false;
    ends[1] = accept(listener, NULL, NULL);
    close(listener);
    for (int i = 0; i < 2; i++)
        setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return ends[1] >= 0;
}

/* Exchange; the parent's side sends first. */
static bool exchange(int fd, char *bytes, size_t size, long count, bool first)
{
    for (long i = 0; i < count; i++) {
        if (first && !send_all(fd, bytes, size))
            return false;
        if (!receive_all(fd, bytes, size))
            return false;
        if (!first && !send_all(fd, bytes, size))
            return false;
    }
    return true;
}

/* Two processes with one connection between them. */
static void pair_start(char *bytes, size_t size, long count)
{
    int ends[2];
    if (!pair_connect(ends)) {
        perror("tcp_echo");
        exit(1);
    }
    for (int i = 0; i < 2; i++)
        if (fork() == 0) {
            close(ends[!i]);
            _exit(!exchange(ends[i], bytes, size, count, i == 0));
        }
    close(ends[0]);
    close(ends[1]);
}

int main(int argc, char **argv)
{
    long size = argc == 4 ? atol(argv[1]) : 0;
    long count = argc == 4 ? atol(argv[2]) : 0;
    long connections = argc == 4 ? atol(argv[3]) : 0;
    char *bytes = size > 0 ? malloc((size_t)size) : NULL;
    if (!bytes || count < 1 || connections < 1) {
        fprintf(stderr, "usage: tcp_echo SIZE COUNT CONNECTIONS\n");
        return 2;
    }
    memset(bytes, 7, (size_t)size);
    double start_s = now_s();
    for (long i = 0; i < connections; i++)
        pair_start(bytes, (size_t)size,
                   count * (i + 1) / connections - count * i / connections);
    for (long i = 0; i < 2 * connections; i++) {
        int status = 1;
        if (wait(&status) < 0 || status != 0) {
            fprintf(stderr, "tcp_echo: an exchange failed\n");
            return 1;
        }
    }
    printf("%.3f\n", (double)count / (now_s() - start_s));
    return 0;
}
