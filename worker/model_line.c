#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/model_line.h"

/* What only a shell understands, wherever it stands outside of quotes. */
#define SHELL_CHARACTERS "|&;<>()$`*?[\n"
#define BLANKS           " \t\r"

/* First words that mean something to the shell and are no programs, or others than those. */
static const char *const shell_words[] = {
    ".",    ":",    "!",     "{",     "alias", "break",  "case",  "cd",     "command", "eval",
    "exec", "exit", "for",   "if",    "read",  "export", "set",   "shift",  "source",  "times",
    "trap", "type", "umask", "unset", "until", "wait",   "while", "ulimit",
};

static char shell[] = "/bin/sh";

struct model_line {
    char *text;
    const struct model_case *model;
    bool shell;
    char **words; /* argv, NULL-terminated, owned; of a shell line: sh, -c, the line */
    size_t count;
    char *program; /* found; NULL: not looked for yet */
    char *
        *by_shell; /* of a script without `#!`: sh, the program, and the other words, which are
                      * those above; else NULL */
};

/* --- Splitting --- */

static int add_word(struct model_line *line, char *word)
{
    char **grown = word ? realloc(line->words, (line->count + 2) * sizeof(*grown)) : NULL;
    if (!grown) {
        free(word);
        return -1;
    }
    line->words = grown;
    line->words[line->count++] = word;
    line->words[line->count] = NULL;
    return 0;
}

static void drop_words(struct model_line *line)
{
    for (size_t i = 0; i < line->count; i++)
        free(line->words[i]);
    free(line->words);
    line->words = NULL;
    line->count = 0;
}

/* One word from *next on, without its quotes; *next is behind it. NULL: a quote is not closed, or
 * (errno) there is no memory. */
static char *take_word(const char **next)
{
    char *word = malloc(strlen(*next) + 1);
    size_t size = 0;
    const char *at = *next;
    while (word && *at && !strchr(BLANKS, *at)) {
        if (*at != '"' && *at != '\'') {
            word[size++] = *at++;
            continue;
        }
        const char *end = strchr(at + 1, *at);
        if (!end) {
            free(word);
            errno = 0;
            return NULL;
        }
        memcpy(word + size, at + 1, (size_t)(end - at - 1));
        size += (size_t)(end - at - 1);
        at = end + 1;
    }
    if (word)
        word[size] = 0;
    *next = at;
    return word;
}

static int split(struct model_line *line, struct error *ret_error)
{
    const char *next = line->text;
    for (;;) {
        next += strspn(next, BLANKS);
        if (!*next)
            return 0;
        char *word = take_word(&next);
        if (!word && !errno)
            return error_set(ret_error, ERROR_CONFIG,
                             "a quote is not closed in the model command line %s", line->text);
        if (add_word(line, word) < 0)
            return error_set(ret_error, ERROR_SYSTEM, "no memory for a command line");
    }
}

/* --- What needs a shell --- */

/* Characters outside of quotes; also a $ or a backquote inside of double ones. */
static bool has_shell_characters(const char *text)
{
    bool begins = true; /* a word */
    for (; *text; begins = strchr(BLANKS, *text) != NULL, text++) {
        if (strchr(SHELL_CHARACTERS, *text) || (begins && (*text == '#' || *text == '~')))
            return true;
        if (*text != '"' && *text != '\'')
            continue;
        const char *end = strchr(text + 1, *text);
        size_t size = end ? (size_t)(end - text) : strlen(text) - 1;
        if (*text == '"' && strcspn(text, "$`") < size)
            return true;
        text += size;
    }
    return false;
}

static bool is_assignment(const char *word)
{
    size_t size = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_");
    return size && word[size] == '=' && !(word[0] >= '0' && word[0] <= '9');
}

static bool is_shell_word(const char *word)
{
    for (size_t i = 0; i < sizeof(shell_words) / sizeof(*shell_words); i++)
        if (strcmp(word, shell_words[i]) == 0)
            return true;
    return is_assignment(word);
}

/* --- From Windows --- */

/* Length of name without a ".exe" at its end; 0 if it has none. */
static size_t without_exe(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcasecmp(name + size - 4, ".exe") == 0 ? size - 4 : 0;
}

/* Turn the backslashes of a word where the farm's files have what it means then, as it stands or
 * (the first word) without ".exe". False: a backslash is left. */
static bool turn_word(const struct model_line *line, char *word, bool first)
{
    char found[PATH_MAX];
    if (!strchr(word, '\\'))
        return true;
    if (model_case_find(line->model, word, found)) {
        memcpy(word, found, strlen(found) + 1);
        return true;
    }
    size_t size = first ? without_exe(word) : 0;
    char dot = word[size];
    bool turned = false;
    if (size) {
        word[size] = 0;
        turned = model_case_find(line->model, word, found);
        if (turned)
            memcpy(word, found, size);
        word[size] = dot;
    }
    return turned;
}

static bool turn_words(struct model_line *line)
{
    for (size_t i = 0; i < line->count; i++)
        if (!turn_word(line, line->words[i], i == 0))
            return false;
    return true;
}

/* The first word of a shell's line, if it is a plain one with a backslash or ".exe" that means one
 * of the farm's files, becomes that file's name. Allocated; NULL if there is no memory. */
static char *turn_first_word(const struct model_line *line)
{
    char word[PATH_MAX], found[PATH_MAX], *text = NULL;
    const char *begin = line->text + strspn(line->text, BLANKS);
    size_t size = strcspn(begin, BLANKS SHELL_CHARACTERS "\"'");
    if (size && size < sizeof(word)) {
        memcpy(word, begin, size);
        word[size] = 0;
        size_t stem = without_exe(word);
        bool turned = strchr(word, '\\') && turn_word(line, word, true);
        if (stem && !model_case_find(line->model, word, found)) {
            word[stem] = 0;
            if (model_case_find(line->model, word, found))
                turned = true;
            else
                word[stem] = '.';
        }
        if (turned)
            return asprintf(&text, "%s%s%s", strchr(word, '/') ? "" : "./", word,
                            begin + size) < 0
                       ? NULL
                       : text;
    }
    return strdup(line->text);
}

/* --- Creating --- */

static int become_shell_line(struct model_line *line, struct error *ret_error)
{
    drop_words(line);
    line->shell = true;
    if (add_word(line, strdup(shell)) < 0 || add_word(line, strdup("-c")) < 0 ||
        add_word(line, turn_first_word(line)) < 0)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a command line");
    return 0;
}

static int compile(struct model_line *line, struct error *ret_error)
{
    if (has_shell_characters(line->text))
        return become_shell_line(line, ret_error);
    if (split(line, ret_error) < 0)
        return -1;
    if (!line->count || !*line->words[0])
        return error_set(ret_error, ERROR_CONFIG, "a model command line is empty");
    if (is_shell_word(line->words[0]) || !turn_words(line))
        return become_shell_line(line, ret_error);
    return 0;
}

struct model_line *model_line_create(const char *text, const struct model_case *model,
                                     struct error *ret_error)
{
    struct model_line *line = calloc(1, sizeof(*line));
    if (!line || !(line->text = strdup(text))) {
        free(line);
        error_set(ret_error, ERROR_SYSTEM, "no memory for a command line");
        return NULL;
    }
    line->model = model;
    if (compile(line, ret_error) == 0)
        return line;
    model_line_destroy(line);
    return NULL;
}

void model_line_destroy(struct model_line *line)
{
    if (!line)
        return;
    drop_words(line);
    model_line_forget(line);
    free(line->text);
    free(line);
}

const char *model_line_text(const struct model_line *line)
{
    return line->text;
}

bool model_line_needs_shell(const struct model_line *line)
{
    return line->shell;
}

/* --- Finding --- */

enum program_kind {
    PROGRAM_FINE,    /* the system can execute it; or it cannot be read */
    PROGRAM_SCRIPT,  /* text without `#!`, which shells take for one of theirs */
    PROGRAM_WINDOWS, /* these do not run here */
    PROGRAM_BATCH,
    PROGRAM_CRLF, /* a script whose lines end as on Windows */
};

static bool is_batch(const char *path, const char *text)
{
    size_t size = strlen(path);
    const char *ending = size > 4 ? path + size - 4 : "";
    return (strcasecmp(ending, ".bat") == 0 || strcasecmp(ending, ".cmd") == 0) &&
           (*text == '@' || *text == ':' || strncasecmp(text, "rem ", 4) == 0);
}

static enum program_kind program_look(int dir_fd, const char *path)
{
    char text[1024];
    int fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (size < 0)
        return PROGRAM_FINE;
    text[size] = 0;
    if (strncmp(text, "MZ", 2) == 0)
        return PROGRAM_WINDOWS;
    if (memchr(text, 0, (size_t)size))
        return PROGRAM_FINE;
    const char *end = strchr(text, '\n');
    if (is_batch(path, text))
        return PROGRAM_BATCH;
    if (end > text && end[-1] == '\r')
        return PROGRAM_CRLF;
    return strncmp(text, "#!", 2) == 0 ? PROGRAM_FINE : PROGRAM_SCRIPT;
}

static bool can_run(int dir_fd, const char *path)
{
    return program_look(dir_fd, path) <= PROGRAM_SCRIPT;
}

static bool can_execute(int dir_fd, const char *path)
{
    struct stat stat;
    return fstatat(dir_fd, path, &stat, 0) == 0 && S_ISREG(stat.st_mode) &&
           faccessat(dir_fd, path, X_OK, AT_EACCESS) == 0 && can_run(dir_fd, path);
}

/* The path of the program `name`; NULL. */
static char *find(const char *name, char *const *environment, int dir_fd)
{
    char *path = NULL;
    if (strchr(name, '/'))
        return can_execute(dir_fd, name) ? strdup(name) : NULL;
    if (child_find_program(name, environment, &path, NULL) < 0)
        return NULL;
    if (can_run(AT_FDCWD, path))
        return path;
    free(path);
    return NULL;
}

static int refuse(const struct model_line *line, int dir_fd, struct error *ret_error)
{
    const char *name = line->words[0];
    struct stat stat;
    if (fstatat(dir_fd, name, &stat, 0) < 0 || !S_ISREG(stat.st_mode))
        return error_set(ret_error, ERROR_CONFIG,
                         "there is no program \"%s\" on this node's PATH, nor in the model "
                         "folder (model command line: %s)",
                         name, line->text);
    enum program_kind kind = program_look(dir_fd, name);
    if (kind == PROGRAM_WINDOWS || kind == PROGRAM_BATCH)
        return error_set(ret_error, ERROR_CONFIG,
                         "\"%s\" is a %s for Windows, which does not run on this node "
                         "(model command line: %s)",
                         name, kind == PROGRAM_BATCH ? "batch file" : "program", line->text);
    if (kind == PROGRAM_CRLF)
        return error_set(
            ret_error, ERROR_CONFIG,
            "\"%s\" is a script whose lines end as on Windows (CRLF), which does not "
            "run on this node; dos2unix mends it (model command line: %s)",
            name, line->text);
    return error_set(ret_error, ERROR_CONFIG,
                     "\"%s\" in the model folder may not be executed: chmod +x (model command "
                     "line: %s)",
                     name, line->text);
}

/* As shells do it, through which PEST starts its models: execve refuses such a script. */
static int hand_to_shell(struct model_line *line, int dir_fd, struct error *ret_error)
{
    if (line->shell || program_look(dir_fd, line->program) != PROGRAM_SCRIPT)
        return 0;
    line->by_shell = calloc(line->count + 2, sizeof(*line->by_shell));
    if (!line->by_shell)
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a command line");
    line->by_shell[0] = shell;
    line->by_shell[1] = line->program;
    memcpy(line->by_shell + 2, line->words + 1, line->count * sizeof(*line->words));
    return 0;
}

/* The program of the line's first word, or of that without ".exe". */
static int look_up(struct model_line *line, char *const *environment, int dir_fd,
                   struct error *ret_error)
{
    line->program =
        line->shell ? strdup(line->words[0]) : find(line->words[0], environment, dir_fd);
    size_t stem = line->program ? 0 : without_exe(line->words[0]);
    if (stem) {
        char *name = strndup(line->words[0], stem);
        line->program = name ? find(name, environment, dir_fd) : NULL;
        free(name);
    }
    return line->program ? hand_to_shell(line, dir_fd, ret_error)
                         : refuse(line, dir_fd, ret_error);
}

int model_line_fill(struct model_line *line, char *const *environment, int dir_fd,
                    struct child_spec *ret_spec, struct error *ret_error)
{
    if (!line->program && look_up(line, environment, dir_fd, ret_error) < 0) {
        model_line_forget(line);
        return -1;
    }
    ret_spec->program = line->by_shell ? shell : line->program;
    ret_spec->argv = line->by_shell ? line->by_shell : line->words;
    return 0;
}

void model_line_forget(struct model_line *line)
{
    free(line->program);
    free(line->by_shell);
    line->program = NULL;
    line->by_shell = NULL;
}
