#include "config.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "worker/model_failure.h"

#define LINE_MAX_SHOWN 200 /* bytes of the last line */
#define LOOK_AT        500 /* bytes of output, from its end, in which the cause is looked for */

/* The last line of text that is not blank, with blanks for control characters. A carriage return
 * ends a line, too: some show their progress in that way. */
static void find_last_line(const char *text, size_t size, char line[LINE_MAX_SHOWN + 1])
{
    while (size && isspace((unsigned char)text[size - 1]))
        size--;
    size_t begin = size;
    while (begin && text[begin - 1] != '\n' && text[begin - 1] != '\r')
        begin--;
    while (begin < size && isspace((unsigned char)text[begin]))
        begin++;
    if (size - begin > LINE_MAX_SHOWN)
        size = begin + LINE_MAX_SHOWN;
    for (size_t i = begin; i < size; i++)
        line[i - begin] = iscntrl((unsigned char)text[i]) ? ' ' : text[i];
    line[size - begin] = 0;
}

/* Fortran: "End of file", "end-of-file"; Python: "EOFError: EOF when reading a line". */
static bool speaks_of_end_of_file(const char *text)
{
    return strcasestr(text, "end of file") || strcasestr(text, "end-of-file") ||
           strstr(text, "EOF");
}

/* It stopped in the middle of a line that asks something. */
static bool is_question(const char *text, size_t size)
{
    while (size && (text[size - 1] == ' ' || text[size - 1] == '\t'))
        size--;
    return size && strchr(":?>", text[size - 1]);
}

static const char *find_cause(const char *text, size_t size, const struct model_folder *folder)
{
    char end[LOOK_AT + 1];
    size_t used = size < LOOK_AT ? size : LOOK_AT;
    if (model_folder_is_full(folder))
        return "; the disk of the node is full";
    if (!used)
        return "";
    memcpy(end, text + size - used, used);
    end[used] = 0;
    if (speaks_of_end_of_file(end) || is_question(text, size))
        return "; if it asked for input: its standard input is empty";
    if (strcasestr(end, "permission denied") && model_folder_has_links(folder))
        return "; large files of the model folder are read-only links: one that the model "
               "writes into needs \"copy\": true in \"files\"";
    return "";
}

void model_failure_explain(struct error *error, const struct tail *tail,
                           const struct model_folder *folder)
{
    char line[LINE_MAX_SHOWN + 1] = "";
    size_t size = 0, used = strlen(error->text);
    const char *text = tail_get(tail, &size);
    if (text)
        find_last_line(text, size, line);
    snprintf(error->text + used, sizeof(error->text) - used, "%s%s%s%s",
             *line ? "; the last line it wrote is \"" : "", line, *line ? "\"" : "",
             find_cause(text, size, folder));
}
