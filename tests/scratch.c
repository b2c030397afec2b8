#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/tree.h"
#include "tests/scratch.h"

static char folder[] = "/tmp/beofarm-test-XXXXXX";

int scratch_setup(void **state)
{
    (void)state;
    if (!mkdtemp(folder) || chdir(folder) != 0)
        return -1;
    return 0;
}

int scratch_teardown(void **state)
{
    (void)state;
    if (chdir("/") != 0)
        return -1;
    return tree_remove(AT_FDCWD, folder);
}

const char *scratch_folder(void)
{
    return folder;
}

void scratch_write(const char *name, const void *bytes, size_t size)
{
    FILE *file = fopen(name, "w");

    assert_non_null(file);
    assert_int_equal(size, fwrite(bytes, 1, size, file));
    assert_int_equal(0, fclose(file));
}

void scratch_text(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text));
}

char *scratch_read(const char *name, size_t *ret_size)
{
    FILE *file = fopen(name, "r");
    char *bytes = calloc(1, 1 << 20);

    assert_non_null(file);
    assert_non_null(bytes);
    size_t size = fread(bytes, 1, (1 << 20) - 1, file);
    fclose(file);
    if (ret_size)
        *ret_size = size;
    return bytes;
}
