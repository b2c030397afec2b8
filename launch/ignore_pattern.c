/*
 * Matching goes from left to right; a '*' tries all that it could stand for. For each of the two
 * kinds of star only the latest needs to be tried again (a later one of the same or a wider kind
 * that has been reached makes all longer takes of the earlier ones needless), so matching takes at
 * most pattern x text x text steps, whatever users write.
 */
#include "config.h"

#include "launch/ignore_pattern.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Blanks at the end go, unless quoted by '\'. Like git, which counts no tabs among them. */
static size_t line_trim(const char *line, size_t size)
{
    size_t end = 0;
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '\\' && i + 1 < size)
            i++;
        else if (line[i] == ' ')
            continue;
        end = i + 1;
    }
    return end;
}

int ignore_pattern_read(struct ignore_pattern *pattern, const char *line, size_t size)
{
    memset(pattern, 0, sizeof(*pattern));
    if (size && line[size - 1] == '\r')
        size--;
    if (size && line[0] == '#')
        return 0;
    size = line_trim(line, size);
    if (size && line[0] == '!') {
        pattern->negated = true;
        line++;
        size--;
    }
    if (size && line[size - 1] == '/') {
        pattern->folder = true;
        size--;
    }
    if (size == 0 || memchr(line, '\0', size))
        return 0;
    pattern->anchored = memchr(line, '/', size) != NULL;
    if (line[0] == '/') {
        line++;
        size--;
    }
    pattern->glob = strndup(line, size);
    return pattern->glob ? 1 : -1;
}

void ignore_pattern_fini(struct ignore_pattern *pattern)
{
    free(pattern->glob);
    memset(pattern, 0, sizeof(*pattern));
}

/* -1: there is no such class. */
static int class_has(const char *name, size_t size, unsigned char c)
{
    static const struct {
        const char *name;
        int (*is)(int c);
    } classes[] = {
        {"alnum", isalnum}, {"alpha", isalpha}, {"blank", isblank}, {"cntrl", iscntrl},
        {"digit", isdigit}, {"graph", isgraph}, {"lower", islower}, {"print", isprint},
        {"punct", ispunct}, {"space", isspace}, {"upper", isupper}, {"xdigit", isxdigit},
    };
    for (size_t i = 0; i < sizeof(classes) / sizeof(*classes); i++)
        if (strlen(classes[i].name) == size && memcmp(classes[i].name, name, size) == 0)
            return c < 128 && classes[i].is(c) != 0;
    return -1;
}

/* One character of a set, '\' taken off; moves on. '\0': the set does not end. */
static unsigned char set_char(const char **glob)
{
    if (**glob == '\\')
        (*glob)++;
    unsigned char c = (unsigned char)**glob;
    if (c)
        (*glob)++;
    return c;
}

/* One element of a set: a class, a range or a character. -1: the set is broken. */
static int element_match(const char **glob, unsigned char c)
{
    if ((*glob)[0] == '[' && (*glob)[1] == ':') {
        const char *name = *glob + 2, *end = strstr(name, ":]");
        if (end && !memchr(name, ']', (size_t)(end - name))) {
            *glob = end + 2;
            return class_has(name, (size_t)(end - name), c);
        }
    }
    unsigned char low = set_char(glob);
    if (!low)
        return -1;
    if ((*glob)[0] != '-' || !(*glob)[1] || (*glob)[1] == ']')
        return c == low;
    (*glob)++;
    unsigned char high = set_char(glob);
    return high ? c >= low && c <= high : -1;
}

/* "[...]" at *glob, behind its '[', against c; moves behind the ']'. -1: broken. */
static int set_match(const char **glob, unsigned char c)
{
    bool inverted = **glob == '!' || **glob == '^', found = false;
    *glob += inverted;
    for (bool first = true; first || **glob != ']'; first = false) {
        int rc = **glob ? element_match(glob, c) : -1;
        if (rc < 0)
            return -1;
        found |= rc > 0;
    }
    (*glob)++;
    return found != inverted && c != '/';
}

/* One character of the pattern that is no star against one of the text. -1: the pattern is broken;
 * 1: it matches, and *glob has moved on. */
static int char_match(const char **glob, unsigned char c)
{
    switch (**glob) {
    case '?':
        (*glob)++;
        return c != '/';
    case '[':
        (*glob)++;
        return set_match(glob, c);
    case '\\':
        (*glob)++;
        if (!**glob)
            return -1;
        break;
    default:
        break;
    }
    return (unsigned char)*(*glob)++ == c;
}

/* Where to go on if what follows a star does not match: the star takes one character more. */
struct retry {
    const char *glob, *text; /* glob NULL: there is none */
};

/* A star at *glob. Whether it is a "**" that may cross '/'; moves behind it. "**" counts only
 * where slashes or the pattern's ends are beside it. */
static bool star_read(const char *start, const char **glob)
{
    const char *star = *glob;
    while (**glob == '*')
        (*glob)++;
    return *glob - star >= 2 && (star == start || star[-1] == '/') &&
           (!**glob || **glob == '/');
}

/* Let a star take one more character. False: neither can. */
static bool star_extend(struct retry *wide, struct retry *narrow, const char **glob,
                        const char **text)
{
    if (narrow->glob && *narrow->text && *narrow->text != '/') {
        *glob = narrow->glob;
        *text = ++narrow->text;
        return true;
    }
    narrow->glob = NULL;
    if (!wide->glob || !*wide->text)
        return false;
    /* "**" followed by a slash stands for whole parts: go on behind the next slash. */
    if (*wide->glob) {
        const char *slash = strchr(wide->text, '/');
        if (!slash)
            return false;
        wide->text = slash + 1;
    } else {
        wide->text += strlen(wide->text);
    }
    *glob = wide->glob;
    *text = wide->text;
    return true;
}

bool ignore_glob_matches(const char *glob, const char *text)
{
    const char *start = glob;
    struct retry wide = {NULL, NULL}, narrow = {NULL, NULL};
    for (;;) {
        if (*glob == '*') {
            if (star_read(start, &glob)) {
                if (glob[0] == '/' && !glob[1])
                    return false;     /* paths do not end in slashes */
                glob += *glob == '/'; /* the parts that it stands for end in slashes */
                wide = (struct retry){glob, text};
                narrow.glob = NULL;
                if (!*glob && glob[-1] == '*')
                    return *text != '\0';
            } else {
                narrow = (struct retry){glob, text};
            }
            continue;
        }
        if (!*glob && !*text)
            return true;
        const char *next = glob;
        int rc = *glob && *text ? char_match(&next, (unsigned char)*text) : 0;
        if (rc < 0)
            return false;
        if (rc > 0) {
            glob = next;
            text++;
        } else if (!star_extend(&wide, &narrow, &glob, &text)) {
            return false;
        }
    }
}

bool ignore_pattern_matches(const struct ignore_pattern *pattern, const char *path,
                            bool is_folder)
{
    if (pattern->folder && !is_folder)
        return false;
    if (!pattern->anchored) {
        const char *slash = strrchr(path, '/');
        path = slash ? slash + 1 : path;
    }
    return ignore_glob_matches(pattern->glob, path);
}
