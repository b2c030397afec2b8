/*
 * news.h - notices at once when a task on this machine says more or ends.
 */
#ifndef BEOFARM_LAUNCH_LOCAL_NEWS_H
#define BEOFARM_LAUNCH_LOCAL_NEWS_H

#include <stdbool.h>
#include <stdint.h>

struct news {
    int fd;       /* of inotify; -1: none */
    char *folder; /* that is watched; NULL: none */
};

void news_init(struct news *news);

void news_fini(struct news *news);

/* Sleep until stdout.txt or the record of the task in `folder` changes, for `ns` at most, or until
 * a signal comes (launch/interrupt.h). True if something changed since the last call, or may have:
 * the first call for a folder comes back at once. Where the kernel watches no more folders this
 * merely sleeps. */
bool news_await(struct news *news, const char *folder, int64_t ns);

#endif
