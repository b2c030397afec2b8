#!/usr/bin/env python3
"""Surveys on the farm, through `beofarm run`: sums that are the same whoever dies, shots that fail,
masters that are resumed, inversions. The shot program is the stand-in of shot_program.py, which any
program may take the place of; beofarm-shot has tests of its own."""
import array
import csv
import json
import math
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

import harness
import pictures
import shot_program
from farms import Farm, kill
from harness import test, test_plainly, wait_until

SHOTS = 24
NX, NZ = 30, 20
POINTS = NX * NZ


def survey(operation, **more):
    return {"operation": operation,
            "model": {"velocity": 2000, "grid": {"points": [NX, NZ], "spacing_m": [20, 20]}},
            "wavelet": {"kind": "ricker", "peak_hz": 5},
            "data": "observed.segy",
            "sum": "exact",
            "batch": {"shots": 1},
            "program": [sys.executable, "./shot_program.py"],
            **more}


def lay(case, operation, shots=SHOTS, env=None, work=None, worker=None, limits=None, **more):
    """A farm with its survey; returns it and the file in which the program leaves its lines."""
    log = case.path("shots.log")
    with open(case.path("observed.segy"), "wb") as file:
        for shot in range(shots):
            file.write(shot_program.segy(shot)[3600 if shot else 0:])
    shutil.copy(shot_program.__file__, case.path("shot_program.py"))
    case.write("survey.json", survey(operation, **more))
    farm = {"name": "toy", "backend": {"kind": "local", "workers": 2}, "transport": "tcp", "port": 0,
            "worker": {"slots": 2, "pin": False, "rejoin_s": 20, **(worker or {})},
            "limits": {"task_timeout_s": 120, "attempts": 2, **(limits or {})},
            "work": {"kind": "shots", "survey": "survey.json", **(work or {}),
                     "env": {"SHOT_LOG": log, **(env or {})}}}
    return Farm(case, farm), log


def lines(log):
    try:
        with open(log, encoding="ascii") as file:
            return file.read().splitlines()
    except FileNotFoundError:
        return []


def floats(case, name):
    values = array.array("f")
    with open(case.path(name), "rb") as file:
        values.frombytes(file.read())
    return values


def shot_list(case):
    return json.loads(case.read("survey.shots.json"))


def straight(case, operation="gradient", **more):
    """The same work, undisturbed, in a folder of its own."""
    other = harness.Case("straight")
    try:
        farm, _ = lay(other, operation, **more)
        farm.run()
        return floats(other, f"survey.{'gradient' if operation == 'gradient' else 'image'}.bin")
    finally:
        other.close()


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
    ]
    for change, words in wrong:
        content = {key: value for key, value in {**survey("gradient"), **change}.items()
                   if value is not None}
        case.write("survey.json", content)
        done = farm.run(expect=None)
        assert done.code == 3 and all(word in done.err for word in words), (change, done)
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
def shots_are_called_shots_and_tasks_tasks(case):
    farm, _ = lay(case, "gradient", batch={"shots": 4})
    assert f"{SHOTS} shots in tasks of one or more\n" in case.beofarm("check", farm.file, expect=0).out
    assert f"to compute: {SHOTS} shots in" in case.beofarm("run", "--dry-run", farm.file, expect=0).out
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


def kill_and_resume(case, operation):
    """A farm whose master is killed when half of the shots are there."""
    hold = case.write("hold", "11\n")
    farm, log = lay(case, operation, env={"SHOT_HOLD": hold, "SHOT_S": "0.01"})
    farm.start()
    wait_until(lambda: len(lines(log)) >= 12, "half of the shots are there")
    farm.kill("master")
    farm.end(expect=7)
    os.remove(hold)
    farm.resume()


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
    hold = case.write("hold", "11\n")
    farm, log = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"})
    farm.start()
    wait_until(lambda: len(lines(log)) >= 12, "half of the shots are there")
    kill(farm.pid("worker-1"))
    farm.wait_workers("lost", 1)
    os.remove(hold)
    farm.end()
    counts = [line.split()[1] for line in lines(log)]
    assert len(counts) > SHOTS  # what was summed there was computed once more
    assert floats(case, "survey.gradient.bin") == straight(case)


@test
def a_worker_that_is_told_to_go_gives_what_it_has_summed(case):
    """As machines that are about to be taken away are: no shot is computed twice."""
    hold = case.write("hold", "13\n")
    farm, log = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"})
    farm.start()
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
    hold = case.write("hold", "13\n")
    farm, log = lay(case, "gradient", env={"SHOT_HOLD": hold, "SHOT_S": "0.02"},
                    worker={"slots": 2, "pin": False, "drain_s": 0.5})
    farm.start()
    wait_until(lambda: len(lines(log)) >= 14, "half of the shots are there")
    os.kill(farm.pid("worker-1"), signal.SIGTERM)
    farm.wait_workers("left", 1)
    os.remove(hold)
    farm.end()
    counts = [line.split()[1] for line in lines(log)]
    assert sorted(counts, key=int) == [str(shot) for shot in range(SHOTS)], counts
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
                    worker={"slots": 1, "pin": False})
    farm.run()
    done = [line.split() for line in lines(log)]
    assert sorted(int(line[1]) for line in done) == list(range(SHOTS)), done
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
                    shots=12, worker={"slots": 1, "pin": False})
    farm.start()
    wait_until(lambda: len(lines(log)) >= 11, "all others are there", 60)
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
def a_killed_master_is_resumed_to_the_same_gradient(case):
    kill_and_resume(case, "gradient")
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


def inversion(case, **more):
    return lay(case, "fwi", shots=6,
               inversion={"iterations": 5, "min_velocity_m_s": 1500, "max_velocity_m_s": 3000, **more.pop("inversion", {})},
               **more)


def history(case):
    with open(case.path("survey.fwi.csv"), encoding="ascii") as file:
        return list(csv.DictReader(file))


@test
def an_inversion_finds_the_model(case):
    farm, _ = inversion(case)
    farm.run()
    rows = history(case)
    misfits = [float(row["misfit"]) for row in rows if row["purpose"] != "source"]
    assert misfits[-1] < 1e-3 * misfits[0], misfits
    velocity = floats(case, "survey.velocity.bin")
    assert all(abs(v - shot_program.TRUTH) < 10 for v in velocity)
    assert os.path.exists(case.path("survey.velocity-001.segy"))
    assert "misfit" in farm.try_read("backend/tasks/master/stdout.txt")


@test
def an_inversion_is_seen_as_it_goes(case):
    hold = case.write("hold", "9\n")
    farm, _ = inversion(case, env={"SHOT_HOLD": hold, "SHOT_S": "0.03"}, work={"sum": "double"})
    farm.start()
    # Shots go on; the model of an iteration comes home while others are under way.
    wait_until(lambda: os.path.exists(case.path("survey.velocity-001.json")), "a model comes home")
    assert farm.process.poll() is None
    said = case.beofarm("status", farm.run_dir, expect=None).out
    assert "iteration" in said, said
    farm.end()
    # What the last iteration came to is said, too.
    misfits = [float(row["misfit"]) for row in history(case) if row["purpose"] != "source"]
    last = [event for event in farm.events("estimate")][-1]
    assert last["phi"] == min(misfits) and last["iteration"] == 5 and last["runs"] == 0, last
    said = case.beofarm("status", farm.run_dir, expect=None).out
    assert "0/0" not in said, said


@test
def an_inversion_killed_again_and_again_ends_with_the_same_model(case):
    farm, log = inversion(case, env={"SHOT_S": "0.01"})
    farm.start()
    for generation in range(1, 4):
        target = 14 * generation
        wait_until(lambda: len(lines(log)) > target or farm.process.poll() is not None, "it goes on")
        if farm.process.poll() is not None:
            break
        farm.kill("master" if generation == 1 else f"master-{generation}")
        farm.end(expect=7)
        farm.start("--resume")
    farm.end()
    other = harness.Case("undisturbed")
    try:
        inversion(other)[0].run()
        assert floats(case, "survey.velocity.bin") == floats(other, "survey.velocity.bin")
        assert history(case) == history(other)
    finally:
        other.close()


@test
def a_trial_whose_every_shot_fails_is_tried_nearer(case):
    """The first step goes to 2020 m/s."""
    farm, _ = inversion(case, env={"SHOT_UNSTABLE": "2015"}, inversion={"iterations": 1})
    farm.run()
    rows = [row for row in history(case) if row["purpose"] == "line search"]
    assert rows[0]["failed"] == "6" and rows[-1]["failed"] == "0", rows
    assert 2000 < max(floats(case, "survey.velocity.bin")) <= 2015


@test
def an_inversion_that_can_go_nowhere_ends_with_its_last_good_model(case):
    farm, _ = inversion(case, env={"SHOT_UNSTABLE": "2000"}, inversion={"line_search": 3})
    done = farm.run(expect=1)
    assert "however short the step" in done.out and "last good" in done.out, done
    assert set(floats(case, "survey.velocity.bin")) == {2000}
    # A second look at what is over says the same.
    done = farm.resume(expect=1)
    assert "however short the step" in done.out, done


def put_files(farm):
    """What the store has beyond the files that the farm began with."""
    with open(farm.path("files.json"), encoding="utf-8") as file:
        own = {entry["hash"] for entry in json.load(file)["files"]}
    return set(os.listdir(farm.path("store"))) - own


@test
def models_and_states_of_waves_that_are_through_do_not_pile_up(case):
    farm, _ = inversion(case)
    farm.run()
    assert len(history(case)) > 5
    # Of the last two waves: a state, a survey, a model and its header of each.
    assert len(put_files(farm)) <= 8, put_files(farm)
    # Nor in the workers' caches: of the last two waves a survey, a model and its header.
    for worker in ("worker-1", "worker-2"):
        caches = [os.path.join(path, "cache") for path, folders, _ in
                  os.walk(farm.path("backend/tasks", worker)) if "cache" in folders]
        with open(farm.path("files.json"), encoding="utf-8") as file:
            own = {entry["hash"] for entry in json.load(file)["files"]}
        kept = [name for cache in caches for name in os.listdir(cache)
                if name.split("-")[0].split(".")[0] not in own]
        assert caches and 0 < len(kept) <= 5, kept  # and the manifest


@test
def an_inversion_goes_on_where_its_folder_is_gone(case):
    """As on another machine, which has the journal and the store: nothing else is needed."""
    farm, log = inversion(case, env={"SHOT_S": "0.01"})
    farm.start()
    wait_until(lambda: len(lines(log)) > 20, "it goes on")
    farm.kill("master")
    farm.end(expect=7)
    shutil.rmtree(farm.path("shots"))
    shutil.rmtree(farm.path("out"))
    farm.start("--resume")
    farm.end()
    other = harness.Case("undisturbed")
    try:
        inversion(other)[0].run()
        assert floats(case, "survey.velocity.bin") == floats(other, "survey.velocity.bin")
    finally:
        other.close()


@test
def an_inversion_whose_state_is_gone_says_so(case):
    farm, log = inversion(case, env={"SHOT_S": "0.01"})
    farm.start()
    wait_until(lambda: len(lines(log)) > 20, "it goes on")
    farm.kill("master")
    farm.end(expect=7)
    for name in put_files(farm):
        os.remove(os.path.join(farm.path("store"), name))
    farm.start("--resume")
    done = farm.end(expect=None)
    assert done.code != 0 and "is gone" in done.out + done.err, done


# --- with beofarm-shot itself

REAL_NX, REAL_NZ, REAL_SHOTS = 41, 31, 6


def real_model(case, name, anomaly):
    """A model with a lens in it, raw with a header."""
    values = array.array("f")
    for x in range(REAL_NX):
        for z in range(REAL_NZ):
            inside = (x - 20) ** 2 + (z - 15) ** 2 < 36
            values.append(1800 + 4 * z + (anomaly if inside else 0))
    with open(case.path(name + ".bin"), "wb") as file:
        values.tofile(file)
    case.write(name + ".json", {"data": name + ".bin", "points": [REAL_NX, REAL_NZ],
                                "spacing_m": [10, 10], "origin_m": [0, 0], "order": "xz",
                                "dtype": "float32", "byte_order": "little", "units": "m/s"})


def real_farm(case, name, operation, work=None, **more):
    case.write(name + ".json", {"operation": operation, "sum": "exact",
                                "wavelet": {"kind": "ricker", "peak_hz": 15}, **more})
    return Farm(case, {"name": name, "backend": {"kind": "local", "workers": 2}, "transport": "tcp",
                       "port": 0, "worker": {"slots": 1, "pin": False},
                       "limits": {"task_timeout_s": 120},
                       "work": {"kind": "shots", "survey": name + ".json", **(work or {})}},
                name=name + "-farm.json")


def observe(case):
    harness.program("beofarm-shot")
    real_model(case, "true", 150)
    real_model(case, "start", 0)
    geometry = {"sources": {"line": {"start": [20, 20], "step": [70, 0], "count": REAL_SHOTS}},
                "receivers": {"line": {"start": [0, 290], "step": [20, 0], "count": 21}}}
    real_farm(case, "observed", "model", model={"velocity": "true.json"}, geometry=geometry,
              record={"length_s": 0.4, "interval_ms": 4}).run()


@test
def a_lens_is_found_by_inversion(case):
    observe(case)
    real_farm(case, "found", "fwi", model={"velocity": "start.json"}, data="observed.data.segy",
              inversion={"iterations": 4, "min_velocity_m_s": 1500, "max_velocity_m_s": 2400}).run()
    with open(case.path("found.fwi.csv"), encoding="ascii") as file:
        misfits = [float(row["misfit"]) for row in csv.DictReader(file)]
    assert misfits[-1] < 0.05 * misfits[0], misfits
    found, start = floats(case, "found.velocity.bin"), floats(case, "start.bin")
    middle = 20 * REAL_NZ + 15
    assert found[middle] - start[middle] > 50, found[middle]


@test
def an_inversion_may_go_by_bands_and_subsets_within_a_mask(case):
    observe(case)
    mask = array.array("f", [0.0 if z > 25 else 1.0 for _ in range(REAL_NX) for z in range(REAL_NZ)])
    with open(case.path("mask.bin"), "wb") as file:
        mask.tofile(file)
    case.write("mask.json", {"data": "mask.bin", "points": [REAL_NX, REAL_NZ],
                             "spacing_m": [10, 10]})
    real_farm(case, "found", "fwi", model={"velocity": "start.json"}, data="observed.data.segy",
              inversion={"bands": [{"max_hz": 12, "iterations": 2}, {"iterations": 2}],
                         "shots_per_iteration": 4, "smooth_m": 15, "frozen_depth_m": 35,
                         "mask": "mask.json", "min_velocity_m_s": 1500,
                         "max_velocity_m_s": 2400}).run()
    with open(case.path("found.fwi.csv"), encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    assert {row["shots"] for row in rows} == {"4"}, rows
    assert [row["max_hz"] for row in rows] == sorted((row["max_hz"] for row in rows)), rows
    for band in ("12", "inf"):
        misfits = [float(row["misfit"]) for row in rows if row["max_hz"] == band]
        assert len(misfits) >= 2 and misfits[-1] < misfits[0], rows
    change = [f - s for f, s in zip(floats(case, "found.velocity.bin"), floats(case, "start.bin"))]
    for i, c in enumerate(change):
        z = i % REAL_NZ
        assert c == 0 or 4 <= z <= 25, (i // REAL_NZ, z, c)  # 35 m is between 3 and 4
    assert change[20 * REAL_NZ + 15] > 20, change[20 * REAL_NZ + 15]


@test_plainly
def bands_subsets_and_sources_survive_the_death_of_master_and_worker(case):
    """With the program itself: the same model to the bit, and the same misfits."""
    observe(case)
    rich = {"model": {"velocity": "start.json"}, "data": "observed.data.segy",
            "inversion": {"bands": [{"max_hz": 12, "iterations": 2}, {"iterations": 3}],
                          "shots_per_iteration": 4, "source_estimation": True, "smooth_m": 15,
                          "min_velocity_m_s": 1500, "max_velocity_m_s": 2400}}
    real_farm(case, "calm", "fwi", **rich).run()
    farm = real_farm(case, "killed", "fwi", **rich)
    for generation, model in enumerate(("001", "003"), 1):
        farm.start(*["--resume"] if generation > 1 else [])
        wait_until(lambda name=f"killed.velocity-{model}.json": os.path.exists(case.path(name)),
                   "a model comes home", 60)
        kill(farm.pid("worker-1"))
        farm.kill("master" if generation == 1 else f"master-{generation}")
        farm.end(expect=None)  # on a very fast machine it may be over
    farm.resume()
    assert floats(case, "killed.velocity.bin") == floats(case, "calm.velocity.bin")
    with open(case.path("calm.fwi.csv"), encoding="ascii") as calm, \
            open(case.path("killed.fwi.csv"), encoding="ascii") as killed:
        assert calm.read() == killed.read()
    assert floats(case, "calm.velocity.bin") != floats(case, "start.bin")


@test
def a_density_scales_what_is_recorded_by_that_at_the_source(case):
    harness.program("beofarm-shot")

    def traces(name, **model):
        real_farm(case, name, "model", record={"length_s": 0.3, "interval_ms": 4},
                  model={"velocity": 2000, "grid": {"points": [41, 31], "spacing_m": [10, 10]},
                         **model},
                  geometry={"sources": {"points": [[200, 100]]},
                            "receivers": {"points": [[300, 200]]}}).run()
        with open(case.path(name + ".data.segy"), "rb") as file:
            values = file.read()[3600 + 240:]
        return struct.unpack(f">{len(values) // 4}f", values)
    plain, dense = traces("plain"), traces("dense", density=2000)
    largest = max(map(abs, plain))
    # Staggered differences of order 8 disperse a little less: 0.1 % over these ten wavelengths.
    assert all(abs(d / 2000 - p) < 5e-3 * largest for d, p in zip(dense, plain))


@test
def compressed_wavefields_give_the_same_gradient_to_their_precision(case):
    observe(case)
    gradients = {}
    for name, memory in (("plain", {}), ("auto", {"compress": True}),
                         ("full", {"compress": True, "method": "full"}),
                         ("few", {"compress": True, "method": "checkpoints", "budget_gib": 0.002})):
        real_farm(case, name, "gradient", model={"velocity": "start.json"}, memory=memory,
                  data="observed.data.segy").run()
        gradients[name] = floats(case, name + ".gradient.bin")
    largest = max(map(abs, gradients["plain"]))
    for name in ("auto", "full", "few"):
        # 16 bits: half of 1/32767 of the largest of 64 values, in sums of some hundred steps.
        assert all(abs(a - b) < 2e-3 * largest
                   for a, b in zip(gradients["plain"], gradients[name])), name


@test
def images_linearised_data_and_sources_are_computed(case):
    observe(case)
    start, true = floats(case, "start.bin"), floats(case, "true.bin")
    with open(case.path("change.bin"), "wb") as file:
        array.array("f", (1 / t ** 2 - 1 / s ** 2 for s, t in zip(start, true))).tofile(file)
    header = json.loads(case.read("start.json"))
    case.write("change.json", {**header, "data": "change.bin", "units": "s2/m2"})
    observed = json.loads(case.read("observed.json"))
    real_farm(case, "linear", "born", geometry=observed["geometry"], record=observed["record"],
              model={"velocity": "start.json", "perturbation": "change.json"}).run()
    assert os.path.getsize(case.path("linear.data.segy")) == \
        os.path.getsize(case.path("observed.data.segy"))
    real_farm(case, "image", "rtm", model={"velocity": "start.json"}, data="observed.data.segy",
              imaging={"illumination": True}).run()
    divided, light = floats(case, "image.image.bin"), floats(case, "image.illumination.bin")
    real_farm(case, "plain", "rtm", model={"velocity": "start.json"},
              data="observed.data.segy").run()
    assert min(light) >= 0 and not os.path.exists(case.path("plain.illumination.bin"))
    level = 0.01 * sum(light) / len(light)
    # Floats of an image, a sum and a quotient.
    assert all(abs(d * (i + level) - p) <= 1e-5 * abs(p) + 1e-30 for d, i, p in
               zip(divided, light, floats(case, "plain.image.bin")))
    # A wavelet that is twice too weak: estimated, it fits as if it were not.
    real_farm(case, "source", "fwi", model={"velocity": "true.json"}, data="observed.data.segy",
              wavelet={"kind": "ricker", "peak_hz": 15, "amplitude": 0.5},
              inversion={"iterations": 1, "source_estimation": True, "line_search": 1}).run()
    real_farm(case, "nosource", "fwi", model={"velocity": "true.json"}, data="observed.data.segy",
              wavelet={"kind": "ricker", "peak_hz": 15, "amplitude": 0.5},
              inversion={"iterations": 1, "line_search": 1}).run()

    def first(name):
        with open(case.path(name + ".fwi.csv"), encoding="ascii") as file:
            return next(float(row["misfit"]) for row in csv.DictReader(file)
                        if row["purpose"] == "gradient")
    assert first("source") < 0.05 * first("nosource"), (first("source"), first("nosource"))


@test
def tasks_may_get_the_data_of_their_own_shots_alone(case):
    observe(case)
    gradients = []
    for data in ("whole", "shots"):
        farm = real_farm(case, data, "gradient", work={"data": data}, batch={"shots": 2},
                         model={"velocity": "start.json"}, data="observed.data.segy")
        farm.run()
        gradients.append(floats(case, data + ".gradient.bin"))
        row = farm.rows()[0]
        assert ("shot-" in row["files"]) == (data == "shots"), row
    largest = max(map(abs, gradients[0]))
    # The same shots in files of their own: nothing but the time step's last digit may differ.
    assert all(abs(a - b) < 1e-4 * largest for a, b in zip(*gradients))


def run_readme(case, name, fewer):
    """What an example's README says, with fewer shots; its pictures must come."""
    source = os.path.join(harness.SOURCE, "examples/seismic", name)
    for file in os.listdir(source):
        if not file.endswith((".json", ".md")):
            continue
        with open(os.path.join(source, file), encoding="utf-8") as text:
            content = text.read()
        for pattern, replacement in fewer:
            content = re.sub(pattern, replacement, content)
        case.write(file, content)
    shutil.copy(harness.program(f"examples/seismic/{name}/{name}"), case.path(name))
    script = re.search("```sh\n(.*?)```", case.read("README.md"), re.S)[1]
    for line in script.splitlines():
        words = line.split("#")[0].split()
        if words[0] == "beofarm":
            case.beofarm(*words[1:], cwd=case.path("."))
        else:
            subprocess.run(words, cwd=case.path("."), check=True, timeout=60)
    for picture in re.findall(r"^beofarm plot (\S+)", script, re.M):
        picture = picture.replace(".json", ".png").replace(".segy", ".png")
        with open(case.path(picture), "rb") as file:
            assert file.read(8) == b"\x89PNG\r\n\x1a\n", picture
        assert os.path.getsize(case.path(picture)) > 5000, picture


def csv_row(case, run):
    """The first row of a run's results."""
    with open(case.path(run, "results.csv"), encoding="utf-8", newline="") as file:
        return next(csv.DictReader(file))


@test_plainly
def the_layers_of_the_examples_are_migrated(case):
    run_readme(case, "layers", [(r'"count": 30\b', '"count": 3'), ("--shot 15", "--shot 2")])


@test_plainly
def the_basin_of_the_examples_is_inverted(case):
    run_readme(case, "basin", [(r'"count": 16\b', '"count": 2'), ('"length_s": 3.6', '"length_s": 1.2'),
                               (r'"iterations": \d+', '"iterations": 1')])
    with open(case.path("inversion.fwi.csv"), encoding="ascii") as file:
        rows = [row for row in csv.DictReader(file) if row["max_hz"] == "4"]
    assert float(rows[-1]["misfit"]) < float(rows[0]["misfit"]), rows


@test_plainly
def the_cube_of_the_examples_is_migrated(case):
    """One shot in its middle: the channel below it is where the model has it, in the picture, too."""
    run_readme(case, "cube", [(r'"count": 4\b', '"count": 1'), (r'"lines": 4\b', '"lines": 1'),
                              (r'"start": \[200, 200, 20\]', '"start": [760, 800, 20]'),
                              ('"length_s": 1.2', '"length_s": 0.9'),
                              ('"budget_gib": 0.25', '"budget_gib": 0.15')])
    image = floats(case, "migration.image.bin")
    below = image[(38 * 81 + 40) * 51:][:51]  # x 760 m, y 800 m: in the channel, from 380 to 440 m
    deepest = max(range(10, 51), key=lambda z: abs(below[z]))
    assert 17 <= deepest <= 24, deepest
    # What is 500 m aside, and not in the channel, is pale beside it.
    aside = image[(63 * 81 + 40) * 51:][:51]
    assert max(map(abs, aside[10:])) < 0.3 * abs(below[deepest])
    extra = json.loads(csv_row(case, "runs/cube-migration-001")["extra"])
    assert extra["memory"].split()[0] in ("checkpoints", "boundary,"), extra  # not all is kept
    for picture in ("dm.png", "migration.image.png"):
        red, blue = pictures.shares(case.path(picture))
        assert 0.002 < red < 0.5 and 0.002 < blue < 0.5, (picture, red, blue)


if __name__ == "__main__":
    harness.main(globals())
