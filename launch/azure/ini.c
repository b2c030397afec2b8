#include "config.h"

#include "launch/azure/ini.h"

#include <openssl/crypto.h>
#include <string.h>

#include "common/text_mark.h"

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t size = strlen(text);
    while (size && strchr(" \t\r", text[size - 1]))
        text[--size] = '\0';
    return text;
}

static char *unquote(char *text)
{
    size_t size = strlen(text);
    if (size < 2 || (text[0] != '"' && text[0] != '\'') || text[size - 1] != text[0])
        return text;
    text[size - 1] = '\0';
    return text + 1;
}

static void lower(char *text)
{
    for (; *text; text++)
        if (*text >= 'A' && *text <= 'Z')
            *text = (char)(*text - 'A' + 'a');
}

struct place {
    const char *name;
    int line;
};

static int refuse(const struct place *place, const char *what, struct error *ret_error)
{
    return error_set(ret_error, ERROR_CONFIG, "%s:%d: %s", place->name, place->line, what);
}

/* "[name]" into section. */
static int section_take(char *line, char *section, const struct place *place,
                        struct error *ret_error)
{
    char *end = strchr(line, ']');
    if (!end || end[1])
        return refuse(place, "a section's name ends in ']', and nothing follows it", ret_error);
    *end = '\0';
    memmove(section, line + 1, strlen(line + 1) + 1);
    return 0;
}

static int line_read(char *line, char *section, const struct place *place,
                     int (*visit)(void *context, const char *section, const char *key,
                                  const char *value),
                     void *context, struct error *ret_error)
{
    char first = *line, *text = trim(line);
    if (!*text || *text == '#' || *text == ';')
        return 0;
    if (first == ' ' || first == '\t')
        return refuse(place,
                      "values do not go on over several lines; begin the line with its key",
                      ret_error);
    if (*text == '[')
        return section_take(text, section, place, ret_error);
    char *sign = strpbrk(text, "=:");
    if (!sign || sign == text)
        return refuse(place, "this is neither \"[section]\" nor \"key = value\"", ret_error);
    *sign = '\0';
    char *key = trim(text);
    lower(key);
    return visit(context, section, key, unquote(trim(sign + 1)));
}

int ini_read(const char *text, size_t size, const char *name,
             int (*visit)(void *context, const char *section, const char *key,
                          const char *value),
             void *context, struct error *ret_error)
{
    char line[INI_LINE_MAX], section[INI_LINE_MAX] = "";
    struct place place = {name, 1};
    int rc = 0;
    size_t mark = text_mark_size(text, size);
    text += mark;
    size -= mark;
    while (size && rc == 0) {
        const char *end = memchr(text, '\n', size);
        size_t length = end ? (size_t)(end - text) : size;
        if (length >= sizeof(line) || memchr(text, '\0', length)) {
            rc = refuse(&place, "the line is too long, or no text", ret_error);
            break;
        }
        memcpy(line, text, length);
        line[length] = '\0';
        rc = line_read(line, section, &place, visit, context, ret_error);
        text += length + (end != NULL);
        size -= length + (end != NULL);
        place.line++;
    }
    OPENSSL_cleanse(line, sizeof(line));
    return rc;
}
