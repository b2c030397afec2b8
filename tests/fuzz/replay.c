/*
 * replay.c - runs a fuzz target without libFuzzer: over its corpus, and over seeded mutations of
 * it, so that every `make check` exercises the readers a little, the same way each time.
 *
 *     fuzz_NAME [FILE|FOLDER]...     default: $BEOFARM_SOURCE/tests/fuzz/corpus/NAME
 *
 * FUZZ_RUNS (5000) mutations are tried, from FUZZ_SEED (1), for at most FUZZ_SECONDS (20). A child
 * does the work and keeps the current input in memory shared with its parent, which saves it to
 * fuzz_NAME.crash when the child dies, whatever it dies of; one input may take INPUT_SECONDS.
 * With files on the command line nothing is mutated: that replays a crash. Speaks TAP.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/target.h"

#define INPUT_MAX     (64 << 10)
#define INPUTS_MAX    1000
#define INPUT_SECONDS 60

struct input {
    uint8_t *bytes;
    size_t size;
};

/* What the parent sees of the child. */
struct shared {
    size_t runs;
    size_t size;
    uint8_t bytes[INPUT_MAX];
};

static struct input inputs[INPUTS_MAX];
static size_t input_count;
static struct shared *shared;
static uint64_t random_state;

/* splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t random_next(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t random_below(size_t limit)
{
    return limit ? (size_t)(random_next() % limit) : 0;
}

static long setting(const char *name, long fallback)
{
    const char *text = getenv(name);
    return text && *text ? strtol(text, NULL, 10) : fallback;
}

static int load_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file || input_count == INPUTS_MAX) {
        printf("# %s: %s\n", path, file ? "one input too many" : strerror(errno));
        if (file)
            fclose(file);
        return -1;
    }
    struct input *input = &inputs[input_count];
    input->bytes = malloc(INPUT_MAX);
    input->size = input->bytes ? fread(input->bytes, 1, INPUT_MAX, file) : 0;
    fclose(file);
    input_count += input->bytes != NULL;
    return 0;
}

static int not_hidden(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int load(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, not_hidden, alphasort); /* the same order everywhere */
    if (count < 0)
        return errno == ENOTDIR ? load_file(path)
                                : (printf("# %s: %s\n", path, strerror(errno)), -1);
    int status = 0;
    for (int i = 0; i < count; i++) {
        char file[4096];
        snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name);
        status |= load_file(file);
        free(entries[i]);
    }
    free(entries);
    return status;
}

static void delete_range(uint8_t *bytes, size_t *size)
{
    size_t at = random_below(*size), length = 1 + random_below(8);
    if (length > *size - at)
        length = *size - at;
    memmove(bytes + at, bytes + at + length, *size - at - length);
    *size -= length;
}

static void insert_range(uint8_t *bytes, size_t *size, const uint8_t *from, size_t length)
{
    size_t at = random_below(*size + 1);
    if (length > INPUT_MAX - *size)
        length = INPUT_MAX - *size;
    memmove(bytes + at + length, bytes + at, *size - at);
    memcpy(bytes + at, from, length);
    *size += length;
}

/* A piece of some input, copied because it may be a piece of the one that is mutated. */
static void splice(uint8_t *bytes, size_t *size)
{
    const struct input *input = &inputs[random_below(input_count)];
    uint8_t piece[256];
    size_t at = random_below(input->size), length = random_below(sizeof(piece));
    if (length > input->size - at)
        length = input->size - at;
    memcpy(piece, input->bytes + at, length);
    insert_range(bytes, size, piece, length);
}

/* Bytes that mean something to one reader or another. */
static uint8_t telling_byte(void)
{
    static const uint8_t bytes[] =
        "\"\"{}{}[]:,\n\r\\/*$.-+eE0123456789truefalsnu %<>\t\x7f\x80\xc3\xe2\xff";
    return bytes[random_below(sizeof(bytes))]; /* the NUL as well */
}

static void mutate_once(uint8_t *bytes, size_t *size)
{
    uint8_t byte = telling_byte();
    switch (random_below(7)) {
    case 0:
        if (*size)
            bytes[random_below(*size)] ^= (uint8_t)(1u << random_below(8));
        break;
    case 1:
        if (*size)
            bytes[random_below(*size)] = byte;
        break;
    case 2:
        insert_range(bytes, size, &byte, 1);
        break;
    case 3:
        delete_range(bytes, size);
        break;
    case 4:
        *size = random_below(*size + 1);
        break;
    default:
        splice(bytes, size);
    }
}

static void run(const uint8_t *bytes, size_t size)
{
    alarm(INPUT_SECONDS);
    /* A copy of just the right size, so that the sanitizers see one byte too far. */
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        return;
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    shared->runs++;
}

static void run_all(bool mutations)
{
    long runs = mutations ? setting("FUZZ_RUNS", 5000) : 0;
    time_t end = time(NULL) + setting("FUZZ_SECONDS", 20);
    random_state = (uint64_t)setting("FUZZ_SEED", 1);
    for (size_t i = 0; i < input_count; i++) {
        shared->size = inputs[i].size;
        memcpy(shared->bytes, inputs[i].bytes, inputs[i].size);
        run(shared->bytes, shared->size);
    }
    for (long i = 0; i < runs && time(NULL) < end; i++) {
        const struct input *input = &inputs[random_below(input_count)];
        size_t size = input->size;
        memcpy(shared->bytes, input->bytes, size);
        for (size_t left = 1 + random_below(6); left; left--)
            mutate_once(shared->bytes, &size);
        shared->size = size;
        run(shared->bytes, size);
    }
}

static void save_crash(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s.crash", name);
    FILE *file = fopen(path, "wb");
    if (!file)
        return;
    fwrite(shared->bytes, 1, shared->size, file);
    fclose(file);
    printf("# the input is in %s; replay it with: %s %s\n", path, name, path);
}

static bool survives(const char *name, bool mutations)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        run_all(mutations);
        fflush(stdout);
        exit(0); /* not _exit: the leak checker runs at exit */
    }
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        printf("# no child could be started: %s\n", strerror(errno));
        return false;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    bool hung = WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM;
    printf("# died after %zu inputs: %s %d\n", shared->runs,
           hung                  ? "took too long, signal"
           : WIFSIGNALED(status) ? "signal"
                                 : "exit code",
           WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    save_crash(name);
    return false;
}

int main(int argc, char **argv)
{
    const char *slash = strrchr(argv[0], '/'), *name = slash ? slash + 1 : argv[0];
    char corpus[4096];
    const char *source = getenv("BEOFARM_SOURCE");
    snprintf(corpus, sizeof(corpus), "%s/tests/fuzz/corpus/%s", source ? source : ".",
             strncmp(name, "fuzz_", 5) ? name : name + 5);
    printf("1..1\n");
    int status = argc > 1 ? 0 : load(corpus);
    bool mutations = true;
    for (int i = 1; i < argc; i++) {
        size_t before = input_count;
        status |= load(argv[i]);
        struct stat stat_of;
        mutations = mutations && !(stat(argv[i], &stat_of) == 0 && S_ISREG(stat_of.st_mode));
        status |= input_count == before ? -1 : 0;
    }
    shared =
        mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool ok = !status && input_count && shared != MAP_FAILED && survives(name, mutations);
    printf("%sok 1 - %s survives its corpus of %zu and %zu inputs in all\n", ok ? "" : "not ",
           name, input_count, shared != MAP_FAILED ? shared->runs : 0);
    for (size_t i = 0; i < input_count; i++)
        free(inputs[i].bytes);
    return ok ? 0 : 1;
}
