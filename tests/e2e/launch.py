#!/usr/bin/env python3
"""The beofarm command against a stand-in master and worker (fakes.py): its words, what it submits, files."""
import json
import os
import signal
import stat

import harness
from harness import test, wait_until
from launching import FARM, fakes, run_json, events, seen, record, wait_joined, went


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
        usage = case.beofarm(name, "--help", expect=0).out
        assert f"Usage: beofarm {name} " in usage
        assert case.beofarm("help", name, expect=0).out == usage
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
    # be late again and again; what waits without need is late each time.
    times = []
    while len(times) < 10 and min(times, default=9) > 2:
        times.append(case.beofarm("run", "-q", expect=0).elapsed_s)
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
    assert went(case, "worker-3")


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


if __name__ == "__main__":
    harness.main(globals())
