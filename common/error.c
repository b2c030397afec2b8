#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "common/plain.h"

/* Room for two paths, before long words in them are cut. */
#define WHOLE_MAX 16384

static void mark_cut(struct error *error, int needed)
{
    if (needed >= (int)sizeof(error->text))
        memcpy(error->text + sizeof(error->text) - 4, "...", 4);
}

int error_vset(struct error *error, enum error_code code, const char *format, va_list args)
{
    if (!error)
        return -1;
    char whole[WHOLE_MAX];
    vsnprintf(whole, sizeof(whole), format, args);
    error->code = code;
    plain_text(error->text, sizeof(error->text), whole);
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

const char *error_after(const struct error *error, const char *name)
{
    char shown[ERROR_TEXT_MAX];
    size_t size = strlen(plain_text(shown, sizeof(shown), name));
    return error && strncmp(error->text, shown, size) == 0 ? error->text + size : NULL;
}
