#include "config.h"

#include "common/azure/xml.h"

#include <stdint.h>
#include <string.h>

#include "common/text_mark.h"

#define TEXT_MAX ((size_t)1 << 20)

void xml_init(struct xml *xml, const char *text, size_t size)
{
    memset(xml, 0, sizeof(*xml));
    buf_init(&xml->text, TEXT_MAX);
    xml->next = text + text_mark_size(text, size);
    xml->end = text + size;
}

void xml_fini(struct xml *xml)
{
    buf_fini(&xml->text);
}

static enum xml_event broken(struct xml *xml)
{
    xml->broken = true;
    return XML_BROKEN;
}

static bool begins(const struct xml *xml, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(xml->end - xml->next) >= size && memcmp(xml->next, word, size) == 0;
}

/* Go behind the next `word`; the place where it began, or NULL. */
static const char *pass(struct xml *xml, const char *word)
{
    const char *found = memmem(xml->next, (size_t)(xml->end - xml->next), word, strlen(word));
    if (found)
        xml->next = found + strlen(word);
    return found;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-' || c == '.' || c == ':' || (unsigned char)c >= 0x80;
}

static void put_utf8(struct buf *buf, uint32_t code)
{
    uint8_t bytes[4];
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size; i-- > 1; code >>= 6)
        bytes[i] = (uint8_t)(0x80 | (code & 0x3f));
    bytes[0] = (uint8_t)(lead[size] | code);
    buf_append(buf, bytes, size);
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return 16;
}

/* "#65", "#x41". 0 or -1. */
static int put_reference(struct buf *buf, const char *text, size_t size)
{
    bool hex = size > 2 && text[1] == 'x';
    uint32_t code = 0;
    size_t at = hex ? 2 : 1;
    if (size <= at || size > 9)
        return -1;
    for (; at < size; at++) {
        int digit = digit_of(text[at]);
        if (digit >= (hex ? 16 : 10))
            return -1;
        code = code * (hex ? 16 : 10) + (uint32_t)digit;
    }
    bool blank = code == '\t' || code == '\n' || code == '\r';
    if ((code < ' ' && !blank) || (code >= 0xd800 && code < 0xe000) || code > 0x10ffff)
        return -1;
    put_utf8(buf, code);
    return 0;
}

static int put_entity(struct buf *buf, const char *text, size_t size)
{
    static const struct {
        const char *name, *text;
    } entities[] = {{"lt", "<"}, {"gt", ">"}, {"amp", "&"}, {"quot", "\""}, {"apos", "'"}};
    if (size && text[0] == '#')
        return put_reference(buf, text, size);
    for (size_t i = 0; i < sizeof(entities) / sizeof(*entities); i++)
        if (strlen(entities[i].name) == size && memcmp(entities[i].name, text, size) == 0)
            return buf_append_text(buf, entities[i].text);
    return -1;
}

/* Characters with their references resolved. 0 or -1. */
static int put_characters(struct buf *buf, const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        const char *and = memchr(text + i, '&', size - i);
        size_t plain = and? (size_t)(and-text) - i : size - i;
        buf_append(buf, text + i, plain);
        i += plain;
        if (!and)
            break;
        const char *end = memchr(and, ';', size - i);
        if (!end || put_entity(buf, and+1, (size_t)(end - and) - 1) != 0)
            return -1;
        i = (size_t)(end - text) + 1;
    }
    return buf_failed(buf) ? -1 : 0;
}

static size_t name_take(struct xml *xml, char name[XML_NAME_MAX])
{
    size_t size = 0;
    while (xml->next + size < xml->end && is_name(xml->next[size]))
        size++;
    if (size == 0 || size >= XML_NAME_MAX)
        return 0;
    memcpy(name, xml->next, size);
    name[size] = '\0';
    xml->next += size;
    return size;
}

/* The end of a tag whose name has been read: quotes may hold any '>'. NULL if it is cut. */
static const char *tag_end(const struct xml *xml)
{
    char quote = 0;
    for (const char *c = xml->next; c < xml->end; c++) {
        if (quote ? *c == quote : *c == '"' || *c == '\'')
            quote = quote ? 0 : *c;
        else if (!quote && *c == '>')
            return c;
        else if (*c == '<')
            return NULL;
    }
    return NULL;
}

static enum xml_event start(struct xml *xml)
{
    xml->next++;
    if (xml->depth == XML_DEPTH_MAX || (xml->rooted && xml->depth == 0))
        return broken(xml);
    char *name = xml->names[xml->depth];
    const char *end = name_take(xml, name) ? tag_end(xml) : NULL;
    if (!end || !(end == xml->next || *xml->next == '/' || is_blank(*xml->next)))
        return broken(xml);
    xml->closing = end > xml->next && end[-1] == '/';
    xml->attributes = xml->next;
    xml->attributes_size = (size_t)(end - xml->next) - xml->closing;
    xml->next = end + 1;
    xml->rooted = true;
    xml->depth++;
    xml->name = name;
    return XML_START;
}

static enum xml_event finish(struct xml *xml)
{
    xml->depth--;
    xml->name = xml->names[xml->depth];
    xml->closing = false;
    return XML_END;
}

static enum xml_event end(struct xml *xml)
{
    char name[XML_NAME_MAX];
    xml->next += 2;
    if (!name_take(xml, name) || xml->depth == 0 ||
        strcmp(name, xml->names[xml->depth - 1]) != 0)
        return broken(xml);
    while (xml->next < xml->end && is_blank(*xml->next))
        xml->next++;
    if (xml->next == xml->end || *xml->next != '>')
        return broken(xml);
    xml->next++;
    return finish(xml);
}

static enum xml_event text(struct xml *xml)
{
    const char *end = memchr(xml->next, '<', (size_t)(xml->end - xml->next));
    size_t size = (size_t)((end ? end : xml->end) - xml->next);
    if (put_characters(&xml->text, xml->next, size) != 0)
        return broken(xml);
    xml->next += size;
    return XML_TEXT;
}

static enum xml_event cdata(struct xml *xml)
{
    xml->next += strlen("<![CDATA[");
    const char *from = xml->next, *to = pass(xml, "]]>");
    if (!to || xml->depth == 0 || buf_append(&xml->text, from, (size_t)(to - from)) != 0)
        return broken(xml);
    return XML_TEXT;
}

/* Outside of the root there may be blanks alone. */
static bool blanks_pass(struct xml *xml)
{
    while (xml->next < xml->end && is_blank(*xml->next))
        xml->next++;
    return xml->next == xml->end || *xml->next == '<';
}

enum xml_event xml_next(struct xml *xml)
{
    if (xml->broken)
        return XML_BROKEN;
    buf_clear(&xml->text);
    if (xml->closing)
        return finish(xml);
    for (;;) {
        if (xml->depth == 0 && !blanks_pass(xml))
            return broken(xml);
        if (xml->next == xml->end)
            return xml->rooted && xml->depth == 0 ? XML_END_OF_TEXT : broken(xml);
        if (*xml->next != '<')
            return text(xml);
        if (begins(xml, "<![CDATA["))
            return cdata(xml);
        if (begins(xml, "</"))
            return end(xml);
        if (!begins(xml, "<!--") && !begins(xml, "<?"))
            return begins(xml, "<!") ? broken(xml) : start(xml);
        if (!pass(xml, begins(xml, "<?") ? "?>" : "-->"))
            return broken(xml);
    }
}

int xml_read_text(struct xml *xml, struct buf *ret_text)
{
    int depth = xml->depth;
    while (xml->depth >= depth) {
        enum xml_event event = xml_next(xml);
        if (event == XML_BROKEN)
            return -1;
        if (event == XML_TEXT && xml->depth == depth)
            buf_append(ret_text, xml->text.data, xml->text.size);
    }
    return buf_failed(ret_text) ? -1 : 0;
}

int xml_skip(struct xml *xml)
{
    int depth = xml->depth;
    while (xml->depth >= depth)
        if (xml_next(xml) == XML_BROKEN)
            return -1;
    return 0;
}

int xml_attribute(const struct xml *xml, const char *name, struct buf *ret_value)
{
    const char *at = xml->attributes, *end = at + xml->attributes_size;
    while (at < end) {
        while (at < end && is_blank(*at))
            at++;
        const char *from = at;
        while (at < end && is_name(*at))
            at++;
        size_t size = (size_t)(at - from);
        while (at < end && (is_blank(*at) || *at == '='))
            at++;
        if (!size || at == end || (*at != '"' && *at != '\''))
            return -1;
        const char *value = at + 1, *quote = memchr(value, *at, (size_t)(end - value));
        if (!quote)
            return -1;
        if (strlen(name) == size && memcmp(name, from, size) == 0)
            return put_characters(ret_value, value, (size_t)(quote - value));
        at = quote + 1;
    }
    return -1;
}

/* The first element of that name among the next ones at this depth is entered. 0 or -1. */
static int enter(struct xml *xml, const char *name, size_t size)
{
    int depth = xml->depth;
    while (xml->depth >= depth) {
        enum xml_event event = xml_next(xml);
        if (event == XML_BROKEN || event == XML_END_OF_TEXT)
            return -1;
        if (event != XML_START)
            continue;
        if (strlen(xml->name) == size && memcmp(xml->name, name, size) == 0)
            return 0;
        if (xml_skip(xml) != 0)
            return -1;
    }
    return -1;
}

int xml_find(const char *text, size_t size, const char *path, struct buf *ret_text)
{
    struct xml xml;
    int rc = 0;
    xml_init(&xml, text, size);
    while (rc == 0 && *path) {
        size_t step = strcspn(path, "/");
        rc = enter(&xml, path, step);
        path += step + (path[step] == '/');
    }
    if (rc == 0)
        rc = xml_read_text(&xml, ret_text);
    xml_fini(&xml);
    return rc;
}
