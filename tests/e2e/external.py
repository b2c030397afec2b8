#!/usr/bin/env python3
"""Somebody else's master and workers, and models that are MPI programs themselves."""
import csv
import json
import os
import shutil
import signal

import harness
from elastic import children_of
from farms import Farm, kill, need_mpi, release
from harness import Skip, alive, free_port, test, wait_until

EXAMPLE = os.path.join(harness.SOURCE, "examples", "external")


def without_comments(path):
    with open(path, encoding="utf-8") as file:
        return json.loads("".join(l for l in file if not l.strip().startswith("//")))


def example(case, runs=60, hold=False, **more):
    """examples/external with a port of our own. With `hold`, no run ends before release()."""
    for name in ("minipest.py", "model.py", "case.json"):
        shutil.copy(os.path.join(EXAMPLE, name), case.path(name))
    if hold:
        first, rest = case.read("model.py").split("\n", 1)
        wait = f"while not os.path.exists({case.path('gate')!r}):"
        case.write("model.py", f"{first}\nimport os, time\n{wait}\n    time.sleep(0.02)\n{rest}", 0o755)
    settings = json.loads(case.read("case.json"))
    settings["runs"] = runs
    case.write("case.json", settings)
    farm = without_comments(os.path.join(EXAMPLE, "farm.json"))
    port = free_port()
    text = json.dumps(farm).replace("4004", str(port))
    farm = {**json.loads(text), "name": "toy", "transport": "tcp", "port": 0, **more}
    return Farm(case, farm)


def descendants(pid):
    found = []
    for child in children_of(pid):
        found += [child] + descendants(child)
    return found


def foreign_workers(farm, name="worker-1"):
    """The processes of minipest under a worker."""
    found = []
    for pid in descendants(farm.pid(name)):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                if b"minipest.py" in file.read():
                    found.append(pid)
        except FileNotFoundError:
            pass
    return found


def master_file(farm, name):
    return farm.try_read("out", "master", name)


@test
def it_ends_when_its_master_ends_and_its_files_come_home(case):
    farm = example(case, runs=40)
    farm.start()
    farm.end()
    table = list(csv.DictReader(master_file(farm, "case.results.csv").splitlines()))
    assert len(table) == 40 and all(float(row["misfit"]) >= 0 for row in table)
    said = master_file(farm, "stdout.txt")
    assert "40 runs; the best is" in said and said.count("has joined") >= 1, said
    assert farm.events("end")[0]["status"] == "done"


@test
def a_killed_foreign_worker_is_started_again(case):
    farm = example(case, runs=40, hold=True)
    farm.start()
    victim = wait_until(lambda: foreign_workers(farm), "a foreign worker runs")[-1]
    wait_until(lambda: "joined" in master_file(farm, "stdout.txt"), "it has joined")
    joined = master_file(farm, "stdout.txt").count("has joined")
    for pid in foreign_workers(farm):
        kill(pid)
    wait_until(lambda: not alive(victim), "it is gone")
    wait_until(lambda: master_file(farm, "stdout.txt").count("has joined") > joined,
               "another took its place")
    release(case)
    farm.end()
    assert len(master_file(farm, "case.results.csv").splitlines()) == 41


@test
def a_killed_beofarm_worker_brings_its_foreign_worker_down_and_back(case):
    farm = example(case, runs=40, hold=True)
    farm.start()
    models = wait_until(lambda: foreign_workers(farm), "a foreign worker runs")
    wait_until(lambda: "joined" in master_file(farm, "stdout.txt"), "it has joined")
    kill(farm.pid("worker-1"))
    wait_until(lambda: not any(alive(pid) for pid in models), "its foreign worker is ended")
    wait_until(lambda: farm.task("worker-1-2"), "launch has started another")
    release(case)
    farm.end()
    assert len(master_file(farm, "case.results.csv").splitlines()) == 41


@test
def a_foreign_master_that_fails_is_the_sentence(case):
    work = {"kind": "external", "port": free_port(),
            "master": {"command": ["sh", "-c", "echo no licence >&2; exit 9"]},
            "worker": {"command": ["sleep", "1000"]}}
    farm = Farm(case, {"name": "toy", "transport": "tcp", "port": 0, "work": work})
    done = farm.run(expect=None)
    assert done.code not in (0, 130), done
    assert "9" in done.out + done.err and "master" in done.out + done.err, done
    assert "no licence" in master_file(farm, "stderr.txt")


@test
def an_interrupt_ends_the_foreign_master_and_workers(case):
    farm = example(case, runs=100000)
    farm.start()
    wait_until(lambda: foreign_workers(farm), "a foreign worker runs")
    pids = descendants(farm.pid("master")) + descendants(farm.pid("worker-1"))
    farm.process.send_signal(signal.SIGINT)
    farm.end(expect=130)
    wait_until(lambda: not any(alive(pid) for pid in pids), "all are gone")


@test
def workers_know_the_hosts_name_in_both_variables(case):
    port = free_port()
    case.write("master.py", f"""import socket
server = socket.create_server(("", {port}))
server.settimeout(100)
with open("said", "w") as file:
    file.write(server.accept()[0].makefile().readline())
""")
    case.write("worker.sh", f"""exec python3 -c 'import os, socket
host = os.environ["MASTER_HOSTNAME"]
with socket.create_connection((host, {port})) as peer:
    peer.sendall((host + " " + os.environ["BEOFARM_MASTER"] + " " +
                  str("BEOFARM_SECRET" in os.environ) + "\\n").encode())
'""")
    work = {"kind": "external", "port": port, "master": {"command": ["python3", "master.py"]},
            "worker": {"command": "sh worker.sh", "shell": True}}
    farm = Farm(case, {"name": "toy", "transport": "tcp", "port": 0, "work": work,
                       "files": ["master.py", "worker.sh"]})
    farm.run()
    host = farm.try_read("backend/tasks/master/stdout.txt").splitlines()[0]
    assert master_file(farm, "said") == f"{host} {host} False\n", master_file(farm, "said")


@test
def a_foreign_master_gets_no_files_of_ours(case):
    """Open MPI leaves its sockets open to every program that a process starts."""
    need_mpi(case)
    work = {"kind": "external", "port": free_port(),
            "master": {"command": ["sh", "-c", "ls /proc/$$/fd"]},
            "worker": {"command": ["sleep", "1000"]}}
    farm = Farm(case, {"name": "toy", "transport": "mpi", "port": 0, "work": work})
    farm.run()
    assert master_file(farm, "stdout.txt").split() == ["0", "1", "2"], master_file(farm, "stdout.txt")


@test
def a_model_may_call_mpirun(case):
    need_mpi(case)
    heat = os.path.join(harness.BUILD, "examples", "mpi", "heat")
    if not shutil.which("mpirun") or not os.path.exists(heat):
        raise Skip("there is no mpirun, or examples/mpi is not built")
    shutil.copy(heat, case.path("heat"))
    file = without_comments(os.path.join(harness.SOURCE, "examples/mpi/farm.json"))
    # In a sanitized build the model is sanitized too, and Open MPI's plugins leak.
    file["work"].setdefault("env", {})["ASAN_OPTIONS"] = "detect_leaks=0"
    farm = Farm(case, {**file, "name": "toy", "transport": "mpi", "port": 0})
    farm.run()
    rows = farm.rows(6, "ok")
    assert all(row["ranks"] == "2" for row in rows), rows
    # Second order on 200 nodes: some 1e-5 (examples/mpi/README.md).
    assert all(float(row["largest_error"]) < 1e-4 for row in rows), rows


if __name__ == "__main__":
    harness.main(globals())
