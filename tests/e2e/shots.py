#!/usr/bin/env python3
"""Surveys on the farm, through `beofarm run`: sums that are the same whoever dies, shots that fail,
masters that are resumed. The shot program is the stand-in of shot_program.py; beofarm-shot has
tests of its own."""
import array
import math
import os
import random
import re
import signal
import tempfile
import time

import harness
import shot_program
from farms import kill
from harness import test, wait_until
from surveys import floats, lay, lines, NX, NZ, POINTS, shot_list, SHOTS, start_up_to, straight, survey


def expected(shots, name="gradient"):
    total = [0.0] * POINTS
    for shot in shots:
        for i, value in enumerate(shot_program.pseudo(shot, name, POINTS)):
            total[i] += array.array("f", [value])[0]
    return total


def close(got, wanted):
    """To half a unit of a float, and the rounding of sums in double."""
    return all(abs(a - b) <= 1e-7 * abs(b) + 1e-9 for a, b in zip(got, wanted))


@test
def bad_surveys_are_told_before_anything_is_farmed(case):
    farm, log = lay(case, "gradient")
    case.write("survey.json", {**survey("gradient"), "model": {"velocity": -5}})
    done = farm.run(expect=None)
    assert done.code == 3 and "velocity" in done.err, done
    case.write("survey.json", {key: value for key, value in survey("gradient").items()
                               if key != "data"} | {"geometry": {
                                   "sources": {"points": [[100, 10]]},
                                   "receivers": {"points": [[200, 10]]}}})
    done = farm.run(expect=None)
    assert done.code == 3 and "data" in done.err, done
    # 2000 m/s allow it, but not the velocities that the inversion may come to.
    case.write("survey.json", {**survey("fwi"), "numerics": {"dt_ms": 4},
                               "inversion": {"max_velocity_m_s": 5000}})
    done = farm.run(expect=None)
    assert done.code == 3 and "dt_ms" in done.err and "5000" in done.err, done
    assert not lines(log)


@test
def what_goes_well_is_no_warning(case):
    farm, _ = lay(case, "gradient")
    farm.run()
    levels = [line.split()[1] for line in farm.read("backend/tasks/master/stderr.txt").splitlines()
              if f": gradient of {SHOTS} shots" in line]
    assert levels == ["info"], farm.logs()


@test
def data_that_do_not_travel_are_not_written_over(case):
    farm, log = lay(case, "model", shots=2)
    data = case.path("survey.data.segy")
    os.rename(case.path("observed.segy"), data)
    os.symlink(data, case.path("link.segy"))
    for named in (data, case.path("link.segy"), "link.segy"):
        case.write("survey.json", {**survey("model"), "data": named})
        done = farm.run(expect=3)
        assert f"names {named}, in whose place this run's own survey.data.segy would come" in done.err, done
    assert not lines(log)
    case.write("survey.json", {**survey("gradient"), "data": data})
    farm.run()  # its results have other names


def spoil(case, name, at, value):
    """The observed data with some bytes changed; or cut (value None)."""
    with open(case.path("observed.segy"), "rb") as file:
        data = bytearray(file.read())
    data[at:at + len(value or b"")] = value or b""
    with open(case.path(name), "wb") as file:
        file.write(data[:at] if value is None else data)
    return name


@test
def what_is_wrong_is_named_before_any_shot_is_farmed(case):
    farm, log = lay(case, "gradient")
    grid = {"points": [NX, NZ], "spacing_m": [20, 20]}
    values = array.array("f", [2000.0] * POINTS)
    values[5 * NZ + 7] = float("nan")
    with open(case.path("nan.bin"), "wb") as file:
        values.tofile(file)
    case.write("nan.json", {"data": "nan.bin", **grid})
    trace = 3600 + 4 * 280  # the fifth, of the second shot
    far = {"sources": {"points": [[9e5, 10]]}, "receivers": {"points": [[9e5, 20]]}}
    outside = {"sources": {"points": [[100, 10]]}, "receivers": {"points": [[300, 20], [900, 20]]}}
    wrong = [
        ({"model": {"velocity": "nan.json"}}, ["index x 5, y 0, z 7", "nan"]),
        ({"model": {"velocity": -2000, "grid": grid}}, ["$.model.velocity", "-2000"]),
        ({"numerics": {"dt_ms": 8}}, ["$.numerics.dt_ms", "8 ms", "stability limit"]),
        ({"geometry": outside, "data": None, "operation": "model", "record": {"length_s": 0.1}},
         ["shot 1", "receiver 2", "x 900", "outside the model"]),
        ({"geometry": far, "data": None, "operation": "model", "record": {"length_s": 0.1}},
         ["do not overlap", "900000"]),
        ({"data": spoil(case, "cut.segy", trace + 250, None)}, ["cut.segy", "trace 5"]),
        ({"data": spoil(case, "lies.segy", trace + 114, b"\x00\x63")},
         ["lies.segy", "trace 5", "99"]),
        ({"data": spoil(case, "away.segy", trace + 80, (10 ** 7).to_bytes(4, "big"))},
         ["away.segy", "shot 2", "trace 5", "x 100000"]),
        ({"data": "missing.segy"}, ["missing.segy"]),
        ({"program": ["./nix"]}, ["$.program[0]: there is no \"./nix\" beside the survey"]),
        ({"operation": "fwi", "data": spoil(case, "ob served.segy", 0, b"")},
         ["ob served.segy", "name it with letters"]),
    ]
    for change, words in wrong:
        content = {key: value for key, value in {**survey("gradient"), **change}.items()
                   if value is not None}
        case.write("survey.json", content)
        done = farm.run(expect=None)
        assert done.code == 3 and all(word in done.err for word in words), (change, done)
    farm, log = lay(case, "model", work={"operation": "fwi"}, inversion={"bands": [{"min_hz": 9e4}]})
    done = farm.run(expect=3)
    assert "$.inversion.bands[0].min_hz: 90000 Hz and more is not in data" in done.err, done
    assert not lines(log)


def check(case, code=0, **survey_keys):
    """What `beofarm check` warns of for a survey of 30 x 20 points, 20 m apart."""
    content = {"wavelet": {"kind": "ricker", "peak_hz": 5}, "record": {"length_s": 0.5},
               "geometry": {"sources": {"points": [[100, 20]]}, "receivers": {"points": [[300, 20]]}},
               **survey_keys}
    case.write("asked.json", content)
    case.write("farm.json", {"name": "toy", "backend": {"kind": "local", "workers": 1},
                             "work": {"kind": "shots", "survey": "asked.json"}})
    done = case.beofarm("check", case.path("farm.json"), expect=code)
    if code:
        return done.err
    return [line.split(None, 1)[1] for line in done.out.splitlines()
            if line.split()[0] == "warning"]


@test
def a_shot_that_finds_no_room_is_told_beforehand(case):
    # Traces at 900 million steps, twice, are 7 TB for a thousand receivers.
    said = check(case, 3, model={"velocity": 2000, "grid": {"points": [NX, NZ], "spacing_m": [20, 20]}},
                 geometry={"sources": {"points": [[100, 20]]},
                           "receivers": {"line": {"start": [100, 20], "step": [0.2, 0], "count": 1000}}},
                 record={"length_s": 0.09}, numerics={"dt_ms": 1e-7})
    for text in ("asked.json: $.numerics.dt_ms: shot 1 takes 880", "time steps of 1e-07 ms and needs 7",
                 "leave it out"):
        assert text in said, said


@test
def what_is_hardly_meant_is_told_beforehand(case):
    grid = {"points": [NX, NZ], "spacing_m": [20, 20]}

    def field(name, values):
        with open(case.path(name + ".bin"), "wb") as file:
            array.array("f", values).tofile(file)
        case.write(name + ".json", {"data": name + ".bin", **grid})
        return name + ".json"
    assert check(case, model={"velocity": 2000, "grid": grid}) == []
    # 5 Hz: up to 12 Hz. At 719 m/s that is 60 m, three points of 20 m.
    assert check(case, model={"velocity": 725, "grid": grid}) == []
    told = check(case, model={"velocity": 600, "grid": grid})
    assert len(told) == 1 and "12 Hz" in told[0] and "50.1 m" in told[0], told
    assert "2.5 points" in told[0] and "16.7 m" in told[0], told
    # The same wavelet as samples.
    ricker = [(1 - 2 * a) * math.exp(-a) for a in
              ((math.pi * 5 * (i * 0.004 - 0.2)) ** 2 for i in range(100))]
    told = check(case, model={"velocity": 600, "grid": grid},
                 wavelet={"kind": "sampled", "values": ricker, "interval_ms": 4})
    assert len(told) == 1 and "12 Hz" in told[0] and "2.5 points" in told[0], told
    # Nothing to be heard, and gathers of several shots under one header.
    told = check(case, model={"velocity": 2000, "grid": grid}, batch={"encoded": 2},
                 wavelet={"kind": "ricker", "peak_hz": 5, "delay_s": 0.5})
    assert len(told) == 2 and "$.wavelet: its peak comes at 0.5 s" in told[0], told
    assert "recording ends at 0.5 s" in told[0] and "$.batch.encoded" in told[1], told
    told = check(case, model={"velocity": 2000, "grid": grid},
                 geometry={"sources": {"points": [[[100, 20], [200, 20]]]},
                           "receivers": {"points": [[300, 20]]}})
    assert len(told) == 1 and "$.geometry.sources: fires several at once" in told[0], told
    told = check(case, model={"velocity": 2000, "grid": grid},
                 wavelet={"kind": "sampled", "values": [0, 0], "interval_ms": 4})
    assert len(told) == 1 and "is zero throughout" in told[0], told
    # Anisotropy: at two points delta is above epsilon.
    delta = [0.05] * POINTS
    delta[3 * NZ + 4], delta[7 * NZ + 5] = 0.12, 0.2
    told = check(case, model={"velocity": 2000, "epsilon": 0.1, "delta": field("delta", delta)})
    assert len(told) == 1 and "$.model.delta" in told[0] and "2 of 600 points" in told[0], told
    assert "x 140, y 0, z 100 m" in told[0] and "epsilon 0.1, delta 0.2" in told[0], told
    assert check(case, model={"velocity": 2000, "epsilon": 0.1, "delta": 0.1, "grid": grid}) == []


@test
def a_gradient_is_the_sum_of_all_shots(case):
    farm, log = lay(case, "gradient")
    farm.run()
    assert sorted(line.split()[1] for line in lines(log)) == sorted(map(str, range(SHOTS)))
    assert close(floats(case, "survey.gradient.bin"), expected(range(SHOTS)))
    assert len(shot_list(case)["shots"]) == SHOTS and not shot_list(case)["left_out"]
    assert os.path.exists(case.path("survey.gradient.segy"))
    rows = [row for row in farm.rows() if row["operation"] == "gradient"]
    assert sorted(int(row["shots"]) for row in rows) == list(range(SHOTS))
    assert all(float(row["misfit"]) == 1 + int(row["shots"]) and row["seconds"] and row["worker"]
               for row in rows)
    # Sums that came home are in the result, and nowhere else.
    assert not [f for _, _, files in os.walk(farm.run_dir) for f in files if f == "sum.bfs"]


@test
def remarks_are_told_once_when_a_run_begins(case):
    farm, _ = lay(case, "gradient", shots=2, memory={"subsampling": 50})
    case.beofarm("check", farm.file, expect=0)
    index, = [name for name in os.listdir(case.folder) if name.endswith(".index")]
    with open(case.path(index), "r+b") as file:
        file.seek(-9, os.SEEK_END)  # in the last record
        file.write(b"\xff")
    said = case.beofarm("run", farm.file, expect=0).out
    # Who made it again, before the farm began, is another process than the master.
    assert said.count("observed.segy: its index was damaged, and was made again") == 1, said
    assert said.count("warning: $.memory.subsampling: to image every 50 steps") == 1, said
    assert said.count("to image every 50 steps") == 1, said


@test
def shots_are_called_shots_and_tasks_tasks(case):
    farm, _ = lay(case, "gradient", batch={"shots": 4})
    contents = f"{SHOTS} shots in tasks of one or more"
    said = case.beofarm("check", farm.file, expect=0).out
    assert f"{contents}\n" in said and " each " not in said, said # another program takes what it takes
    dry = case.beofarm("run", "--dry-run", "--limit", "1", farm.file, expect=0).out
    assert f"to compute: {contents}, 1 task at most\n" in dry, dry
    said = case.beofarm("run", farm.file, expect=0).out
    assert f"toy: {SHOTS} shots in tasks of one or more, " in said.splitlines()[0], said
    tasks = len(farm.rows())
    assert f"toy: {tasks} tasks ended in" in said, said
    lay(case, "fwi")
    assert f"an inversion of {SHOTS} shots\n" in case.beofarm("check", farm.file, expect=0).out


def one_file_check(case, shots):
    """survey.data.segy has the traces of these shots, numbered on."""
    whole = b"".join(shot_program.segy(shot)[3600 if at else 0:] for at, shot in enumerate(shots))
    with open(case.path("survey.data.segy"), "rb") as file:
        got = bytearray(file.read())
    assert len(got) == len(whole)
    for trace in range(3 * len(shots)):
        at = 3600 + trace * 280
        assert got[at:at + 8] == (trace + 1).to_bytes(4, "big") * 2
        got[at:at + 8] = whole[at:at + 8]
    assert got == whole
    left = [name for _, _, files in os.walk(case.path("runs")) for name in files
            if name.startswith("shot-") or ".new." in name]
    assert not left, left


@test
def modelled_gathers_are_one_file_in_order(case):
    farm, _ = lay(case, "model")
    farm.run()
    one_file_check(case, range(SHOTS))


@test
def the_one_file_is_without_bad_shots(case):
    farm, _ = lay(case, "model", env={"SHOT_BAD": "7"})
    farm.run(expect=1)
    one_file_check(case, [shot for shot in range(SHOTS) if shot != 7])


@test
def files_on_another_file_system_go_over_the_link(case):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        farm, _ = lay(case, "model", worker={"dir": elsewhere})
        farm.run()
    one_file_check(case, range(SHOTS))


def kill_and_resume(case, operation, change_each=()):
    """A farm whose master is killed when half of the shots are there; what cannot change meanwhile is tried."""
    hold = case.write("hold", "11\n")
    farm, log = lay(case, operation, env={"SHOT_HOLD": hold, "SHOT_S": "0.01"})
    farm.start()
    wait_until(lambda: len(lines(log)) >= 12, "half of the shots are there")
    farm.kill("master")
    farm.end(expect=7)
    os.remove(hold)
    for change in change_each:
        case.write("survey.json", {**survey(operation), **change})
        said = farm.resume("--accept-changes", expect=8)
        assert "this run began with" in said.out, said
    if change_each:
        case.write("survey.json", survey(operation))
    farm.resume(*["--accept-changes"] if change_each else [])


@test
def a_killed_master_is_resumed_to_the_same_one_file(case):
    kill_and_resume(case, "model")
    one_file_check(case, range(SHOTS))


@test
def gathers_stay_by_shot_where_that_is_told(case):
    farm, _ = lay(case, "model", shots=3, work={"gathers": "shots"})
    farm.run()
    found = sorted(f for _, _, files in os.walk(farm.path("out")) for f in files
                   if f.endswith(".sgy"))
    assert found == ["shot-1.sgy", "shot-2.sgy", "shot-3.sgy"], found
    assert not os.path.exists(case.path("survey.data.segy"))


@test
def killed_workers_change_nothing_in_the_gradient(case):
    hold = case.path("hold")
    farm, log = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"})
    start_up_to(case, farm, hold, 11)
    wait_until(lambda: len(lines(log)) >= 12, "half of the shots are there")
    kill(farm.pid("worker-1"))
    farm.wait_workers("lost", 1)
    os.remove(hold)
    farm.end()
    counts = [line.split()[1] for line in lines(log)]
    assert len(counts) > SHOTS  # what was summed there was computed once more
    # That its sum could not be had is in the table, and no failure: nothing lacks it.
    assert "lost" in [row["status"] for row in farm.rows()] and farm.events("end")[0]["failed"] == 0, farm.rows()
    assert floats(case, "survey.gradient.bin") == straight(case)


@test
def a_worker_that_is_told_to_go_gives_what_it_has_summed(case):
    """As machines that are about to be taken away are: no shot is computed twice."""
    hold = case.path("hold")
    farm, log = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"})
    start_up_to(case, farm, hold, 13)
    wait_until(lambda: len(lines(log)) >= 14, "half of the shots are there")
    os.kill(farm.pid("worker-1"), signal.SIGTERM)
    wait_until(lambda: "leaving" in farm.try_read("backend/tasks/worker-1/stderr.txt"), "it goes")
    # What it was at is let go in its slots, and comes before it is gone.
    os.remove(hold)
    farm.end()
    counts = [line.split()[1] for line in lines(log)]
    assert sorted(counts, key=int) == [str(shot) for shot in range(SHOTS)], counts
    assert floats(case, "survey.gradient.bin") == straight(case)
    # It was asked at least once while others went on, and others at the end.
    assert len([row for row in farm.rows() if row["operation"] == "collect"]) >= 2


@test
def a_worker_that_goes_while_its_slots_are_busy_gives_its_sum(case):
    """Shots that do not end in time are computed elsewhere; those that were summed are not."""
    hold = case.path("hold")
    farm, log = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"},
                    worker={"slots": 2, "pin": False, "drain_s": 0.5})
    start_up_to(case, farm, hold, 13)
    wait_until(lambda: len(lines(log)) >= 14, "half of the shots are there")
    os.kill(farm.pid("worker-1"), signal.SIGTERM)
    farm.wait_workers("left", 1)
    os.remove(hold)
    farm.end()
    counts = [line.split()[1] for line in lines(log)]
    assert sorted(counts, key=int) == [str(shot) for shot in range(SHOTS)], counts
    assert floats(case, "survey.gradient.bin") == straight(case)


@test
def a_farm_that_is_stopped_has_fetched_what_was_summed(case):
    """What runs then is killed, and computed again; no shot that the journal has is."""
    hold = case.path("hold")
    farm, log = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"})
    start_up_to(case, farm, hold, 13)
    farm.wait_event("progress", done=14)
    farm.process.send_signal(signal.SIGINT)
    done = farm.end(expect=130)
    assert "lost" not in farm.events("end")[0], farm.events("end")
    assert len([row for row in farm.rows() if row["operation"] == "collect"]) == 2, farm.rows()
    os.remove(hold)
    farm.resume()
    counts = [line.split()[1] for line in lines(log)]
    assert sorted(counts, key=int) == [str(shot) for shot in range(SHOTS)], (counts, done)
    assert floats(case, "survey.gradient.bin") == straight(case)


@test
def a_farm_that_may_run_no_more_tasks_has_fetched_what_was_summed(case):
    """Resumed without the limit, it computes the others."""
    farm, log = lay(case, "gradient", limits={"tasks": 9})
    done = farm.run(expect=1)
    assert "$.limits.tasks allows 9 tasks" in done.out, done
    assert len(lines(log)) == 9, lines(log)
    farm.resume("--limit", "1000", "--accept-changes")
    counts = [line.split()[1] for line in lines(log)]
    assert sorted(counts, key=int) == [str(shot) for shot in range(SHOTS)], (counts, done)
    assert floats(case, "survey.gradient.bin") == straight(case)


@test
def a_stopped_farm_says_which_sums_it_could_not_have(case):
    """Of a worker that does not answer; the second Ctrl-C does not wait for it."""
    hold = case.path("hold")
    farm, _ = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"})
    start_up_to(case, farm, hold, 13)
    farm.wait_event("progress", done=14)
    worker, master = farm.pid("worker-1"), farm.pid("master")
    os.kill(worker, signal.SIGSTOP)
    os.kill(master, signal.SIGINT)
    # The other one has given what it has.
    wait_until(lambda: any(row["operation"] == "collect" for row in farm.rows()), "a sum is fetched")
    os.kill(master, signal.SIGINT)
    wait_until(lambda: any("stopped by SIGINT" in event["sentence"] and "shots whose sums" in event["sentence"]
                           for event in farm.events("notice")), "it says so")
    os.kill(worker, signal.SIGCONT)
    farm.end(expect=130)
    os.remove(hold)
    farm.resume()
    assert floats(case, "survey.gradient.bin") == straight(case)


@test
def shots_that_share_tasks_are_summed_the_same_whoever_is_killed(case):
    """A task's shots are rounded together: the same ones have to be, however many slots there are."""
    for batch in ({}, {"encoded": 3}):
        hold = case.write("hold", "20\n")  # of eight tasks of three, at most three wait
        farm, log = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"}, batch=batch)
        case.write("shots.log", "")
        farm.start()
        wait_until(lambda: len(lines(log)) >= 12, "some shots are there")
        kill(farm.pid("worker-1"))
        farm.wait_workers("lost", 1)
        os.remove(hold)
        farm.end()
        assert floats(case, "survey.gradient.bin") == straight(case, batch=batch), batch


@test
def one_bad_shot_does_not_end_the_run(case):
    farm, _ = lay(case, "gradient", env={"SHOT_BAD": "7"})
    done = farm.run(expect=1)
    assert "1 of 24 shots" in done.out, done
    why = re.search(r"why +beofarm logs \S+ task (\d+)", done.out)
    assert why, done
    assert "shot 7 is a bad one" in case.beofarm("logs", farm.run_dir, "task", why[1], expect=0).out
    assert close(floats(case, "survey.gradient.bin"), expected(set(range(SHOTS)) - {7}))
    left = shot_list(case)["left_out"]
    assert len(left) == 1 and left[0]["shot"] == "8" and "shot 7 is a bad one" in left[0]["why"]
    bad = [row for row in farm.rows() if row["status"] != "ok"]
    assert len(bad) == 1 and "shot 7" in bad[0]["error"], bad


@test
def shots_that_share_a_task_with_a_bad_one_are_good(case):
    farm, _ = lay(case, "gradient", shots=8, env={"SHOT_BAD": "5"}, batch={"shots": 4})
    farm.run(expect=1)
    # The program rounds the sum of a task to floats: of values up to 1000, several times.
    wanted = expected(set(range(8)) - {5})
    assert all(abs(a - b) < 1e-3 for a, b in zip(floats(case, "survey.gradient.bin"), wanted))
    assert [shot["shot"] for shot in shot_list(case)["left_out"]] == ["6"]


@test
def with_a_skip_ratio_the_last_shots_are_not_waited_for(case):
    hold = case.write("hold", str(SHOTS - 2) + "\n")
    farm, _ = lay(case, "gradient", env={"SHOT_HOLD": hold}, work={"skip_ratio": 0.05})
    farm.run()
    assert close(floats(case, "survey.gradient.bin"), expected(range(SHOTS - 1)))
    left = shot_list(case)["left_out"]
    assert [shot["shot"] for shot in left] == [str(SHOTS)] and "waited" in left[0]["why"], left


@test
def bad_shots_within_the_skip_ratio_are_named_and_no_failure(case):
    farm, _ = lay(case, "gradient", env={"SHOT_BAD": "7"}, skip_ratio=0.05)
    farm.run(expect=0)
    said = farm.read("backend/tasks/master/stdout.txt")
    assert "1 is left out, which survey.shots.json names" in said, said
    left = shot_list(case)["left_out"]
    assert [shot["shot"] for shot in left] == ["8"] and "shot 7 is a bad one" in left[0]["why"], left
    farm, _ = lay(case, "gradient", env={"SHOT_BAD": "7 9"}, skip_ratio=0.05)
    farm.run("--run-dir", case.path("other"), expect=1)
    assert [shot["shot"] for shot in shot_list(case)["left_out"]] == ["8", "10"]


@test
def a_straggler_is_started_again_elsewhere_and_counts_once(case):
    """One worker's program comes to a stand; what it was at is computed by the other."""
    farm, log = lay(case, "gradient", env={"SHOT_SLOW": case.path("slow"), "SHOT_S": "0.02"},
                    worker={"slots": 1, "pin": False}, limits={"duplicates": True})
    farm.run()
    done = [line.split() for line in lines(log)]
    assert {int(line[1]) for line in done} == set(range(SHOTS)), done
    again = [line for line in done if line[3] != "1"]
    assert again and os.path.exists(case.path("slow")), done
    assert floats(case, "survey.gradient.bin") == straight(case)
    for line in again:
        row = [row for row in farm.rows() if row["task"] == line[2]]
        assert len(row) == 1 and row[0]["status"] == "ok", row


@test
def a_straggler_that_ends_after_all_counts_once(case):
    """Both attempts may end: which one counts is chance, that one does is not."""
    farm, log = lay(case, "gradient", env={"SHOT_SLOW": case.path("slow"), "SHOT_S": "0.1"},
                    shots=12, worker={"slots": 1, "pin": False}, limits={"duplicates": True})
    farm.start()
    wait_until(lambda: len(lines(log)) >= 11, "all others are there")
    os.remove(case.path("slow"))
    farm.end()
    assert floats(case, "survey.gradient.bin") == straight(case, shots=12)
    rows = [row for row in farm.rows() if row["operation"] == "gradient"]
    assert sorted(int(row["shots"]) for row in rows) == list(range(12)), rows


@test
def no_good_shot_at_all_is_an_error(case):
    farm, _ = lay(case, "gradient", shots=4, env={"SHOT_BAD": "all"})
    done = farm.run(expect=1)
    assert "none of 4 shots" in done.out, done


@test
def data_that_are_all_zero_are_explained_by_no_model(case):
    farm, _ = lay(case, "fwi", shots=2, env={"SHOT_SILENT": "all"})
    done = farm.run(expect=1)
    assert "$.data: of shot 1 and 1 more, all observed samples are zero" in done.out, done
    inversion = {"iterations": 3, "shots_per_iteration": 1, "min_velocity_m_s": 1500, "max_velocity_m_s": 3000}
    farm, _ = lay(case, "fwi", shots=4, env={"SHOT_SILENT": "0 1 2"}, inversion=inversion)
    farm.run()  # what is drawn says nothing of the others


@test
def a_killed_master_is_resumed_to_the_same_gradient(case):
    kill_and_resume(case, "gradient", [{"sum": "double"}])
    assert floats(case, "survey.gradient.bin") == straight(case)


@test
def whatever_is_killed_the_gradient_is_the_same(case):
    """Five processes at moments of chance; a master is resumed."""
    chance = random.Random(2)
    farm, _ = lay(case, "gradient", env={"SHOT_S": "0.03"})
    farm.start()
    master, kills = "master", 0
    while kills < 5 and farm.process.poll() is None:
        deadline = time.monotonic() + chance.uniform(0.05, 0.4)
        while time.monotonic() < deadline and farm.process.poll() is None:
            time.sleep(0.01)
        victim = chance.choice([master, "worker-1", "worker-2"])
        if farm.process.poll() is not None or not farm.task(victim):
            continue
        try:
            kill(farm.pid(victim))
        except (ProcessLookupError, AssertionError):
            continue  # between two lives
        kills += 1
        if victim == master:
            farm.end(expect=None)
            master = f"master-{int(master[7:] or 1) + 1}"
            farm.start("--resume")
    farm.end()
    assert floats(case, "survey.gradient.bin") == straight(case)


if __name__ == "__main__":
    harness.main(globals())
