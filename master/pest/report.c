#include "config.h"

#include "master/pest/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *report_path(const struct glm_view *view, int number, const char *extension,
                  struct error *ret_error)
{
    char *path = NULL;
    int size = number < 0 ? asprintf(&path, "%s.%s", view->output_base, extension)
                          : asprintf(&path, "%s.%d.%s", view->output_base, number, extension);
    if (size >= 0)
        return path;
    error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    return NULL;
}

int report_stream_open(struct report_stream *stream, const struct glm_view *view,
                       const char *extension, struct error *ret_error)
{
    stream->path = report_path(view, -1, extension, ret_error);
    if (!stream->path)
        return -1;
    stream->file = fopen(stream->path, "we");
    return stream->file
               ? 0
               : error_errno(ret_error, errno, "\"%s\" cannot be written", stream->path);
}

int report_stream_flush(struct report_stream *stream, struct error *ret_error)
{
    if (fflush(stream->file) == 0 && !ferror(stream->file))
        return 0;
    return error_errno(ret_error, errno, "\"%s\" cannot be written", stream->path);
}

void report_stream_close(struct report_stream *stream)
{
    if (stream->file)
        fclose(stream->file);
    free(stream->path);
}

bool report_put_unused(FILE *file, const struct pest_control *control)
{
    static const char heading[] = "Read, and without effect:-\n";
    bool any = false;
    for (size_t i = 0; i < control->unused_count; i++, any = true)
        fprintf(file, "%s  %s\n", any ? "" : heading, control->unused[i].text);
    for (size_t i = 0; i < control->option_count; i++) {
        if (control->options[i].used)
            continue;
        fprintf(file, "%s  ++%s(%s)\n", any ? "" : heading, control->options[i].name,
                control->options[i].value);
        any = true;
    }
    return any;
}

void report_put_names(FILE *file, const struct pest_control *control)
{
    for (size_t p = 0; p < control->parameter_count; p++)
        fprintf(file, ",%s", control->parameters[p].parnme);
    fputc('\n', file);
}

static int best_write(const struct glm_view *view, char *path,
                      int (*write)(const struct glm_view *view, const char *path,
                                   struct error *ret_error),
                      struct error *ret_error)
{
    int rc = path ? write(view, path, ret_error) : -1;
    free(path);
    return rc;
}

int report_best(enum glm_event event, const struct glm_view *view, const char *extension,
                bool pest_names,
                int (*write)(const struct glm_view *view, const char *path,
                             struct error *ret_error),
                struct error *ret_error)
{
    bool iteration = event == GLM_BASE_RUN || event == GLM_ITERATION;
    int number = event == GLM_BASE_RUN ? 0 : view->iteration;
    char numbered[64];
    if (!view->best || (!iteration && event != GLM_FINISHED))
        return 0;
    if (best_write(view, report_path(view, -1, extension, ret_error), write, ret_error) < 0)
        return -1;
    if (iteration &&
        best_write(view, report_path(view, number, extension, ret_error), write, ret_error) < 0)
        return -1;
    if (event != GLM_ITERATION || !pest_names)
        return 0;
    snprintf(numbered, sizeof numbered, "%s.%d", extension, view->iteration);
    return best_write(view, report_path(view, -1, numbered, ret_error), write, ret_error);
}

const char *report_control_name(const struct pest_control *control)
{
    const char *slash = strrchr(control->path, '/');
    return slash ? slash + 1 : control->path;
}

void *report_stateless_open(const struct glm_view *view, struct error *ret_error)
{
    static char nothing;
    (void)view;
    (void)ret_error;
    return &nothing;
}

void report_stateless_close(void *state)
{
    (void)state;
}
