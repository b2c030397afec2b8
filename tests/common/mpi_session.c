#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/mpi_session.h"

static char base[32];

static int set_up(void **state)
{
    (void)state;
    snprintf(base, sizeof(base), "/tmp/bf-session-XXXXXX");
    return mkdtemp(base) && setenv("TMPDIR", base, 1) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(base);
}

/* A directory such as a process leaves behind, last touched `age_s` seconds ago. */
static void leave(const char *name, int age_s, char path[64])
{
    snprintf(path, 64, "%s/%s", base, name);
    assert_int_equal(mkdir(path, 0700), 0);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec -= age_s;
    const struct timespec times[2] = {now, now};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void what_the_dead_left_is_removed(void **state)
{
    (void)state;
    char dead[64], young[64], held[64], other[64];
    leave("beofarm-mpi-dead", 3600, dead);
    leave("beofarm-mpi-young", 1, young);
    leave("beofarm-mpi-held", 3600, held);
    leave("somebody-elses", 3600, other);
    int lock = open(held, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
    const char *mine = mpi_session_make(NULL);
    assert_non_null(mine);
    assert_int_equal(access(mine, F_OK), 0);
    assert_int_not_equal(access(dead, F_OK), 0);
    assert_int_equal(rmdir(young), 0);
    assert_int_equal(rmdir(held), 0);
    assert_int_equal(rmdir(other), 0);
    close(lock);
    mpi_session_remove();
}

static void its_own_goes_with_all_that_lies_in_it(void **state)
{
    (void)state;
    char inside[128], mine[64];
    snprintf(mine, sizeof(mine), "%s", mpi_session_make(NULL));
    snprintf(inside, sizeof(inside), "%s/ompi", mine);
    assert_int_equal(mkdir(inside, 0700), 0);
    mpi_session_remove();
    assert_int_not_equal(access(mine, F_OK), 0);
    mpi_session_remove(); /* nothing to do */
}

static void nowhere_to_make_it_is_a_sentence(void **state)
{
    (void)state;
    struct error error;
    setenv("TMPDIR", "/nowhere/at/all", 1);
    assert_null(mpi_session_make(&error));
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_non_null(strstr(error.text, "/nowhere/at/all"));
}

static void a_place_without_room_is_a_sentence(void **state)
{
    (void)state;
    struct error error;
    /* Seen by this process alone, and gone with it. */
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", base, "tmpfs", 0, "size=1m") != 0) {
        print_message("# a disk of its own needs root\n");
        skip();
    }
    assert_null(mpi_session_make(&error));
    assert_int_equal(error.code, ERROR_SYSTEM);
    assert_int_equal(strncmp(error.text, base, strlen(base)), 0);
    assert_non_null(strstr(error.text, "no room for Open MPI's files"));
    assert_non_null(strstr(error.text, "TMPDIR"));
    assert_int_equal(mount("tmpfs", base, "tmpfs", MS_REMOUNT, "size=64m"), 0);
    assert_non_null(mpi_session_make(&error));
    mpi_session_remove();
    assert_int_equal(umount(base), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_the_dead_left_is_removed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_own_goes_with_all_that_lies_in_it, set_up,
                                        tear_down),
        cmocka_unit_test(nowhere_to_make_it_is_a_sentence),
        cmocka_unit_test_setup_teardown(a_place_without_room_is_a_sentence, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
