/*
 * beofarm - the command that people use: it rents or finds machines, starts a farm on them, and
 * brings its results home. See cli.c for its commands and docs/architecture.md for the rest.
 */
#include "config.h"

#include "common/fd.h"
#include "launch/cli.h"

int main(int argc, char **argv)
{
    fd_open_standard();
    return cli_run(argc, argv);
}
