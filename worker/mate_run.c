/*
 * What remotes have started here: a shell each, with all that it starts.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/hidden.h"
#include "worker/mate_private.h"
#include "worker/stream.h"

#define KEY_NAME "BEOFARM_ATTEMPT_KEY"

struct mate_run {
    struct mate *mate;
    uint64_t id;
    struct child *child;
    struct stream out, err;
    struct mate_run *next;
};

/* --- Variables --- */

/* Its value here says something about this node or this process. */
static bool is_own(const char *variable)
{
    static const char *const names[] = {"AZ_BATCH_",
                                        "HOME=", "HOSTNAME=", "TMPDIR=", KEY_NAME "="};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(variable, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

static size_t list_size(char *const *list)
{
    size_t count = 0;
    while (list[count])
        count++;
    return count;
}

char **mate_variables_merge(char *const *task, char *const *own)
{
    size_t count = 0;
    char **merged = calloc(list_size(task) + list_size(own) + 2, sizeof *merged);
    bool whole = merged;
    for (; whole && *task; task++)
        if (!is_own(*task))
            whole = (merged[count++] = strdup(*task));
    for (; whole && *own; own++)
        if (is_own(*own) && !hidden_variable(*own) &&
            strncmp(*own, KEY_NAME "=", strlen(KEY_NAME "=")) != 0)
            whole = (merged[count++] = strdup(*own));
    if (whole)
        return merged;
    mate_variables_free(merged);
    return NULL;
}

void mate_variables_free(char **variables)
{
    for (size_t i = 0; variables && variables[i]; i++)
        free(variables[i]);
    free(variables);
}

/* --- Processes --- */

static void run_free(struct mate_run *run)
{
    struct mate_run **at = &run->mate->runs;
    while (*at != run)
        at = &(*at)->next;
    *at = run->next;
    stream_close(&run->out);
    stream_close(&run->err);
    free(run);
}

static void output_tell(struct mate_run *run, int which, const char *bytes, size_t size)
{
    struct buf *message = &run->mate->message;
    mate_begin(message, MATE_OUTPUT);
    wire_put_varint(message, run->id);
    wire_put_u8(message, (uint8_t)which);
    wire_put_bytes(message, bytes, size);
    mate_send(run->mate);
}

static void out_came(void *context, const char *bytes, size_t size)
{
    output_tell(context, 1, bytes, size);
}

static void err_came(void *context, const char *bytes, size_t size)
{
    output_tell(context, 2, bytes, size);
}

static void end_tell(struct mate *mate, uint64_t id, int code)
{
    mate_begin(&mate->message, MATE_ENDED);
    wire_put_varint(&mate->message, id);
    wire_put_u8(&mate->message, (uint8_t)code);
    mate_send(mate);
}

static void child_ended(void *context, const struct child_end *end)
{
    struct mate_run *run = context;
    stream_drain(&run->out);
    stream_drain(&run->err);
    end_tell(run->mate, run->id, end->signaled ? 128 + end->code : end->code);
    run_free(run);
}

static int child_begin(struct mate_run *run, const char *command, struct error *ret_error)
{
    struct mate *mate = run->mate;
    char key[96], variable[128], shell[] = "sh", option[] = "-c";
    char *const argv[] = {shell, option, (char *)(size_t)command, NULL};
    size_t count = list_size(mate->variables);
    int out = -1, err = -1;
    snprintf(key, sizeof key, "%s:%llu", children_key(mate->children),
             (unsigned long long)run->id);
    snprintf(variable, sizeof variable, KEY_NAME "=%s", key);
    mate->variables[count] = variable; /* there is room for it */
    struct child_spec spec = {.program = "/bin/sh",
                              .argv = argv,
                              .environment = mate->variables,
                              .key = key,
                              .dir_fd = mate->dir_fd,
                              .stdin_fd = -1,
                              .ended = child_ended,
                              .context = run};
    if (stream_open(&run->out, mate->loop, out_came, run, &out, ret_error) == 0 &&
        stream_open(&run->err, mate->loop, err_came, run, &err, ret_error) == 0) {
        spec.stdout_fd = out;
        spec.stderr_fd = err;
        run->child = child_start(mate->children, &spec, ret_error);
    }
    if (out >= 0)
        close(out);
    if (err >= 0)
        close(err);
    mate->variables[count] = NULL;
    return run->child ? 0 : -1;
}

static void run_begin(struct mate *mate, uint64_t id, const char *command)
{
    struct error error;
    char sentence[ERROR_TEXT_MAX + 16];
    struct mate_run *run = calloc(1, sizeof *run);
    if (!run) {
        end_tell(mate, id, 255);
        return;
    }
    *run = (struct mate_run){
        .mate = mate, .id = id, .out = {.fd = -1}, .err = {.fd = -1}, .next = mate->runs};
    mate->runs = run;
    if (child_begin(run, command, &error) == 0)
        return;
    int size = snprintf(sentence, sizeof sentence, "beofarm: %s\n", error.text);
    output_tell(run, 2, sentence, (size_t)size);
    end_tell(mate, id, 255);
    run_free(run);
}

int mate_run_take(struct mate *mate, enum mate_message type, struct wire_reader *reader)
{
    uint64_t id = wire_get_varint(reader);
    if (type == MATE_KILL) {
        struct mate_run *run = mate->runs;
        while (run && run->id != id)
            run = run->next;
        if (run && !reader->failed)
            child_kill(run->child, CHILD_KILL_GENTLY);
        return reader->failed ? -1 : 0;
    }
    char *command = mate_get_text(reader);
    if (!command)
        return -1;
    if (mate->dir_fd >= 0 && mate->variables)
        run_begin(mate, id, command);
    else
        end_tell(mate, id, 255);
    free(command);
    return 0;
}

void mate_run_end_all(struct mate *mate)
{
    while (mate->runs) {
        child_abandon(mate->runs->child);
        run_free(mate->runs);
    }
}
