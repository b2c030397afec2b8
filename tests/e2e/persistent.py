#!/usr/bin/env python3
"""Persistent runners: in C by the header, in Python by the example, and badly behaved ones."""
import json
import os
import shutil
import sys

import harness
from farms import Farm, count, counter, grid, release, sweep
from harness import Skip, test, wait_until

EXAMPLE = os.path.join(harness.SOURCE, "examples", "runners", "python")

C_RUNNER = r"""
#include <beofarm_runner.h>
int main(void)
{
    struct beofarm_runner runner;
    if (beofarm_runner_open(&runner) < 0)
        return 1;
    while (beofarm_runner_next(&runner) > 0) {
        double x = beofarm_runner_number(&runner, "x", -1);
        printf("noise of task with x = %g\n", x);
        if (x == 3)
            beofarm_runner_fail(&runner, "x must not be %g", x);
        else
            beofarm_runner_value(&runner, "square", x * x);
        beofarm_runner_done(&runner);
    }
    return beofarm_runner_close(&runner);
}
"""


def runner(command, params, **more):
    return sweep(command, params, work_runner="persistent",
                 work_values=[{"name": "square"}], **more)


def python_runner(case, body, name="model.py"):
    """A runner without a library; `body` computes `values` from params, task, attempt."""
    case.write(name, "import json, os, sys, time\n"
               "for line in sys.stdin:\n"
               "    message = json.loads(line)\n"
               "    x, attempt = message['params']['x'], message['attempt']\n"
               "    values = {'square': x * x}\n" +
               "".join(f"    {line}\n" for line in body.splitlines()) +
               "    print(json.dumps({'task': message['task'], 'ok': True, 'values': values}), "
               "flush=True)\n")
    return [sys.executable, name]


def squares(farm, tasks):
    rows = farm.rows(tasks, "ok")
    assert all(float(row["square"]) == float(row["x"]) ** 2 for row in rows), rows[:3]
    return rows


@test
def a_runner_by_the_c_header(case):
    compiler = shutil.which(os.environ.get("CC", "cc").split()[0])
    if not compiler:
        raise Skip("there is no C compiler")
    case.write("model.c", C_RUNNER)
    case.run(compiler, "-D_POSIX_C_SOURCE=200809L", "-I",
             os.path.join(harness.SOURCE, "worker"), "-o", "model", "model.c", expect=0)
    farm = Farm(case, runner(["./model"], grid(x=range(500)), files=["model"],
                             limits={"attempts": 2}))
    farm.run(expect=1)
    rows = {int(row["x"]): row for row in farm.rows(500)}
    assert "x must not be 3" in rows.pop(3)["error"]
    assert all(row["status"] == "ok" and int(row["square"]) == x * x for x, row in rows.items())


@test
def twenty_thousand_tasks_that_do_nothing(case):
    theis = os.path.join(harness.BUILD, "examples", "theis", "theis")
    if not os.path.exists(theis):
        raise Skip("examples/theis is not built")
    shutil.copy(theis, case.path("theis"))
    with open(os.path.join(harness.SOURCE, "examples/theis/farm.json"), encoding="utf-8") as file:
        text = "".join(line for line in file if not line.startswith("//"))
    farm = Farm(case, {**json.loads(text), "transport": "tcp", "port": 0, "name": "toy"})
    done = farm.run()
    rows = farm.rows(20000, "ok")
    assert all(row["drawdown"] for row in rows)
    print(f"# 20000 tasks in {done.elapsed_s:.1f} s")


@test
def the_python_example_gives_values_and_files(case):
    for name in ("beofarm_runner.py", "recession.py", "record.csv", "farm.json"):
        shutil.copy(os.path.join(EXAMPLE, name), case.path(name))
    with open(case.path("farm.json"), encoding="utf-8") as file:
        text = "".join(line for line in file if not line.strip().startswith("//"))
    farm = Farm(case, {**json.loads(text), "transport": "tcp", "port": 0, "name": "toy"})
    farm.run()
    rows = farm.rows(200, "ok")
    assert all(float(row["efficiency"]) <= 1 for row in rows)
    assert farm.output(17, "flow.csv")


@test
def a_runner_that_dies_is_started_again(case):
    side = counter(case)
    command = python_runner(case, f"open({side!r}, 'a').write('x')\n"
                            "if x % 50 == 7 and attempt == 1: os.kill(os.getpid(), 9)\n")
    farm = Farm(case, runner(command, grid(x=range(200)), files=["model.py"]))
    farm.run()
    rows = squares(farm, 200)
    assert sum(row["attempts"] != "1" for row in rows) >= 4


@test
def a_task_that_always_kills_its_runner_is_the_one_that_fails(case):
    command = python_runner(case, "if x == 30:\n"
                            "    print('segfault soon', file=sys.stderr, flush=True)\n"
                            "    os.kill(os.getpid(), 11)\n")
    farm = Farm(case, runner(command, grid(x=range(60)), files=["model.py"],
                             limits={"attempts": 2}))
    farm.run(expect=1)
    rows = {row["x"]: row for row in farm.rows(60)}
    bad = rows.pop("30")
    assert bad["status"] == "signal" and bad["attempts"] == "2", bad
    assert all(row["status"] == "ok" for row in rows.values())
    said = case.beofarm("logs", farm.run_dir, "task", bad["task"], expect=0).out
    assert "segfault soon" in said, said


@test
def a_runner_that_stalls_is_killed_and_started_again(case):
    command = python_runner(case, "if x == 5 and attempt == 1: time.sleep(1000)\n")
    farm = Farm(case, runner(command, grid(x=range(20)), files=["model.py"], work_stall_s=0.5,
                             limits={"duplicates": False}))
    farm.run()
    rows = {row["x"]: row for row in squares(farm, 20)}
    assert int(rows["5"]["attempts"]) >= 2, rows["5"]


@test
def noise_on_standard_output_is_quoted(case):
    command = python_runner(case, "if x == 5: print('iteration 17: residual 3e-4', flush=True)\n")
    farm = Farm(case, runner(command, grid(x=range(20)), files=["model.py"],
                             limits={"attempts": 2}))
    farm.run(expect=1)
    rows = {row["x"]: row for row in farm.rows(20)}
    assert "iteration 17" in rows["5"]["error"], rows["5"]
    assert sum(row["status"] == "ok" for row in rows.values()) == 19


@test
def a_runner_that_ends_after_each_task_is_started_again(case):
    case.write("model.py", "import json, sys\nmessage = json.loads(sys.stdin.readline())\n"
               "x = message['params']['x']\n"
               "print(json.dumps({'task': message['task'], 'ok': True,"
               " 'values': {'square': x * x}}))\n")
    farm = Farm(case, runner([sys.executable, "model.py"], grid(x=range(20)), files=["model.py"],
                             limits={"attempts": 1}))
    farm.run()
    squares(farm, 20)


@test
def a_runner_that_is_killed_while_it_waits_is_told(case):
    gate = case.path("gate")
    case.write("model.py", "import json, os, sys, time\nfor line in sys.stdin:\n"
               "    message = json.loads(line)\n    x = message['params']['x']\n"
               f"    while x == 2 and not os.path.exists({gate!r}): time.sleep(0.02)\n"
               "    print(json.dumps({'task': message['task'], 'ok': True, 'values': {'square': x * x}}), flush=True)\n"
               "    if x == 1: os.kill(os.getpid(), 9)\n")
    farm = Farm(case, runner([sys.executable, "model.py"], grid(x=[1, 2]), files=["model.py"],
                             backend={"workers": 1}, worker={"slots": 2, "threads_per_slot": 1, "pin": False},
                             limits={"attempts": 1, "duplicates": False})).start()
    wait_until(lambda: "was ended by signal 9 (Killed) with nothing to do" in farm.logs(), "the worker says so")
    release(case)
    farm.end()
    squares(farm, 2)


@test
def a_runner_that_cannot_start_says_why(case):
    case.write("model.py", "raise SystemExit('the licence has expired')\n")
    farm = Farm(case, runner([sys.executable, "model.py"], grid(x=[1, 2]), files=["model.py"],
                             limits={"attempts": 2}))
    farm.run(expect=1)
    for row in farm.rows(2):
        said = case.beofarm("logs", farm.run_dir, "task", row["task"], expect=0).out
        assert row["status"] != "ok" and "licence has expired" in said, said


if __name__ == "__main__":
    harness.main(globals())
