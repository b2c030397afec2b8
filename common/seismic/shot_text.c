/* Lists that stand in one column of a payload. Texts are not NUL-terminated, and what comes from a
 * journal or a network is checked to the last digit. */
#include "config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/hex.h"
#include "common/seismic/shot_task_private.h"
#include "common/values.h"

#define ATTEMPTS_MAX 10000000 /* of one collect task, ranges counted out */

struct words {
    const char *next, *end;
};

/* The next word: its length, and *ret_word; 0 at the end. */
static size_t next_word(struct words *words, const char **ret_word)
{
    while (words->next < words->end && *words->next == ' ')
        words->next++;
    *ret_word = words->next;
    while (words->next < words->end && *words->next != ' ')
        words->next++;
    return (size_t)(words->next - *ret_word);
}

static size_t count_words(const char *text, size_t size)
{
    struct words words = {text, text + size};
    const char *word;
    size_t count = 0;
    while (next_word(&words, &word))
        count++;
    return count;
}

static int complain(struct error *ret_error, const char *what, const char *word, size_t size)
{
    return error_set(ret_error, ERROR_NETWORK, "\"%.*s\" is no %s of a shot's task",
                     size < 80 ? (int)size : 80, word, what);
}

/* Digits at the beginning of word as a number: how many there are, 0 if none or too many. */
static size_t take_number(const char *word, size_t size, uint64_t *ret_number)
{
    size_t used = 0;
    *ret_number = 0;
    while (used < size && used < 19 && word[used] >= '0' && word[used] <= '9')
        *ret_number = *ret_number * 10 + (uint64_t)(word[used++] - '0');
    return used < size && word[used] >= '0' && word[used] <= '9' ? 0 : used;
}

static int take_real(const char *word, size_t size, double *ret_real)
{
    char text[VALUE_NUMBER_MAX], *end;
    if (size == 0 || size >= sizeof(text))
        return -1;
    memcpy(text, word, size);
    text[size] = 0;
    *ret_real = strtod(text, &end);
    return end == text + size && isfinite(*ret_real) ? 0 : -1;
}

bool shot_name_is_good(const char *text, size_t size, bool dotless)
{
    static const char good[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    if (size == 0 || size > SHOT_NAME_MAX || text[0] == '.')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!text[i] || !strchr(good, text[i]) || (dotless && text[i] == '.'))
            return false;
    return true;
}

static void separate(struct buf *buf, size_t i)
{
    if (i)
        buf_append_text(buf, " ");
}

/* --- Shots --- */

void shot_text_put_shots(struct buf *buf, const struct shot_task *task)
{
    char weight[VALUE_NUMBER_MAX];
    for (size_t i = 0; i < task->shot_count; i++) {
        separate(buf, i);
        buf_printf(buf, "%llu", (unsigned long long)task->shots[i].index);
        if (!task->encoded)
            continue;
        value_format_real(task->shots[i].weight, weight);
        buf_printf(buf, "*%s", weight);
    }
}

static int take_shot(const char *word, size_t size, struct shot_ref *shot, bool *ret_weighted)
{
    size_t used = take_number(word, size, &shot->index);
    shot->weight = 1;
    *ret_weighted = used < size;
    if (used == 0 || used == size)
        return used ? 0 : -1;
    return word[used] == '*' ? take_real(word + used + 1, size - used - 1, &shot->weight) : -1;
}

int shot_text_get_shots(const char *text, size_t size, struct shot_task *task,
                        struct error *ret_error)
{
    struct words words = {text, text + size};
    const char *word;
    size_t count = count_words(text, size), weighted = 0;
    if (count == 0)
        return 0;
    if (!(task->shots = calloc(count, sizeof(*task->shots))))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu shots", count);
    for (size_t length; (length = next_word(&words, &word)); task->shot_count++) {
        bool has_weight;
        if (take_shot(word, length, &task->shots[task->shot_count], &has_weight) < 0)
            return complain(ret_error, "shot", word, length);
        weighted += has_weight;
    }
    task->encoded = weighted > 0;
    return weighted == 0 || weighted == count
               ? 0
               : error_set(ret_error, ERROR_NETWORK,
                           "some shots of a task have weights and others have none");
}

/* --- Files and arrays --- */

void shot_text_put_files(struct buf *buf, const struct shot_task *task)
{
    char hash[2 * MESSAGE_HASH_SIZE + 1];
    for (size_t i = 0; i < task->file_count; i++) {
        separate(buf, i);
        hex_format(task->files[i].hash, MESSAGE_HASH_SIZE, hash);
        buf_printf(buf, "%s=%s", task->files[i].name, hash);
    }
}

static int take_file(const char *word, size_t size, struct shot_file *file)
{
    char hash[2 * MESSAGE_HASH_SIZE + 1];
    const char *equals = memchr(word, '=', size);
    size_t name = equals ? (size_t)(equals - word) : 0;
    if (!shot_name_is_good(word, name, false) || size - name - 1 != sizeof(hash) - 1)
        return -1;
    memcpy(file->name, word, name);
    memcpy(hash, equals + 1, sizeof(hash) - 1);
    hash[sizeof(hash) - 1] = 0;
    return hex_parse(hash, file->hash, MESSAGE_HASH_SIZE);
}

int shot_text_get_files(const char *text, size_t size, struct shot_task *task,
                        struct error *ret_error)
{
    struct words words = {text, text + size};
    const char *word;
    size_t count = count_words(text, size);
    if (count == 0)
        return 0;
    if (count > SHOT_FILES_MAX || !(task->files = calloc(count, sizeof(*task->files))))
        return error_set(ret_error, ERROR_NETWORK, "a shot's task has %zu files", count);
    for (size_t length; (length = next_word(&words, &word)); task->file_count++)
        if (take_file(word, length, &task->files[task->file_count]) < 0)
            return complain(ret_error, "file", word, length);
    return 0;
}

void shot_text_put_arrays(struct buf *buf, const struct shot_task *task)
{
    for (size_t i = 0; i < task->array_count; i++) {
        separate(buf, i);
        buf_append_text(buf, task->arrays[i]);
    }
}

int shot_text_get_arrays(const char *text, size_t size, struct shot_task *task,
                         struct error *ret_error)
{
    struct words words = {text, text + size};
    const char *word;
    for (size_t length; (length = next_word(&words, &word)); task->array_count++) {
        if (task->array_count == SHOT_ARRAYS_MAX || !shot_name_is_good(word, length, true))
            return complain(ret_error, "array", word, length);
        memcpy(task->arrays[task->array_count], word, length);
    }
    return 0;
}

/* --- Attempts --- */

void shot_text_put_attempts(struct buf *buf, const struct shot_task *task)
{
    const struct attempt_id *ids = task->attempts;
    for (size_t i = 0, end; i < task->attempt_count; i = end) {
        for (end = i + 1; end < task->attempt_count && ids[end].attempt == ids[i].attempt &&
                          ids[end].task == ids[end - 1].task + 1;
             end++)
            ;
        separate(buf, i);
        buf_printf(buf, "%llu", (unsigned long long)ids[i].task);
        if (end > i + 1)
            buf_printf(buf, "-%llu", (unsigned long long)ids[end - 1].task);
        buf_printf(buf, ".%u", ids[i].attempt);
    }
}

/* "17.1" or "18-40.1": the first and last task, and the attempt. */
static int take_attempts(const char *word, size_t size, uint64_t *ret_first, uint64_t *ret_last,
                         uint32_t *ret_attempt)
{
    uint64_t attempt;
    size_t used = take_number(word, size, ret_first);
    *ret_last = *ret_first;
    if (used == 0)
        return -1;
    if (used < size && word[used] == '-') {
        size_t more = take_number(word + used + 1, size - used - 1, ret_last);
        if (more == 0)
            return -1;
        used += 1 + more;
    }
    if (used == size || word[used] != '.' ||
        take_number(word + used + 1, size - used - 1, &attempt) != size - used - 1)
        return -1;
    *ret_attempt = (uint32_t)attempt;
    return used + 1 < size && *ret_first >= 1 && *ret_first <= *ret_last && attempt >= 1 &&
                   attempt <= UINT32_MAX
               ? 0
               : -1;
}

static int count_attempts(const char *text, size_t size, size_t *ret_count,
                          struct error *ret_error)
{
    struct words words = {text, text + size};
    const char *word;
    uint64_t first, last, before = 0;
    uint32_t attempt;
    *ret_count = 0;
    for (size_t length; (length = next_word(&words, &word)); before = last) {
        if (take_attempts(word, length, &first, &last, &attempt) < 0 || first <= before ||
            last - first >= ATTEMPTS_MAX || *ret_count >= ATTEMPTS_MAX)
            return complain(ret_error, "attempt", word, length);
        *ret_count += last - first + 1;
    }
    return 0;
}

int shot_text_get_attempts(const char *text, size_t size, struct shot_task *task,
                           struct error *ret_error)
{
    struct words words = {text, text + size};
    const char *word;
    uint64_t first, last;
    uint32_t attempt;
    size_t count;
    if (count_attempts(text, size, &count, ret_error) < 0)
        return -1;
    if (count == 0)
        return 0;
    if (!(task->attempts = calloc(count, sizeof(*task->attempts))))
        return error_set(ret_error, ERROR_SYSTEM, "no memory for %zu attempts", count);
    for (size_t length; (length = next_word(&words, &word));) {
        if (take_attempts(word, length, &first, &last, &attempt) < 0)
            return complain(ret_error, "attempt", word, length);
        for (uint64_t id = first; id <= last; id++)
            task->attempts[task->attempt_count++] = (struct attempt_id){id, attempt};
    }
    return 0;
}

/* --- The giver --- */

#define INSTANCE_DIGITS 16

void shot_text_put_giver(struct buf *buf, const struct shot_task *task)
{
    if (task->giver.instance)
        buf_printf(buf, "%016llx %s %d", (unsigned long long)task->giver.instance,
                   task->giver.host, task->giver.port);
}

int shot_text_get_giver(const char *text, size_t size, struct shot_task *task,
                        struct error *ret_error)
{
    struct words words = {text, text + size};
    struct shot_giver giver = {0};
    char digits[INSTANCE_DIGITS + 1] = "";
    const char *word;
    uint64_t port = 0;
    if (size == 0)
        return 0;
    size_t length = next_word(&words, &word);
    if (length == INSTANCE_DIGITS)
        memcpy(digits, word, length);
    bool good = strspn(digits, "0123456789abcdef") == INSTANCE_DIGITS;
    giver.instance = good ? strtoull(digits, NULL, 16) : 0;
    good = good && giver.instance;
    length = next_word(&words, &word);
    good = good && length && length <= SHOT_HOST_MAX && !memchr(word, 0, length);
    if (good)
        memcpy(giver.host, word, length);
    length = next_word(&words, &word);
    good = good && length && take_number(word, length, &port) == length && port >= 1 &&
           port <= UINT16_MAX && next_word(&words, &word) == 0;
    if (!good)
        return complain(ret_error, "giver", text, size);
    giver.port = (int)port;
    task->giver = giver;
    return 0;
}

/* --- Numbers --- */

int shot_text_get_numbers(const char *text, size_t size, uint64_t *numbers, size_t count,
                          struct error *ret_error)
{
    struct words words = {text, text + size};
    const char *word;
    size_t found = 0;
    for (size_t length; (length = next_word(&words, &word)); found++)
        if (found == count || take_number(word, length, &numbers[found]) != length)
            return complain(ret_error, "list of points", text, size);
    return found == count ? 0 : complain(ret_error, "list of points", text, size);
}

static bool names_shot(const char *text)
{
    static const char word[] = "shot ", of[] = "of index ";
    while ((text = strstr(text, word))) {
        text += sizeof(word) - 1;
        if (strncmp(text, of, sizeof(of) - 1) == 0)
            text += sizeof(of) - 1;
        if (*text >= '0' && *text <= '9')
            return true;
    }
    return false;
}

int shot_error_name(struct error *error, const char *format, ...)
{
    char words[64];
    va_list args;
    if (names_shot(error->text))
        return -1;
    va_start(args, format);
    vsnprintf(words, sizeof(words), format, args);
    va_end(args);
    return error_prefix(error, "%s", words);
}
