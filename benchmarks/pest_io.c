/*
 * pest_io read|lines|marker|free MEGABYTES: megabytes per second of a cached output file. `read` is
 * the limit: reading it into a buffer and nothing else; `lines` goes on to its last line, `marker`
 * searches for text that stands there, `free` reads all numbers of all lines.
 *
 * pest_io template FIELDS, pest_io instructions OBSERVATIONS: microseconds for what a worker does
 * around a run: to write a model's input file, to read its output file.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/pest/inputs.h"
#include "common/pest/outputs.h"

#define LINE_SIZE   81 /* six numbers in columns of 13, and what ends the line */
#define LINE_VALUES 6
#define TIMES       2000 /* that a small file is written or read */

static char folder[] = "/tmp/beofarm-pest-io-XXXXXX";
static struct error failure;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static void clean_up(void)
{
    static const char *const names[] = {"out", "ins", "tpl", "in"};
    char path[64];
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

static void die(const char *what)
{
    fprintf(stderr, "pest_io: %s %s\n", what, failure.text);
    clean_up();
    exit(1);
}

static FILE *file_open(const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", folder, name);
    FILE *stream = fopen(path, "w");
    if (!stream)
        die("a file cannot be made");
    return stream;
}

/* Names n0, n1 ... and their index. */
static struct pest_index *index_make(size_t count)
{
    char(*texts)[24] = calloc(count, sizeof(*texts));
    const char **names = calloc(count, sizeof(*names));
    if (!texts || !names)
        die("no memory");
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof(*texts), "n%zu", i);
        names[i] = texts[i];
    }
    struct pest_index *index = pest_index_create(names, count, &failure);
    if (!index)
        die("no index");
    return index;
}

static void output_put(size_t lines)
{
    char path[64];
    FILE *stream = file_open("out", path, sizeof(path));
    for (size_t i = 0; i < lines; i++) {
        for (int k = 0; k < LINE_VALUES; k++)
            fprintf(stream, " %12.5E", (double)(i * LINE_VALUES + (size_t)k) * 1.2345);
        fprintf(stream, "%s", i + 1 < lines ? " \r\n" : " END");
    }
    fclose(stream);
}

static double plain_read(void)
{
    char path[64];
    static char buffer[256 << 10];
    snprintf(path, sizeof(path), "%s/out", folder);
    double start = now_s();
    int fd = open(path, O_RDONLY);
    ssize_t got;
    while ((got = read(fd, buffer, sizeof(buffer))) > 0)
        ;
    close(fd);
    return now_s() - start;
}

/* Follow the instructions in "ins" once more; seconds. */
static double follow(const struct pest_outputs *outputs, double *values)
{
    double start = now_s();
    if (pest_outputs_collect(outputs, AT_FDCWD, values, &failure) < 0)
        die("the output cannot be read:");
    return now_s() - start;
}

static struct pest_outputs *outputs_open(size_t count)
{
    char ins[64], out[64];
    snprintf(ins, sizeof(ins), "%s/ins", folder);
    snprintf(out, sizeof(out), "%s/out", folder);
    const struct pest_file_pair output = {ins, out};
    struct pest_outputs *outputs =
        pest_outputs_read(&output, 1, "", index_make(count), NULL, &failure);
    if (!outputs)
        die("the instructions cannot be read:");
    return outputs;
}

/* Instructions that read the first `count` numbers in the whole file. */
static void instructions_put(size_t count)
{
    char path[64];
    FILE *stream = file_open("ins", path, sizeof(path));
    fprintf(stream, "pif @");
    for (size_t i = 0; i < count; i++)
        fprintf(stream, "%s!n%zu!", i % LINE_VALUES ? " " : "\nl1 ", i);
    fprintf(stream, "\n");
    fclose(stream);
}

static void large_measure(const char *mode, size_t megabytes)
{
    char path[64];
    size_t lines = megabytes * 1000000 / LINE_SIZE, count = 1;
    output_put(lines);
    if (!strcmp(mode, "read")) {
        plain_read();
        printf("%g\n", (double)(lines * LINE_SIZE) / 1e6 / plain_read());
        return;
    }
    if (!strcmp(mode, "free")) {
        count = lines * LINE_VALUES;
        instructions_put(count);
    } else {
        FILE *stream = file_open("ins", path, sizeof(path));
        if (!strcmp(mode, "lines"))
            fprintf(stream, "pif @\nl%zu !n0!\n", lines);
        else
            fprintf(stream, "pif @\n@ END@ [n0]1:13\n");
        fclose(stream);
    }
    double *values = calloc(count, sizeof(*values));
    struct pest_outputs *outputs = outputs_open(count);
    plain_read(); /* into the page cache */
    printf("%g\n", (double)(lines * LINE_SIZE) / 1e6 / follow(outputs, values));
}

static void instructions_measure(size_t count)
{
    double *values = calloc(count, sizeof(*values)), sum = 0;
    output_put(count / LINE_VALUES + 1);
    instructions_put(count);
    struct pest_outputs *outputs = outputs_open(count);
    for (int i = 0; i < TIMES; i++)
        sum += follow(outputs, values);
    printf("%g\n", sum / TIMES * 1e6);
}

static void template_measure(size_t count)
{
    char tpl[64], in[64];
    double *values = calloc(count, sizeof(*values));
    FILE *stream = file_open("tpl", tpl, sizeof(tpl));
    fprintf(stream, "ptf ~\n");
    for (size_t i = 0; i < count; i++) {
        fprintf(stream, "name %zu ~   n%-8zu ~\n", i, i);
        values[i] = 1.2345e-3 / (double)(i + 1);
    }
    fclose(stream);
    snprintf(in, sizeof(in), "%s/in", folder);
    const struct pest_file_pair input = {tpl, in};
    const struct pest_style style = {.point = true};
    struct pest_inputs *inputs =
        pest_inputs_read(&input, 1, "", index_make(count), &style, &failure);
    if (!inputs)
        die("the template cannot be read:");
    double start = now_s();
    for (int i = 0; i < TIMES; i++)
        if (pest_inputs_write(inputs, values, AT_FDCWD, &failure) < 0)
            die("the input cannot be written:");
    printf("%g\n", (now_s() - start) / TIMES * 1e6);
}

int main(int argc, char **argv)
{
    size_t amount = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;
    if (!amount || !mkdtemp(folder)) {
        fprintf(stderr, "usage: pest_io read|lines|marker|free|template|instructions AMOUNT\n");
        return 2;
    }
    if (!strcmp(argv[1], "template"))
        template_measure(amount);
    else if (!strcmp(argv[1], "instructions"))
        instructions_measure(amount);
    else
        large_measure(argv[1], amount);
    clean_up();
    return 0;
}
