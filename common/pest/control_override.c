#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/pest/control.h"

static int no_memory(struct error *ret_error)
{
    return error_set(ret_error, ERROR_SYSTEM, "no memory for an option");
}

static char *lower(const char *text)
{
    char *copy = strdup(text);
    for (char *at = copy; at && *at; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at += 'a' - 'A';
    return copy;
}

static int option_append(struct pest_control *control, const char *name, const char *value,
                         struct error *ret_error)
{
    struct pest_option *options =
        reallocarray(control->options, control->option_count + 1, sizeof *options);
    if (!options)
        return no_memory(ret_error);
    control->options = options;
    struct pest_option option = {.name = lower(name), .value = strdup(value)};
    if (!option.name || !option.value) {
        free(option.name);
        free(option.value);
        return no_memory(ret_error);
    }
    options[control->option_count++] = option;
    return 0;
}

int pest_control_option_set(struct pest_control *control, const char *name, const char *value,
                            struct error *ret_error)
{
    bool found = false;
    for (size_t i = 0; i < control->option_count; i++) {
        struct pest_option *option = &control->options[i];
        if (strcasecmp(option->name, name) != 0)
            continue;
        char *copy = strdup(value);
        if (!copy)
            return no_memory(ret_error);
        free(option->value);
        option->value = copy;
        found = true;
    }
    return found ? 0 : option_append(control, name, value, ret_error);
}
