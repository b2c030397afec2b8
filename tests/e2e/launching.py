"""For tests of the beofarm command: a stand-in master and worker (fakes.py), and what is seen of them."""
import json
import os
import signal

import harness
from harness import wait_until

FARM = {"name": "toy", "backend": {"kind": "local", "workers": 2}, "transport": "tcp",
        "work": {"kind": "sweep", "command": ["true"], "params": {"grid": {"x": [1, 2, 3]}}}}


def fakes(case, farm=None, **variables):
    """A folder with a farm file, and the stand-ins on the way to be found."""
    os.makedirs(case.path("bin"), exist_ok=True)
    for name in ("beofarm-master", "beofarm-worker"):
        os.symlink(os.path.join(harness.SOURCE, "tests", "e2e", "fakes.py"),
                   case.path("bin", name))
    case.environment["BEOFARM_BIN"] = case.path("bin")
    for name, value in variables.items():
        case.environment[f"FAKE_{name}"] = str(value)
    case.write("farm.json", {**FARM, **(farm or {})})
    return case


def run_json(case, *args, expect=0, **more):
    return case.beofarm("run", "--json", *args, expect=expect, **more).lines()


def events(lines, name):
    return [line for line in lines if line.get("event") == name]


def seen(case, task, run="runs/toy-001"):
    path = case.path(run, "backend", "tasks", task, "wd", "seen.json")
    wait_until(lambda: os.path.exists(path), f"{task} says what it sees")
    return json.loads(case.read(path))


def record(case, task, run="runs/toy-001"):
    return json.loads(case.read(run, "backend", "tasks", task, "task.json"))


def try_record(case, task, run="runs/toy-001"):
    try:
        return record(case, task, run)
    except (FileNotFoundError, ValueError):
        return None


def wait_running(case, task, run="runs/toy-001"):
    """Until the task has said what it was started with; its number."""
    wait_until(lambda: os.path.exists(
        case.path(run, "backend", "tasks", task, "wd", "seen.json")), f"{task} runs")
    return wait_until(lambda: (try_record(case, task, run) or {}).get("pid"), f"{task} has a number")


def went(case, task):
    """Did it end by itself, and well? A machine may be so busy that a worker is told to go before it has."""
    found = record(case, task)
    assert found["exit_code"] == 0 or found["signal"] == signal.SIGTERM, f"{task}: {found}"
    return True


def wait_joined(case, count, run="runs/toy-001"):
    def joined():
        try:
            return len(os.listdir(case.path(run, "fake"))) >= count
        except FileNotFoundError:
            return False
    wait_until(joined, f"{count} workers joined")
