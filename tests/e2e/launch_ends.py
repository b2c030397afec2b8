#!/usr/bin/env python3
"""The beofarm command against stand-ins (fakes.py): workers that die, ends of all kinds, resuming."""
import json
import os
import signal
import time

import harness
from harness import alive, test, wait_until
from launching import (FARM, fakes, run_json, events, seen, record, try_record, wait_joined, wait_running,
                       went)


# ---- workers


@test
def a_worker_that_dies_is_started_again(case):
    fakes(case, WORKER="die-first")
    lines = run_json(case)
    notices = [e["sentence"] for e in events(lines, "notice")]
    assert any("worker-1 ended (exit code 9); starting it again (1 of 3)" in n for n in notices)
    assert record(case, "worker-1")["exit_code"] == 9
    # On a busy machine the farm may be over before it has started, and it is told to go.
    assert went(case, "worker-1-2"), record(case, "worker-1-2")


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
    case.beofarm("run", "-q", expect=0)
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
    assert went(case, "worker-1")
    assert case.beofarm("status", "--json", expect=0).json()["state"] == "stopped"


@test
def a_second_ctrl_c_stops_at_once(case):
    fakes(case, MASTER="stay", WORKER="stubborn")
    took = []
    while len(took) < 8 and min(took, default=9) > 4:  # a busy machine may be late now and then
        took.append(stopped_twice(case, f"runs/toy-{len(took) + 1:03}"))
    assert min(took) < 4, took


def stopped_twice(case, folder):
    """How long workers that ignore SIGTERM live after the second Ctrl-C."""
    run = case.start_beofarm("run")
    wait_joined(case, 2, folder)
    run.send_signal(signal.SIGTERM)
    wait_until(lambda: record(case, "master", folder)["state"] == "ended", "the master ends")
    run.send_signal(signal.SIGINT)
    began = time.monotonic()
    done = case.finish(run)
    took = time.monotonic() - began
    assert done.code == 130, done
    wait_until(lambda: record(case, "worker-1", folder)["state"] == "ended", "the worker is killed")
    assert record(case, "worker-1", folder)["signal"] == signal.SIGKILL
    return took


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
    assert went(case, "worker-3")


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


if __name__ == "__main__":
    harness.main(globals())
