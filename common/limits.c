#include "config.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "common/limits.h"
#include "common/processors.h"

int limits_check_files(size_t files, struct error *ret_error)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_max >= files)
        return 0;
    return error_set(ret_error, ERROR_SYSTEM,
                     "%llu files and connections may be open at once here, and %zu are needed: "
                     "raise the limit (ulimit -n 1024, or where limits.conf, a container or a "
                     "scheduler sets it)",
                     (unsigned long long)limit.rlim_max, files);
}

static int bytes_check(int resource, size_t bytes, const char *what, const char *how,
                       struct error *ret_error)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0 || limit.rlim_cur >= bytes)
        return 0;
    return error_set(
        ret_error, ERROR_SYSTEM,
        "%s may have %llu KiB here, and %zu are needed: raise the limit (ulimit %s)", what,
        (unsigned long long)limit.rlim_cur >> 10, bytes >> 10, how);
}

int limits_check_size(size_t bytes, struct error *ret_error)
{
    return bytes_check(RLIMIT_FSIZE, bytes, "files", "-f unlimited", ret_error);
}

int limits_check_stack(struct error *ret_error)
{
    return bytes_check(RLIMIT_STACK, LIMITS_STACK_BYTES, "stacks", "-s 8192", ret_error);
}

/* How many threads OpenBLAS begins with. */
static size_t blas_threads(void)
{
    static const char *const names[] = {"OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS",
                                        "OMP_NUM_THREADS"};
    long processors = processors_ours();
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        const char *text = getenv(names[i]);
        long wanted = text ? strtol(text, NULL, 10) : 0;
        if (wanted > 0)
            return (size_t)(wanted < processors ? wanted : processors);
    }
    return (size_t)processors;
}

int limits_check_blas(struct error *ret_error)
{
    return bytes_check(RLIMIT_AS, LIMITS_SPACE_BYTES + (blas_threads() - 1) * LIMITS_BLAS_BYTES,
                       "the address space of a program", "-v unlimited", ret_error);
}
