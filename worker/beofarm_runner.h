/*
 * beofarm_runner.h - write a persistent runner for beofarm in C (or C++).
 *
 * A persistent runner is started once per slot and computes one task after another, so that a
 * model which takes long to get ready does it once. Header only; C99 and POSIX
 * (with -std=c99 define _POSIX_C_SOURCE=200809L first); nothing to link.
 *
 *     #include <beofarm_runner.h>
 *
 *     int main(void)
 *     {
 *         struct beofarm_runner runner;
 *         if (beofarm_runner_open(&runner) < 0)
 *             return 1;
 *         while (beofarm_runner_next(&runner) > 0) {
 *             double k = beofarm_runner_number(&runner, "K", 1e-5);
 *             if (k <= 0)
 *                 beofarm_runner_fail(&runner, "K must be positive, not %g", k);
 *             else
 *                 beofarm_runner_value(&runner, "head", compute(k));
 *             beofarm_runner_done(&runner);
 *         }
 *         return beofarm_runner_close(&runner);
 *     }
 *
 * Standard output belongs to the replies, so beofarm_runner_open takes it away: what the model
 * prints with printf after that goes to standard error, of which beofarm keeps the end.
 */
#ifndef BEOFARM_RUNNER_H
#define BEOFARM_RUNNER_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#ifdef __GNUC__
#define BEOFARM__UNUSED           __attribute__((unused))
#define BEOFARM__PRINTF(at, args) __attribute__((format(printf, at, args), unused))
#else
#define BEOFARM__UNUSED
#define BEOFARM__PRINTF(at, args)
#endif

struct beofarm__buf {
    char *data;
    size_t size, capacity;
};

struct beofarm__param {
    const char *name; /* NUL-terminated, in the line */
    char *text;       /* likewise: the number as it was written, or the text */
};

/* Nobody's business but this header's. */
struct beofarm_runner {
    int in_fd, out_fd;
    struct beofarm__buf in, out, values, outputs;
    size_t line; /* the present line begins here in `in`; the next one at `next` */
    size_t next;
    struct beofarm__param *params;
    size_t param_count, param_capacity;
    long long task;
    int attempt;
    const char *dir;
    struct timespec flushed; /* when replies were sent last */
    char error[2000];
    int failed, broken;
};

/* --- What a runner calls --- */

/* Take over standard input and output. 0, or -1 with a line on standard error. */
static int beofarm_runner_open(struct beofarm_runner *runner);

/* Wait for a task. 1: here is one; 0: there are no more, so end; -1: the input is damaged. */
static int beofarm_runner_next(struct beofarm_runner *runner);

/* Its number and attempt, from 1. */
static long long beofarm_runner_task(const struct beofarm_runner *runner);
static int beofarm_runner_attempt(const struct beofarm_runner *runner);

/* Its work directory (an absolute path), or NULL: it has one if the farm file has templates,
 * inputs or outputs. The runner's own directory, where it was started, has the common files. */
static const char *beofarm_runner_dir(const struct beofarm_runner *runner);

/* A parameter as text, NULL if there is none of that name (or it is null). Valid until the next
 * task. */
static const char *beofarm_runner_param(const struct beofarm_runner *runner, const char *name);

/* A parameter as number; `fallback` if there is none, or it is no number. */
static double beofarm_runner_number(const struct beofarm_runner *runner, const char *name,
                                    double fallback);

/* Give a value, or a file of the work directory, back. */
static void beofarm_runner_value(struct beofarm_runner *runner, const char *name, double value);
static void beofarm_runner_text(struct beofarm_runner *runner, const char *name,
                                const char *text);
static void beofarm_runner_output(struct beofarm_runner *runner, const char *path);

/* The task failed; the sentence (as by printf) reaches the user. */
static void beofarm_runner_fail(struct beofarm_runner *runner, const char *format, ...)
    BEOFARM__PRINTF(2, 3);

/* Reply. 0; -1 if beofarm is gone (then end). Replies to short tasks leave together, at the
 * latest when beofarm_runner_next has to wait. */
static int beofarm_runner_done(struct beofarm_runner *runner);

/* Send what was not sent yet and free. Returns an exit status for main: 0 if all went well. */
static int beofarm_runner_close(struct beofarm_runner *runner);

/* --- How it does that --- */

static char *beofarm__reserve(struct beofarm__buf *buf, size_t size)
{
    if (buf->capacity - buf->size < size) {
        size_t capacity = buf->capacity * 2 + size;
        char *data = (char *)realloc(buf->data, capacity);
        if (!data) {
            fprintf(stderr, "beofarm_runner: no memory\n");
            exit(1);
        }
        buf->data = data;
        buf->capacity = capacity;
    }
    return buf->data + buf->size;
}

static void beofarm__put(struct beofarm__buf *buf, const char *bytes, size_t size)
{
    memcpy(beofarm__reserve(buf, size), bytes, size);
    buf->size += size;
}

static void beofarm__put_json_text(struct beofarm__buf *buf, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    beofarm__put(buf, "\"", 1);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
        if (c == '"' || c == '\\') {
            escape[1] = (char)c;
            beofarm__put(buf, escape, 2);
        } else if (c < 0x20) {
            beofarm__put(buf, escape, 6);
        } else {
            beofarm__put(buf, text, 1);
        }
    }
    beofarm__put(buf, "\"", 1);
}

/* Has a reply waited for a millisecond? */
static int beofarm__is_late(struct beofarm_runner *runner)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > runner->flushed.tv_sec + 1 ||
           (now.tv_sec - runner->flushed.tv_sec) * 1000000000L + now.tv_nsec -
                   runner->flushed.tv_nsec >
               1000000L;
}

static int beofarm__flush(struct beofarm_runner *runner)
{
    size_t done = 0;
    while (done < runner->out.size && !runner->broken) {
        ssize_t put = write(runner->out_fd, runner->out.data + done, runner->out.size - done);
        if (put < 0 && errno != EINTR)
            runner->broken = 1;
        done += put < 0 ? 0 : (size_t)put;
    }
    runner->out.size = 0;
    clock_gettime(CLOCK_MONOTONIC, &runner->flushed);
    return runner->broken ? -1 : 0;
}

BEOFARM__UNUSED static int beofarm_runner_open(struct beofarm_runner *runner)
{
    memset(runner, 0, sizeof(*runner));
    fflush(stdout);
    runner->in_fd = 0;
    runner->out_fd = dup(1);
    if (runner->out_fd < 0 || dup2(2, 1) < 0) {
        perror("beofarm_runner: standard output cannot be moved");
        return -1;
    }
    return 0;
}

/* Parsing in place: texts are unescaped where they stand and end in a NUL. */

static void beofarm__blanks(char **at)
{
    while (**at == ' ' || **at == '\t' || **at == '\r')
        ++*at;
}

static int beofarm__sign(char **at, char sign)
{
    beofarm__blanks(at);
    if (**at != sign)
        return 0;
    ++*at;
    return 1;
}

static char *beofarm__put_utf8(char *to, unsigned long code)
{
    if (code < 0x80) {
        *to++ = (char)code;
    } else if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
        *to++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *to++ = (char)(0xe0 | code >> 12);
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    } else {
        *to++ = (char)(0xf0 | code >> 18);
        *to++ = (char)(0x80 | (code >> 12 & 63));
        *to++ = (char)(0x80 | (code >> 6 & 63));
        *to++ = (char)(0x80 | (code & 63));
    }
    return to;
}

static int beofarm__hex(const char *from, unsigned long *code)
{
    int i;
    *code = 0;
    for (i = 0; i < 4; i++) {
        const char *digits = "0123456789abcdefABCDEF", *digit;
        if (!from[i] || !(digit = strchr(digits, from[i])))
            return 0;
        *code = *code << 4 |
                (unsigned long)(digit - digits < 16 ? digit - digits : digit - digits - 6);
    }
    return 1;
}

/* The escape at *from (behind the backslash) to *to. */
static int beofarm__escape(char **from, char **to)
{
    static const char names[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    unsigned long code, low;
    const char *name;
    if (**from != 'u') {
        if (!**from || !(name = strchr(names, **from)))
            return 0;
        *(*to)++ = meanings[name - names];
        ++*from;
        return 1;
    }
    if (!beofarm__hex(*from + 1, &code))
        return 0;
    *from += 5;
    if (code >= 0xd800 && code < 0xdc00 && (*from)[0] == '\\' && (*from)[1] == 'u' &&
        beofarm__hex(*from + 2, &low) && low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        *from += 6;
    }
    *to = beofarm__put_utf8(*to, code);
    return 1;
}

/* A string; NULL if there is none. */
static char *beofarm__string(char **at)
{
    char *text, *to, *from;
    if (!beofarm__sign(at, '"'))
        return NULL;
    text = to = from = *at;
    while (*from && *from != '"') {
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from++;
        if (!beofarm__escape(&from, &to))
            return NULL;
    }
    if (*from != '"')
        return NULL;
    *at = from + 1;
    *to = 0;
    return text;
}

/* A string, number, true, false or null (*ret NULL). What follows a bare word is kept in *ret_end,
 * because the word's NUL takes its place. */
static int beofarm__scalar(char **at, char **ret, char *ret_end)
{
    size_t size;
    *ret_end = 0;
    beofarm__blanks(at);
    if (**at == '"')
        return (*ret = beofarm__string(at)) != NULL;
    size = strcspn(*at, ",}] \t\r");
    if (!size)
        return 0;
    *ret = *at;
    *at += size;
    *ret_end = **at;
    **at = 0;
    if (strcmp(*ret, "null") == 0)
        *ret = NULL;
    return 1;
}

static int beofarm__params(struct beofarm_runner *runner, char **at)
{
    if (!beofarm__sign(at, '{'))
        return 0;
    if (beofarm__sign(at, '}'))
        return 1;
    for (;;) {
        char end, *text, *name = beofarm__string(at);
        if (!name || !beofarm__sign(at, ':') || !beofarm__scalar(at, &text, &end))
            return 0;
        if (runner->param_count == runner->param_capacity) {
            size_t capacity = runner->param_capacity * 2 + 16;
            void *grown = realloc(runner->params, capacity * sizeof(*runner->params));
            if (!grown)
                return 0;
            runner->params = (struct beofarm__param *)grown;
            runner->param_capacity = capacity;
        }
        runner->params[runner->param_count].name = name;
        runner->params[runner->param_count++].text = text;
        if (end == ' ' || end == '\t' || end == '\r' || !end) {
            *at += end != 0;
            beofarm__blanks(at);
            end = **at;
        }
        ++*at;
        if (end == '}')
            return 1;
        if (end != ',')
            return 0;
    }
}

/* {"task":17,"attempt":1,"params":{...},"dir":"..."}, members in this order, as beofarm writes
 * them. */
static int beofarm__parse(struct beofarm_runner *runner, char *at)
{
    char *key;
    runner->param_count = 0;
    runner->dir = NULL;
    runner->task = 0;
    runner->attempt = 1;
    if (!beofarm__sign(&at, '{'))
        return 0;
    do {
        if (!(key = beofarm__string(&at)) || !beofarm__sign(&at, ':'))
            return 0;
        if (strcmp(key, "task") == 0)
            runner->task = strtoll(at, &at, 10);
        else if (strcmp(key, "attempt") == 0)
            runner->attempt = (int)strtol(at, &at, 10);
        else if (strcmp(key, "dir") == 0)
            runner->dir = beofarm__string(&at);
        else if (strcmp(key, "params") != 0 || !beofarm__params(runner, &at))
            return 0;
    } while (beofarm__sign(&at, ','));
    return beofarm__sign(&at, '}') && runner->task > 0;
}

/* Read until a whole line is there. 1, or 0 at the end of the input. */
static int beofarm__read_line(struct beofarm_runner *runner)
{
    size_t searched = runner->next;
    for (;;) {
        char *end = NULL;
        ssize_t got;
        if (runner->in.size > searched)
            end = (char *)memchr(runner->in.data + searched, '\n', runner->in.size - searched);
        if (end) {
            *end = 0;
            runner->line = runner->next;
            runner->next = (size_t)(end - runner->in.data) + 1;
            return 1;
        }
        if (runner->next) { /* keep what is unfinished */
            memmove(runner->in.data, runner->in.data + runner->next,
                    runner->in.size - runner->next);
            runner->in.size -= runner->next;
            runner->next = 0;
        }
        searched = runner->in.size;
        if (beofarm__flush(runner) < 0)
            return 0;
        beofarm__reserve(&runner->in, 1 << 16);
        got = read(runner->in_fd, runner->in.data + runner->in.size, 1 << 16);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        runner->in.size += (size_t)got;
    }
}

BEOFARM__UNUSED static int beofarm_runner_next(struct beofarm_runner *runner)
{
    runner->values.size = runner->outputs.size = 0;
    runner->failed = 0;
    if (!beofarm__read_line(runner))
        return 0;
    if (beofarm__parse(runner, runner->in.data + runner->line))
        return 1;
    fprintf(stderr, "beofarm_runner: a line from beofarm cannot be read\n");
    runner->broken = 1;
    return -1;
}

BEOFARM__UNUSED static long long beofarm_runner_task(const struct beofarm_runner *runner)
{
    return runner->task;
}

BEOFARM__UNUSED static int beofarm_runner_attempt(const struct beofarm_runner *runner)
{
    return runner->attempt;
}

BEOFARM__UNUSED static const char *beofarm_runner_dir(const struct beofarm_runner *runner)
{
    return runner->dir;
}

BEOFARM__UNUSED static const char *beofarm_runner_param(const struct beofarm_runner *runner,
                                                        const char *name)
{
    size_t i;
    for (i = 0; i < runner->param_count; i++)
        if (strcmp(runner->params[i].name, name) == 0)
            return runner->params[i].text;
    return NULL;
}

BEOFARM__UNUSED static double beofarm_runner_number(const struct beofarm_runner *runner,
                                                    const char *name, double fallback)
{
    const char *text = beofarm_runner_param(runner, name);
    char *end;
    double number;
    if (!text || !*text)
        return fallback;
    number = strtod(text, &end);
    return *end ? fallback : number;
}

static void beofarm__begin_value(struct beofarm_runner *runner, const char *name)
{
    if (runner->values.size)
        beofarm__put(&runner->values, ",", 1);
    beofarm__put_json_text(&runner->values, name);
    beofarm__put(&runner->values, ":", 1);
}

BEOFARM__UNUSED static void beofarm_runner_value(struct beofarm_runner *runner,
                                                 const char *name, double value)
{
    char text[40];
    int size;
    if (value != value)
        size = snprintf(text, sizeof(text), "NaN");
    else if (value - value != 0)
        size = snprintf(text, sizeof(text), value < 0 ? "-Infinity" : "Infinity");
    else if (value == (double)(long)value && value < 1e15 && value > -1e15)
        size = snprintf(text, sizeof(text), "%ld", (long)value);
    else /* 17 digits read back to the same double */
        size = snprintf(text, sizeof(text), "%.17g", value);
    beofarm__begin_value(runner, name);
    beofarm__put(&runner->values, text, (size_t)size);
}

BEOFARM__UNUSED static void beofarm_runner_text(struct beofarm_runner *runner, const char *name,
                                                const char *text)
{
    beofarm__begin_value(runner, name);
    beofarm__put_json_text(&runner->values, text);
}

BEOFARM__UNUSED static void beofarm_runner_output(struct beofarm_runner *runner,
                                                  const char *path)
{
    if (runner->outputs.size)
        beofarm__put(&runner->outputs, ",", 1);
    beofarm__put_json_text(&runner->outputs, path);
}

static void beofarm_runner_fail(struct beofarm_runner *runner, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(runner->error, sizeof(runner->error), format, args);
    va_end(args);
    runner->failed = 1;
}

BEOFARM__UNUSED static int beofarm_runner_done(struct beofarm_runner *runner)
{
    struct beofarm__buf *out = &runner->out;
    char head[64];
    int size = snprintf(head, sizeof(head), "{\"task\":%lld,\"ok\":%s", runner->task,
                        runner->failed ? "false" : "true");
    beofarm__put(out, head, (size_t)size);
    if (runner->failed) {
        beofarm__put(out, ",\"error\":", 9);
        beofarm__put_json_text(out, runner->error);
    } else {
        beofarm__put(out, ",\"values\":{", 11);
        beofarm__put(out, runner->values.data ? runner->values.data : "", runner->values.size);
        beofarm__put(out, "}", 1);
        if (runner->outputs.size) {
            beofarm__put(out, ",\"outputs\":[", 12);
            beofarm__put(out, runner->outputs.data, runner->outputs.size);
            beofarm__put(out, "]", 1);
        }
    }
    beofarm__put(out, "}\n", 2);
    /* Replies leave together with those of tasks whose lines are here already, for at most a
     * millisecond: one that a long task follows should not wait for it. */
    if (out->size > (1 << 15) || runner->next >= runner->in.size || beofarm__is_late(runner))
        return beofarm__flush(runner);
    return runner->broken ? -1 : 0;
}

BEOFARM__UNUSED static int beofarm_runner_close(struct beofarm_runner *runner)
{
    int status = beofarm__flush(runner) < 0;
    close(runner->out_fd);
    free(runner->in.data);
    free(runner->out.data);
    free(runner->values.data);
    free(runner->outputs.data);
    free(runner->params);
    memset(runner, 0, sizeof(*runner));
    return status;
}

#endif
