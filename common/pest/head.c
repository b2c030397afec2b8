#include "config.h"

#include <string.h>
#include <strings.h>

#include "common/pest/head.h"

bool pest_is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_good_mark(char c, const char *reserved)
{
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return (unsigned char)c > ' ' && c != 0x7f && !letter && !(c >= '0' && c <= '9') &&
           !strchr(reserved, c);
}

int pest_head_parse(const char *text, size_t size, const char *name, const char *word,
                    const char *reserved, struct pest_head *ret_head, struct error *ret_error)
{
    const char *at = text, *end = memchr(text, '\n', size);
    ret_head->size = end ? (size_t)(end + 1 - text) : size;
    if (!end)
        end = text + size;
    while (end > at && pest_is_blank(end[-1]))
        end--;
    while (at < end && pest_is_blank(*at))
        at++;
    bool known = end - at >= 3 && (!strncasecmp(at, word, 1) || !strncasecmp(at, "j", 1)) &&
                 !strncasecmp(at + 1, word + 1, 2);
    if (!known || (end - at > 3 && !pest_is_blank(at[3])))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s:1: the first line must be \"%s x\", x being the delimiter", name,
                         word);
    ret_head->json = *at == 'j' || *at == 'J';
    for (at += 3; at < end && pest_is_blank(*at);)
        at++;
    if (end - at != 1)
        return error_set(ret_error, ERROR_CONFIG,
                         "%s:1: one character must follow \"%s\": the delimiter", name, word);
    if (!is_good_mark(*at, reserved))
        return error_set(ret_error, ERROR_CONFIG,
                         "%s:1: the delimiter must not be a letter, a digit, a control "
                         "character%s%s",
                         name, *reserved ? ", or one of " : "", reserved);
    ret_head->mark = *at;
    return 0;
}
