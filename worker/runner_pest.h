/*
 * runner_pest.h - the "pest" runner: writes a model's input files from PEST templates, runs the
 * model, and reads its output files by PEST instructions. docs/pest.md ("On the node") tells users.
 *
 * Of the job (docs/architecture.md) it takes
 *
 *   "params": names of all parameters, in the order of a task's values (numbers, as the model is
 *             to see them)
 *   "results": names of all observations, in the order of a result's values (VALUE_REAL, finite)
 *   "timeout_s": of one run of all commands; 0 or absent: none
 *   "work": {
 *     "folder": ".",            where the model runs, relative to the farm's files; "." if absent
 *     "commands": ["model"],    command lines, at least one (model_line.h)
 *     "inputs": [{"template": "a.tpl", "file": "a.dat"}, …],
 *     "outputs": [{"instructions": "b.ins", "file": "b.out"}, …],
 *     "precision": "single",    or "double"; "single" if absent
 *     "point": true,            or false; true if absent
 *     "delimiters": ",;",       more characters that end a free observation; none if absent
 *     "ignore_exit": false,     true: exit status and signals do not fail a run
 *     "fresh": false,           true: the model folder is laid anew for every run
 *     "env": {"NAME": "text"} } more variables of the model's environment
 *
 * Names of files are relative to `folder` and may use "..", but not leave the farm's files; a
 * backslash is taken for a slash where the farm's files say so (model_case.h).
 *
 * Each slot has one copy of the model folder (model_folder.h), which stays from run to run. Before
 * a run all files that the instructions read are removed and those that the templates give are
 * written anew. Nothing else is touched: what a model leaves (restart files, logs), its next run
 * on this slot finds, as with BeoPEST. After a run that was killed (cancelled, timed out, ended by
 * a signal), or that ended with a full disk, the folder is laid anew.
 *
 * An attempt ends with
 *   RESULT_OK        all observations were read
 *   RESULT_EXIT      a command ended with an exit status that is not 0; those behind it did not run
 *   RESULT_SIGNAL    a command was ended by a signal
 *   RESULT_TIMEOUT   the time-out passed
 *   RESULT_NO_START  a value does not fit its field, a template or instruction file is wrong, a
 *                    command's program is not there
 *   RESULT_NO_VALUE  an output file or an observation in it is missing or no finite number
 * and, where it is not RESULT_OK, a sentence of one line, and the last 64 KiB that the commands
 * wrote (standard output and error together) as the result's stderr_tail.
 */
#ifndef BEOFARM_WORKER_RUNNER_PEST_H
#define BEOFARM_WORKER_RUNNER_PEST_H

#include "worker/runner.h"

extern const struct runner_ops runner_pest;

#endif
