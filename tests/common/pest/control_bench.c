#include "tests/common/pest/control_bench.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/tree.h"

const char *const bench_classic = "pcf\n"
                                  "* control data\n"
                                  "restart estimation\n"
                                  "2 2 1 0 1\n"
                                  "1 1 single point\n"
                                  "10 -3 0.3 0.03 10\n"
                                  "5 6 0.001\n"
                                  "0.1\n"
                                  "30 0.005 4 3 0.006 2\n"
                                  "1 0 1\n"
                                  "* parameter groups\n"
                                  "g relative 0.01 0 switch 2 parabolic\n"
                                  "* parameter data\n"
                                  "k log factor 1.5 0.1 10 g 1 0 1\n"
                                  "s none relative 2 -3 4 g 2 0.5 1\n"
                                  "* observation groups\n"
                                  "h\n"
                                  "* observation data\n"
                                  "o1 1.25 1 h\n"
                                  "o2 -2 0 h\n"
                                  "* model command line\n"
                                  "./model\n"
                                  "* model input/output\n"
                                  "a.tpl a.in\n"
                                  "b.ins b.out\n";

static char folder[] = "/tmp/beofarm-control-XXXXXX";
static char path[128];
static char changed[1 << 16];
static struct buf told;

int bench_open(void **state)
{
    (void)state;
    buf_init(&told, 1 << 20);
    return mkdtemp(folder) ? 0 : -1;
}

int bench_close(void **state)
{
    (void)state;
    buf_fini(&told);
    return tree_remove(AT_FDCWD, folder);
}

const char *bench_path(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

void bench_write_bytes(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(bench_path(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

void bench_write(const char *name, const char *text)
{
    bench_write_bytes(name, text, strlen(text));
}

struct pest_control *bench_read(const char *text)
{
    struct error error = {0};
    bench_write("case.pst", text);
    struct pest_control *control = pest_control_read(bench_path("case.pst"), &error);
    if (!control)
        fail_msg("%s", error.text);
    return control;
}

const char *bench_change(const char *old, const char *new)
{
    const char *at = strstr(bench_classic, old);
    assert_non_null(at);
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - bench_classic), bench_classic, new,
             at + strlen(old));
    return changed;
}

/* Append a line without the folder, wherever it stands. */
static void told_append(void *context, const char *sentence)
{
    struct buf *buf = context;
    size_t size = strlen(folder) + 1;
    if (buf->size > 0)
        buf_append_text(buf, "\n");
    for (const char *at; (at = strstr(sentence, folder)); sentence = at + size)
        buf_append(buf, sentence, (size_t)(at - sentence));
    buf_append_text(buf, sentence);
}

const char *bench_mistakes(const char *text)
{
    struct error error = {0};
    struct buf first;
    buf_init(&first, ERROR_TEXT_MAX);
    buf_clear(&told);
    bench_write("case.pst", text);
    size_t count = pest_control_check(bench_path("case.pst"), told_append, &told);
    struct pest_control *control = pest_control_read(bench_path("case.pst"), &error);
    assert_int_equal(control != NULL, count == 0);
    told_append(&first, error.text); /* the reader says the first of them */
    assert_int_equal(strncmp(buf_text(&told), buf_text(&first), first.size), 0);
    buf_fini(&first);
    pest_control_free(control);
    return buf_text(&told);
}

int bench_noted(const struct pest_note *notes, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(notes[i].text + strlen(folder) + 1, text) == 0)
            return 1;
    for (size_t i = 0; i < count; i++)
        print_message("noted: %s\n", notes[i].text);
    return 0;
}
