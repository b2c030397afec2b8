#!/usr/bin/env python3
"""Farms whose nodes know nothing but a container: masters that die and come up elsewhere, workers
that find them, outputs that go past the master, machines that are taken away."""
import csv
import hashlib
import http.server
import io
import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import harness
from azure_mock import SECRETS, Mock
from farms import count, counter, grid, shell
from harness import program, test, wait_until

VALUE = [{"name": "v", "regex": "v=(.*)"}]
SECRET = "5e" * 32


class Container:
    """A container of the mock, with what a farm's nodes are given."""

    def __init__(self, case, mock, farm, files=()):
        self.case, self.mock, self.farm = case, mock, farm
        mock.containers["farm"] = {}
        self.url = mock.container_sas("farm")
        self.signature = self.url.rpartition("sig=")[2]
        self.manifest = {"files": []}
        for path, body in dict(files).items():
            digest = hashlib.sha256(body).hexdigest()
            self.put("store/" + digest, body)
            self.manifest["files"].append({"path": path, "hash": digest, "size": len(body),
                                           "mode": "0644", "common": True, "copy": False})
        self.masters = self.workers = 0
        self.logs = []

    def put(self, name, body):
        place, _, query = self.url.partition("?")
        request = urllib.request.Request(
            f"{place}/{name}?{query}", data=body, method="PUT",
            headers={"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"})
        urllib.request.urlopen(request).close()

    def get(self, name):
        place, _, query = self.url.partition("?")
        try:
            with urllib.request.urlopen(f"{place}/{name}?{query}") as answer:
                return answer.read()
        except urllib.error.HTTPError:
            return None

    def names(self):
        return sorted(name for name, blob in self.mock.containers["farm"].items()
                      if blob["body"] is not None)

    def environment(self, **more):
        return {"BEOFARM_STORE": "blob:" + self.url, "BEOFARM_RUN": "toy-001",
                "BEOFARM_FARM": "toy", "BEOFARM_SECRET": SECRET, "BEOFARM_NETWORK": "lo",
                "BEOFARM_LOG": "info", "no_proxy": "*", "BEOFARM_METADATA": "", **more}

    def start(self, name, *args, env=None):
        folder = self.case.path(name)
        os.makedirs(folder, exist_ok=True)
        log = self.case.path(name + ".err")
        self.logs.append(log)
        with open(log, "ab") as err:
            process = self.case.start("sh", "-c", 'log=$1; shift; exec "$@" 2>>"$log"', "sh", log,
                                      *args, cwd=folder, env=self.environment(**(env or {})),
                                      out=name + ".out")
            err.close()
        process.name = name
        self.logs.append(self.case.path(name + ".out"))
        return process

    def master(self, **env):
        """One on a node of its own, whose disk is empty."""
        self.masters += 1
        name = f"master-{self.masters}"
        os.makedirs(self.case.path("wd"), exist_ok=True)
        for file, content in ("farm.json", self.farm), ("files.json", self.manifest):
            self.case.write(f"{name}.{file}", content)
        return self.start(name, "sh", "-c", f'mv ../{name}.farm.json farm.json; '
                          f'mv ../{name}.files.json files.json; exec "$0"',
                          program("beofarm-master"), env={"BEOFARM_PORT": "0", **env})

    def master_again(self, master):
        """Where its disk is still there."""
        return self.start(master.name, program("beofarm-master"), env={"BEOFARM_PORT": "0"})

    def where(self):
        text = self.get("toy-001/master.json")
        return json.loads(text) if text else {}

    def worker(self, **env):
        self.workers += 1
        where = wait_until(lambda: "port" in self.where() and self.where(), "the master is there")
        return self.start(f"worker-{self.workers}", program("beofarm-worker"), "--tcp",
                          env={"BEOFARM_MASTER": where["address"],
                               "BEOFARM_PORT": str(where["port"]), **env})

    def said(self, process):
        return [json.loads(line) for line in
                self.case.read(process.name + ".out").splitlines()[1:]]

    def rows(self, name="toy-001/results.csv"):
        return list(csv.DictReader(io.StringIO(self.get(name).decode())))

    def journal(self, process):
        """What the journal on this master's own disk has."""
        self.case.run(program("beofarm-master"), "--results", self.case.path(process.name), expect=0)
        with open(self.case.path(process.name, "results.csv"), encoding="utf-8") as file:
            return {row["task"]: row for row in csv.DictReader(file)}

    def ends(self, process, code=0, limit_s=150):
        process.wait(timeout=limit_s)
        assert process.returncode == code, f"{process.name}: {process.returncode}\n{self.told()}"

    def told(self):
        texts = []
        for log in self.logs:
            with open(log, encoding="utf-8", errors="replace") as file:
                texts.append(f"--- {os.path.basename(log)}\n{file.read()}")
        return "".join(texts)

    def shows_no_secret(self):
        told = self.told()
        for secret in [self.signature, urllib.parse.unquote(self.signature), SECRET, *SECRETS]:
            assert secret not in told, told


def counted(case, tasks, seconds=0.02, script="", **more):
    side = counter(case)
    return side, shell(f"{script}printf x >>{side}; sleep {seconds}; echo v=$x",
                       grid(x=range(tasks)), work_values=VALUE, **more)


@test
def a_farm_lives_on_a_container_alone(case):
    big = random.Random(1).randbytes(9_000_000)
    with Mock() as mock:
        farm = shell("env | grep -c 'BEOFARM_STORE\\|sig=' >seen; sha256sum <big >sum; "
                     "mkdir sub; cp small sub/copy; echo v=$x", grid(x=range(12)),
                     work_values=VALUE, work_outputs=["seen", "sum", "sub/*"],
                     transport="auto", worker={"dir": case.path("node")})
        os.makedirs(case.path("node"))  # of both workers
        there = Container(case, mock, farm, {"big": big, "small": b"input\n", "empty": b""})
        master = there.master()
        workers = [there.worker(), there.worker()]
        there.ends(master)
        for worker in workers:
            there.ends(worker)
        rows = there.rows()
        assert len(rows) == 12 and all(r["status"] == "ok" and r["v"] == r["x"] for r in rows), rows
        folders = list(csv.DictReader(io.StringIO(there.get("toy-001/outputs.csv").decode())))
        assert sorted(int(f["task"]) for f in folders) == list(range(1, 13)), folders
        for folder in folders:
            assert folder["files"] == "3", folder
            at = "toy-001/" + folder["folder"]
            assert there.get(at + "/seen") == b"0\n"
            assert there.get(at + "/sum").split()[0].decode() == hashlib.sha256(big).hexdigest()
            assert there.get(at + "/sub/copy") == b"input\n"
        # Nothing of it went through the master, neither in nor out.
        assert not os.path.exists(case.path("master-1", "out", "1"))
        fetched = [line for line in there.told().splitlines() if "FETCH" in line]
        assert not fetched, fetched
        gets = [e for e in mock.log if e["method"] == "GET" and "/store/" in e["url"]
                and hashlib.sha256(big).hexdigest() in e["url"]]
        # Two nodes: one byte, to see which checksum is known; three ranges.
        assert len(gets) == 2 * (1 + 3), len(gets)
        assert there.where() == {"ended": "done"}
        said = there.get("toy-001/said.txt").decode().splitlines()
        assert json.loads(said[-1])["status"] == "done", said
        there.shows_no_secret()


@test
def a_master_that_dies_again_and_again_loses_nothing(case):
    pick = random.Random(os.environ.get("BEOFARM_SEED", "7"))
    with Mock() as mock:
        side, farm = counted(case, 150, limits={"duplicates": False})
        there = Container(case, mock, farm)
        master = there.master()
        workers = [there.worker(), there.worker()]
        known = {}
        for again in (True, False):
            target = count(side) + pick.randint(10, 40)
            wait_until(lambda: count(side) >= target, "tasks ran")  # pylint: disable=W0640
            master.send_signal(signal.SIGKILL)
            master.wait()
            now = there.journal(master)
            assert all(now[task] == row for task, row in known.items())
            known.update(now)
            master = there.master_again(master) if again else there.master()
        there.ends(master)
        for worker in workers:
            there.ends(worker)
        rows = {row["task"]: row for row in there.rows()}
        assert len(rows) == 150 and all(r["v"] == r["x"] for r in rows.values())
        assert known and all(rows[task] == row for task, row in known.items())
        # Workers kept what was not acknowledged; but one that joins first is given what another,
        # which joins next, has in hand.
        assert count(side) <= 150 + 2 * 24, count(side)
        there.shows_no_secret()


@test
def a_master_that_was_cut_off_does_not_write_on(case):
    with Mock() as mock:
        side, farm = counted(case, 60, 0.05,
                             limits={"duplicates": False, "heartbeat_timeout_s": 3})
        there = Container(case, mock, farm)
        first = there.master()
        worker = there.worker()
        wait_until(lambda: count(side) > 5, "tasks ran")
        first.send_signal(signal.SIGSTOP)
        second = there.master()
        wait_until(lambda: any(e["event"] == "worker" for e in there.said(second)),
                   "the worker found the second master")
        first.send_signal(signal.SIGCONT)
        there.ends(first, 8)
        assert "another master" in there.told()
        assert not any(e["event"] == "end" for e in there.said(first))
        there.ends(second)
        there.ends(worker)
        rows = there.rows()
        assert len(rows) == 60 and all(r["v"] == r["x"] for r in rows)
        assert count(side) == 60, count(side)


@test
def a_container_that_cannot_be_reached_holds_results_back(case):
    with Mock() as mock:
        side, farm = counted(case, 30, 0.01)
        there = Container(case, mock, farm)
        master = there.master()
        wait_until(there.where, "the master is there")
        mock.fault(times=10**6, path="/journal/", status=403, code="AuthenticationFailed")
        worker = there.worker()
        wait_until(lambda: any("held back" in e.get("sentence", "") for e in there.said(master)),
                   "the trouble is told")
        wait_until(lambda: count(side) == 30, "tasks go on meanwhile")
        assert len(there.journal(master)) == 0
        assert master.poll() is None and worker.poll() is None
        with mock.lock:
            mock.faults.clear()
        there.ends(master)
        there.ends(worker)
        assert len(there.rows()) == 30 and count(side) == 30


@test
def files_of_workers_that_know_no_container_go_over_the_link(case):
    with Mock() as mock:
        side, farm = counted(case, 6, 0, "echo $x >file; ", work_outputs=["file"])
        there = Container(case, mock, farm, {"common": b"input"})
        master, worker = there.master(), there.worker(BEOFARM_STORE="")
        there.ends(master)
        there.ends(worker)
        assert len(there.rows()) == 6 and count(side) == 6
        for row in there.rows():
            assert there.get(f"toy-001/out/{row['task']}/file").decode().strip() == row["x"]
        assert there.get("toy-001/outputs.csv") == b"task,folder,files\n"


@test
def results_wait_for_their_files(case):
    with Mock() as mock:
        side, farm = counted(case, 12, 0, "echo data >file; ", work_outputs=["file"])
        there = Container(case, mock, farm)
        mock.fault(times=10**6, path="/outputs/", status=403, code="AuthenticationFailed")
        master, worker = there.master(), there.worker()
        wait_until(lambda: "wait until they can be put" in case.read("worker-1.err"),
                   "the trouble is told")
        assert not there.journal(master)
        with mock.lock:
            mock.faults.clear()
        there.ends(master)
        there.ends(worker)
        assert len(there.rows()) == 12 and count(side) == 12
        folders = there.get("toy-001/outputs.csv").decode().splitlines()[1:]
        assert len(folders) == 12
        assert all(there.get(f"toy-001/{line.split(',')[1]}/file") == b"data\n"
                   for line in folders)


@test
def failed_tasks_are_run_again_when_asked(case):
    with Mock() as mock:
        gate = case.path("gate")
        farm = shell(f"[ $x -lt 3 ] || [ -e {gate} ] || exit 3; echo v=$x", grid(x=range(5)),
                     work_values=VALUE, limits={"attempts": 1})
        there = Container(case, mock, farm)
        master, worker = there.master(), there.worker()
        there.ends(master, 1)
        there.ends(worker)
        case.write("gate", "")
        wd = case.path("elsewhere")
        os.makedirs(wd)
        case.write("elsewhere/farm.json", farm)
        done = case.run(program("beofarm-master"), "--forget-failed", wd, env=there.environment(),
                        expect=0)
        assert done.out == "2\n", done
        before = {row["task"]: row for row in there.rows() if row["status"] == "ok"}
        master = there.master()
        wait_until(lambda: "port" in there.where(), "the master is there")
        there.ends(there.worker())
        there.ends(master)
        rows = {row["task"]: row for row in there.rows()}
        assert len(rows) == 5 and all(row["status"] == "ok" for row in rows.values()), rows
        assert len(before) == 3 and all(rows[task] == row for task, row in before.items())


@test
def a_master_told_to_go_leaves_its_workers_to_the_next(case):
    with Mock() as mock:
        side, farm = counted(case, 60, 0.05, limits={"duplicates": False})
        there = Container(case, mock, farm)
        first = there.master()
        worker = there.worker()
        wait_until(lambda: count(side) > 5, "tasks ran")
        first.send_signal(signal.SIGTERM)
        there.ends(first, 130)
        assert not any(e["event"] == "end" for e in there.said(first))
        assert worker.poll() is None
        second = there.master()  # need not wait: the lease was given up
        there.ends(second)
        there.ends(worker)
        assert len(there.rows()) == 60 and count(side) == 60


@test
def nothing_getting_on_ends_the_farm(case):
    with Mock() as mock:
        farm = shell("[ $x = 0 ] || sleep 100; echo v=$x", grid(x=range(2)), work_values=VALUE,
                     limits={"idle_stop_s": 6})
        there = Container(case, mock, farm)
        master = there.master()
        worker = there.worker()
        there.ends(master, 130)
        end = there.said(master)[-1]
        assert end["status"] == "stopped" and "idle_stop_s" in end["sentence"], end
        there.ends(worker)
        assert len(there.rows()) == 1 and there.where() == {"ended": "stopped"}


class Metadata:
    """A virtual machine's metadata service."""

    def __enter__(self):
        service = self
        service.events, service.posted, service.asked = [], [], 0

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, body, status=200):
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                if self.headers.get("metadata") != "true":
                    self.answer(b"", 400)
                elif "compute/name" in self.path:
                    self.answer(b"node_3")
                else:
                    service.asked += 1
                    self.answer(json.dumps({"DocumentIncarnation": 1,
                                            "Events": service.events}).encode())

            def do_POST(self):
                service.posted.append(json.loads(self.rfile.read(
                    int(self.headers["content-length"]))))
                self.answer(b"")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def preempt(self, *names):
        when = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 300))
        self.events = [{"EventId": "e-1", "EventType": "Preempt", "ResourceType": "VirtualMachine",
                        "Resources": list(names), "EventStatus": "Scheduled", "NotBefore": when}]


@test
def a_machine_that_is_taken_away_hands_its_work_back(case):
    with Mock() as mock, Metadata() as metadata:
        begun, gate = case.path("begun"), case.path("gate")
        side, farm = counted(case, 8, 0, f"printf x >>{begun}; "
                             f"while [ ! -e {gate} ]; do sleep 0.05; done; ",
                             limits={"duplicates": False})
        there = Container(case, mock, farm)
        master = there.master()
        leaves = there.worker(BEOFARM_METADATA=metadata.url)
        wait_until(lambda: os.path.exists(begun), "a task runs")
        metadata.preempt("node_2")  # another machine of the set
        asked = metadata.asked
        wait_until(lambda: metadata.asked > asked + 1, "events were asked for")
        assert not metadata.posted and leaves.poll() is None
        metadata.preempt("node_2", "node_3")
        wait_until(lambda: "leaving" in case.read("worker-1.err"), "the worker drains")
        assert not metadata.posted  # its task still runs
        case.write("gate", "")
        wait_until(lambda: metadata.posted, "the event is acknowledged")
        assert metadata.posted == [{"StartRequests": [{"EventId": "e-1"}]}]
        assert count(side) == 1
        assert any(e["event"] == "worker" and e["state"] == "left" for e in there.said(master))
        assert leaves.poll() is None  # else Batch would not run it again elsewhere
        leaves.send_signal(signal.SIGTERM)  # the machine goes
        leaves.wait(timeout=100)
        assert leaves.returncode != 0
        again = there.worker()
        there.ends(master)
        there.ends(again)
        assert len(there.rows()) == 8 and count(side) == 8, count(side)


if __name__ == "__main__":
    harness.main(globals())
