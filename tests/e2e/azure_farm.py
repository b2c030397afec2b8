#!/usr/bin/env python3
"""Whole farms on Azure as it is here: tests/batch_emulator's nodes, Azurite's container. They end with
complete results and nothing rented, whatever fails on the way; and nothing that anybody wrote holds
a secret."""
import csv
import json
import os
import re
import shutil
import sys
import tarfile
import zipfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import batch_emulator_tools as tools  # noqa: E402
import external  # noqa: E402
import farms  # noqa: E402
import harness  # noqa: E402
from harness import test, test_plainly, wait_until  # noqa: E402

NODES = 4
LIMIT_S = 150
HURRY = "200"

# Tells on which host it ran; a row whose gate is closed waits for it.
MODEL = """#!/bin/sh
echo "$k $(hostname)" >>"$LAB/ran"
while [ -e "$LAB/closed" ] && [ "$k" -gt 8 ]; do sleep 0.05; done
echo "double = $((2 * k))"
echo "$k" >out.txt
"""


def bundle(case):
    """beofarm's programs, as `make bundle` packs them."""
    path = case.path("bundle.tar.gz")
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for name in ("beofarm-master", "beofarm-worker"):
            archive.add(harness.program(name), f"bin/{name}")
    return path


class Cloud:
    """An account with its storage, and a farm on it."""

    def __init__(self, case, *options):
        self.case = case
        self.storage = tools.Azurite(case)
        self.record = case.path("record-batch")
        # Nodes do not see the build: beofarm's programs must come with the bundle.
        self.batch = tools.Emulator(case, "--hurry", HURRY, "--record", self.record, "--hide",
                                    harness.BUILD, *options, storage=self.storage)
        if self.batch.look()["kind"] != "namespaces":
            raise harness.Skip("nodes with names and networks of their own need root")
        self.environment = {**self.batch.environment(), **self.storage.environment(),
                            "BEOFARM_HTTP_RECORD": case.path("record-launch"),
                            "HOME": case.path("home")}
        os.makedirs(case.path("home"))
        self.process = None

    def write(self, tasks=40, **changes):
        self.case.write("model", MODEL, 0o755)
        farm = {
            "name": "toy",
            "backend": {"kind": "azure", "workers": NODES - 1, "container": "farm",
                        "bundle": bundle(self.case),
                        "pool": {"vm_size": "Standard_D2s_v3",
                                 "start": {"kind": "none", "command": "echo this node starts"}},
                        "waits": {"poll_s": 0.1, "nodes_s": 0.2}},
            "worker": {"slots": 2, "pin": False, "rejoin_s": 60},
            "work": {"kind": "sweep", "command": ["./model"], "env": {"LAB": self.case.folder},
                     "params": farms.grid(k=range(1, tasks + 1)), "outputs": ["out.txt"],
                     "values": [{"name": "double", "regex": "double = ([0-9]+)"}]},
            "files": ["model"], "transport": "mpi",
            "limits": {"heartbeat_timeout_s": 3, "attempts": 5},
        }
        for key, value in changes.items():
            farm[key] = {**farm[key], **value} if isinstance(value, dict) else value
        shutil.rmtree(self.case.path("runs"), ignore_errors=True)
        self.farm = farms.Farm(self.case, farm)
        return self.farm

    def start(self, *words):
        self.process = self.case.start_beofarm("run", "--json", self.farm.file, *words, out="run.out",
                                               env=self.environment)

    def end(self, expect=0):
        try:
            done = self.case.finish(self.process, LIMIT_S)
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.case.read('run.out')}\n"
                                 f"{self.described()}") from None
        assert expect is None or done.code == expect, f"{done}\n{self.described()}"
        return done

    def run(self, *words, **more):
        return self.case.beofarm(*words, env=self.environment, limit_s=LIMIT_S, **more)

    def described(self):
        """For the report of a failure."""
        found = [json.dumps(self.batch.look(), indent=1)]
        for where, _, files in os.walk(self.case.folder):
            for name in files:
                if "/emulator-" in where and name in ("stdout.txt", "stderr.txt"):
                    with open(os.path.join(where, name), encoding="utf-8", errors="replace") as file:
                        found.append(f"--- {where}/{name}\n{file.read()[-3000:]}")
        return "\n".join(found)

    def hosts(self):
        """Where tasks ran."""
        return {line.split()[1] for line in self.case.read("ran").splitlines()}

    def wait_nothing(self):
        """Wait until nothing is rented."""
        def look():
            found = self.batch.look()
            return not found["nodes"] and "active" not in found["jobs"].values()
        try:
            wait_until(look, "nothing is rented")
        except AssertionError as problem:
            raise AssertionError(f"{problem}\n{self.described()}") from None

    def check(self, tasks=40):
        """Results are whole, nothing is rented, nothing secret was written."""
        rows = self.farm.rows(expect=tasks, status="ok")
        assert all(int(row["double"]) == 2 * int(row["k"]) for row in rows), rows
        for task in (1, tasks):
            assert self.farm.output(task, "out.txt") == f"{task}\n"
        self.wait_nothing()
        self.search()

    def search(self):
        """Nothing secret, in anything that was written, by whomever."""
        for path, data in farms.everything_written(self.case.folder):
            text = data.decode("utf-8", errors="replace")
            for secret in tools.SECRETS:
                assert secret not in text, f"a secret in {path}"
            if path.endswith(("record-batch", "record-launch", ".txt", ".out", ".log")):
                assert not re.search(r"sig=(?!\.\.\.)[\w%]", text), f"a signature in {path}"
        tools.hold_against_swagger(self.record, self.environment["BEOFARM_HTTP_RECORD"])


def programs_copy(case, folder):
    """beofarm's programs, as an image or a package has them."""
    os.makedirs(case.path(folder))
    for name in ("beofarm-master", "beofarm-worker"):
        shutil.copy2(harness.program(name), case.path(folder, name))


@test
def a_farm_in_containers(case):
    programs_copy(case, "image/usr/local/bin")
    case.write("image/usr/local/bin/only-in-the-image", "#!/bin/sh\n", 0o755)
    cloud = Cloud(case, "--image", f"farms.example.org/beofarm:1={case.path('image')}",
                  "--registry", "farms.example.org=puller:TOPSECRET-registry")
    start = {"kind": "container", "image": "farms.example.org/beofarm:1",
             "run_options": "--shm-size=1g -e COLOUR=blue", "command": "touch /mnt/started",
             "registry": {"server": "farms.example.org", "user": "puller",
                          "password_env": "REGISTRY_PASSWORD"}}
    backend = {"bundle": "none", "workers": 2, "pool": {"vm_size": "Standard_D2s_v3", "start": start}}
    cloud.write(tasks=10, transport="tcp", backend=backend)
    case.write("model", "#!/bin/sh\nonly-in-the-image && [ $COLOUR = blue ] && "
                        "[ -e /mnt/started ] || exit 9\n" + MODEL, 0o755)
    assert "REGISTRY_PASSWORD" in cloud.run("run", cloud.farm.file).err, "it is missed"
    cloud.wait_nothing()
    shutil.rmtree(case.path("runs"))
    cloud.environment["REGISTRY_PASSWORD"] = "TOPSECRET-registry"
    cloud.start()
    cloud.end()
    cloud.check(10)


@test_plainly
def container_images_that_cannot_be_had_are_told(case):
    cloud = Cloud(case, "--image", "beofarm:1", "--registry", "farms.example.org=puller:pass")
    for image, wanted in (("farms.example.org/beofarm:1", "ContainerInvalidRegistryCredentials"),
                          ("beofarm:2", "ContainerInvalidImage")):
        start = {"kind": "container", "image": image}
        cloud.write(transport="tcp", backend={"failures": {"nodes": 1}, "pool": {
            "vm_size": "Standard_D2s_v3", "start": start}})
        cloud.start()
        done = cloud.end(expect=7)
        assert wanted in done.out + done.err, done
        cloud.wait_nothing()
    cloud.write(backend={"pool": {"vm_size": "Standard_D2s_v3", "image": "debian 12",
                                  "start": {"kind": "container", "image": "beofarm:1"}}})
    assert "run no containers" in cloud.run("run", cloud.farm.file, expect=3).err


APPLICATION = ("/subscriptions/s/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/henry/"
               "applications/Beo-Farm")


@test
def a_farm_of_an_application_package(case):
    programs_copy(case, "bin")
    with zipfile.ZipFile(case.path("farm.zip"), "w", compresslevel=1) as archive:
        for name in ("beofarm-master", "beofarm-worker"):
            archive.write(case.path("bin", name), f"bin/{name}")
    cloud = Cloud(case, "--package", f"Beo-Farm:1.2={case.path('farm.zip')}")
    pool = {"vm_size": "Standard_D2s_v3",
            "start": {"kind": "application", "application": APPLICATION, "version": "1.2"}}
    farm = {"tasks": 10, "transport": "tcp", "backend": {"workers": 2, "pool": pool}}
    cloud.write(**farm)
    written = json.loads(case.read("farm.json"))
    del written["backend"]["bundle"]  # none travels
    case.write("farm.json", written)
    cloud.start()
    cloud.end()
    cloud.check(10)
    status, listed = cloud.storage.ask("GET", "farm?restype=container&comp=list&prefix=bundle/")
    assert status == 200 and b"<Name>" not in listed, listed
    pool["start"]["version"] = "1.3"
    cloud.write(**farm)
    cloud.start()
    done = cloud.end(expect=7)
    assert "InvalidApplicationPackageReferences" in done.out + done.err, done
    cloud.wait_nothing()


@test
def a_sweep_on_four_hosts_by_mpi(case):
    farms.need_mpi(case)
    cloud = Cloud(case)
    cloud.write()
    close_gate(cloud)  # a first host could else do it all while others join
    open_gate(cloud)
    cloud.end()
    cloud.check()
    assert len(cloud.hosts()) == NODES - 1, cloud.hosts()


@test_plainly
def a_service_that_is_busy_or_drops_lines_is_asked_again(case):
    faults = ["status,status=429,retry_after=1,path=/jobs,method=POST", "lost,path=/pools?",
              "status,status=503,times=3,method=GET,path=/tasks/", "drop,path=/tasks?,method=POST",
              "lost,path=/tasks?,method=POST", "lost,path=/addtaskcollection",
              "cut,bytes=20,method=GET,path=/files/stdout.txt,times=2", "servererror"]
    # Besides, nodes do not know each other's names, as where the network's DNS is not Azure's.
    cloud = Cloud(case, "--no-dns", *[word for fault in faults for word in ("--fault", fault)])
    cloud.write(transport="tcp")
    cloud.start()
    cloud.end()
    struck = cloud.batch.look()["struck"]
    assert struck.get("status", 0) >= 2 and struck.get("lost", 0) >= 2 and "cut" in struck, struck
    cloud.check()


@test_plainly
def nodes_that_are_missing_late_or_bad_are_asked_for_again(case):
    faults = ["resize,code=AllocationFailed,nodes=0", "node-slow,seconds=1", "node-unusable",
              "start-task,times=2"]
    cloud = Cloud(case, *[word for fault in faults for word in ("--fault", fault)])
    cloud.write(transport="tcp")
    cloud.start()
    said = cloud.end().out
    assert "AllocationFailed" in said and "NodeBecameUnusable" in said, said
    assert cloud.batch.look()["struck"] == {"resize": 1, "node-slow": 1, "node-unusable": 1,
                                            "start-task": 2}
    cloud.check()


def close_gate(cloud, on=NODES - 1):
    """Tasks after the first few wait; returns when so many hosts have one of these."""
    cloud.case.write("closed", "")
    cloud.start()

    def look():
        if not os.path.exists(cloud.case.path("ran")):
            return False
        rows = [line.split() for line in cloud.case.read("ran").splitlines()]
        return len({host for k, host in rows if int(k) > 8}) >= on
    try:
        wait_until(look, "tasks run", LIMIT_S)
    except AssertionError as problem:
        raise AssertionError(f"{problem}\n{cloud.case.read('run.out')}\n"
                             f"{cloud.described()}") from None


def open_gate(cloud):
    os.unlink(cloud.case.path("closed"))


@test
def evicted_workers_leave_and_come_back(case):
    cloud = Cloud(case)
    cloud.write(transport="tcp", backend={"pool": {
        "vm_size": "Standard_D2s_v3", "spot": -1, "start": {"kind": "none"}}})
    close_gate(cloud)
    spot = [node["id"] for node in cloud.batch.look()["nodes"] if not node["dedicated"]]
    assert len(spot) == NODES - 1, cloud.batch.look()
    cloud.batch.own("POST", "/evict", {"node": spot[0], "notice_s": 4, "returns_s": 1})
    cloud.batch.own("POST", "/evict", {"node": spot[1], "returns_s": 1})
    lives = {node["id"]: node["life"] for node in cloud.batch.look()["nodes"]}
    wait_until(lambda: all(node["life"] > 1 and node["tasks"] for node in
                           cloud.batch.look()["nodes"] if node["id"] in spot[:2]),
               f"evicted nodes run workers again; {lives}", LIMIT_S)
    open_gate(cloud)
    cloud.end()
    cloud.check()


@test_plainly
def a_master_that_loses_its_node_goes_on_elsewhere(case):
    cloud = Cloud(case)
    cloud.write(transport="tcp")
    close_gate(cloud)
    master = next(node for node in cloud.batch.look()["nodes"]
                  if any(task.endswith("/master") for task in node["tasks"]))
    cloud.batch.own("POST", "/kill", {"node": master["id"]})
    wait_until(lambda: any(task.endswith("/master") and node["id"] != master["id"]
                           for node in cloud.batch.look()["nodes"] for task in node["tasks"]),
               "the master runs elsewhere", LIMIT_S)
    open_gate(cloud)
    said = cloud.end().out
    assert '"done":40,"failed":0,"total":40' in said.splitlines()[-1], said
    cloud.check()


@test_plainly
def what_azure_refuses_is_told_and_nothing_stays_rented(case):
    cloud = Cloud(case)
    cloud.write(transport="tcp")
    for setting, fault, wanted in [
            ({"pool_quota": 0}, None, "PoolQuotaReached"),
            ({"job_quota": 0}, None, "ActiveJobAndScheduleQuotaReached"),
            ({"clock_ahead_s": 3600}, None, "timedatectl"),
            ({}, {"fault": "image-refused"}, "imageReference")]:
        before = cloud.batch.look()["settings"]
        cloud.batch.settings(**setting)
        if fault:
            cloud.batch.own("POST", "/faults", fault)
        cloud.start()
        done = cloud.end(expect=None)
        assert done.code not in (0, 1) and wanted in done.out + done.err, f"{wanted}: {done}"
        cloud.batch.settings(**before)
        cloud.wait_nothing()
        wait_until(lambda: not cloud.batch.look()["pools"], f"no pool is left: {wanted}")
    cloud.search()


@test_plainly
def workers_whose_files_are_refused_are_started_again(case):
    cloud = Cloud(case, "--node-start", "1")
    cloud.write(transport="tcp")
    case.write("closed", "")
    cloud.start()
    wait_until(lambda: '"listening"' in case.read("run.out"), "the master listens", LIMIT_S)
    cloud.batch.fault("expired-sas", kind="get", times=2)
    wait_until(lambda: "starting it again" in case.read("run.out"), "a worker is missed", LIMIT_S)
    open_gate(cloud)
    done = cloud.end()
    assert cloud.batch.look()["struck"] == {"expired-sas": 2}, done
    assert "BlobAccessDenied" in done.out and "submitted anew it gets a new one" in done.out, done
    cloud.check()


@test_plainly
def somebody_elses_master_and_workers(case):
    for name in ("minipest.py", "model.py", "case.json"):
        shutil.copy(os.path.join(external.EXAMPLE, name), case.path(name))
    case.write("case.json", {**json.loads(case.read("case.json")), "runs": 30})
    example = external.without_comments(os.path.join(external.EXAMPLE, "farm.json"))
    cloud = Cloud(case)
    cloud.write(transport="tcp", work=None, files=example["files"])
    case.write("farm.json", {**json.loads(case.read("farm.json")), "work": example["work"]})
    cloud.start()
    cloud.end()
    table = list(csv.DictReader(cloud.farm.read("out/master/case.results.csv").splitlines()))
    assert len(table) == 30, table
    assert "has joined" in cloud.farm.read("out/master/stdout.txt")
    cloud.wait_nothing()
    cloud.search()


if __name__ == "__main__":
    harness.main(globals())
