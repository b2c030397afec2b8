#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/worker/machines.h"

/* Our own CPUs, one of them in *ret_last. */
static int own_cpus(cpu_set_t *ret_set)
{
    assert_int_equal(sched_getaffinity(0, sizeof *ret_set, ret_set), 0);
    int last = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, ret_set))
            last = cpu;
    return last;
}

/* Start a shell bound to a slot; what it says of its CPUs. The child of the shell inherits. */
static void child_cpus(const struct slot *slot, char *line, size_t size)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = vfork();
    assert_true(child >= 0);
    if (child == 0) {
        if (slot_bind_child(slot) != 0)
            _exit(99);
        dup2(ends[1], STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c",
              "sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/self/status; exit 0",
              (char *)NULL);
        _exit(98);
    }
    close(ends[1]);
    FILE *file = fdopen(ends[0], "r");
    assert_non_null(file);
    assert_non_null(fgets(line, (int)size, file));
    line[strcspn(line, "\n")] = '\0';
    fclose(file);
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void binds_children_of_this_machine(void **state)
{
    (void)state;
    struct error error = {0};
    const struct topology_plan *made = plan_from(NULL, request(0, 0));
    for (size_t i = 0; i < made->slot_count && i < 4; i++) {
        char line[4096];
        if (slot_try(&made->slots[i], &error) < 0) {
            print_message("skipped: %s\n", error.text);
            skip();
        }
        child_cpus(&made->slots[i], line, sizeof line);
        assert_string_equal(line, made->slots[i].cpus);
    }
}

static void keeps_to_the_cpus_it_was_started_with(void **state)
{
    (void)state;
    cpu_set_t before;
    cpu_set_t one;
    char expected[16];
    int cpu = own_cpus(&before);
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    struct topology_request wanted = request(0, 0);
    wanted.smt = true;
    const struct topology_plan *made = plan_from(NULL, wanted);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    snprintf(expected, sizeof expected, "%d", cpu);
    assert_int_equal(made->slot_count, 1);
    assert_string_equal(made->slots[0].cpus, expected);
}

static void tries_a_binding_and_undoes_it(void **state)
{
    (void)state;
    struct error error = {0};
    cpu_set_t before;
    cpu_set_t after;
    own_cpus(&before);
    const struct topology_plan *made = plan_from(NULL, request(0, 0));
    if (slot_try(&made->slots[0], &error) < 0)
        skip();
    own_cpus(&after);
    assert_true(CPU_EQUAL(&before, &after));

    made = plan("pack:4 core:400 pu:1", request(0, 0)); /* these CPUs are not here */
    assert_int_equal(slot_try(&made->slots[1599], &error), -1);
    assert_non_null(strstr(error.text, "CPUs 1599"));
    assert_int_not_equal(slot_bind_child(&made->slots[1599]), 0);
    own_cpus(&after);
    assert_true(CPU_EQUAL(&before, &after));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_plan(binds_children_of_this_machine),
        with_plan(keeps_to_the_cpus_it_was_started_with),
        with_plan(tries_a_binding_and_undoes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
