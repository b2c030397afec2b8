#!/usr/bin/env python3
"""What `beofarm` does with a farm on Azure, against the emulator and Azurite: what it says before it
rents, that it can be left and found again from elsewhere, what it gives up, and that it gives back."""
import filecmp
import http.server
import json
import os
import re
import signal
import sys
import tarfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_emulator_tools as tools  # noqa: E402
import farms  # noqa: E402
import harness  # noqa: E402
from harness import test, test_plainly, wait_until  # noqa: E402

LIMIT_S = 200
MODEL = """#!/bin/sh
while [ -e "$LAB/closed" ] && [ "$k" -gt "$GATE" ]; do sleep 0.05; done
echo "double = $((2 * k))"
mkdir -p deep && echo "$k" >deep/out.txt
"""


class Lab:
    """An account, and a farm file for it."""

    def __init__(self, case, *options, **changes):
        self.case = case
        self.storage = tools.Azurite(case)
        self.batch = tools.Emulator(case, "--hurry", "60", *options, storage=self.storage)
        self.environment = {**self.batch.environment(), **self.storage.environment(),
                            "HOME": case.path("home")}
        os.makedirs(case.path("home"))
        case.write("model", MODEL, 0o755)
        bundle = case.path("bundle.tar.gz")
        with tarfile.open(bundle, "w:gz", compresslevel=1) as archive:
            for name in ("beofarm-master", "beofarm-worker"):
                archive.add(harness.program(name), f"bin/{name}")
        backend = {"kind": "azure", "workers": 2, "bundle": bundle,
                   "pool": {"vm_size": "Standard_D2s_v3", "start": {"kind": "none"}},
                   "waits": {"poll_s": 0.1, "nodes_s": 0.2},
                   "prices": {"Standard_D2s_v3": {"dedicated": 0.5, "spot": 0.1}},
                   "currency": "EUR"}
        port = {"port": changes.pop("port")} if "port" in changes else {}
        gate = str(changes.pop("gate", 4))
        for key, value in changes.items():
            backend[key] = {**backend.get(key, {}), **value} if isinstance(value, dict) else value
        self.farm = farms.Farm(case, {
            "name": "toy", "backend": backend, "files": ["model"], "transport": "tcp",
            "worker": {"slots": 2, "pin": False},
            "work": {"kind": "sweep", "command": ["./model"], "env": {"LAB": case.folder, "GATE": gate},
                     "params": farms.grid(k=range(1, 9)), "outputs": ["deep/out.txt"],
                     "values": [{"name": "double", "regex": "double = ([0-9]+)"}]},
            "limits": {"heartbeat_timeout_s": 3, "duplicates": False}, **port})

    def run(self, *words, **more):
        done = self.case.beofarm(*words, env=self.environment, limit_s=LIMIT_S, **more)
        tools.search(done.out + done.err, " ".join(words))
        return done

    def start(self, *words, **more):
        return self.case.start_beofarm(*words, env=self.environment, **more)

    def wait_empty(self):
        wait_until(lambda: not self.batch.look()["nodes"], "no nodes are left")

    def ids(self, what):
        return [item["id"] for item in self.batch.need("GET", f"/{what}")["value"]]

    def task_states(self):
        """What each task of the first job is doing; none where there is no job yet."""
        return {task["id"]: task["state"] for job in self.ids("jobs")[:1]
                for task in self.batch.need("GET", f"/jobs/{job}/tasks")["value"]}

    def run_dir(self, folder="."):
        runs = self.case.path(folder, "runs")
        return os.path.join(runs, sorted(os.listdir(runs))[-1])


@test
def what_would_be_rented_is_told_before(case):
    lab = Lab(case, pool={"spot": 1}, workers=3)
    checked = lab.run("check", lab.farm.file, expect=0).out
    for text in ("3 dedicated (one for the master), 1 spot, of Standard_D2s_v3",
                 "canonical ubuntu-24_04-lts", "6 dedicated, 2 spot (2 a node",
                 "4 node-hours, 1.60 EUR by your prices", "AZURE_SUBSCRIPTION_ID"):
        assert text in checked, (text, checked)
    older = json.loads(case.read("farm.json"))
    older["backend"]["pool"]["image"] = "ubuntu 22.04"
    assert "supported by Batch until 2027-06-30" in lab.run(
        "check", case.write("older.json", older), expect=0).out
    dry = lab.run("run", "--dry-run", lab.farm.file, expect=0).out
    assert "3 dedicated (one for the master)" in dry and "BEOFARM_SECRET=****" in dry, dry
    assert "nothing was submitted" in dry
    asked = lab.run("run", "--dry-run", "--json", lab.farm.file, expect=0).json()
    assert any("node-hours" in line for line in asked["rent"]), asked
    assert not lab.ids("pools") and not lab.ids("jobs")
    assert all(entry["method"] == "GET" for entry in lab.batch.log()[:-2]), lab.batch.log()


class Management(http.server.BaseHTTPRequestHandler):
    """As much of Azure's management plane as tells quotas."""

    def do_GET(self):  # pylint: disable=invalid-name
        if not self.headers.get("authorization", "").startswith("Bearer "):
            self.send_response(401)
            found = {"error": {"code": "AuthenticationFailed", "message": "no token"}}
        else:
            self.send_response(200)
            found = {"location": "eastus", "properties": {
                "dedicatedCoreQuota": 100, "lowPriorityCoreQuota": 10, "poolQuota": 5,
                "dedicatedCoreQuotaPerVMFamilyEnforced": True,
                "dedicatedCoreQuotaPerVMFamily": [{"name": "standardDSv3Family", "coreQuota": 8}]}}
        if "/virtualMachineSkus" in self.path:
            found = {"value": [{"name": "standard_d2s_v3", "familyName": "standardDSv3Family",
                                "batchSupportEndOfLife": "2099-01-01T00:00:00Z",
                                "capabilities": [{"name": "vCPUs", "value": "2"}]}]}
        body = json.dumps(found).encode()
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@test
def what_is_wanted_is_held_against_quotas(case):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Management)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    lab = Lab(case, "--principal", "t1:c1:s1", workers=3,
              management_url=f"http://127.0.0.1:{server.server_address[1]}")
    lab.environment.update({"AZURE_SUBSCRIPTION_ID": "s", "AZURE_RESOURCE_GROUP": "g",
                            "AZURE_TENANT_ID": "t1", "AZURE_CLIENT_ID": "c1",
                            "AZURE_CLIENT_SECRET": "s1", "AZURE_AUTHORITY_HOST": lab.batch.url})
    checked = lab.run("check", lab.farm.file, expect=0).out
    assert "8 dedicated of a quota of 8 (of the VM's family); 0 spot of a quota of 10" in checked
    assert "Standard_D2s_v3, supported by Batch until 2099-01-01" in checked, checked
    said = lab.run("run", "--workers", "4", lab.farm.file, expect=7).err
    assert "more than the Batch account's quota of 8 cores" in said, said
    assert not lab.ids("pools")
    server.shutdown()


@test_plainly
def nothing_secret_is_written_or_stands_in_a_command_line(case):
    lab = Lab(case)
    lab.environment.update({"BEOFARM_LOG": "debug", "BEOFARM_HTTP_RECORD": case.path("record")})
    lab.run("run", "--dry-run", "--json", lab.farm.file, expect=0)
    lab.run("run", "--json", lab.farm.file, expect=0)
    for words in (("status", "--json"), ("logs",), ("results",), ("clean", "--yes", "--all")):
        if words[0] == "clean":
            job = lab.ids("jobs")[0]
            for task in lab.batch.need("GET", f"/jobs/{job}/tasks")["value"]:
                tools.search(task["commandLine"], "a task's command line")
            for path, data in farms.everything_written(case.path("runs")):
                tools.search(data.decode("utf-8", errors="replace"), path)
        lab.run(*words, expect=0)
    with open(case.path("record"), encoding="utf-8") as file:
        tools.search(file.read(), "the record")


@test
def what_batch_does_not_support_is_refused_before_anything_is_rented(case):
    lab = Lab(case, pool={"image": "ubuntu 14.04"})
    for words in (("check",), ("run",)):
        said = lab.run(*words, lab.farm.file, expect=3).err
        assert 'supports no image "ubuntu 14.04"; it has images for' in said, said
        assert '"ubuntu 24.04"' in said, said
    assert not lab.ids("pools") and not lab.ids("jobs")
    assert lab.storage.ask("GET", "beofarm-toy?restype=container")[0] == 404


@test
def a_farm_that_was_left_is_found_from_anywhere(case):
    lab = Lab(case)
    case.write("closed", "")
    left = lab.run("run", "--detach", lab.farm.file, expect=0)
    assert "goes on by itself" in left.err + left.out, left
    os.makedirs(case.path("elsewhere"))
    there = {"cwd": case.path("elsewhere")}
    state = lab.run("status", "--json", lab.farm.file, expect=0, **there).json()
    assert state["state"] == "running", state
    logs = lab.run("logs", lab.farm.file, "master", "--stdout", expect=0, **there).out
    assert '"event":"listening"' in logs, logs
    os.remove(case.path("closed"))
    lab.run("watch", lab.farm.file, expect=0, **there)
    rows = lab.run("results", lab.farm.file, "--json", expect=0, **there).json()
    assert sorted(int(row["double"]) for row in rows) == list(range(2, 17, 2)), rows
    for task in range(1, 9):
        path = os.path.join(lab.run_dir("elsewhere"), f"out/{task}/deep/out.txt")
        with open(path, encoding="ascii") as file:
            assert file.read() == f"{rows[task - 1]['k']}\n"
    assert len(os.listdir(case.path("elsewhere", "runs"))) == 1
    assert re.search(r"used +0\.\d+ node-hours of tasks", lab.run(
        "status", lab.farm.file, expect=0, **there).out)
    lab.wait_empty()


@test_plainly
def a_farm_that_nobody_watches_ends_by_itself(case):
    lab = Lab(case)
    lab.run("run", "--detach", lab.farm.file, expect=0)
    job = lab.ids("jobs")[0]
    wait_until(lambda: lab.batch.need("GET", f"/jobs/{job}")["state"] == "completed",
               "the job has ended")
    lab.wait_empty()
    rows = lab.run("results", lab.farm.file, "--json", expect=0).json()
    assert len(rows) == 8, rows


@test_plainly
def a_second_run_sends_only_what_changed(case):
    lab = Lab(case)
    lab.run("run", lab.farm.file, expect=0)
    listed = lab.storage.ask("GET", "beofarm-toy?restype=container&comp=list&prefix=store/")[1]
    case.write("model", MODEL + "true\n", 0o755)
    lab.run("run", lab.farm.file, expect=0)
    again = lab.storage.ask("GET", "beofarm-toy?restype=container&comp=list&prefix=store/")[1]
    assert again.count(b"<Blob>") == listed.count(b"<Blob>") + 1
    bundles = lab.storage.ask("GET", "beofarm-toy?restype=container&comp=list&prefix=bundle/")[1]
    assert bundles.count(b"<Blob>") == 1


@test_plainly
def the_bundle_brings_what_bare_nodes_lack(case):
    bundle = case.path("made.tar.gz")
    script = os.path.join(harness.SOURCE, "launch/azure/make_bundle")
    names = ("beofarm-master", "beofarm-worker", "beofarm-shot")
    programs = [harness.program(name) for name in names]
    said = case.run(script, bundle, *programs, expect=0).out
    assert "libraries, for nodes with glibc 2." in said, said
    twins = [case.path(name) for name in ("a.tar.gz", "b.tar.gz")]
    for twin in twins:
        case.run(script, twin, programs[2], expect=0)
    assert filecmp.cmp(*twins, shallow=False), "the same programs make the same bundle"
    with tarfile.open(bundle) as archive:
        archive.extractall(case.path("node"), filter="data")
    for name, own in zip(names, ("libcurl", "libhwloc", "libgomp")):
        found = case.run("ldd", case.path("node", "bin", name), expect=0).out
        for library in ("libcjson", own):
            assert re.search(rf"{library}\S* => \S*/node/bin/\.\./lib/beofarm/", found), found
        for library in (r"libc\.so", r"libmpi\.so"):
            assert not re.search(rf"{library}\S* => \S*/lib/beofarm/", found), found
    assert "there is no program" in case.run(script, bundle, "/nonexistent", expect=4).err


@test
def clean_removes_what_the_farm_made_and_nothing_else(case):
    lab = Lab(case)
    lab.batch.need("POST", "/pools", {**tools.POOL, "targetDedicatedNodes": 0})
    lab.batch.job("theirs")
    lab.storage.make("theirs")
    lab.run("run", lab.farm.file, expect=0)
    said = lab.run("clean", "--yes", expect=0).out
    assert "job toy-" in said and "container beofarm-toy itself" in said, said
    assert lab.ids("jobs") == ["theirs"]
    wait_until(lambda: lab.ids("pools") == ["p1"], "Batch has deleted the farm's pool")
    assert lab.storage.ask("GET", "beofarm-toy?restype=container")[0] == 404
    assert lab.storage.ask("GET", "theirs?restype=container")[0] == 200
    assert len(lab.farm.rows(expect=8)) == 8
    assert "cleaned" in lab.run("status", expect=0).out


@test
def ctrl_c_while_nodes_are_made_gives_them_back_and_says_so(case):
    lab = Lab(case, "--node-start", "600")
    run = lab.start("run", lab.farm.file)
    wait_until(lambda: lab.ids("jobs") and lab.batch.look()["nodes"], "the pool is being made")
    run.send_signal(signal.SIGINT)
    done = case.finish(run, LIMIT_S)
    assert done.code == 130, done
    assert "is being deleted" in done.out + done.err, done
    wait_until(lambda: not lab.ids("pools"), "the pool is gone")


@test_plainly
def a_master_that_cannot_start_is_told_with_its_own_words(case):
    lab = Lab(case)
    with tarfile.open(case.path("bundle.tar.gz"), "w:gz") as archive:
        script = case.write("beofarm-master", "#!/bin/sh\necho 'no such luck' >&2\nexit 4\n", 0o755)
        archive.add(script, "bin/beofarm-master")
    said = lab.run("run", lab.farm.file, expect=4)
    assert "no such luck" in said.out + said.err, said
    lab.wait_empty()
    assert not lab.ids("pools")


@test_plainly
def a_master_that_says_nothing_is_waited_for_so_long(case):
    lab = Lab(case, port=0, waits={"master_s": 1})
    with tarfile.open(case.path("bundle.tar.gz"), "w:gz") as archive:
        script = case.write("beofarm-master",
                            "#!/bin/sh\necho 'I meditate' >&2\nexec sleep 600\n", 0o755)
        archive.add(script, "bin/beofarm-master")
    said = lab.run("run", lab.farm.file, expect=7)
    assert "did not say its hostname within 1 s; its stderr: I meditate" in said.err, said
    lab.wait_empty()


@test_plainly
def nodes_whose_start_task_fails_are_given_up_at_last(case):
    lab = Lab(case, failures={"nodes": 1},
              pool={"start": {"kind": "none", "command": "echo disk is gone >&2; false",
                              "retries": 0}})
    said = lab.run("run", lab.farm.file, expect=7)
    assert "its start task said: disk is gone" in said.out + said.err, said
    assert "the farm is given up" in said.err, said
    lab.wait_empty()
    assert not lab.ids("pools")


@test_plainly
def nodes_that_do_not_come_are_told_with_batchs_reason(case):
    lab = Lab(case, "--dedicated-cores", "1", failures={"resizes": 1})
    said = lab.run("run", lab.farm.file, expect=7)
    assert "no node comes for the master" in said.err, said
    assert re.search("quota|Quota", said.out + said.err), said
    assert not lab.ids("pools")


@test_plainly
def batch_is_asked_at_most_once_a_second(case):
    lab = Lab(case, waits={"poll_s": 1, "nodes_s": 3})
    case.write("closed", "")
    run = lab.start("run", lab.farm.file)
    job = wait_until(lambda: lab.ids("jobs"), "there is a job")[0]
    wait_until(lambda: len(lab.batch.need("GET", f"/jobs/{job}/tasks")["value"]) == 3,
               "the workers are submitted")
    begun, before = time.monotonic(), len(lab.batch.log())
    time.sleep(6)  # the rate is of time
    asked = len(lab.batch.log()) - before
    assert asked <= time.monotonic() - begun + 2, asked
    os.remove(case.path("closed"))
    assert case.finish(run, LIMIT_S).code == 0


@test_plainly
def workers_follow_the_masters_name_within_a_poll(case):
    lab = Lab(case, waits={"poll_s": 1, "nodes_s": 30})
    lab.run("run", lab.farm.file, expect=0)
    log = lab.batch.log()
    named = next(entry["at"] for entry in log if entry["status"] == 200 and
                 "/tasks/master/files/stdout.txt" in entry["url"])
    submitted = next(entry["at"] for entry in log if "/addtaskcollection" in entry["url"])
    polls = [entry for entry in log if named < entry["at"] < submitted and "/tasks/master" in entry["url"]]
    assert named <= submitted and len(polls) <= 1, (named, submitted, polls)


@test_plainly
def nodes_without_work_go_while_the_farm_goes_on(case):
    lab = Lab(case, gate=7, workers=3, pool={"min": 1, "idle_s": 1})
    case.write("closed", "")
    run = lab.start("run", lab.farm.file)
    job = wait_until(lambda: lab.ids("jobs"), "there is a job")[0]
    # One task waits for the gate: of the two workers that may leave, one at least has nothing to do.
    wait_until(lambda: len(lab.batch.look()["nodes"]) == 4, "there are four nodes")

    def ended():
        tasks = lab.batch.need("GET", f"/jobs/{job}/tasks")["value"]
        return [task["id"] for task in tasks if task["state"] == "completed"]
    left = wait_until(ended, "a worker has left")
    assert left[0] in ("worker-2", "worker-3"), left
    wait_until(lambda: len(lab.batch.look()["nodes"]) <= 3, "its node is gone")
    os.remove(case.path("closed"))
    done = case.finish(run, LIMIT_S)
    assert done.code == 0, done
    assert len(lab.farm.rows(expect=8)) == 8


@test_plainly
def a_pool_that_is_there_is_used_and_left(case):
    lab = Lab(case, pool={"id": "p1", "reuse": True})
    lab.batch.need("POST", "/pools", {**tools.POOL, "targetDedicatedNodes": 0})
    lab.run("run", lab.farm.file, expect=0)
    assert len(lab.farm.rows(expect=8)) == 8
    lab.wait_empty()
    lab.run("clean", "--yes", expect=0)
    assert lab.ids("pools") == ["p1"]


@test_plainly
def a_farm_is_resumed_in_a_new_job(case):
    lab = Lab(case)
    case.write("closed", "")
    run = lab.start("run", lab.farm.file)
    wait_until(lambda: '"done":4' in lab.run("status", "--json").out.replace(" ", "")
               if lab.ids("jobs") else None, "four tasks are done")
    run.send_signal(signal.SIGINT)
    assert case.finish(run, LIMIT_S).code == 130
    os.remove(case.path("closed"))
    wait_until(lambda: not lab.ids("pools"), "the pool is gone")
    done = lab.run("run", "--resume", expect=0)
    assert len(lab.farm.rows(expect=8)) == 8, done
    assert len(lab.ids("jobs")) == 2, lab.ids("jobs")
    lab.wait_empty()


if __name__ == "__main__":
    harness.main(globals())
