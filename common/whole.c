#include "config.h"

#include "common/whole.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void whole_free(struct whole *whole)
{
    free(whole->path);
    free(whole->temporary);
    memset(whole, 0, sizeof *whole);
}

int whole_open(struct whole *whole, const char *path, struct error *ret_error)
{
    memset(whole, 0, sizeof *whole);
    whole->path = strdup(path);
    if (!whole->path || asprintf(&whole->temporary, "%s.new.%d", path, (int)getpid()) < 0) {
        whole->temporary = NULL;
        whole_free(whole);
        return error_set(ret_error, ERROR_SYSTEM, "no memory for a path");
    }
    whole->stream = fopen(whole->temporary, "we");
    if (whole->stream)
        return 0;
    error_errno(ret_error, errno, "\"%s\" cannot be written", path);
    whole_free(whole);
    return -1;
}

int whole_commit(struct whole *whole, struct error *ret_error)
{
    bool failed = ferror(whole->stream) || fflush(whole->stream) != 0;
    int code = errno;
    if (fclose(whole->stream) != 0 && !failed) {
        failed = true;
        code = errno;
    }
    if (!failed && rename(whole->temporary, whole->path) != 0) {
        failed = true;
        code = errno;
    }
    if (failed) {
        unlink(whole->temporary);
        error_errno(ret_error, code, "\"%s\" cannot be written", whole->path);
    }
    whole_free(whole);
    return failed ? -1 : 0;
}

void whole_abandon(struct whole *whole)
{
    if (!whole->stream)
        return;
    fclose(whole->stream);
    unlink(whole->temporary);
    whole_free(whole);
}
