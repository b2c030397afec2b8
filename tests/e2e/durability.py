#!/usr/bin/env python3
"""kill -9 of everything in turn, resuming, changed farm files, full disks."""
import json
import os
import shutil
import signal
import subprocess
import sys

import harness
from farms import Farm, count, counter, grid, held, kill, need_root, release, shell, sweep
from harness import Skip, alive, test, wait_until
from surveys import lay, lines

MIB = 1 << 20
VALUE = [{"name": "v", "regex": "v=(.*)"}]


# What may end while one commit is on its way to a slow disk.
UNDER_WAY = 80


def counted(case, tasks, seconds=0.02, hold=None, **more):
    """Tasks that leave a byte in a side file when they begin; from number `hold` on they wait for
    release()."""
    side = counter(case)
    wait = held(case, hold) if hold else ""
    return side, Farm(case, shell(f"printf x >>{side}; {wait}sleep {seconds}; echo v=$x",
                                  grid(x=range(tasks)), work_values=VALUE, **more))


def acknowledged(farm):
    """Tasks that the journal has, as the master's own tool reads it."""
    farm.case.run(harness.program("beofarm-master"), "--results", farm.run_dir, expect=0)
    return {row["task"]: row for row in farm.rows()}


def resume_and_compare(farm, side, tasks):
    """Resume: what was acknowledged stays as it was, and only what is missing runs."""
    before = acknowledged(farm)
    begun = count(side)
    assert 0 < len(before) < tasks, f"{len(before)} of {tasks}\n{farm.logs()}"
    release(farm.case)
    farm.resume()
    after = {row["task"]: row for row in farm.rows(tasks, "ok")}
    for task, row in before.items():
        assert after[task] == row, f"{row} became {after[task]}"
    assert all(row["v"] == row["x"] for row in after.values())
    missing = tasks - len(before)
    assert count(side) - begun <= missing, f"{count(side) - begun} runs for {missing} tasks"
    # Before the kill: what was acknowledged, what ran, and results that were on their way.
    assert begun <= len(before) + UNDER_WAY, (begun, len(before))


def pids(farm, *names):
    return [farm.pid(name) for name in names]


@test
def a_killed_master_loses_nothing(case):
    side, farm = counted(case, 200, hold=150, limits={"duplicates": False})
    farm.start()
    wait_until(lambda: count(side) > 40, "tasks ran")
    farm.kill("master")
    done = farm.end(expect=7)
    summary = done.lines()[-1]
    assert summary["resumable"] and "signal 9" in summary["sentence"], done
    resume_and_compare(farm, side, 200)


@test
def all_killed_at_once_loses_nothing(case):
    side, farm = counted(case, 200, hold=150, limits={"duplicates": False})
    farm.start()
    wait_until(lambda: count(side) > 40, "tasks ran")
    victims = [farm.process.pid] + pids(farm, "master", "worker-1", "worker-2")
    victims += [farm.task(name)["supervisor"]["pid"] for name in ("master", "worker-1", "worker-2")]
    for pid in victims:
        kill(pid)
    wait_until(lambda: not any(alive(pid) for pid in victims[1:]), "all are gone")
    farm.process.wait()
    resume_and_compare(farm, side, 200)


@test
def killed_again_and_again_each_task_still_ends_once(case):
    side, farm = counted(case, 300, hold=260, limits={"duplicates": False})
    farm.start()
    for generation in range(1, 5):
        master = "master" if generation == 1 else f"master-{generation}"
        target = 40 * generation
        wait_until(lambda: count(side) > target, "tasks ran")  # pylint: disable=W0640
        farm.kill(master)
        farm.kill_run()
        farm.start("--resume")
    release(case)
    farm.end()
    rows = farm.rows(300, "ok")
    assert all(row["v"] == row["x"] for row in rows)
    # Each kill costs what ran, and what had ended within the journal's grouping.
    assert count(side) <= 300 + 4 * UNDER_WAY, count(side)


@test
def outputs_of_a_killed_master_are_whole_or_run_again(case):
    side = counter(case)
    farm = Farm(case, shell(f"printf x >>{side}; head -c 300000 /dev/urandom >a; "
                            "sha256sum <a >b; sleep 0.01", grid(x=range(100)),
                            work_outputs=["a", "b"]))
    farm.start()
    wait_until(lambda: count(side) > 30, "tasks ran")
    farm.kill_run()
    farm.kill("master")
    farm.resume(limit_s=60)
    farm.rows(100, "ok")
    for task in range(1, 101):
        said = subprocess.run(["sha256sum"], stdin=open(farm.path("out", str(task), "a"), "rb"),
                              capture_output=True, text=True, check=True).stdout
        assert farm.output(task, "b") == said, task
    partial = farm.path("out/.partial")
    assert not os.path.exists(partial) or os.listdir(partial) == []
    assert not os.path.exists(farm.path("near"))


@test
def a_finished_farm_resumed_runs_nothing(case):
    side, farm = counted(case, 10)
    farm.run()
    farm.resume()
    assert count(side) == 10
    farm.rows(10, "ok")


@test
def a_limited_run_goes_on_with_the_rest(case):
    side, farm = counted(case, 30)
    farm.run("--limit", "10")
    farm.rows(10, "ok")
    farm.resume("--limit", "20")
    farm.rows(20, "ok")
    assert count(side) == 20
    farm.resume("--limit", "30")
    farm.rows(30, "ok")
    assert count(side) == 30


@test
def failed_tasks_are_run_again_when_asked(case):
    side, mended = counter(case), case.path("mended")
    script = f'printf x >>"{side}"; test -e "{mended}" || test "$x" -ne 3'
    farm = Farm(case, shell(script, grid(x=range(1, 6)), limits={"attempts": 2}))
    assert "--retry-failed" in farm.run(expect=1).out
    assert count(side) == 6  # the third twice
    farm.resume(expect=1)
    assert count(side) == 6  # it has failed for good
    case.write("mended", "")
    done = farm.resume("--retry-failed")
    assert count(side) == 7, done
    farm.rows(5, "ok")
    farm.resume("--retry-failed")
    assert count(side) == 7
    assert "--resume" in case.beofarm("run", farm.file, "--retry-failed", expect=2).err


@test
def a_changed_farm_file_is_refused_with_the_path(case):
    side, farm = counted(case, 60, 0.05, hold=30, files=["common.dat"])
    case.write("common.dat", "one\n")
    farm.start()
    wait_until(lambda: count(side) > 5, "tasks ran")
    farm.process.terminate()
    farm.end(expect=130)
    original = case.read("farm.json")
    changed = json.loads(original)
    changed["work"]["values"][0]["regex"] = "v=([0-9]+)"
    case.write("farm.json", changed)
    begun = count(side)
    done = farm.resume(expect=8)
    assert "$.work.values[0].regex" in done.err and "--accept-changes" in done.err, done
    assert count(side) == begun
    case.write("farm.json", original)
    case.write("common.dat", "two\n")
    done = farm.resume(expect=8)
    assert "common.dat" in done.err, done
    case.write("farm.json", changed)
    release(case)
    farm.resume("--accept-changes")
    farm.rows(60, "ok")


@test
def columns_that_changed_cannot_be_accepted(case):
    side, farm = counted(case, 60, 0.05, hold=30)
    farm.start()
    wait_until(lambda: count(side) > 5, "tasks ran")
    farm.process.terminate()
    farm.end(expect=130)
    before = farm.rows()
    changed = json.loads(case.read("farm.json"))
    changed["work"]["params"] = grid(y=range(60))
    case.write("farm.json", changed)
    done = case.beofarm("run", "-q", "--resume", farm.run_dir, "--accept-changes")
    assert done.code == 8 and done.err.strip() + done.out.strip(), f"{done}\n{farm.logs()}"
    assert farm.rows() == before


@test
def two_masters_on_one_run_directory_are_refused(case):
    side, farm = counted(case, 60, 0.01, hold=10)
    farm.start()
    wait_until(lambda: count(side) > 3, "tasks ran")
    done = case.beofarm("run", "--resume", farm.run_dir)
    assert done.code not in (0, 1) and "run" in done.err, done
    # A master by hand, which knows nothing of launch's own lock.
    wd = farm.path("backend/tasks/master/wd")
    done = case.run(harness.program("beofarm-master"), "--run-dir", farm.run_dir, cwd=wd,
                    env={"BEOFARM_SECRET": farm.read("secret"), "BEOFARM_PORT": "0",
                         "BEOFARM_STORE": "dir:" + farm.path("store")})
    assert done.code == 4 and "another" in done.err, done
    release(case)
    farm.end()
    farm.rows(60, "ok")


def removed(folder):
    """Whether it is, now: while somebody still writes there it takes more than one attempt."""
    shutil.rmtree(folder, ignore_errors=True)
    return not os.path.exists(folder)


def running_for_good(case):
    """A farm whose first tasks are done, and whose others end only with it; and its processes."""
    farm = Farm(case, shell(held(case, 3) + "echo $x", grid(x=range(8)))).start()
    farm.wait_event("progress", done=3)
    return farm, pids(farm, "master", "worker-1", "worker-2")


@test
def a_farm_whose_run_directory_is_removed_ends_and_leaves_nothing(case):
    for led in (True, False):
        farm, processes = running_for_good(case)
        if not led:
            farm.kill_run()
        with open(farm.path("backend/tasks/master/stderr.txt"), encoding="utf-8") as stderr:
            wait_until(lambda: removed(farm.run_dir), "the run directory is removed")
            if led:
                done = farm.end(expect=4)
                assert farm.run_dir in done.err and "was removed or moved away" in done.err, done
            wait_until(lambda: not any(map(alive, processes)), "master and workers end")
            said = stderr.read()
        assert f'the run directory "{farm.run_dir}" was removed or moved away' in said, said
        assert os.listdir(case.path("runs")) == [], "nobody makes it again"


@test
def a_worker_whose_directory_is_removed_does_not_wait_for_a_master(case):
    os.mkdir(case.path("here"))
    worker = case.start(harness.program("beofarm-worker"), "--farm", "toy", "--wait", "100000",
                        f"127.0.0.1:{harness.free_port()}", cwd=case.path("here"),
                        env={"BEOFARM_SECRET": "5" * 64})
    os.rmdir(case.path("here"))
    done = case.finish(worker)
    assert done.code == 4 and "the working directory was removed" in done.err, done


@test
def a_run_that_is_moved_ends_and_goes_on_elsewhere(case):
    farm, processes = running_for_good(case)
    there = case.path("elsewhere")
    os.rename(farm.run_dir, there)
    done = farm.end(expect=4)
    assert "--resume" in done.err and not os.path.exists(farm.run_dir), done
    wait_until(lambda: not any(map(alive, processes)), "master and workers end")
    release(case)
    farm.run_dir = there
    wait_until(lambda: farm.task("master")["state"] == "ended", "the end of the master is recorded")
    farm.resume()
    farm.rows(expect=8, status="ok")
    assert farm.events("end", "master-2")[0]["resumed"] == 3, farm.events("end", "master-2")


@test
def a_broken_journal_is_told_and_left_alone(case):
    _, farm = counted(case, 3)
    farm.run()
    with open(farm.path("journal.db"), "r+b") as file:
        file.write(b"this is no database" * 10)
    done = case.beofarm("run", "-q", "--resume", farm.run_dir)
    assert done.code == 4, f"{done}\n{farm.logs()}"
    assert "journal.db" in done.out + done.err, done
    with open(farm.path("journal.db"), "rb") as file:
        assert file.read().startswith(b"this is no database")


def said(farm, words):
    return [e["sentence"] for e in farm.events("notice") if words in e["sentence"]]


class SmallDisk:
    def __init__(self, case, size):
        need_root()
        self.path = case.path("disk")
        os.makedirs(self.path)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path],
                              capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Skip(f"no small disk can be made: {done.stderr.strip()}")

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        subprocess.run(["umount", "-l", self.path], check=False)


def room(path):
    state = os.statvfs(path)
    return state.f_bavail * state.f_frsize


def fill(path, keep=0):
    """Take all that is left of a disk but for `keep` bytes, while others write to it, too."""
    with open(os.path.join(path, "ballast"), "wb", buffering=0) as file:
        try:
            while keep == 0 or room(path) > keep:
                file.write(b"\0" * 4096)
        except OSError:
            pass


@test
def a_full_disk_gets_a_sentence_and_goes_on_with_space(case):
    side = counter(case)
    with SmallDisk(case, "24m") as disk:
        # The workers' own folders lie elsewhere: the master's disk alone is full.
        farm = Farm(case, shell(f"printf x >>{side}; {held(case, 60)}head -c 20000 /dev/urandom >big; "
                                "echo v=$x",
                                grid(x=range(300)), work_values=VALUE, work_outputs=["big"],
                                worker={"dir": case.path("scratch")}))
        os.makedirs(case.path("scratch"))
        farm.run_dir = os.path.join(disk, "run")
        farm.start("--run-dir", farm.run_dir)
        wait_until(lambda: count(side) > 20, "tasks ran")
        fill(disk)
        release(case)
        notice = wait_until(lambda: [e for e in farm.events("notice")
                                     if "space" in e["sentence"]], "the master says so")
        assert farm.process.poll() is None, notice
        wait_until(lambda: [e for e in farm.events("notice")
                            if "outputs wait" in e["sentence"]], "outputs are said to wait")
        os.unlink(os.path.join(disk, "ballast"))
        farm.end(limit_s=60)
        rows = farm.rows(300, "ok")
        assert all(row["v"] == row["x"] for row in rows)
        for row in rows:
            assert os.path.getsize(farm.path("out", row["task"], "big")) == 20000
        assert count(side) <= 310, "nothing was lost for want of space"


@test
def a_full_disk_of_the_run_loses_nothing_when_all_is_killed(case):
    side = counter(case)
    with SmallDisk(case, "16m") as disk:
        farm = Farm(case, shell(f"printf x >>{side}; echo v=$x", grid(x=range(2000)),
                                work_values=VALUE, worker={"dir": case.path("scratch")}))
        os.makedirs(case.path("scratch"))
        farm.run_dir = os.path.join(disk, "run")
        farm.start("--run-dir", farm.run_dir)
        wait_until(lambda: count(side) > 100, "tasks ran")
        fill(disk)
        wait_until(lambda: [e for e in farm.events("notice") if "space" in e["sentence"]] or
                   farm.process.poll() is not None, "the master says so")
        farm.kill_run()
        farm.kill("master")
        os.unlink(os.path.join(disk, "ballast"))
        before = acknowledged(farm)
        assert before
        farm.resume(limit_s=60)
        after = {row["task"]: row for row in farm.rows(2000, "ok")}
        assert all(after[task] == row for task, row in before.items())


def fill_it_oneself(case, wait_s):
    with SmallDisk(case, "3m") as disk:
        farm = Farm(case, shell("[ $x = 1 ] || head -c 8000000 /dev/zero", grid(x=[1, 2]),
                                work_outputs=["stdout.txt"], backend={"workers": 1},
                                worker={"dir": disk, "disk_wait_s": wait_s}, limits={"attempts": 1}))
        farm.run(expect=1)
        rows = {row["x"]: row for row in farm.rows(2)}
        assert rows["1"]["status"] == "ok", rows
        assert "No space left" in rows["2"]["error"], rows
        return farm


@test
def a_full_disk_of_a_worker_is_named_in_the_results(case):
    farm = fill_it_oneself(case, 0)
    assert not said(farm, "takes no tasks"), farm.events("notice")


@test
def a_task_that_fills_the_disk_by_itself_fails(case):
    farm = fill_it_oneself(case, 5)
    assert said(farm, "takes no tasks"), farm.events("notice")


@test
def a_worker_without_room_to_prepare_costs_no_task_its_attempts(case):
    with SmallDisk(case, "600k") as disk:
        with open(case.path("big.tpl"), "w", encoding="ascii") as template:
            template.write("x" * 450000 + "{x}")
        farm = Farm(case, shell("tail -c 2 in.txt >&2; echo v=$x", grid(x=range(10, 40)),
                                work_values=VALUE, worker={"dir": disk, "disk_wait_s": 1},
                                backend={"workers": 1}, limits={"worker_restarts": 1},
                                work_templates=[{"from": "big.tpl", "to": "in.txt"}]))
        done = farm.run(expect=7)
        assert "No space left" in done.out + done.err, done
        farm.rows(0)  # no task has failed
        changed = json.loads(case.read("farm.json"))
        del changed["worker"]["dir"]
        case.write("farm.json", changed)
        farm.resume("--accept-changes")
        farm.rows(30, "ok")


# A first pause of half a second, and a quarter of a minute for the disk to be emptied by a slow test.
WAITS = {"disk_wait_s": 150}


def all_done_at_first(farm, tasks):
    rows = farm.rows(tasks, "ok")
    assert all(row["attempts"] == "1" for row in rows), rows
    assert not farm.events("failed"), farm.events("failed")


@test
def a_worker_waits_until_there_is_room(case):
    runs = counter(case)
    with SmallDisk(case, "16m") as disk:
        # It says nothing of why, and leaves what it could write.
        farm = Farm(case, shell(f"printf x >>'{runs}'; "
                                f"head -c {6 * MIB} /dev/zero >big 2>/dev/null || exit 3",
                                grid(x=range(4)), backend={"workers": 1}, worker={**WAITS, "dir": disk},
                                limits={"attempts": 1}))
        fill(disk, 4 * MIB)
        farm.start()
        wait_until(lambda: said(farm, "takes no tasks"), "the pause is told")
        assert "exit status 3" in said(farm, "takes no tasks")[0], said(farm, "")
        os.unlink(os.path.join(disk, "ballast"))
        farm.end()
    all_done_at_first(farm, 4)
    assert count(runs) > 4
    assert said(farm, "takes tasks again"), said(farm, "")


@test
def inputs_for_which_there_is_no_room_are_waited_for(case):
    case.write("in", "i" * (6 * MIB))
    with SmallDisk(case, "24m") as disk:
        farm = Farm(case, shell("wc -c <in; echo more >>in; until [ -e ../../../../go ]; do sleep 0.02; done",
                                grid(x=range(3)), backend={"workers": 1},
                                worker={**WAITS, "dir": disk, "slots": 2},
                                limits={"attempts": 1}, files=[{"path": "in", "copy": True}]))
        # For the cache and one copy.
        fill(disk, 15 * MIB)
        farm.start()
        wait_until(lambda: said(farm, "takes no tasks"), "the pause is told")
        assert "No space left" in said(farm, "takes no tasks")[0], said(farm, "")
        os.unlink(os.path.join(disk, "ballast"))
        with open(os.path.join(disk, "go"), "wb"):
            pass
        farm.end()
    all_done_at_first(farm, 3)


@test
def a_worker_without_room_for_the_farms_files_waits(case):
    case.write("in", "i" * (6 * MIB))
    with SmallDisk(case, "16m") as disk:
        farm = Farm(case, shell("wc -c <in", grid(x=range(3)), backend={"workers": 1},
                                worker={**WAITS, "dir": disk}, limits={"worker_restarts": 0}, files=["in"]))
        fill(disk, 4 * MIB)
        farm.start()
        wait_until(lambda: said(farm, "takes no tasks"), "the pause is told")
        os.unlink(os.path.join(disk, "ballast"))
        farm.end()
    all_done_at_first(farm, 3)
    assert said(farm, "takes tasks again"), said(farm, "")


@test
def a_disk_that_does_not_tell_its_size_is_not_full(case):
    with SmallDisk(case, "0") as disk:  # without a limit, tmpfs says 0 of all
        farm = Farm(case, shell("exit $x", grid(x=[0, 3]), backend={"workers": 1},
                                worker={"dir": disk, "disk_wait_s": 5}, limits={"attempts": 1}))
        farm.run(expect=1)
        assert not said(farm, "takes no tasks"), said(farm, "")
        assert "full" not in farm.rows(2)[1]["error"], farm.rows()


@test
def a_full_disk_is_not_held_against_later_tasks_of_a_program(case):
    gate = case.path("gate")
    case.write("model.py", "import json, os, sys, time\n"
               "for line in sys.stdin:\n"
               "    task = json.loads(line)['task']\n"
               "    if task == 1:\n"
               "        print('No space left on device', file=sys.stderr, flush=True)\n"
               f"    while task > 1 and not os.path.exists('{gate}'):\n"
               "        time.sleep(0.02)\n"
               "    print(json.dumps({'task': task, 'ok': task == 1, 'values': {'v': 1}, 'error': 'bad x'}),\n"
               "          flush=True)\n")
    farm = Farm(case, sweep([sys.executable, "model.py"], grid(x=[1, 2]), work_runner="persistent",
                            work_values=[{"name": "v"}], backend={"workers": 1},
                            worker={"slots": 1, "disk_wait_s": 5}, limits={"attempts": 1}))
    farm.start()
    wait_until(lambda: [e for e in farm.events("progress") if e["done"] == 1], "the first one ends")
    release(case)
    farm.end(1)
    assert not said(farm, "takes no tasks"), said(farm, "")
    assert "bad x" in farm.rows(2)[1]["error"], farm.rows()


@test
def what_runs_on_while_a_worker_waits_does_not_end_the_waiting(case):
    with SmallDisk(case, "8m") as disk:
        script = (f"{held(case)}if [ $x = 1 ]; then head -c {2 * MIB} /dev/zero >big; "
                  f"else {held(case, name='other')}fi")
        farm = Farm(case, shell(script, grid(x=[1, 2]), backend={"workers": 1},
                                worker={**WAITS, "dir": disk, "slots": 2}, limits={"attempts": 1}))
        farm.start()
        farm.wait_workers("joined", 1)
        fill(disk, MIB // 2)
        release(case)
        wait_until(lambda: said(farm, "takes no tasks"), "the pause is told")
        release(case, "other")
        wait_until(lambda: [e for e in farm.events("progress") if e["done"] == 1], "the other one ends")
        assert not said(farm, "takes tasks again"), said(farm, "")
        os.unlink(os.path.join(disk, "ballast"))
        farm.end()
    all_done_at_first(farm, 2)
    assert len(said(farm, "takes tasks again")) == 1, said(farm, "")


@test
def what_has_no_room_while_its_worker_leaves_is_not_counted(case):
    with SmallDisk(case, "8m") as disk:
        farm = Farm(case, shell(f"{held(case)}head -c {2 * MIB} /dev/zero >big", grid(x=[1]),
                                worker={**WAITS, "dir": disk}, backend={"workers": 1},
                                limits={"attempts": 1, "duplicates": False}))
        farm.start()
        wait_until(lambda: [e for e in farm.events("progress") if e["running"] == 1], "the task runs")
        farm.start_worker("other")
        farm.wait_workers("joined", 2)
        fill(disk, MIB // 2)
        leaver = farm.pid("worker-1")
        kill(leaver, signal.SIGTERM)
        wait_until(lambda: "leaving" in farm.try_read("backend/tasks/worker-1/stderr.txt"), "it drains")
        release(case)
        wait_until(lambda: not alive(leaver), "it is gone")
        os.unlink(os.path.join(disk, "ballast"))
        farm.end()
        all_done_at_first(farm, 1)


@test
def tasks_go_to_another_worker_meanwhile(case):
    with SmallDisk(case, "8m") as disk:
        farm = Farm(case, shell(f"{held(case)}head -c {2 * MIB} /dev/zero >big", grid(x=range(20)),
                                backend={"workers": 0}, limits={"attempts": 1}))
        farm.start()
        farm.start_worker("disk")
        farm.wait_workers("joined", 1)
        fill(disk, MIB // 2)
        release(case)
        wait_until(lambda: said(farm, "takes no tasks"), "the pause is told")
        farm.start_worker("roomy")
        farm.end()
        all_done_at_first(farm, 20)


@test
def sums_are_kept_while_there_is_no_room_to_deliver_them(case):
    page = os.sysconf("SC_PAGESIZE")
    if page != 4096:
        raise Skip(f"the sum of so small a model fits into a page of {page} bytes")
    hold = case.path("hold")
    with SmallDisk(case, "16m") as disk:
        farm, log = lay(case, "gradient", shots=6, env={"SHOT_HOLD": hold}, limits={"attempts": 1},
                        worker={**WAITS, "dir": disk, "slots": 1}, backend={"kind": "local", "workers": 1})
        case.write("hold", "4")
        farm.start()
        wait_until(lambda: len(lines(log)) == 5, "the last shot is held back")
        fill(disk, page)  # for the gradient of a shot, but not for a sum
        os.unlink(hold)
        wait_until(lambda: said(farm, "takes no tasks"), "the pause is told")
        assert "sum.bfs" in said(farm, "takes no tasks")[0], said(farm, "")
        os.unlink(os.path.join(disk, "ballast"))
        farm.end()
        assert len(lines(log)) == 6, "a shot was computed again"
        assert farm.events("end")[0]["done"] == 7


if __name__ == "__main__":
    harness.main(globals())
