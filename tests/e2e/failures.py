#!/usr/bin/env python3
"""What goes wrong inside tasks: exit codes, signals, time-outs, poison, stragglers."""
import os
import signal

import harness
from farms import Farm, count, counter, grid, release, shell, sweep
from harness import alive, test, wait_until


def pids_in(case, pattern):
    """Numbers that tasks wrote into files of the test's folder."""
    found = []
    for name in sorted(os.listdir(case.folder)):
        if name.startswith(pattern):
            text = case.read(name).strip()
            if text:
                found.append(int(text))
    return found


@test
def exit_codes_and_signals_are_recorded(case):
    farm = Farm(case, shell("case $x in 1) exit 7;; 2) kill -SEGV $$;; 3) kill -KILL $$;; esac",
                            grid(x=[0, 1, 2, 3]), limits={"attempts": 1}))
    done = farm.run(expect=1)
    rows = {row["x"]: row for row in farm.rows(4)}
    assert (rows["0"]["status"], rows["0"]["code"]) == ("ok", "")
    assert (rows["1"]["status"], rows["1"]["code"]) == ("exit", "7")
    assert (rows["2"]["status"], rows["2"]["code"]) == ("signal", str(int(signal.SIGSEGV)))
    assert (rows["3"]["status"], rows["3"]["code"]) == ("signal", str(int(signal.SIGKILL)))
    assert "memory" in rows["3"]["error"], rows["3"]
    assert "3" in done.out, done


@test
def a_program_that_is_not_there_is_named(case):
    farm = Farm(case, sweep(["no-such-model"], limits={"attempts": 1}))
    farm.run(expect=1)
    assert "no-such-model" in farm.rows(1, "no-start")[0]["error"]


@test
def a_time_out_ends_the_whole_tree(case):
    # A child that left the session, one that ignores SIGTERM, and one whose parent is gone.
    case.write("model.sh", """#!/bin/sh
echo $$ >"$1/pid-leader"
setsid sh -c 'echo $$ >"$0/pid-session"; exec sleep 1000' "$1" &
sh -c 'trap "" TERM; echo $$ >"$0/pid-stubborn"; while :; do sleep 1; done' "$1" &
sh -c '(setsid sh -c "echo \\$\\$ >$0/pid-orphan; exec sleep 1000" &)' "$1"
wait
""", 0o755)
    farm = Farm(case, sweep(["./model.sh", case.folder], files=["model.sh"],
                            limits={"attempts": 1, "task_timeout_s": 3}))
    done = farm.run(expect=1)
    row = farm.rows(1, "timeout")[0]
    assert "3 s" in row["error"] and 3 <= float(row["elapsed_s"]) < 100, row
    pids = pids_in(case, "pid-")
    assert len(pids) == 4, (pids, done)
    wait_until(lambda: not any(alive(pid) for pid in pids), "all of its processes are gone")


@test
def what_a_task_leaves_running_is_ended_with_it(case):
    case.write("model.sh", """#!/bin/sh
setsid sh -c 'echo $$ >"$0/pid-left"; exec sleep 1000' "$1" >/dev/null 2>&1 </dev/null &
while ! [ -s "$1/pid-left" ]; do sleep 0.01; done
""", 0o755)
    farm = Farm(case, sweep(["./model.sh", case.folder], files=["model.sh"]))
    farm.run()
    farm.rows(1, "ok")
    pids = pids_in(case, "pid-")
    assert len(pids) == 1
    wait_until(lambda: not alive(pids[0]), "it is gone")


@test
def poison_tasks_fail_after_their_attempts_with_stderr_kept(case):
    side = counter(case)
    farm = Farm(case, shell(f"[ $x != 3 ] || {{{{ printf x >>{side}; echo 'cannot converge' >&2; "
                            "exit 5; }}", grid(x=range(8)), limits={"attempts": 4}))
    farm.run(expect=1)
    rows = {row["x"]: row for row in farm.rows(8)}
    assert count(side) == 4
    bad = rows.pop("3")
    assert (bad["status"], bad["code"], bad["attempts"]) == ("exit", "5", "4"), bad
    assert all(row["status"] == "ok" for row in rows.values())
    said = case.beofarm("logs", farm.run_dir, "task", bad["task"], expect=0).out
    assert said.count("cannot converge") == 4, said
    log = farm.read("backend/tasks/master/stderr.txt")
    told = [line.split(f"task {bad['task']} ")[1].split(":")[0] for line in log.splitlines()
            if f" task {bad['task']} " in line]
    assert told == 3 * ["is tried again"] + ["failed for good"], log
    assert farm.events("failed")[0]["task"] == int(bad["task"])
    assert farm.events("end")[0]["status"] == "failed"


@test
def a_failed_task_is_tried_elsewhere_first(case):
    # Each worker has a folder of its own; the task fails on the first that gets it.
    farm = Farm(case, shell(f"here=$(dirname $(dirname $(dirname $PWD))); "
                            f"echo $here >>{case.folder}/where; "
                            f"mkdir {case.folder}/first 2>/dev/null && exit 1; exit 0",
                            limits={"attempts": 2}))
    farm.start()
    farm.end()
    assert farm.rows(1, "ok")[0]["attempts"] == "2"
    first, second = case.read("where").split()
    assert first != second, first


@test
def a_worker_that_fails_everything_is_set_aside(case):
    # Only what others fare meanwhile tells on it: it waits until the other has done 15, and that then
    # leaves it the rest until it is set aside.
    good = counter(case)
    farm = Farm(case, shell(
        f"case $PWD in *worker-1/*) until [ $(wc -c <{good}) -ge 15 ]; do sleep 0.02; done; exit 9;; esac; "
        f"printf x >>{good}; [ $(wc -c <{good}) -le 15 ] || "
        f"until [ -e {case.path('gate')} ]; do sleep 0.02; done",
        grid(x=range(60)), limits={"attempts": 5}))
    farm.start()
    wait_until(lambda: farm.workers("set-aside"), "it is set aside")
    release(case)
    farm.end()
    farm.rows(60, "ok")


@test
def a_straggler_is_run_twice_and_counted_once(case):
    # The slow task hangs on the worker that gets it first, and is quick on the other.
    farm = Farm(case, shell(f"echo v=$x; [ $x != 1 ] && exec sleep 0.05; "
                            f"mkdir {case.folder}/first 2>/dev/null && exec sleep 250; exit 0",
                            grid(x=range(20)), work_values=[{"name": "v", "regex": "v=(.*)"}]))
    farm.run()  # its limit is below what the slow one takes
    rows = farm.rows(20, "ok")
    assert os.path.exists(case.path("first"))
    assert all(row["v"] == row["x"] for row in rows)


@test
def limits_of_a_task_hold(case):
    farm = Farm(case, shell(
        "case $x in cpu) while :; do :; done;; file) head -c 5000000 /dev/zero >big;; "
        "files) ulimit -n;; memory) exec python3 -c 'bytearray(900 << 20)';; esac",
        {"list": [{"x": n} for n in ("cpu", "file", "files", "memory")]},
        limits={"attempts": 1}, work_outputs=["stdout.txt"],
        work_rlimits={"cpu_s": 1, "file_mb": 2, "open_files": 77, "memory_mb": 500}))
    farm.run(expect=1)
    rows = {row["x"]: row for row in farm.rows(4)}
    assert (rows["cpu"]["status"], rows["cpu"]["code"]) == ("signal", str(int(signal.SIGXCPU)))
    assert "rlimits" in rows["cpu"]["error"]
    assert rows["file"]["status"] in ("exit", "signal") and rows["memory"]["status"] == "exit"
    assert farm.output(rows["files"]["task"], "stdout.txt") == "77\n"


@test
def standard_input_and_a_clean_environment(case):
    case.write("in.txt", "from stdin\n")
    farm = Farm(case, shell("cat; env", files=["in.txt"], work_stdin="in.txt",
                            work_outputs=["stdout.txt"], transport="auto"))
    case.environment["OMPI_MCA_btl"] = "self,tcp"
    farm.run()
    farm.rows(1, "ok")
    said = farm.output(1, "stdout.txt")
    assert said.startswith("from stdin\n")
    names = [line.split("=")[0] for line in said.splitlines()]
    kept = [n for n in names if n.startswith(("OMPI_", "PMIX_", "PMI_"))]
    assert set(kept) <= {"OMPI_MCA_hwloc_base_binding_policy"}, names  # the slot's own
    assert "BEOFARM_SECRET" not in names and "OMP_NUM_THREADS" in names, names
    # Nor what Open MPI and OpenCL set for themselves in the worker.
    ours = ("BEOFARM_", "OMP_", "OMPI_", "PRTE_", "MASTER_HOSTNAME")
    new = {n for n in names if n not in case.environment and not n.startswith(ours)}
    assert new <= {"x", "PWD", "OLDPWD", "SHLVL", "_", "from stdin"}, new


@test
def the_first_interrupt_stops_cleanly_and_says_how_to_resume(case):
    side = counter(case)
    farm = Farm(case, shell(f"printf x >>{side}; sleep 0.2", grid(x=range(200))))
    farm.process = case.start_beofarm("run", farm.file)
    wait_until(lambda: count(side) > 3, "some tasks ran")
    farm.process.send_signal(signal.SIGINT)
    done = farm.end(expect=130)
    assert "beofarm run --resume" in done.out + done.err, done
    rows = farm.rows(status="ok")
    assert 0 < len(rows) < 200


@test
def the_second_interrupt_ends_all_at_once(case):
    farm = Farm(case, shell("trap '' TERM INT; while :; do sleep 0.1; done"))
    farm.start()
    farm.wait_event("progress", running=1)
    pids = [farm.pid(name) for name in ("master", "worker-1", "worker-2")]
    # A master that is stopped cannot answer the first.
    os.kill(pids[0], signal.SIGSTOP)
    farm.process.send_signal(signal.SIGINT)
    wait_until(lambda: "once more" in case.read("run.out"), "the first was taken")
    farm.process.send_signal(signal.SIGINT)
    farm.end(expect=130)  # though the master will never answer
    wait_until(lambda: not any(alive(pid) for pid in pids), "all are gone")


if __name__ == "__main__":
    harness.main(globals())
