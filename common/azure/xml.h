/*
 * xml.h - the XML that Azure Storage answers, read one piece at a time.
 *
 * A strict reader of the small part of XML that services send: elements, attributes, text,
 * character references, CDATA, comments and processing instructions (both skipped). Document type
 * declarations are refused, and with them all entities but the five of XML itself. It reads from
 * memory, keeps nothing but the open elements' names, and never reads beyond `size`.
 */
#ifndef BEOFARM_COMMON_AZURE_XML_H
#define BEOFARM_COMMON_AZURE_XML_H

#include <stdbool.h>
#include <stddef.h>

#include "common/buf.h"

#define XML_DEPTH_MAX 32
#define XML_NAME_MAX  128

enum xml_event {
    XML_BROKEN = -1, /* not well-formed, or beyond the bounds: so it stays */
    XML_END_OF_TEXT, /* the root element has ended, and nothing but blanks came after it */
    XML_START,       /* an element begins: xml->name */
    XML_END,         /* it ends: xml->name */
    XML_TEXT,        /* characters: xml->text */
};

struct xml {
    const char *next, *end;
    char names[XML_DEPTH_MAX][XML_NAME_MAX];
    int depth; /* elements that are open */
    bool rooted, broken;
    bool closing;           /* the element was <empty/>: its end comes next */
    const char *attributes; /* of the latest start */
    size_t attributes_size;
    const char *name; /* borrowed until the next call */
    struct buf text;  /* of XML_TEXT: UTF-8 */
};

/* Read `size` bytes, borrowed until xml_fini. */
void xml_init(struct xml *xml, const char *text, size_t size);
void xml_fini(struct xml *xml);

/* The next piece. Text may come in several pieces; blanks between elements are text, too. */
enum xml_event xml_next(struct xml *xml);

/* After XML_START: read to the end of this element and append its text, that of elements in it
 * left out. 0, or -1 where the text is broken (or buf failed). */
int xml_read_text(struct xml *xml, struct buf *ret_text);

/* After XML_START: skip to the end of this element. 0 or -1. */
int xml_skip(struct xml *xml);

/* After XML_START: append the value of an attribute; 0, or -1 if there is none. */
int xml_attribute(const struct xml *xml, const char *name, struct buf *ret_value);

/* Append the text of the first element at `path` ("Error/Code", from the root). 0, or -1 where
 * there is none before the text ends or breaks. */
int xml_find(const char *text, size_t size, const char *path, struct buf *ret_text);

#endif
