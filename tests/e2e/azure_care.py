#!/usr/bin/env python3
"""What `beofarm` owes to whoever pays: nothing stays rented wherever it is cut off, nothing that is
somebody else's goes, and what was done is found again from another machine."""
import calendar
import json
import os
import re
import signal
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import azure_farm  # noqa: E402
import batch_emulator_tools as tools  # noqa: E402
import farms  # noqa: E402
import harness  # noqa: E402
from azure_mock import Mock  # noqa: E402
from azure_run import LIMIT_S, MODEL, Lab  # noqa: E402
from container import Container  # noqa: E402
from harness import test, test_plainly, wait_until  # noqa: E402


@test
def two_ctrl_c_while_nodes_are_made_give_them_back(case):
    lab = Lab(case, "--node-start", "600")
    run = lab.start("run", lab.farm.file)
    wait_until(lambda: any(lab.batch.ask("GET", f"/jobs/{job}/tasks/master")[0] == 200
                           for job in lab.ids("jobs")), "the master waits for its node")
    # The service answers late: both are there before it does.
    lab.batch.fault("slow", seconds=3, times=1)
    run.send_signal(signal.SIGINT)
    harness.wait_taken(run.pid, signal.SIGINT)  # so they count as two
    run.send_signal(signal.SIGINT)
    done = case.finish(run, LIMIT_S)
    assert done.code == 130 and "is being deleted" in done.out + done.err, done
    wait_until(lambda: not lab.ids("pools"), "the pool is gone")
    # Its master's task waits for ever, as Batch has it; the run is over all the same.
    assert lab.run("status", "--json", expect=0).json()["state"] == "broken"


@test
def pools_of_others_are_left_alone(case):
    lab = Lab(case, pool={"id": "p1"})
    lab.batch.pool()
    said = lab.run("run", lab.farm.file, expect=3).err
    assert "which this farm did not make" in said, said
    assert lab.batch.need("GET", "/pools/p1")["state"] == "active"

    lab.batch.job("theirs")
    lab.batch.task("t", "sleep 600", job="theirs")
    lab.batch.wait_task("t", "running", "theirs")
    farm = json.loads(case.read("farm.json"))
    farm["backend"]["pool"]["reuse"] = True
    case.write("farm.json", farm)
    said = lab.run("run", lab.farm.file, expect=7).err
    assert '"p1" is at work: 1 of its nodes runs tasks' in said, said
    pool = lab.batch.need("GET", "/pools/p1")
    assert (pool["targetDedicatedNodes"], pool["enableAutoScale"]) == (1, False), pool
    assert lab.batch.need("GET", "/jobs/theirs/tasks/t")["state"] == "running"


@test
def a_run_that_was_killed_before_its_job_is_given_back_and_a_later_pool_stays(case):
    lab = Lab(case, "--node-start", "600", pool={"id": "mine"})
    lab.batch.fault("slow", path="/jobs?", method="POST", seconds=120)
    run = lab.start("run", lab.farm.file)
    wait_until(lambda: lab.batch.look()["nodes"], "the pool is being made")
    run.kill()
    case.finish(run, LIMIT_S)
    os.makedirs(case.path("elsewhere"))
    there = {"cwd": case.path("elsewhere")}
    assert lab.run("status", "--json", lab.farm.file, expect=0, **there).json()["state"] == "new"
    said = lab.run("cancel", lab.farm.file, expect=0, **there).out
    assert "pool mine is being deleted" in said, said
    wait_until(lambda: not lab.ids("pools"), "the pool is gone")
    lab.batch.need("POST", "/pools", {**tools.POOL, "id": "mine", "targetDedicatedNodes": 0})
    said = lab.run("clean", "--yes", lab.farm.file, expect=0, **there).out
    assert "container beofarm-toy itself" in said and "pool mine" not in said, said
    lab.run("cancel", expect=0)
    assert lab.batch.need("GET", "/pools/mine")["state"] == "active"


@test
def what_failed_is_run_again_from_another_machine(case):
    lab = Lab(case)
    case.write("model", MODEL + '[ -e "$LAB/mended" ] || [ "$k" != 3 ]\n', 0o755)
    lab.run("run", lab.farm.file, expect=1)
    case.write("mended", "")
    os.makedirs(case.path("elsewhere"))
    there = {"cwd": case.path("elsewhere")}
    # Another pool of that name may just be going.
    wait_until(lambda: not lab.ids("pools"), "the pool is gone")
    said = lab.run("run", "--resume", "--retry-failed", lab.farm.file, expect=0, **there).out
    assert "1 failed task will be run again" in said and "7 before: 8 done, 0 failed" in said, said
    assert "is being deleted" in said, said
    wait_until(lambda: not lab.ids("pools"), "the second pool is gone, too")
    rows = lab.run("results", lab.farm.file, "--json", expect=0, **there).json()
    assert [row["status"] for row in rows] == ["ok"] * 8, rows

    # When half of the nodes' right to the container has passed, whoever asks renews it.
    note = os.path.join(lab.run_dir("elsewhere"), "backend/azure.json")
    with open(note, encoding="utf-8") as file:
        known = json.load(file)
    right = f"beofarm-toy/{known['run']}/sas"
    assert lab.storage.ask("GET", right)[0] == 404
    case.write(note, {**known, "begun_s": known["begun_s"] - 100 * 3600})
    lab.run("results", lab.farm.file, expect=0, **there)
    status, text = lab.storage.ask("GET", right)
    days = set(re.findall(r"se=([0-9-]+)T", text.decode()))
    assert status == 200 and days <= {time.strftime("%Y-%m-%d", time.gmtime(time.time() + 7 * 86400 - s))
                                      for s in (0, 600)}, "the new right lasts for a week"

    # What somebody else laid among the contents stays, and so does the container.
    lab.storage.put("beofarm-toy/store/notes.txt", b"mine")
    lab.run("clean", "--yes", lab.farm.file, expect=0, **there)
    listed = lab.storage.ask("GET", "beofarm-toy?restype=container&comp=list")[1]
    assert re.findall(rb"<Name>([^<]*)</Name>", listed) == [b"store/notes.txt"], listed


def rights(cloud):
    """When the nodes' rights to the container end: that of each task that was submitted."""
    found = {}
    for job in cloud.batch.need("GET", "/jobs")["value"]:
        for task in cloud.batch.need("GET", f"/jobs/{job['id']}/tasks")["value"]:
            store = next(item["value"] for item in task["environmentSettings"]
                         if item["name"] == "BEOFARM_STORE")
            end = urllib.parse.unquote(re.search(r"[?&]se=([^&]*)", store)[1])
            found[task["id"]] = calendar.timegm(time.strptime(end, "%Y-%m-%dT%H:%M:%SZ"))
    return found


@test_plainly
def a_farm_outlives_the_right_that_its_nodes_began_with(case):
    cloud = azure_farm.Cloud(case)
    # Tasks run longer than the right lasts: in all that time no worker has a reason to speak to the
    # container.
    cloud.write(tasks=24, transport="tcp", backend={"sas_h": 45 / 3600})
    azure_farm.close_gate(cloud)
    first = rights(cloud)
    wait_until(lambda: time.time() > max(first.values()) + 1, "the first right has ended")
    azure_farm.open_gate(cloud)
    cloud.end()
    cloud.check(24)


@test_plainly
def a_master_begun_anew_after_its_right_is_told_and_the_farm_resumed(case):
    cloud = azure_farm.Cloud(case)
    cloud.write(tasks=14, transport="tcp", backend={"workers": 2})
    azure_farm.close_gate(cloud, on=2)
    cloud.batch.fault("expired-sas", kind="get", times=1)
    master = next(node for node in cloud.batch.look()["nodes"]
                  if any(task.endswith("/master") for task in node["tasks"]))
    cloud.batch.own("POST", "/kill", {"node": master["id"]})
    done = cloud.end(expect=7)
    end = json.loads(done.out.splitlines()[-1])
    assert end["resumable"] and "submitted anew it gets a new one" in end["sentence"], end
    assert "BlobAccessDenied" in end["sentence"], end
    cloud.wait_nothing()
    azure_farm.open_gate(cloud)
    cloud.run("run", "--resume", expect=0)
    assert len(cloud.farm.rows(expect=14, status="ok")) == 14
    cloud.wait_nothing()


def elsewhere(case, name):
    os.makedirs(case.path(name))
    return {"cwd": case.path(name)}


@test_plainly
def one_beofarm_leads_a_farm_and_another_takes_its_place_when_told_to(case):
    lab = Lab(case)
    case.write("closed", "")
    first = lab.start("run", lab.farm.file)
    wait_until(lambda: "worker-1" in lab.task_states(), "it leads")
    there = elsewhere(case, "there")
    refused = lab.run("run", "--resume", lab.farm.file, expect=7, **there)
    who = rf"led by another beofarm \(\w+@\S+, process {first.pid}, since 20\d\d-\d\d-\d\d \S+ UTC\)"
    assert re.search(who, refused.err) and "--take-over" in refused.err, refused
    assert first.poll() is None
    second = lab.start("run", "--resume", "--take-over", lab.farm.file, **there)
    done = case.finish(first, LIMIT_S)
    assert done.code == 7 and "has taken our place" in done.err, done
    assert f"process {second.pid}," in done.err, done
    assert lab.ids("pools"), "the farm is left to the other"
    second.kill()
    case.finish(second, LIMIT_S)
    os.remove(case.path("closed"))
    # The dead are known on their own machine.
    lab.run("run", "--resume", expect=0)
    assert len(lab.farm.rows(expect=8)) == 8
    lab.wait_empty()


@test_plainly
def a_leader_whose_machine_is_gone_makes_room(case):
    lab = Lab(case)
    case.write("closed", "")
    words = ["unshare", "--pid", "--fork", "--kill-child"]
    if case.run(*words, "true").code:
        raise harness.Skip("a namespace of processes needs root")
    first = case.start(*words, harness.program("beofarm"), "run", lab.farm.file, env=lab.environment)
    wait_until(lambda: "worker-2" in lab.task_states(), "it leads")
    first.kill()
    os.remove(case.path("closed"))
    done = lab.run("run", "--resume", lab.farm.file, expect=0, **elsewhere(case, "there"))
    assert "to see whether it lives" in done.out + done.err, done
    lab.wait_empty()


@test_plainly
def a_full_disk_at_home_is_told_and_what_is_missing_fetched_afterwards(case):
    lab = Lab(case)
    case.write("model", MODEL + "head -c 400000 /dev/zero >deep/out.txt\n", 0o755)
    lab.run("run", "--detach", lab.farm.file, expect=0)
    job = lab.ids("jobs")[0]
    wait_until(lambda: lab.batch.need("GET", f"/jobs/{job}")["state"] == "completed",
               "the job has ended")
    small = elsewhere(case, "small")
    if case.run("mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", small["cwd"]).code:
        raise harness.Skip("a small disk needs root")
    try:
        said = lab.run("results", lab.farm.file, expect=4, **small).err
        assert re.search("is full: .* still to come, .* free some space, then `beofarm results`", said), said
        there = len([name for _, _, names in os.walk(case.path("small", "runs"))
                     for name in names if name == "out.txt"])
        assert 0 < there < 8, there
        case.run("mount", "-o", "remount,size=32m", small["cwd"], expect=0)
        said = lab.run("results", expect=0, **small).err
        assert re.search(rf"^{8 - there} files? \(.*\) came from the container", said, re.M), said
        assert "came from" not in lab.run("results", expect=0, **small).err
    finally:
        case.run("umount", small["cwd"])


def command_lines():
    """Of all processes of this machine but the emulator's own, which is told its key there."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read().replace(b"\0", b" ").decode("utf-8", errors="replace")
        except OSError:
            continue
        if "batch_emulator" not in line:
            yield line


@test_plainly
def a_folder_with_the_farm_file_alone_is_enough(case):
    lab = Lab(case)
    case.write("closed", "")
    lab.run("run", "--detach", lab.farm.file, expect=0)
    there = elsewhere(case, "there")
    case.write("there/farm.json", json.loads(case.read("farm.json")))
    follower = case.start(harness.program("beofarm"), "logs", "-f", "farm.json", "worker-1",
                          env=lab.environment, out="there/log", **there)
    wait_until(lambda: "joined the master" in case.read("there/log"), "the log is followed")
    wait_until(lambda: '"done":4' in lab.run("status", "--json", "farm.json", expect=0,
                                             **there).out.replace(" ", ""), "four tasks are done")
    for line in command_lines():
        tools.search(line, "a command line")
    lab.run("cancel", "farm.json", expect=0, **there)
    case.finish(follower, LIMIT_S)
    wait_until(lambda: not lab.ids("pools"), "the pool is gone")
    state = lab.run("status", "--json", "farm.json", expect=0, **there).json()
    assert state["state"] not in ("running", "new"), state
    rows = lab.run("results", "--json", "farm.json", expect=0, **there).json()
    assert [row["status"] for row in rows] == ["ok"] * 4, rows
    lab.run("clean", "--yes", "farm.json", expect=0, **there)
    assert not lab.ids("jobs")
    for name in ("results.csv", "out/4/deep/out.txt"):
        assert os.path.exists(os.path.join(lab.run_dir("there"), name)), name
    assert lab.storage.ask("GET", "beofarm-toy?restype=container")[0] == 404


@test_plainly
def a_farm_that_is_cleaned_while_it_runs_keeps_what_it_has_done(case):
    lab = Lab(case)
    case.write("closed", "")
    lab.run("run", "--detach", lab.farm.file, expect=0)
    wait_until(lambda: '"done":4' in lab.run("status", "--json").out.replace(" ", ""),
               "four tasks are done")
    said = lab.run("clean", "--yes", expect=0).out
    assert "running tasks are killed" in said and "removed" in said, said
    assert not lab.ids("jobs")
    assert [row["status"] for row in lab.farm.rows()] == ["ok"] * 4
    assert lab.farm.output(4, "deep/out.txt") == "4\n"


@test_plainly
def a_farm_goes_on_where_its_account_cannot_be_asked_any_more(case):
    lab = Lab(case)
    case.write("closed", "")
    run = lab.start("run", lab.farm.file)
    wait_until(lambda: lab.task_states().get("worker-2") == "running", "the workers run")
    lab.batch.settings(clock_ahead_s=3600)  # all signatures are too old now
    done = case.finish(run, LIMIT_S)
    said = done.out + done.err
    assert "the farm goes on meanwhile" in said and "goes on by itself" in said, done
    lab.batch.settings(clock_ahead_s=0)
    assert lab.ids("pools"), "nothing was given back"
    os.remove(case.path("closed"))
    lab.run("watch", expect=0)
    assert len(lab.farm.rows(expect=8, status="ok")) == 8
    lab.wait_empty()


@test
def a_master_to_whom_nobody_comes_ends(case):
    with Mock() as mock:
        farm = Container(case, mock, farms.shell("echo $x"))
        master = farm.master(BEOFARM_ALONE_S="1")
        farm.ends(master, 130)
        end = farm.said(master)[-1]
        assert end["event"] == "end" and "no worker is there" in end["sentence"], end
        assert "can be resumed" in end["sentence"], end


if __name__ == "__main__":
    harness.main(globals())
