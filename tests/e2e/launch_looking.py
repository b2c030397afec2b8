#!/usr/bin/env python3
"""The beofarm command against stand-ins (fakes.py): a farm looked at, left, cancelled and cleaned."""
import os
import pty
import signal

import harness
from harness import test, wait_until
from launching import fakes, run_json, wait_joined


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
def what_is_printed_gets_into_no_file(case):
    """Without a standard output, the next file that is opened would be it."""
    fakes(case)
    for closed in (">&-", "<&- >&- 2>&-"):
        case.run("sh", "-c", f'exec "$0" run {closed}', harness.program("beofarm"), expect=0)
        lock = case.read("runs/toy-001/launch.lock")
        assert "ended in" not in lock and "tasks" not in lock, lock
        case.run("rm", "-r", case.path("runs"), expect=0)


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
