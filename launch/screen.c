#include "config.h"

#include "launch/screen.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/plain.h"

#define TERMINAL_INTERVAL_NS (100 * CLOCK_MS_NS)
#define PLAIN_FIRST_NS       CLOCK_SECOND_NS
#define PLAIN_LONGEST_NS     (60 * CLOCK_SECOND_NS)
#define FAILURES_SHOWN       10 /* sentences of failed tasks as they come; the rest is counted */

void screen_init(struct screen *screen, bool json, bool quiet)
{
    memset(screen, 0, sizeof *screen);
    screen->mode = json                    ? SCREEN_JSON
                   : quiet                 ? SCREEN_QUIET
                   : isatty(STDOUT_FILENO) ? SCREEN_TERMINAL
                                           : SCREEN_PLAIN;
    screen->interval_ns =
        screen->mode == SCREEN_TERMINAL ? TERMINAL_INTERVAL_NS : PLAIN_FIRST_NS;
    screen->next_ns = clock_monotonic_ns() + screen->interval_ns;
    screen->shown_s = -1.0;
}

void screen_put_text(FILE *stream, const char *text)
{
    for (size_t left = strlen(text); left > 0;) {
        size_t size = json_utf8_size(text, left);
        if (size == 0)
            fputc('?', stream);
        else if (plain_control_size(text))
            fputc(' ', stream);
        else
            fwrite(text, 1, size, stream);
        size += size == 0;
        text += size;
        left -= size;
    }
}

void screen_put_lines(FILE *stream, const char *bytes, size_t size)
{
    char line[4096];
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n')
            line[length++] = bytes[i] ? bytes[i] : ' ';
        if (bytes[i] == '\n' || length == sizeof line - 1 || i + 1 == size) {
            line[length] = '\0';
            screen_put_text(stream, line);
            length = 0;
        }
        if (bytes[i] == '\n')
            fputc('\n', stream);
    }
}

char *screen_format_time(double seconds, char *text, size_t size)
{
    if (seconds < 0.0)
        seconds = 0.0;
    if (seconds < 9.995)
        snprintf(text, size, "%.2f s", seconds);
    else if (seconds < 99.95)
        snprintf(text, size, "%.1f s", seconds);
    else if (seconds < 3599.5)
        snprintf(text, size, "%d min %02d s", (int)(seconds + 0.5) / 60,
                 (int)(seconds + 0.5) % 60);
    else if (seconds < 100.0 * 3600.0)
        snprintf(text, size, "%d h %02d min", (int)(seconds / 3600.0),
                 (int)(seconds / 60.0) % 60);
    else
        snprintf(text, size, "%.0f days", seconds / 86400.0);
    return text;
}

/* "iteration 2, phi 12.3, Jacobian 7/12, ", as far as it is known; of a survey "misfit 12.3". */
static void estimate_format(const struct progress *progress, char *text, size_t size)
{
    char iteration[48] = "", phi[48] = "";
    *text = '\0';
    if (!progress->estimate.known)
        return;
    int64_t ended = progress_ended(progress) - progress->estimate.first + 1;
    int64_t runs = progress->estimate.runs;
    ended = ended < 0 ? 0 : ended > runs ? runs : ended;
    if (progress->estimate.iteration > 0)
        snprintf(iteration, sizeof iteration, "iteration %lld, ",
                 (long long)progress->estimate.iteration);
    if (isfinite(progress->estimate.phi))
        snprintf(phi, sizeof phi, "%s %.6g, ", progress->estimate.misfit ? "misfit" : "phi",
                 progress->estimate.phi);
    if (runs == 0)
        snprintf(text, size, "%s%s", iteration, phi);
    else
        snprintf(text, size, "%s%s%.40s %lld/%lld, ", iteration, phi,
                 progress->estimate.purpose ? progress->estimate.purpose : "runs",
                 (long long)ended, (long long)runs);
}

char *screen_format_progress(const struct progress *progress, char *text, size_t size)
{
    char estimate[160], total[32] = "", failed[48] = "", cancelled[48] = "", left[48] = "";
    char time[32];
    double left_s = progress_left_s(progress);
    if (progress->total >= 0)
        snprintf(total, sizeof total, "/%lld", (long long)progress->total);
    if (progress->failed > 0)
        snprintf(failed, sizeof failed, ", %lld failed", (long long)progress->failed);
    if (progress->cancelled > 0)
        snprintf(cancelled, sizeof cancelled, ", %lld cancelled",
                 (long long)progress->cancelled);
    if (left_s >= 0.0)
        snprintf(left, sizeof left, ", %s left", screen_format_time(left_s, time, sizeof time));
    estimate_format(progress, estimate, sizeof estimate);
    snprintf(text, size, "%s%lld%s done%s%s, %.3g/s, %lld %s, %lld %s%s", estimate,
             (long long)progress->done, total, failed, cancelled, progress->rate,
             (long long)progress->workers_joined,
             progress->workers_joined == 1 ? "worker" : "workers", (long long)progress->slots,
             progress->slots == 1 ? "slot" : "slots", left);
    return text;
}

static int terminal_width(void)
{
    struct winsize window;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 1)
        return window.ws_col;
    return 80;
}

void screen_finish(struct screen *screen)
{
    if (screen->line_shown)
        fputs("\r\033[K", stdout);
    screen->line_shown = false;
    fflush(stdout);
}

/* One line of its own, above the progress line. */
static void line_print(struct screen *screen, const char *text)
{
    screen_finish(screen);
    screen_put_text(stdout, text);
    fputc('\n', stdout);
    fflush(stdout);
}

static void json_notice(const char *sentence)
{
    struct buf line;
    buf_init(&line, 64 << 10);
    buf_append_text(&line, "{\"event\":\"notice\",\"from\":\"launch\",\"sentence\":");
    json_put_text(&line, sentence, strlen(sentence));
    buf_append_text(&line, "}");
    puts(buf_text(&line));
    fflush(stdout);
    buf_fini(&line);
}

void screen_notice(struct screen *screen, const char *format, ...)
{
    char text[2 * ERROR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (screen->mode == SCREEN_JSON)
        json_notice(text);
    else if (screen->mode != SCREEN_QUIET)
        line_print(screen, text);
}

static void failure_show(struct screen *screen, const cJSON *event)
{
    char text[2 * ERROR_TEXT_MAX];
    const char *sentence = cJSON_GetStringValue(json_member(event, "sentence"));
    double task = cJSON_GetNumberValue(json_member(event, "task"));
    if (++screen->failures > FAILURES_SHOWN)
        return;
    snprintf(text, sizeof text, "task %.0f failed: %s", task, sentence ? sentence : "");
    line_print(screen, text);
    if (screen->failures == FAILURES_SHOWN)
        line_print(screen, "further failed tasks are counted only; results.csv has them all");
}

void screen_event(struct screen *screen, const char *text, const cJSON *event)
{
    if (!event)
        return;
    const char *name = cJSON_GetStringValue(json_member(event, "event"));
    if (screen->mode == SCREEN_JSON) {
        puts(text);
        fflush(stdout);
        return;
    }
    if (!name || screen->mode == SCREEN_QUIET)
        return;
    if (strcmp(name, "failed") == 0)
        failure_show(screen, event);
    else if (strcmp(name, "notice") == 0 && cJSON_IsString(json_member(event, "sentence")))
        line_print(screen, json_member(event, "sentence")->valuestring);
}

void screen_progress(struct screen *screen, const struct progress *progress)
{
    char text[512];
    int64_t now = clock_monotonic_ns();
    if ((screen->mode != SCREEN_TERMINAL && screen->mode != SCREEN_PLAIN) ||
        !progress->counted || progress->ended || now < screen->next_ns ||
        progress->elapsed_s == screen->shown_s)
        return;
    screen_format_progress(progress, text, sizeof text);
    if (screen->mode == SCREEN_TERMINAL) {
        printf("\r%.*s\033[K", terminal_width() - 1, text);
        fflush(stdout);
        screen->line_shown = true;
    } else {
        line_print(screen, text);
        screen->interval_ns *= 2;
        if (screen->interval_ns > PLAIN_LONGEST_NS)
            screen->interval_ns = PLAIN_LONGEST_NS;
    }
    screen->shown_s = progress->elapsed_s;
    screen->next_ns = now + screen->interval_ns;
}

static void summary_json(const struct progress *progress, const struct screen_summary *summary)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "event", "summary");
    cJSON_AddStringToObject(object, "run", summary->run_dir);
    cJSON_AddNumberToObject(object, "done", (double)progress->done);
    cJSON_AddNumberToObject(object, "failed", (double)progress->failed);
    cJSON_AddNumberToObject(object, "total", (double)progress->total);
    cJSON_AddNumberToObject(object, "cancelled", (double)progress->cancelled);
    cJSON_AddNumberToObject(object, "elapsed_s", progress->elapsed_s);
    cJSON_AddNumberToObject(object, "exit_code", summary->exit_code);
    cJSON_AddBoolToObject(object, "resumable", summary->resumable);
    if (summary->outcome)
        cJSON_AddStringToObject(object, "sentence", summary->outcome);
    char *text = cJSON_PrintUnformatted(object);
    puts(text ? text : "{\"event\":\"summary\"}");
    fflush(stdout);
    free(text);
    cJSON_Delete(object);
}

/* Tasks of an earlier master are told apart: they say nothing of how fast this one was. */
static void counts_print(const struct progress *progress, const char *name)
{
    char time[32];
    int64_t all = progress_ended(progress), ended = all - progress->resumed;
    printf("\n%s: %lld", name, (long long)ended);
    if (progress->total > progress->resumed && progress->total != all)
        printf(" of %lld", (long long)(progress->total - progress->resumed));
    printf(" %s ended in %s", ended == 1 && progress->total <= 1 ? "task" : "tasks",
           screen_format_time(progress->elapsed_s, time, sizeof time));
    if (progress->elapsed_s > 0.0 && ended > 0)
        printf(" (%.3g per second)", (double)ended / progress->elapsed_s);
    if (progress->resumed > 0)
        printf(", %lld before", (long long)progress->resumed);
    printf(": %lld done, %lld failed", (long long)progress->done, (long long)progress->failed);
    if (progress->cancelled > 0)
        printf(", %lld cancelled", (long long)progress->cancelled);
    printf("\n");
}

static void failures_print(const struct progress *progress)
{
    if (progress->failure_count == 0)
        return;
    printf("  first failures\n");
    for (size_t i = 0; i < progress->failure_count; i++) {
        printf("    task %lld: ", (long long)progress->failures[i].task);
        screen_put_text(stdout, progress->failures[i].sentence);
        printf("\n");
    }
}

/* What the programs said of themselves tells of a task that failed no more than is told here; what
 * its own program said, its log has. */
static void why_print(const struct progress *progress, const char *path, int exit_code)
{
    bool failed = progress->failure_count > 0;
    if (failed)
        printf("  why        beofarm logs %s task %lld\n", path,
               (long long)progress->failures[0].task);
    if (!failed || exit_code != ERROR_TASKS)
        printf("  %s        beofarm logs %s\n", failed ? "   " : "why", path);
}

void screen_summarize(struct screen *screen, const struct progress *progress,
                      const struct screen_summary *summary)
{
    char path[4096], shown[ERROR_TEXT_MAX];
    screen_finish(screen);
    if (screen->mode == SCREEN_JSON) {
        summary_json(progress, summary);
        return;
    }
    if (progress->counted)
        counts_print(progress, summary->name);
    if (summary->outcome && summary->exit_code != 0) {
        printf("%s%s: ", progress->counted ? "  " : "\n",
               progress->counted ? "outcome" : summary->name);
        screen_put_text(stdout, summary->outcome);
        printf("\n");
    }
    failures_print(progress);
    plain_text(shown, sizeof shown, summary->run_dir);
    printf("  run        %s\n", shown);
    if (progress->counted && progress_ended(progress) > 0)
        printf("  results    %s/results.csv\n", shown);
    if (summary->has_outputs)
        printf("  outputs    %s/out/\n", shown);
    if (summary->home)
        printf("  copied to  %s/\n", plain_text(shown, sizeof shown, summary->home));
    plain_argument(path, sizeof path, summary->run_dir);
    if (summary->exit_code != 0)
        why_print(progress, path, summary->exit_code);
    if (summary->resumable)
        printf("  go on      beofarm run --resume %s\n", path);
    fflush(stdout);
}
