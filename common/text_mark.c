#include "config.h"

#include "common/text_mark.h"

#include <string.h>

size_t text_mark_size(const void *text, size_t size)
{
    static const char mark[] = {'\xef', '\xbb', '\xbf'};
    return size >= sizeof(mark) && memcmp(text, mark, sizeof(mark)) == 0 ? sizeof(mark) : 0;
}
