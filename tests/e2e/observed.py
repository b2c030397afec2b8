#!/usr/bin/env python3
"""What the kernel tells of a farm that runs: which cores a task's processes, threads and MPI ranks have, and
who wakes up though there is nothing to do."""
import ctypes
import os
import shutil
import time

import harness
from farms import Farm, grid, held, release, shell
from harness import Skip, test, wait_until

# Of its own main thread, of a thread, and of a child that it starts.
OPENMP = """
import ctypes, os, subprocess, threading
ctypes.CDLL("libgomp.so.1")
def tell(): print("cpus", sorted(os.sched_getaffinity(0)), flush=True)
tell()
thread = threading.Thread(target=tell)
thread.start()
thread.join()
subprocess.run(["python3", "-c", 'import os; print("cpus", sorted(os.sched_getaffinity(0)))'], check=True)
"""


def need_cores(count):
    if len(os.sched_getaffinity(0)) < count:
        raise Skip(f"needs {count} cores")


def told(farm, task):
    """What a task printed after the word cpus, without what it printed twice."""
    return {line[5:] for line in farm.output(task, "stdout.txt").splitlines() if line.startswith("cpus ")}


@test
def ranks_have_the_cores_of_their_slot(case):
    need_cores(2)
    if not shutil.which("mpirun"):
        raise Skip("mpirun is not here")
    rank = 'sh -c \'echo cpus $(grep Cpus_allowed_list /proc/self/status)\''
    began = case.path("began")
    both = f"touch '{began}'$BEOFARM_SLOT; until [ -e '{began}0' ] && [ -e '{began}1' ]; do sleep 0.02; done"
    script = f"{both}; {rank}; mpirun --oversubscribe -n $n {rank}"
    environment = {name: "1" for name in ("OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM",
                                          "PRTE_ALLOW_RUN_AS_ROOT", "PRTE_ALLOW_RUN_AS_ROOT_CONFIRM")}
    farm = Farm(case, shell(script, grid(n=[1, 2]), work_outputs=["stdout.txt"], work_env=environment,
                            backend={"workers": 1}, worker={"slots": 2, "threads_per_slot": 1}))
    farm.run()
    slots = [told(farm, task) for task in (1, 2)]
    assert all(len(cores) == 1 for cores in slots) and slots[0] != slots[1], slots


@test
def what_an_openmp_program_starts_has_all_cores_of_its_slot(case):
    need_cores(2)
    case.write("model.py", OPENMP)
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        raise Skip("libgomp is not here") from None
    farm = Farm(case, shell("python3 model.py", work_outputs=["stdout.txt"], backend={"workers": 1}, files=["model.py"],
                            worker={"slots": 1, "threads_per_slot": 2}))
    farm.run()
    assert len(told(farm, 1)) == 1 and told(farm, 1).pop().count(",") == 1, told(farm, 1)


def wakeups(pid):
    """How often a process's first thread has stopped waiting."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary_ctxt_switches"))


@test
def a_worker_sleeps_while_its_tasks_run(case):
    """A heartbeat in 5 s, and what ends; a slower machine wakes nobody more often."""
    farm = Farm(case, shell(held(case), grid(x=[1, 2]))).start()
    wait_until(lambda: farm.events("progress") and farm.events("progress")[-1]["running"] == 2, "two tasks run")
    pids = [farm.pid(name) for name in ("master", "worker-1", "worker-2")]
    before, began = [wakeups(pid) for pid in pids], time.monotonic()
    wait_until(lambda: time.monotonic() - began > 3, "three seconds pass")
    each_second = [(wakeups(pid) - count) / (time.monotonic() - began) for pid, count in zip(pids, before)]
    release(case)
    farm.end()
    assert max(each_second) < 5, each_second


if __name__ == "__main__":
    harness.main(globals())
