#!/usr/bin/env python3
"""A stand-in for beofarm-master and beofarm-worker, by the name it is called with.

It does what docs/architecture.md says of their environment, standard output and exit codes, and
nothing of what they compute, so that launch is tested alone. What is to go wrong is said in FAKE_
variables:

    FAKE_PLAN          what --plan prints
    FAKE_PLAN_ERROR    --plan fails with this sentence (exit code 3)
    FAKE_HOST_LINE     the master's first line ("hostname fakehost")
    FAKE_EVENTS        0: the master says nothing after its first line
    FAKE_MASTER        run (default): until FAKE_JOIN workers joined, then end
                       stay: until SIGTERM; fail: exit 4 before the first line
                       mute: never a first line; die: kill -9 once a worker joined
    FAKE_MASTER_EXIT   its exit code
    FAKE_JOIN          how many workers it waits for (2)
    FAKE_WORKER        run (default): until the master is gone
                       die: exit 9 at once; die-first: only the first generation of each
                       stay: also when the master is gone; stubborn: ignores SIGTERM as well
                       leave: exit 0 at once
"""
import json
import os
import signal
import sys
import time

from harness import alive

ENV = os.environ


def say(line):
    os.write(1, ((line if isinstance(line, str) else json.dumps(line)) + "\n").encode())


def dump():
    """Leave in wd/ what we were started with."""
    files = sorted(os.listdir("."))
    with open("seen.json.new", "w", encoding="utf-8") as file:
        json.dump({"environment": dict(ENV), "args": sys.argv[1:], "pid": os.getpid(),
                   "files": files}, file)
    os.replace("seen.json.new", "seen.json")  # others read it as soon as it is there


def rendezvous(run_dir):
    return os.path.join(run_dir, "fake")


def joined(run_dir):
    return sorted(os.listdir(rendezvous(run_dir)))


def results(run_dir, rows):
    with open(os.path.join(run_dir, "results.csv"), "w", encoding="utf-8") as file:
        file.write("task,x,status,error\n")
        for task in range(1, rows + 1):
            file.write(f'{task},{task * 0.5},ok,"said ""no"", twice"\n')


def end(status, done, total, sentence=""):
    say({"event": "end", "status": status, "done": done, "failed": 0, "total": total,
         "elapsed_s": 1.5, "sentence": sentence})


def stop(*_):
    end("stopped", 1, 3, "stopped by a signal")
    results(ENV["BEOFARM_RUN_DIR"], 1)
    sys.exit(130)


def announce(events):
    say(ENV.get("FAKE_HOST_LINE", "hostname fakehost"))
    if events:
        say({"event": "listening", "host": "fakehost", "address": "127.0.0.1",
             "port": int(ENV["BEOFARM_PORT"]), "transport": "tcp"})


def master():
    mode, run_dir = ENV.get("FAKE_MASTER", "run"), ENV["BEOFARM_RUN_DIR"]
    events = ENV.get("FAKE_EVENTS", "1") == "1"
    dump()
    signal.signal(signal.SIGTERM, stop)
    if mode == "fail":
        sys.stderr.write("the first line\nthe disk is made of cheese\n")
        sys.exit(4)
    if mode == "die-at-once":
        os.kill(os.getpid(), signal.SIGKILL)
    while mode == "mute":
        signal.pause()
    os.makedirs(rendezvous(run_dir), exist_ok=True)
    with open(os.path.join(run_dir, "journal.db"), "w", encoding="utf-8"):
        pass
    announce(events)
    while len(joined(run_dir)) < int(ENV.get("FAKE_JOIN", "2")):
        time.sleep(0.005)
    for number, name in enumerate(joined(run_dir), 1):
        if events:
            say({"event": "worker", "id": number, "state": "joined", "host": name,
                 "transport": "tcp", "slots": 2})
            say({"event": "progress", "done": 1, "failed": 0, "total": 3, "running": 2,
                 "waiting": 0, "workers": number, "slots": 2 * number, "rate": 2.0,
                 "elapsed_s": 0.5})
    if mode == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    while mode == "stay":
        signal.pause()
    results(run_dir, 3)
    if events:
        say({"event": "failed", "task": 2, "sentence": "it went \u001b[31mwrong\n"})
        end("done", 3, 3)
    sys.exit(int(ENV.get("FAKE_MASTER_EXIT", "0")))


def worker():
    """A worker finds the run directory by its own place in it: RUN/backend/tasks/ID/wd."""
    mode, here = ENV.get("FAKE_WORKER", "run"), os.getcwd()
    name = os.path.basename(os.path.dirname(here))
    run_dir = os.path.abspath(os.path.join(here, "..", "..", "..", ".."))
    dump()
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if mode == "leave":
        sys.exit(0)
    if mode == "die" or (mode == "die-first" and name.count("-") == 1):
        sys.stderr.write(f"{name} has no desire to work\n")
        sys.exit(9)
    with open(os.path.join(rendezvous(run_dir), name), "w", encoding="utf-8"):
        pass
    masters = os.path.join(run_dir, "backend", "tasks")
    pids = []
    for task in os.listdir(masters):
        said = os.path.join(masters, task, "wd", "seen.json")
        if task.startswith("master") and os.path.exists(said):
            with open(said, encoding="utf-8") as file:
                pids.append(json.load(file)["pid"])
    while mode in ("stay", "stubborn") or any(alive(p) for p in pids):
        time.sleep(0.01)


def master_question(question):
    if question == "--plan":
        if "FAKE_PLAN_ERROR" in ENV:
            sys.stderr.write(ENV["FAKE_PLAN_ERROR"] + "\n")
            sys.exit(3)
        while "FAKE_PLAN_WAITS" in ENV and not os.path.exists(ENV["FAKE_PLAN_WAITS"]):
            time.sleep(0.01)
        say(ENV.get("FAKE_PLAN", '{"tasks":3,"columns":["x"],"files":[]}'))
    elif question == "--results":
        results(sys.argv[2], 7)
    elif question == "--probe":
        say({"mpi": {"works": False, "version": "", "sentence": "a fake has no MPI"}, "host": "h"})


def main():
    if os.path.basename(sys.argv[0]) == "beofarm-worker":
        if sys.argv[1:2] == ["--topology"]:
            say({"host": "h", "slots": []} if "--json" in sys.argv else "no slots at all")
        else:
            worker()
    elif len(sys.argv) > 1:
        master_question(sys.argv[1])
    else:
        master()


main()
