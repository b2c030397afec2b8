/*
 * adder.h - a PEST case in a rig: a model with parameters a and b, and observations sum and first.
 */
#ifndef BEOFARM_TESTS_WORKER_ADDER_H
#define BEOFARM_TESTS_WORKER_ADDER_H

#include <stdbool.h>

#include "tests/worker/runner_rig.h"

extern struct rig rig;

int adder_close(
    void **state); /* for cmocka, after each test: closes the rig if it was opened */

#define TEMPLATE     "ptf ~\n~   a          ~\n~   b          ~\n"
#define INSTRUCTIONS "pif @\nl1 !sum!\nl1 !first!\n"
#define CASE(commands, more)                                                                   \
    "{\"runner\":\"pest\",\"params\":[\"A\",\"b\"],\"results\":[\"first\",\"sum\"],"           \
    "\"timeout_s\":20,\"work\":{\"folder\":\".\",\"commands\":[" commands "],"                 \
    "\"precision\":\"double\",\"point\":true,"                                                 \
    "\"inputs\":[{\"template\":\"in.tpl\",\"file\":\"in.dat\"}],"                              \
    "\"outputs\":[{\"instructions\":\"out.ins\",\"file\":\"out.dat\"}]" more "}}"

#define MODEL(text)                                                                            \
    {                                                                                          \
        "model", "#!/bin/sh\n" text "\n", 0755, true, false                                    \
    }

#define CASE_FILES                                                                             \
    {"in.tpl", TEMPLATE, 0644, true, false},                                                   \
    {                                                                                          \
        "out.ins", INSTRUCTIONS, 0644, true, false                                             \
    }

/* What most models here do: the two numbers as they were read, so that one sees them. */
#define ADD "{ read a; read b; } < in.dat; echo $b > out.dat; echo $a >> out.dat"

extern const struct rig_file adder_files[]; /* CASE_FILES, and the model that does so */

/* Run task with these values, and wait for its result; adder_run_one opens the rig before, and
 * adder_run_model does so with the text of a model. */
struct rig_result *adder_run(uint64_t task, double a, double b);
struct rig_result *adder_run_one(const char *job, const struct rig_file *files);
struct rig_result *adder_run_model(const char *text);

/* It failed so, in one line that holds `words`. */
void assert_said(const struct rig_result *kept, enum result_status status, const char *words);

/* It brought these observations. */
void assert_values(const struct rig_result *kept, double first, double second);

/* Files below the rig's scratch directory. */
void adder_write(const char *name, const char *text);
bool adder_has(const char *name);

/* A model in which $SLEEP is a command that is this test's alone, among all that may run beside. */
extern char adder_sleep[64];
const char *adder_with_sleep(const char *model);

#endif
