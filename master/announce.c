#include "config.h"

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/fd.h"
#include "common/json.h"
#include "master/announce.h"

#define LINE_MAX_BYTES (64 << 10)

static int kept_fd = -1; /* announce_keep */

void announce_keep(const char *path)
{
    kept_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

/* One write per line, so that a reader never sees half of one that was followed by another. */
static void put_line(struct buf *line)
{
    buf_append_text(line, "\n");
    if (!buf_failed(line))
        fd_write(STDOUT_FILENO, line->data, line->size); /* nobody reads any more? Go on. */
    if (!buf_failed(line) && kept_fd >= 0)
        fd_write(kept_fd, line->data, line->size);
    buf_fini(line);
}

static void begin(struct buf *line, const char *event)
{
    buf_init(line, LINE_MAX_BYTES);
    buf_printf(line, "{\"event\":\"%s\"", event);
}

static void add_text(struct buf *line, const char *key, const char *text)
{
    buf_printf(line, ",\"%s\":", key);
    json_put_text(line, text, strlen(text));
}

static void end(struct buf *line)
{
    buf_append_text(line, "}");
    put_line(line);
}

void announce_host(const char *host)
{
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    buf_append_text(&line, host);
    put_line(&line);
}

void announce_listening(const char *host, const char *address, int port, const char *transport)
{
    struct buf line;
    begin(&line, "listening");
    add_text(&line, "host", host);
    add_text(&line, "address", address);
    buf_printf(&line, ",\"port\":%d", port);
    add_text(&line, "transport", transport);
    end(&line);
}

void announce_worker(uint32_t id, const char *state, const char *host, const char *transport,
                     uint32_t slots)
{
    struct buf line;
    begin(&line, "worker");
    buf_printf(&line, ",\"id\":%u", id);
    add_text(&line, "state", state);
    add_text(&line, "host", host);
    add_text(&line, "transport", transport);
    buf_printf(&line, ",\"slots\":%u", slots);
    end(&line);
}

static void add_counts(struct buf *line, const struct announce_progress *p)
{
    buf_printf(line, ",\"done\":%llu,\"failed\":%llu,\"total\":%lld",
               (unsigned long long)p->done, (unsigned long long)p->failed, (long long)p->total);
    if (p->cancelled)
        buf_printf(line, ",\"cancelled\":%llu", (unsigned long long)p->cancelled);
}

void announce_progress(const struct announce_progress *p)
{
    struct buf line;
    begin(&line, "progress");
    add_counts(&line, p);
    buf_printf(&line, ",\"running\":%llu,\"waiting\":%llu,\"workers\":%u,\"slots\":%u",
               (unsigned long long)p->running, (unsigned long long)p->waiting, p->workers,
               p->slots);
    buf_printf(&line, ",\"rate\":%.6g,\"elapsed_s\":%.3f", p->rate, p->elapsed_s);
    end(&line);
}

void announce_failed(uint64_t task, const char *sentence)
{
    struct buf line;
    begin(&line, "failed");
    buf_printf(&line, ",\"task\":%llu", (unsigned long long)task);
    add_text(&line, "sentence", sentence);
    end(&line);
}

void announce_notice(const char *sentence)
{
    struct buf line;
    begin(&line, "notice");
    add_text(&line, "sentence", sentence);
    end(&line);
}

/* Left out where it is not known: JSON has no NaN. */
static void add_real(struct buf *line, const char *key, double real)
{
    if (isfinite(real))
        buf_printf(line, ",\"%s\":%.9g", key, real);
}

void announce_estimate(const struct driver_estimate *e)
{
    struct buf line;
    begin(&line, "estimate");
    buf_printf(&line, ",\"wave\":%llu,\"first\":%llu,\"runs\":%llu",
               (unsigned long long)e->wave, (unsigned long long)e->first,
               (unsigned long long)e->runs);
    add_text(&line, "purpose", e->purpose ? e->purpose : "");
    buf_printf(&line, ",\"iteration\":%d", e->iteration);
    add_real(&line, "phi", e->phi);
    if (e->called)
        add_text(&line, "called", e->called);
    add_real(&line, "lambda", e->lambda);
    end(&line);
}

void announce_end(const char *status, const struct announce_progress *p, const char *sentence)
{
    struct buf line;
    begin(&line, "end");
    add_text(&line, "status", status);
    add_counts(&line, p);
    buf_printf(&line, ",\"resumed\":%llu,\"elapsed_s\":%.3f", (unsigned long long)p->resumed,
               p->elapsed_s);
    if (p->lost)
        buf_printf(&line, ",\"lost\":%llu", (unsigned long long)p->lost);
    if (p->unwritten)
        buf_printf(&line, ",\"unwritten\":%llu", (unsigned long long)p->unwritten);
    add_text(&line, "sentence", sentence);
    end(&line);
}
