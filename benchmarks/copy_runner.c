/* A persistent runner that moves bytes and does nothing else: out.dat is a copy of in.dat. */
#include "config.h"

#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "worker/beofarm_runner.h"

static bool copy(int from, int to)
{
    static char bytes[1 << 20];
    ssize_t got;
    while ((got = read(from, bytes, sizeof bytes)) > 0)
        if (write(to, bytes, (size_t)got) != got)
            return false;
    return got == 0;
}

static bool copy_file(const char *dir)
{
    char from[PATH_MAX], to[PATH_MAX];
    snprintf(from, sizeof from, "%s/in.dat", dir);
    snprintf(to, sizeof to, "%s/out.dat", dir);
    int in = open(from, O_RDONLY);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    bool copied = in >= 0 && out >= 0 && copy(in, out);
    if (in >= 0)
        close(in);
    return out >= 0 && close(out) == 0 && copied;
}

int main(void)
{
    struct beofarm_runner runner;
    if (beofarm_runner_open(&runner) < 0)
        return 1;
    while (beofarm_runner_next(&runner) > 0) {
        if (!copy_file(beofarm_runner_dir(&runner)))
            beofarm_runner_fail(&runner, "in.dat cannot be copied");
        beofarm_runner_done(&runner);
    }
    return beofarm_runner_close(&runner);
}
