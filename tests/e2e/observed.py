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


def need_cores(case, count):
    if len(os.sched_getaffinity(0)) < count:
        raise Skip(f"needs {count} cores")
    if case.beofarm("doctor", "--json", expect=None).json()["node"]["cpu_quota"]:
        raise Skip("a cgroup allows less than all time, and slots may not be bound")


def told(farm, task):
    """What a task printed after the word cpus, without what it printed twice."""
    return {line[5:] for line in farm.output(task, "stdout.txt").splitlines() if line.startswith("cpus ")}


@test
def ranks_have_the_cores_of_their_slot(case):
    need_cores(case, 2)
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
    need_cores(case, 2)
    case.write("model.py", OPENMP)
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        raise Skip("libgomp is not here") from None
    farm = Farm(case, shell("python3 model.py", work_outputs=["stdout.txt"], backend={"workers": 1}, files=["model.py"],
                            worker={"slots": 1, "threads_per_slot": 2}))
    farm.run()
    assert len(told(farm, 1)) == 1 and told(farm, 1).pop().count(",") == 1, told(farm, 1)


def bound(case, slots, count, worker, **environment):
    """Start a farm whose shots compute until the test is over. Of the programs of its slots, `count` threads
    each: the cores that each thread may use."""
    harness.program("beofarm-shot")
    case.write("survey.json", {
        "operation": "model", "wavelet": {"kind": "ricker", "peak_hz": 15}, "batch": {"shots": 1},
        "model": {"velocity": 2000, "grid": {"points": [1001, 1001], "spacing_m": [10, 10]}},
        "record": {"length_s": 600, "interval_ms": 10},
        "geometry": {"sources": {"line": {"start": [500, 20], "step": [500, 0], "count": 2}},
                     "receivers": {"points": [[1000, 20]]}}})
    farm = Farm(case, {"name": "look", "backend": {"kind": "local", "workers": 1}, "transport": "tcp",
                       "port": 0, "worker": worker, "limits": {"duplicates": False},
                       "work": {"kind": "shots", "survey": "survey.json"}})
    farm.start(env=environment)
    runner = farm.pid("worker-1")

    def look():
        found = [threads(pid) for pid in children(runner) if name_of(pid) == "beofarm-shot" and computes(pid)]
        return found if list(map(len, found)) == slots * [count] else None
    return wait_until(look, f"{slots} programs of {count} threads compute shots")


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()
    except FileNotFoundError:
        raise Skip("this kernel does not tell children") from None


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
            return file.read().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def computes(pid):
    """Whether a process has had a fifth of a second of time: what it does when it begins is over."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return int(file.read().rsplit(")", 1)[1].split()[11]) / os.sysconf("SC_CLK_TCK") > 0.2
    except (FileNotFoundError, ProcessLookupError):
        return False


def threads(pid):
    try:
        return [os.sched_getaffinity(int(thread)) for thread in sorted(os.listdir(f"/proc/{pid}/task"))]
    except (FileNotFoundError, ProcessLookupError):
        return []


@test
def every_thread_of_a_shot_has_a_core_of_its_own(case):
    need_cores(case, 2)
    [[first, second]] = bound(case, 1, 2, {"slots": 1, "threads_per_slot": 2})
    assert first and second and not first & second, (first, second)


@test
def shots_of_two_slots_have_a_core_each(case):
    need_cores(case, 2)
    [[first], [second]] = bound(case, 2, 1, {"slots": 2, "threads_per_slot": 1})
    assert first and second and not first & second, (first, second)


@test
def slots_that_are_not_bound_are_not_bound_by_the_environment_either(case):
    # Each program would take the first core.
    found = bound(case, 2, 1, {"slots": 2, "threads_per_slot": 1, "pin": False}, OMP_PROC_BIND="true")
    assert found == 2 * [[os.sched_getaffinity(0)]], found


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
