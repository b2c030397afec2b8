#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "master/pest/remarks.h"

#define TOLD_MAX 10 /* `beofarm pest check` has them all */

struct remarks {
    void (*say)(void *context, const char *sentence);
    void *context;
    const char *folder; /* the control file's; begins paths in sentences, and is left out */
    size_t count;
};

static const char *folder_skip(const struct remarks *remarks, const char *text)
{
    size_t size = strlen(remarks->folder);
    return strncmp(text, remarks->folder, size) == 0 && text[size] == '/' ? text + size + 1
                                                                          : text;
}

static void tell(struct remarks *remarks, const char *sentence)
{
    if (remarks->count++ < TOLD_MAX)
        remarks->say(remarks->context, folder_skip(remarks, sentence));
}

static void tell_rest(const struct remarks *remarks, const char *path, const char *what)
{
    char text[ERROR_TEXT_MAX];
    if (remarks->count <= TOLD_MAX)
        return;
    snprintf(text, sizeof text, "and %zu more %s; `beofarm pest check %s` lists them",
             remarks->count - TOLD_MAX, what, folder_skip(remarks, path));
    remarks->say(remarks->context, text);
}

static void tell_options(struct remarks *remarks, const struct pest_control *control)
{
    char text[ERROR_TEXT_MAX];
    for (size_t i = 0; i < control->option_count; i++) {
        const struct pest_option *option = &control->options[i];
        if (option->used)
            continue;
        if (option->line > 0)
            snprintf(text, sizeof text, "%s:%d: ++%s has no effect here", control->path,
                     option->line, option->name);
        else
            snprintf(text, sizeof text, "$.work.options.%s has no effect here", option->name);
        tell(remarks, text);
    }
}

void remarks_tell(const struct pest_control *control,
                  void (*say)(void *context, const char *sentence), void *context)
{
    struct remarks warnings = {say, context, control->folder, 0}, idle = warnings;
    for (size_t i = 0; i < control->warning_count; i++)
        tell(&warnings, control->warnings[i].text);
    tell_rest(&warnings, control->path, "warnings");
    for (size_t i = 0; i < control->unused_count; i++)
        tell(&idle, control->unused[i].text);
    tell_options(&idle, control);
    tell_rest(&idle, control->path, "entries without effect");
}
