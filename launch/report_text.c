#include "config.h"

#include "launch/report_private.h"

void report_text(FILE *html, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '&':
            fputs("&amp;", html);
            break;
        case '<':
            fputs("&lt;", html);
            break;
        case '>':
            fputs("&gt;", html);
            break;
        case '"':
            fputs("&quot;", html);
            break;
        default:
            if ((unsigned char)*text >= ' ' || *text == '\n')
                fputc(*text, html);
        }
}
