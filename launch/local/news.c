#include "config.h"

#include "launch/local/news.h"

#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "common/clock.h"
#include "launch/interrupt.h"
#include "launch/local/task.h"

#define CHANGES (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE_SELF)

void news_init(struct news *news)
{
    *news = (struct news){.fd = -1};
}

void news_fini(struct news *news)
{
    if (news->fd >= 0)
        close(news->fd);
    free(news->folder);
    news_init(news);
}

/* Watch this folder and no other. */
static bool news_watch(struct news *news, const char *folder)
{
    news_fini(news);
    news->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    news->folder = strdup(folder);
    if (news->fd >= 0 && news->folder && inotify_add_watch(news->fd, folder, CHANGES) >= 0)
        return true;
    news_fini(news);
    return false;
}

static bool concerns(const struct inotify_event *event)
{
    return event->mask & (IN_Q_OVERFLOW | IN_DELETE_SELF | IN_IGNORED) ||
           (event->len > 0 &&
            (strcmp(event->name, "stdout.txt") == 0 || strcmp(event->name, TASK_RECORD) == 0));
}

/* Take all that was noticed. Whether any of it concerns us. */
static bool news_take(struct news *news)
{
    _Alignas(struct inotify_event) char bytes[4096];
    bool any = false;
    ssize_t size;
    while ((size = read(news->fd, bytes, sizeof bytes)) > 0)
        for (char *at = bytes; at < bytes + size;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            any = concerns(event) || any;
            at += sizeof *event + event->len;
        }
    return any;
}

bool news_await(struct news *news, const char *folder, int64_t ns)
{
    int64_t now_ns = clock_monotonic_ns(), until_ns = now_ns + ns;
    if (!news->folder || strcmp(news->folder, folder) != 0) {
        if (news_watch(news, folder))
            return true;
        interrupt_sleep(ns);
        return false;
    }
    for (; now_ns < until_ns; now_ns = clock_monotonic_ns()) {
        if (!interrupt_wait(news->fd, until_ns - now_ns))
            return false;
        if (news_take(news))
            return true;
    }
    return false;
}
