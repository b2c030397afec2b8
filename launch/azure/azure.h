/*
 * azure.h - the backend whose nodes are rented from Azure Batch.
 *
 * A farm begins with a *run*: a name such as "henry-20261121-090000-3f2a", which is the id of its
 * job, of its pool (unless the farm file names one) and of its folder in the container:
 *
 *     store/HASH, bundle/HASH.tar.gz     content of all runs: the farm's files, beofarm's programs
 *     RUN/run.json                       what the run is made of (azure_note.h)
 *     RUN/leader.json                    which `beofarm` leads it (azure_lead.h)
 *     RUN/tasks/TASK/PATH                files laid into a task's wd/
 *     RUN/logs/TASK/stdout.txt, ...      what ended tasks said, for when their nodes are gone
 *     RUN/sas                            the right to the container, renewed
 *
 * and what master and workers put there (common/azure/container.h). run.json lies in
 * RUN_DIR/backend, too, and is written before anything is rented: so whoever comes later knows what
 * may be there.
 *
 * The pool scales itself by a formula from its first moment (azure_formula.h), and the job ends
 * with its last task: so whatever becomes of this program, what was rented goes back when there is
 * nothing to do for it.
 */
#ifndef BEOFARM_LAUNCH_AZURE_AZURE_H
#define BEOFARM_LAUNCH_AZURE_AZURE_H

#include "launch/backend.h"

extern const struct backend_ops backend_azure;

#endif
