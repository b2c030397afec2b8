/*
 * remote.h - `beofarm-worker --remote SOCKET -- NODE COMMAND...`: runs a command on another node of
 * a task, as ssh would.
 *
 * A task's mpirun starts it, by way of the script `rsh` (party.h). It needs no key, because it asks
 * the worker that has started the task, on this machine; and that has the node's mate do it
 * (mates.h).
 */
#ifndef BEOFARM_WORKER_REMOTE_H
#define BEOFARM_WORKER_REMOTE_H

#include "common/error.h"

/* `words` (count of them, at least two) are the node and the command, whose words are joined by
 * blanks for a shell there, as ssh does. Its output becomes ours. Returns its exit code; or -1 with
 * a sentence if the worker cannot be asked, or is gone. */
int remote_run(const char *socket_path, char *const *words, int count, struct error *ret_error);

#endif
