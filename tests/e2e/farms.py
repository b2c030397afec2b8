"""What tests of whole farms share: farm files, workers started by hand, what a run left behind."""
import csv
import json
import os
import signal

import harness
from harness import Skip, alive, program, wait_until

# Nothing here may hang: a task that no test waits for is killed after this.
TASK_LIMIT_S = 300


def sweep(command, params=None, **more):
    """A farm file of one sweep on two workers by tcp. What begins with work_ goes into "work"."""
    work = {"kind": "sweep", "command": command,
            "params": params if isinstance(params, dict) else {"list": [{"x": 1}]}}
    farm = {"name": "toy", "backend": {"kind": "local", "workers": 2}, "transport": "tcp",
            "port": 0, "worker": {"slots": 1}, "limits": {"task_timeout_s": TASK_LIMIT_S}}
    for key, value in more.items():
        if key.startswith("work_"):
            work[key[len("work_"):]] = value
        elif isinstance(value, dict) and isinstance(farm.get(key), dict):
            farm[key].update(value)
        else:
            farm[key] = value
    if work.get("shell"):
        work["command"] = command if isinstance(command, str) else command[0]
    return {**farm, "work": work}


def shell(script, params=None, **more):
    """A sweep whose command is a script of the shell; parameters are its variables."""
    return sweep(["sh", "-c", script], params, **more)


def grid(**values):
    return {"grid": {name: list(value) for name, value in values.items()}}


class Farm:
    """A farm file in a test's folder, and its run."""

    def __init__(self, case, farm, name="farm.json"):
        self.case, self.name = case, name
        self.file = case.write(name, farm)
        self.folder = os.path.dirname(self.file)
        self.run_dir = os.path.join(self.folder, "runs", farm["name"] + "-001")
        self.process = None

    def path(self, *parts):
        return os.path.join(self.run_dir, *parts)

    def read(self, *parts):
        with open(self.path(*parts), encoding="utf-8", errors="surrogateescape") as file:
            return file.read()

    # -- running

    def run(self, *args, expect=0, **more):
        """beofarm run, to its end."""
        return self.case.beofarm("run", "-q", self.file, *args, cwd=self.folder, expect=expect,
                                 **more)

    def start(self, *args, **more):
        """beofarm run, left running; its events go to a file."""
        what = self.run_dir if "--resume" in args else self.file
        self.process = self.case.start_beofarm("run", "--json", what, *args, cwd=self.folder,
                                               out="run.out", **more)
        return self

    def resume(self, *args, expect=0, **more):
        return self.case.beofarm("run", "-q", "--resume", self.run_dir, *args, cwd=self.folder,
                                 expect=expect, **more)

    def end(self, expect=0, limit_s=harness.LIMIT_S):
        """Wait for what start() started."""
        done = self.case.finish(self.process, limit_s)
        assert expect is None or done.code == expect, (
            f"expected exit code {expect}: {done}\n{self.logs()}")
        return done

    # -- watching

    def try_read(self, *parts):
        try:
            return self.read(*parts)
        except FileNotFoundError:
            return ""

    def events(self, name=None, master="master"):
        """What a master has said."""
        lines = self.try_read("backend/tasks", master, "stdout.txt").split("\n")[1:-1]
        found = [json.loads(line) for line in lines]
        return [e for e in found if name in (None, e["event"])]

    def wait_event(self, name, master="master", limit_s=100, **members):
        def find():
            for event in self.events(name, master):
                if all(event.get(k) == v for k, v in members.items()):
                    return event
            return None
        return wait_until(find, f"the master says {name} {members}", limit_s)

    def workers(self, state, master="master"):
        """Numbers of the workers that came to this state."""
        return [e["id"] for e in self.events("worker", master) if e["state"] == state]

    def wait_workers(self, state, count, master="master", limit_s=100):
        return wait_until(lambda: len(self.workers(state, master)) >= count and
                          self.workers(state, master), f"{count} workers {state}", limit_s)

    def task(self, name):
        """The backend's record of a task: master, worker-1, ..."""
        try:
            return json.loads(self.try_read("backend/tasks", name, "task.json") or "null")
        except ValueError:
            return None

    def pid(self, name):
        """The process of a task of the backend."""
        record = wait_until(lambda: (self.task(name) or {}).get("pid") and self.task(name),
                            f"{name} runs")
        return record["pid"]

    def kill(self, name):
        """Kill a task's program, and wait until the backend has noticed: until then a resume
        follows what it takes for a farm that runs."""
        kill(self.pid(name))
        wait_until(lambda: (self.task(name) or {}).get("state") == "ended",
                   f"the end of {name} is known")

    def kill_run(self):
        """Kill the program that start() started, and wait until its lock of the run directory is free."""
        kill(self.process.pid)
        self.process.wait()

    def port(self, master="master"):
        return self.wait_event("listening", master)["port"]

    def logs(self):
        """All standard error of the farm's programs, for a failed test."""
        tasks = self.path("backend/tasks")
        if not os.path.isdir(tasks):
            return ""
        return "\n".join(f"--- {name}\n" + self.try_read("backend/tasks", name, "stderr.txt")
                         for name in sorted(os.listdir(tasks)))

    # -- workers by hand

    def start_worker(self, name, *args, master="master", env=None, **more):
        """A worker in a folder of its own."""
        folder = self.case.path(name)
        os.makedirs(folder, exist_ok=True)
        settings = {"BEOFARM_NETWORK": "lo", "BEOFARM_FARM": "toy", **(env or {})}
        return self.case.start(program("beofarm-worker"), "--secret-file", self.path("secret"),
                               *args, f"127.0.0.1:{self.port(master)}", cwd=folder,
                               env=settings, **more)

    # -- what came of it

    def rows(self, expect=None, status=None):
        """results.csv as a list of objects; each task must be there once."""
        with open(self.path("results.csv"), newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        numbers = [int(row["task"]) for row in rows]
        assert len(set(numbers)) == len(numbers), f"a task ended twice: {numbers}"
        if expect is not None:
            assert sorted(numbers) == list(range(1, expect + 1)), (
                f"{len(numbers)} rows instead of {expect}\n{self.logs()}")
        if status is not None:
            wrong = [row for row in rows if row["status"] != status]
            assert not wrong, f"{wrong[:3]}\n{self.logs()}"
        return rows

    def output(self, task, *parts):
        return self.read("out", str(task), *parts)


def held(case, least=0, name="gate"):
    """For a script of the shell: tasks whose x is `least` or more wait there until release(). So a farm
    cannot have ended, however slow the test or fast the farm, before the test is through with it."""
    return f"[ $x -lt {least} ] || until [ -e '{case.path(name)}' ]; do sleep 0.02; done; "


def release(case, name="gate"):
    case.write(name, "")


def counter(case, name="count"):
    """A side file to which each execution of a task appends a byte: what tasks cost, in truth."""
    path = case.path(name)
    with open(path, "wb"):
        pass
    return path


def count(path):
    return os.path.getsize(path)


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def threads(pid):
    try:
        return os.listdir(f"/proc/{pid}/task")
    except (FileNotFoundError, ProcessLookupError):
        return []


def kill_and_wait(pid):
    """Until the last of its threads has ended, too: with that one its locks go."""
    kill(pid)
    wait_until(lambda: not any(map(alive, threads(pid))), f"process {pid} is gone")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root")


def have_mpi(case):
    """Can workers of this build join by MPI here?"""
    return case.run(program("beofarm-master"), "--probe", expect=0).json()["mpi"]["works"]


def need_mpi(case):
    if not have_mpi(case):
        raise Skip("workers cannot join by MPI here")


def everything_written(folder):
    """Every file below a folder, with its bytes."""
    for where, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(where, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as file:
                    yield path, file.read()
