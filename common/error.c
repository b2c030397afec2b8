#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/error.h"

static void mark_cut(struct error *error, int needed)
{
    if (needed >= (int)sizeof(error->text))
        memcpy(error->text + sizeof(error->text) - 4, "...", 4);
}

int error_vset(struct error *error, enum error_code code, const char *format, va_list args)
{
    if (!error)
        return -1;
    error->code = code;
    mark_cut(error, vsnprintf(error->text, sizeof(error->text), format, args));
    return -1;
}

int error_set(struct error *error, enum error_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    error_vset(error, code, format, args);
    va_end(args);
    return -1;
}

int error_errno(struct error *error, int errno_value, const char *format, ...)
{
    if (!error)
        return -1;
    va_list args;
    va_start(args, format);
    error_vset(error, ERROR_SYSTEM, format, args);
    va_end(args);
    size_t used = strlen(error->text);
    size_t room = sizeof(error->text) - used;
    int needed = snprintf(error->text + used, room, ": %s", strerror(errno_value));
    mark_cut(error, needed + (int)used);
    return -1;
}

int error_prefix(struct error *error, const char *format, ...)
{
    if (!error)
        return -1;
    char rest[ERROR_TEXT_MAX];
    memcpy(rest, error->text, sizeof(rest));
    va_list args;
    va_start(args, format);
    error_vset(error, error->code, format, args);
    va_end(args);
    size_t used = strlen(error->text);
    size_t room = sizeof(error->text) - used;
    int needed = snprintf(error->text + used, room, ": %s", rest);
    mark_cut(error, needed + (int)used);
    return -1;
}
