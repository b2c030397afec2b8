#!/usr/bin/env python3
"""The beofarm command against a stand-in master and worker (fakes.py)."""
import json
import os
import pty
import signal
import stat
import time

import harness
from harness import alive, test, wait_until

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
    return record(case, task, run)["pid"]


def wait_joined(case, count, run="runs/toy-001"):
    def joined():
        try:
            return len(os.listdir(case.path(run, "fake"))) >= count
        except FileNotFoundError:
            return False
    wait_until(joined, f"{count} workers joined")


# ---- the command line


@test
def wrong_commands_and_options_name_the_nearest(case):
    done = case.beofarm("rnu", expect=2)
    assert 'did you mean "run"?' in done.err, done
    done = case.beofarm("run", "--worker", "2", expect=2)
    assert 'did you mean "--workers"?' in done.err, done
    done = case.beofarm("run", "--workers", "two", expect=2)
    assert "whole number" in done.err, done
    case.beofarm("run", "--workers", expect=2)
    case.beofarm("run", "--json=yes", expect=2)
    case.beofarm("status", "one", "two", expect=2)
    case.beofarm(expect=2)


@test
def every_command_explains_itself(case):
    overview = case.beofarm("--help", expect=0).out
    for name in ("init check run status watch results logs cancel clean doctor").split():
        assert f"  {name} " in overview, name
        assert f"Usage: beofarm {name} " in case.beofarm(name, "--help", expect=0).out
    assert case.beofarm("--version", expect=0).out.startswith("beofarm ")


@test
def the_man_pages_explain_every_option_and_every_key(case):
    def page(name):
        with open(os.path.join(harness.SOURCE, "docs", "man", name), encoding="utf-8") as file:
            return file.read()
    manual = page("beofarm.1").replace("\\-", "-")
    for name in ("init check run status watch results logs cancel clean doctor").split():
        section = manual.split(f'.SS "{name}' if name != "doctor" else ".SS doctor")[1]
        section = section.split(".SS ")[0].split(".SH ")[0]
        for line in case.beofarm(name, "--help", expect=0).out.splitlines():
            option = line.strip().split(", ")[-1].split(" ")[0]
            if option.startswith("--") and option != "--help":
                assert option in section, (name, option)
    for name in ("farm", "survey"):
        writer = os.path.join(harness.SOURCE, "docs", "man", "write_farm_json.py")
        written = case.run("python3", writer, name, expect=0).out
        assert written == page(f"{name}.json.5"), "run docs/man/write_farm_json.py again"


@test
def a_full_standard_output_is_an_error(case):
    with open("/dev/full", "w", encoding="ascii") as full:
        process = case.start("sh", "-c", 'exec "$0" --help >/dev/full',
                             harness.program("beofarm"))
        done = case.finish(process)
        assert full and done.code == 4 and "No space left" in done.err, done


@test
def init_writes_a_file_that_check_likes_and_spares_what_is_there(case):
    fakes(case)
    for kind in ("sweep", "socket", "external"):
        case.beofarm("init", kind, "-o", "new.json", "--force", expect=0)
        case.write("plan", "")
        case.beofarm("check", "new.json", expect=0)
    assert "//" in case.read("new.json")
    done = case.beofarm("init", "-o", "new.json", expect=2)
    assert "--force" in done.err, done
    done = case.beofarm("init", "sweeep", "-o", "other.json", expect=2)
    assert 'did you mean "sweep"?' in done.err and not os.path.exists(case.path("other.json"))


@test
def check_tells_every_mistake_at_once(case):
    fakes(case, {"limits": {"atempts": 3, "worker_restarts": -1}})
    done = case.beofarm("check", expect=3)
    assert "$.limits.atempts" in done.err and '"attempts"' in done.err, done
    assert "$.limits.worker_restarts" in done.err, done
    report = case.beofarm("check", "--json", expect=3).json()
    assert report["good"] is False and len(report["errors"]) == 2, report
    done = case.beofarm("run", expect=3)
    assert not os.path.exists(case.path("runs")), done


@test
def check_passes_on_what_the_driver_says(case):
    fakes(case, PLAN_ERROR="params.csv:3: 2 fields where 3 are wanted")
    done = case.beofarm("check", expect=3)
    assert "params.csv:3: 2 fields where 3 are wanted" in done.err, done
    report = case.beofarm("check", "--json", expect=3).json()
    assert "params.csv:3" in report["errors"][0]


@test
def a_missing_farm_file_or_program_gets_a_sentence(case):
    assert "beofarm init" in case.beofarm("run", expect=2).err
    assert "nothere.json" in case.beofarm("run", "nothere.json", expect=4).err
    case.write("farm.json", FARM)
    case.environment["BEOFARM_BIN"] = case.folder
    done = case.beofarm("run", expect=4)
    assert "beofarm-master" in done.err and "BEOFARM_BIN" in done.err, done
    assert "there is no run" in case.beofarm("status", expect=2).err


# ---- the sequence


@test
def run_submits_the_master_then_workers_that_know_it(case):
    fakes(case, {"port": 4321})
    lines = run_json(case)
    summary = events(lines, "summary")[0]
    assert summary["exit_code"] == 0 and summary["done"] == 3, summary
    master, worker = seen(case, "master"), seen(case, "worker-1")["environment"]
    run = case.path("runs/toy-001")
    ours = master["environment"]
    assert ours["BEOFARM_RUN_DIR"] == os.path.realpath(run)
    assert ours["BEOFARM_STORE"] == "dir:" + os.path.realpath(run) + "/store"
    assert (ours["BEOFARM_PORT"], ours["BEOFARM_NETWORK"], ours["BEOFARM_FARM"]) == (
        "4321", "lo", "toy")
    assert "farm.json" in master["files"] and "files.json" in master["files"]
    assert worker["BEOFARM_MASTER"] == worker["MASTER_HOSTNAME"] == "fakehost"
    assert worker["BEOFARM_MASTER_ADDR"] == "127.0.0.1"
    assert worker["BEOFARM_PORT"] == "4321"
    assert worker["BEOFARM_SECRET"] == ours["BEOFARM_SECRET"] == case.read(run, "secret")
    assert len(worker["BEOFARM_SECRET"]) == 64
    assert "BEOFARM_STORE" not in worker and "BEOFARM_RUN_DIR" not in worker
    assert os.path.exists(case.path(run, "backend/tasks/worker-2/stderr.txt"))
    assert record(case, "worker-2")["state"] == "ended"
    assert record(case, "master")["exit_code"] == 0


@test
def the_secret_shows_nowhere_but_in_its_file_and_the_environment(case):
    fakes(case, MASTER="stay", JOIN=2)
    run = case.start_beofarm("run", "--json")
    wait_joined(case, 2)
    secret = case.read("runs/toy-001/secret")
    assert stat.S_IMODE(os.stat(case.path("runs/toy-001/secret")).st_mode) == 0o600
    for pid in (run.pid, record(case, "master")["pid"], record(case, "worker-1")["pid"],
                record(case, "worker-1")["supervisor"]["pid"]):
        with open(f"/proc/{pid}/cmdline", encoding="utf-8") as file:
            assert secret not in file.read()
    run.send_signal(signal.SIGINT)
    done = case.finish(run)
    assert secret not in done.out + done.err
    assert secret not in case.beofarm("run", "--dry-run", expect=0).out
    for where, _, files in os.walk(case.path("runs")):
        for name in files:
            if name not in ("secret", "seen.json"):
                with open(os.path.join(where, name), encoding="utf-8") as file:
                    assert secret not in file.read(), name


@test
def a_bare_name_is_a_hostname_too(case):
    fakes(case, HOST_LINE="node-17.example", EVENTS=0)
    case.beofarm("run", expect=0)
    assert seen(case, "worker-1")["environment"]["BEOFARM_MASTER"] == "node-17.example"
    assert seen(case, "worker-1")["environment"]["BEOFARM_PORT"] == "4004"


@test
def a_first_line_that_is_no_hostname_ends_the_run(case):
    fakes(case, HOST_LINE="Segmentation fault (core dumped)")
    done = case.beofarm("run", expect=7)
    assert "no hostname" in done.err and "Segmentation fault" in done.err, done
    wait_until(lambda: record(case, "master")["state"] == "ended", "the master is killed")


@test
def a_master_that_fails_at_once_is_quoted(case):
    fakes(case, MASTER="fail")
    done = case.beofarm("run", expect=4)
    assert "the disk is made of cheese" in done.out and "exit code 4" in done.out, done
    assert not os.path.exists(case.path("runs/toy-001/backend/tasks/worker-1"))


@test
def a_small_farm_takes_little_time(case):
    fakes(case)
    case.environment["FAKE_WORKER"] = "leave"
    case.environment["FAKE_JOIN"] = "0"
    # Python starts the stand-ins (plan, master): some 50 ms each on a slow machine. A busy one may
    # be late once or twice; what waits without need is late each time.
    times = [case.beofarm("run", "-q", expect=0).elapsed_s for _ in range(3)]
    assert min(times) < 2.0, times


@test
def two_runs_at_once_take_two_directories(case):
    fakes(case)
    first, second = case.start_beofarm("run", "-q"), case.start_beofarm("run", "-q")
    assert case.finish(first).code == 0 and case.finish(second).code == 0
    assert sorted(os.listdir(case.path("runs"))) == ["toy-001", "toy-002"]


@test
def odd_names_are_no_trouble(case):
    folder = "it's a \"näme\"\nwith $(all) *"
    fakes(case)
    case.write(f"{folder}/farm.json", {**FARM, "files": ["."]})
    case.write(f"{folder}/in put\n'*'.dat", "content")
    case.run(harness.program("beofarm"), "run", cwd=case.path(folder), expect=0)
    manifest = json.loads(case.read(folder, "runs/toy-001/files.json"))
    assert [f["path"] for f in manifest["files"]] == ["in put\n'*'.dat"], manifest


@test
def workers_may_be_fewer_or_more_than_the_file_says(case):
    fakes(case, JOIN=3)
    case.beofarm("run", "--workers", "3", "-q", expect=0)
    assert json.loads(case.read("runs/toy-001/farm.json"))["backend"]["workers"] == 3
    assert record(case, "worker-3")["exit_code"] == 0


@test
def without_workers_of_its_own_run_says_how_to_start_some(case):
    fakes(case, MASTER="stay")
    run = case.start_beofarm("run", "--workers", "0", out="run.txt")
    wait_until(lambda: "beofarm-worker --farm toy --secret-file" in case.read("run.txt") and
               "fakehost:4004" in case.read("run.txt"), "it says how")
    assert "listens to this machine alone" in case.read("run.txt")  # the local backend's network
    run.send_signal(signal.SIGINT)
    assert case.finish(run).code == 130


@test
def a_full_disk_gets_a_sentence(case):
    os.makedirs(case.path("small"))
    done = case.run("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", case.path("small"))
    if done.code != 0:
        raise harness.Skip("no tmpfs can be mounted here")
    try:
        fakes(case, {"files": ["big"]})
        case.write("big", "x" * 1000000)
        done = case.beofarm("run", "--run-dir", "small/run", expect=4)
        assert "No space left" in done.err and "big" in done.err, done
    finally:
        case.run("umount", case.path("small"), expect=0)


@test
def limit_goes_into_the_farm_file_as_run(case):
    fakes(case)
    case.beofarm("run", "--limit", "2", "-q", expect=0)
    farm = json.loads(case.read(seen(case, "master")["environment"]["BEOFARM_RUN_DIR"],
                                "backend/tasks/master/wd/farm.json"))
    assert farm["limits"]["tasks"] == 2


# ---- files


@test
def files_go_into_the_store_by_content(case):
    plan = {"tasks": 3, "files": [{"path": "p.csv", "common": False, "copy": False}]}
    fakes(case, {"files": ["data", {"path": "*.bin", "copy": True}]}, PLAN=json.dumps(plan))
    case.write("data/a/one.txt", "same")
    case.write("data/two.txt", "same")
    case.write("run.bin", "tool", 0o755)
    case.write("p.csv", "x\n1\n")
    case.write("data/.git/config", "no")
    os.symlink("a/one.txt", case.path("data/link.txt"))
    os.symlink("/etc/passwd", case.path("data/outside"))
    os.symlink("..", case.path("data/loop"))
    done = case.beofarm("run", expect=0)
    assert "links that lead outside" in done.out, done
    files = {f["path"]: f for f in json.loads(case.read("runs/toy-001/files.json"))["files"]}
    assert sorted(files) == ["data/a/one.txt", "data/link.txt", "data/two.txt", "p.csv", "run.bin"]
    assert files["data/two.txt"]["hash"] == files["data/a/one.txt"]["hash"]
    assert files["run.bin"]["mode"] == "0755" and files["run.bin"]["copy"] is True
    assert files["p.csv"]["common"] is False and files["data/two.txt"]["common"] is True
    assert case.read("runs/toy-001/store", files["run.bin"]["hash"]) == "tool"
    assert len(os.listdir(case.path("runs/toy-001/store"))) == 3


@test
def what_farmignore_says_does_not_travel(case):
    plan = {"tasks": 3, "files": [{"path": "data/p.csv", "common": False, "copy": False}]}
    fakes(case, {"files": [".", "out/named.bin"]}, PLAN=json.dumps(plan))
    case.write(".farmignore", "*.log\n*.csv\n/out\n/data/*\n!/data/keep/\nonly/  \nfake*\n")
    case.write("sub/.farmignore", "!kept.log\n/x\n")
    for path in ("a.log", "sub/b.log", "sub/kept.log", "sub/x", "sub/deep/x", "data/p.csv", "data/q.csv",
                 "data/r.dat", "data/keep/s.dat", "out/named.bin", "out/other.bin", "sub/only/t", "only.txt"):
        case.write(path, path)
    case.beofarm("run", "-q", expect=0)
    manifest = json.loads(case.read("runs/toy-001/files.json"))
    found = {f["path"] for f in manifest["files"]}
    assert {p for p in found if "/" in p or p.endswith((".txt", ".log", "ignore"))} == {
        "sub/kept.log", "sub/deep/x", "data/p.csv", "data/keep/s.dat", "out/named.bin", "only.txt"}, found


@test
def wrong_entries_of_files_are_named(case):
    for entry, sentence in (("nothere.dat", "nothere.dat"), ("../up", "not inside"),
                            ("/etc/passwd", "not inside"), ("*.xyz", "matches"),
                            ("out", "leads outside")):
        if not os.path.exists(case.path("farm.json")):
            fakes(case)
            os.symlink("/etc/passwd", case.path("out"))
        case.write("farm.json", {**FARM, "files": [entry]})
        done = case.beofarm("run", expect=3)
        assert "$.files[0]" in done.err and sentence in done.err, done


@test
def a_farm_of_its_own_folder_leaves_runs_and_itself_out(case):
    fakes(case, {"files": ["."]})
    case.write("sub/model.in", "x")
    case.beofarm("run", "-q", expect=0)
    case.beofarm("run", "-q", expect=0)
    case.beofarm("run", "-q", "--run-dir", "sub/elsewhere", expect=0)
    case.beofarm("run", "-q", expect=0)
    manifest = json.loads(case.read("runs/toy-003/files.json"))
    names = [f["path"] for f in manifest["files"]]
    assert "sub/model.in" in names and "farm.json" not in names, names
    assert not [n for n in names if "runs/" in n or "elsewhere" in n], names


@test
def a_dry_run_shows_all_and_writes_nothing(case):
    fakes(case, {"files": ["a.dat"]})
    case.write("a.dat", "12345")
    done = case.beofarm("run", "--dry-run", "--workers", "5", expect=0)
    for text in ("tasks to compute: 3", "6 nodes", "BEOFARM_SECRET=****", "5 bytes", "a.dat",
                 "wd/farm.json", "MASTER_HOSTNAME=", "5 of them"):
        assert text in done.out, (text, done.out)
    plan = case.beofarm("run", "--dry-run", "--json", expect=0).json()
    assert plan["bytes"] == 5 and plan["submissions"][0]["environment"]["BEOFARM_PORT"] == "4004"
    assert not os.path.exists(case.path("runs"))


@test
def a_run_directory_of_ones_own_must_be_empty(case):
    fakes(case)
    case.write("full/precious.txt", "mine")
    assert "not an empty folder" in case.beofarm("run", "--run-dir", "full", expect=2).err
    case.beofarm("run", "-q", "--run-dir", "mine/here", expect=0)
    assert "--resume" in case.beofarm("run", "--run-dir", "mine/here", expect=2).err


@test
def an_unwritable_folder_gets_a_sentence(case):
    fakes(case)
    case.write("runs", "a file in the way")
    done = case.beofarm("run", expect=4)
    assert "runs" in done.err, done


# ---- workers


@test
def a_worker_that_dies_is_started_again(case):
    fakes(case, WORKER="die-first")
    lines = run_json(case)
    notices = [e["sentence"] for e in events(lines, "notice")]
    assert any("worker-1 ended (exit code 9); starting it again (1 of 3)" in n for n in notices)
    assert record(case, "worker-1")["exit_code"] == 9
    # On a busy machine the farm may be over before it has started, and it is told to go.
    second = record(case, "worker-1-2")
    assert second["exit_code"] == 0 or second["signal"] == signal.SIGTERM, second


@test
def a_farm_without_workers_ends_with_a_sentence(case):
    fakes(case, {"limits": {"worker_restarts": 1}}, WORKER="die")
    done = case.beofarm("run", expect=7)
    assert "no worker is left" in done.out and "has no desire to work" in done.out, done
    assert "beofarm run --resume" in done.out, done
    assert record(case, "worker-2-2")["exit_code"] == 9
    assert record(case, "master")["exit_code"] == 130


@test
def workers_that_do_not_go_are_made_to(case):
    fakes(case, WORKER="stubborn")
    case.beofarm("run", "-q", expect=0, limit_s=40)
    assert record(case, "worker-1")["signal"] == signal.SIGKILL


@test
def a_killed_worker_takes_its_children_with_it(case):
    fakes(case, MASTER="stay")
    case.write("bin2/beofarm-worker", "#!/bin/sh\nsetsid sleep 1000 & echo $! >child\n"
               "echo >../../../../fake/w$$\nwait\n", 0o755)
    os.remove(case.path("bin/beofarm-worker"))
    os.symlink("../bin2/beofarm-worker", case.path("bin/beofarm-worker"))
    run = case.start_beofarm("run", "-q")
    wait_joined(case, 2)
    child = int(case.read("runs/toy-001/backend/tasks/worker-1/wd/child"))
    assert alive(child)
    os.kill(record(case, "worker-1")["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(child), "the worker's child is killed, in its own session too")
    wait_until(lambda: try_record(case, "worker-1-2"), "the worker is started again")
    run.send_signal(signal.SIGINT)
    case.finish(run)


# ---- ends


@test
def the_exit_code_is_the_masters(case):
    fakes(case, MASTER_EXIT=1)
    case.beofarm("run", "-q", expect=1)


@test
def a_killed_master_leaves_a_run_to_resume(case):
    fakes(case, MASTER="die")
    done = case.beofarm("run", expect=7)
    assert "signal 9" in done.out and "beofarm run --resume" in done.out, done
    assert record(case, "worker-1")["state"] == "ended"
    case.environment["FAKE_MASTER"] = "run"
    case.beofarm("run", "--resume", expect=0)
    assert record(case, "master-2")["exit_code"] == 0
    assert seen(case, "master-2")["environment"]["BEOFARM_SECRET"] == seen(
        case, "master")["environment"]["BEOFARM_SECRET"]


@test
def a_master_that_is_killed_at_once_says_what_may_be_behind_it(case):
    fakes(case, MASTER="die-at-once")
    done = case.beofarm("run", expect=7)
    assert "before it said its hostname (signal 9 (Killed))" in done.out, done
    assert "for want of memory" in done.out and "can be gone on with" in done.out, done
    assert "go on      beofarm run --resume runs/toy-001\n" in done.out, done
    case.environment["FAKE_MASTER"] = "run"
    case.beofarm("run", "--resume", expect=0)


@test
def ctrl_c_stops_cleanly_and_says_how_to_resume(case):
    fakes(case, MASTER="stay")
    run = case.start_beofarm("run")
    wait_joined(case, 2)
    run.send_signal(signal.SIGINT)
    done = case.finish(run)
    assert done.code == 130 and "beofarm run --resume runs/toy-001" in done.out, done
    assert record(case, "master")["exit_code"] == 130
    assert record(case, "worker-1")["exit_code"] == 0
    assert case.beofarm("status", "--json", expect=0).json()["state"] == "stopped"


@test
def a_second_ctrl_c_stops_at_once(case):
    fakes(case, MASTER="stay", WORKER="stubborn")
    run = case.start_beofarm("run")
    wait_joined(case, 2)
    run.send_signal(signal.SIGTERM)
    wait_until(lambda: record(case, "master")["state"] == "ended", "the master ends")
    run.send_signal(signal.SIGINT)
    began = time.monotonic()
    done = case.finish(run)
    assert done.code == 130 and time.monotonic() - began < 4, done
    wait_until(lambda: record(case, "worker-1")["state"] == "ended", "the worker is killed")
    assert record(case, "worker-1")["signal"] == signal.SIGKILL


@test
def a_farm_outlives_its_launcher_and_is_taken_up_again(case):
    fakes(case, MASTER="stay", JOIN=1)
    run = case.start_beofarm("run", "--json")
    pid = wait_running(case, "worker-2")
    run.kill()
    case.finish(run)
    status = case.beofarm("status", "--json", expect=0).json()
    assert status["state"] == "running" and alive(pid), status
    again = case.start_beofarm("run", "--resume", "--json", out="again.txt")
    wait_until(lambda: "following it" in case.read("again.txt"), "it follows the old master")
    done = case.beofarm("run", "--resume", expect=7)
    assert "is being led by another beofarm" in done.err, done
    os.kill(record(case, "master")["pid"], signal.SIGTERM)
    done = case.finish(again)
    assert done.code == 130 and "master-2" not in os.listdir(
        case.path("runs/toy-001/backend/tasks")), done
    assert events(done.lines(), "end"), done


@test
def exit_codes_are_kept_while_nobody_looks(case):
    fakes(case, MASTER="stay", JOIN=1, MASTER_EXIT=0)
    run = case.start_beofarm("run", "-q")
    pid = wait_running(case, "worker-2")
    wait_running(case, "worker-1")
    run.kill()
    case.finish(run)
    os.kill(pid, signal.SIGSEGV)
    wait_until(lambda: record(case, "worker-2")["state"] == "ended", "the end is recorded")
    assert record(case, "worker-2")["signal"] == signal.SIGSEGV
    tasks = case.beofarm("status", "--json", expect=0).json()["tasks"]
    assert {t["id"]: t["state"] for t in tasks}["worker-2"] == "ended"
    case.beofarm("cancel", expect=0)


@test
def a_task_whose_supervisor_is_killed_is_lost_and_dies(case):
    fakes(case, MASTER="stay")
    run = case.start_beofarm("run", "-q")
    wait_joined(case, 2)
    task = record(case, "master")
    os.kill(task["supervisor"]["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(task["pid"]), "the kernel kills the program")
    done = case.finish(run)
    assert done.code == 7 and "lost" in done.out, done
    assert case.beofarm("status", "--json", expect=0).json()["state"] == "broken"


# ---- resume and changes


def stopped(case, **variables):
    fakes(case, variables.pop("farm", None), MASTER="stay", **variables)
    run = case.start_beofarm("run", "-q")
    wait_joined(case, 2)
    run.send_signal(signal.SIGINT)
    assert case.finish(run).code == 130
    case.environment["FAKE_MASTER"] = "run"


@test
def resume_refuses_what_changed_and_names_it(case):
    case.write("in/a.dat", "one")
    case.write("in/b.dat", "two")
    stopped(case, farm={"files": ["in"]})
    case.write("in/a.dat", "other")
    os.remove(case.path("in/b.dat"))
    case.write("in/c.dat", "three")
    case.write("farm.json", {**FARM, "files": ["in"], "limits": {"attempts": 7}})
    done = case.beofarm("run", "--resume", expect=8)
    for text in ("$.limits.attempts", '"in/a.dat" (changed)', '"in/b.dat" (gone)',
                 '"in/c.dat" (new)', "--accept-changes"):
        assert text in done.err, (text, done)
    case.beofarm("run", "--resume", "--accept-changes", expect=0)
    farm = json.loads(case.read("runs/toy-001/backend/tasks/master-2/wd/farm.json"))
    assert farm["limits"]["attempts"] == 7
    files = [f["path"] for f in json.loads(case.read("runs/toy-001/files.json"))["files"]]
    assert files == ["in/a.dat", "in/c.dat"]


@test
def resume_keeps_what_the_command_line_said(case):
    fakes(case, MASTER="stay", JOIN=1)
    run = case.start_beofarm("run", "-q", "--workers", "1", "--limit", "2")
    wait_joined(case, 1)
    run.send_signal(signal.SIGINT)
    case.finish(run)
    case.environment["FAKE_MASTER"] = "run"
    case.beofarm("run", "-q", "--resume", expect=0)
    farm = json.loads(case.read("runs/toy-001/backend/tasks/master-2/wd/farm.json"))
    assert farm["limits"]["tasks"] == 2 and farm["backend"]["workers"] == 1
    case.environment["FAKE_JOIN"] = "3"
    case.beofarm("run", "-q", "--resume", "--workers", "3", expect=0)
    assert record(case, "worker-3")["exit_code"] == 0


@test
def resume_without_the_farm_file_uses_the_copy(case):
    stopped(case)
    os.remove(case.path("farm.json"))
    done = case.beofarm("run", "--resume", "runs/toy-001", expect=0)
    assert "is gone" in done.out, done


@test
def resume_takes_over_workers_that_outlived_the_master(case):
    fakes(case, {"port": 5005}, MASTER="stay", WORKER="stay")
    run = case.start_beofarm("run", "-q")
    wait_joined(case, 2)
    run.kill()
    case.finish(run)
    pid = record(case, "worker-1")["pid"]
    os.kill(record(case, "master")["pid"], signal.SIGKILL)
    wait_until(lambda: record(case, "master")["state"] == "ended", "the master is dead")
    case.environment["FAKE_MASTER"] = "stay"
    again = case.start_beofarm("run", "--resume", "-q")
    wait_running(case, "master-2")
    assert seen(case, "master-2")["environment"]["BEOFARM_PORT"] == "5005"
    status = wait_until(lambda: (lambda s: s["workers"] and s)(
        case.beofarm("status", "--json", expect=0).json()), "the new master says who joined")
    assert status["state"] == "running" and alive(pid)
    assert not try_record(case, "worker-1-2")
    again.send_signal(signal.SIGINT)
    case.finish(again)
    assert not alive(pid)


# ---- looking at a farm


@test
def the_terminal_shows_one_line_and_then_a_summary(case):
    fakes(case)
    ours, theirs = pty.openpty()
    process = case.start("sh", "-c", 'exec "$0" run >/dev/fd/9', harness.program("beofarm"),
                         pass_fds=(9,), preexec_fn=lambda: os.dup2(theirs, 9))
    done = case.finish(process)
    os.close(theirs)
    shown = os.read(ours, 65536).decode()
    os.close(ours)
    assert done.code == 0, done
    assert "toy: 3 tasks ended in" in shown and "results.csv" in shown, shown
    assert "task 2: it went  [31mwrong" in shown, "control characters of a task reach nobody"


@test
def what_takes_long_is_said_on_a_terminal(case):
    fakes(case, PLAN_WAITS=case.path("go"))
    ours, theirs = pty.openpty()
    check = case.start("sh", "-c", 'exec "$0" check 2>/dev/fd/9', harness.program("beofarm"),
                       pass_fds=(9,), preexec_fn=lambda: os.dup2(theirs, 9))
    assert "looking at all of the work" in os.read(ours, 65536).decode()
    case.write("go", "")
    assert case.finish(check).code == 0
    os.close(theirs)
    os.close(ours)
    quiet = case.start_beofarm("check")  # its stderr is no terminal
    assert case.finish(quiet).err == "", quiet


@test
def json_lines_are_whole_and_end_with_a_summary(case):
    fakes(case)
    lines = run_json(case)
    names = [line["event"] for line in lines]
    assert names[-1] == "summary" and "listening" in names and "end" in names, names


@test
def watch_follows_to_the_end_and_tells_the_exit_code(case):
    fakes(case, MASTER="stay")
    run = case.start_beofarm("run", "-q")
    wait_joined(case, 2)
    watch = case.start_beofarm("watch", "--json")
    leaving = case.start_beofarm("watch", out="watch.txt")
    wait_until(lambda: "1/3 done" in case.read("watch.txt"), "it shows how far the farm is")
    leaving.send_signal(signal.SIGINT)
    done = case.finish(leaving)
    assert done.code == 130 and "goes on" in done.out, done
    assert run.poll() is None
    case.beofarm("cancel", expect=0)
    assert case.finish(watch).code == 130
    assert case.finish(run).code == 130


@test
def a_farm_that_is_left_goes_on(case):
    fakes(case, MASTER="stay")
    left = case.beofarm("run", "--detach", expect=0)
    assert "goes on by itself" in left.out, left
    wait_joined(case, 2)
    assert case.beofarm("status", "--json", expect=0).json()["state"] == "running"
    refused = case.beofarm("status", "farm.json", expect=2)
    assert "keeps runs in run directories alone" in refused.err, refused
    case.beofarm("cancel", expect=0)


@test
def status_shows_each_workers_transport(case):
    fakes(case)
    case.beofarm("run", "-q", expect=0)
    done = case.beofarm("status", expect=0)
    assert "toy: done" in done.out and "tcp" in done.out and "fakehost" in done.out, done
    status = case.beofarm("status", "toy-001", "--json", expect=0).json()
    assert [w["transport"] for w in status["workers"]] == ["tcp", "tcp"]
    assert status["done"] == 3 and status["failures"][0]["task"] == 2


@test
def results_come_as_csv_and_as_json(case):
    fakes(case)
    case.beofarm("run", "-q", expect=0)
    assert case.beofarm("results", expect=0).out == case.read("runs/toy-001/results.csv")
    rows = case.beofarm("results", "--json", expect=0).json()
    assert rows[1] == {"task": 2, "x": 1.0, "status": "ok", "error": 'said "no", twice'}, rows
    assert "choose one" in case.beofarm("results", "--json", "--csv", expect=2).err


@test
def results_that_are_not_beofarms_are_not_shown(case):
    fakes(case)
    case.beofarm("run", "-q", expect=0)
    path = case.path("runs/toy-001/results.csv")
    good = case.read(path)
    for wrong in (b"\x1b[2J\xff\x00" + os.urandom(3000), b"task,x\n1,2\n", b"\n", b",error\n"):
        with open(path, "wb") as file:
            file.write(wrong)
        for words in (["results"], ["results", "--json"], ["logs", "task", "1"]):
            done = case.beofarm(*words, expect=3)
            assert not done.out and "not what beofarm wrote" in done.err, done
            assert "move it away" in done.err and len(done.err.splitlines()) == 1, done
    os.remove(path)
    assert case.beofarm("results", expect=0).out != good  # what --results wrote
    os.remove(case.path("runs/toy-001/journal.db"))
    case.write(path, wrong.decode())
    assert "there is no journal" in case.beofarm("results", expect=3).err


@test
def results_are_made_again_if_the_master_died(case):
    fakes(case, MASTER="die")
    case.beofarm("run", "-q", expect=7)
    assert len(case.beofarm("results", "--json", expect=0).json()) == 7  # what --results wrote


@test
def logs_show_programs_and_tasks(case):
    fakes(case, WORKER="die-first")
    case.beofarm("run", "-q", expect=0)
    done = case.beofarm("logs", expect=0)
    assert "==> worker-2 (exit code 9) <==\nworker-2 has no desire to work" in done.out, done
    assert case.beofarm("logs", "worker-1", expect=0).out == "", "the newest generation"
    assert "hostname fakehost" in case.beofarm("logs", "master", "--stdout", expect=0).out
    assert case.beofarm("logs", "master", "--stdout", "-n", "1", expect=0).out.count("\n") == 1
    assert 'said "no", twice' in case.beofarm("logs", "runs/toy-001", "task", "2", expect=0).out
    assert "has not ended" in case.beofarm("logs", "task", "99", expect=2).err
    assert "no worker-7" in case.beofarm("logs", "worker-7", expect=2).err
    assert "which task" in case.beofarm("logs", "task", "0", expect=2).err


@test
def logs_follow_until_the_program_ends(case):
    fakes(case, MASTER="stay")
    run = case.start_beofarm("run", "-q")
    wait_joined(case, 2)
    logs = case.start_beofarm("logs", "-f", "master", "--stdout")
    case.beofarm("cancel", expect=0)
    assert '"stopped"' in case.finish(logs).out
    case.finish(run)


@test
def cancel_leaves_a_run_that_can_be_resumed(case):
    fakes(case, MASTER="stay")
    run = case.start_beofarm("run", "-q")
    wait_joined(case, 2)
    done = case.beofarm("cancel", expect=0)
    assert "beofarm run --resume" in done.out, done
    assert case.finish(run).code == 130
    assert "nothing to cancel" in case.beofarm("cancel", expect=0).out
    case.environment["FAKE_MASTER"] = "run"
    case.beofarm("run", "--resume", "-q", expect=0)


@test
def clean_asks_lists_and_removes(case):
    fakes(case, MASTER="stay", farm={"files": ["a"]})
    case.write("a", "x")
    run = case.start_beofarm("run", "-q")
    wait_joined(case, 2)
    done = case.beofarm("clean", expect=2)
    assert "3 running tasks" in done.out and "--yes" in done.err and run.poll() is None, done
    case.beofarm("clean", "--yes", expect=0)
    after = case.beofarm("status", "--json", expect=0).json()
    assert after["state"] == "stopped" and after["host"], after
    assert "cleaned" in case.beofarm("status", expect=0).out
    assert "cleaned" in case.beofarm("watch", expect=2).err
    case.finish(run)
    left = os.listdir(case.path("runs/toy-001"))
    assert "backend" not in left and "store" not in left and "results.csv" in left, left
    case.environment["FAKE_MASTER"] = "run"
    case.beofarm("run", "--resume", "-q", expect=0)  # the store is filled again
    assert os.listdir(case.path("runs/toy-001/store"))
    case.beofarm("clean", "--yes", "--all", expect=0)
    assert os.listdir(case.path("runs")) == []


@test
def doctor_tells_what_is_missing(case):
    fakes(case)
    done = case.beofarm("doctor", expect=0)
    assert "workers cannot join by MPI here" in done.out and "no slots at all" in done.out, done
    report = case.beofarm("doctor", "--json", expect=0).json()
    assert report["mpi"]["works"] is False and report["disk_free_bytes"] > 0
    case.environment["BEOFARM_BIN"] = case.folder
    assert "missing: " in case.beofarm("doctor", expect=4).out


if __name__ == "__main__":
    harness.main(globals())
