#!/usr/bin/env python3
"""Inversions on the farm, through `beofarm run`: what they find, and that they find it whoever dies."""
import array
import json
import os
import re
import shutil
import subprocess

import harness
import shot_program
from farms import kill
from harness import test, test_plainly, wait_until
from surveys import first_misfit, floats, history, inversion, lines, observe, real_farm, REAL_NX, REAL_NZ


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
def an_inversion_says_that_shots_failed_all_along(case):
    farm, _ = inversion(case, env={"SHOT_BAD": "3"}, inversion={"iterations": 2})
    farm.run()
    waves, said = len(history(case)), [event["sentence"] for event in farm.events("notice")]
    assert f"all iterations are done; {waves} of {waves} evaluations lack shots that failed" in said[-1], said


@test
def an_inversion_is_seen_as_it_goes(case):
    hold = case.write("hold", "")
    farm, _ = inversion(case, env={"SHOT_HOLD": hold, "SHOT_MOST": "40"}, work={"sum": "double"})
    farm.start()
    # Shots go on; the model of an iteration comes home while others are under way.
    wait_until(lambda: os.path.exists(case.path("survey.velocity-001.json")), "a model comes home")
    assert farm.process.poll() is None
    # The journal may say it a moment later.
    wait_until(lambda: "iteration" in case.beofarm("status", farm.run_dir, expect=None).out, "status tells iterations")
    os.remove(hold)
    farm.end()
    # What the last iteration came to is said, too, and all are counted from 1.
    assert {row["iteration"] for row in history(case)} == set("12345"), history(case)
    misfits = [float(row["misfit"]) for row in history(case) if row["purpose"] != "source"]
    last = [event for event in farm.events("estimate")][-1]
    assert last["phi"] == min(misfits) and last["iteration"] == 5 and last["runs"] == 0, last
    said = case.beofarm("status", farm.run_dir, expect=None).out
    assert "0/0" not in said, said
    with open(case.beofarm("report", farm.run_dir, expect=0).out.strip(), encoding="utf-8") as file:
        page = file.read()
    assert "<h2>Misfit</h2>" in page and ">tasks (misfit is logarithmic)<" in page, page


@test
def shots_fired_as_one_stay_so_for_an_iteration(case):
    """Misfits of other signs are other functions', so a line search would compare what has nothing in common."""
    farm, log = inversion(case, batch={"encoded": 3}, worker={"slots": 1})
    farm.run()
    told, fired, drawn = history(case), lines(log), []
    assert sum(row["purpose"] == "gradient" for row in told) == 5, told
    for row in told:
        wave, fired = fired[:6], fired[6:]
        tasks = {line.split()[2]: [] for line in wave}
        for _, shot, task, _, sign in map(str.split, wave):
            tasks[task].append((int(shot), float(sign)))
        drawn.append((row["iteration"], sorted(tasks.values())))
    assert not fired and len(drawn) > 5, (drawn, fired)
    assert all(a[1] == b[1] for a in drawn for b in drawn if a[0] == b[0]), drawn
    assert len({str(signs) for _, signs in drawn}) > 3, drawn


@test
def an_inversion_killed_again_and_again_ends_with_the_same_model(case):
    hold = case.write("hold", "")
    farm, log = inversion(case, env={"SHOT_S": "0.01", "SHOT_HOLD": hold, "SHOT_MOST": "45"})
    farm.start()
    for generation in range(1, 4):
        target = 12 * generation
        wait_until(lambda: len(lines(log)) > target, "it goes on")  # pylint: disable=W0640
        farm.kill("master" if generation == 1 else f"master-{generation}")
        farm.end(expect=7)
        assert not os.path.exists(farm.path("near"))
        farm.start("--resume")
    os.remove(hold)
    farm.end()
    other = harness.Case("undisturbed")
    try:
        inversion(other)[0].run()
        assert floats(case, "survey.velocity.bin") == floats(other, "survey.velocity.bin")
        assert history(case) == history(other)
    finally:
        other.close()


@test
def data_named_by_an_absolute_path_must_stay_as_they_are(case):
    hold, data = case.write("hold", ""), case.path("observed.segy")
    farm, log = inversion(case, env={"SHOT_HOLD": hold, "SHOT_MOST": "9"}, data=data, inversion={"iterations": 1})
    farm.start()
    wait_until(lambda: len(lines(log)) > 6, "the first wave is through")
    farm.kill("master")
    farm.end(expect=7)
    os.remove(hold)
    was = os.stat(data).st_mtime_ns
    os.utime(data, ns=(was, was + 1))
    said = farm.resume(expect=8)
    hint = re.search(f"{data} was written since .*(touch -d @[0-9.]+ {data})", said.out + said.err)
    assert hint, said
    # It is the same file: so says its time, once it is given back.
    subprocess.run(["sh", "-c", hint[1]], check=True, timeout=60)
    assert os.stat(data).st_mtime_ns == was
    # While the run goes on it is looked at, too.
    case.write("hold", "")
    farm.start("--resume")
    farm.wait_workers("joined", 1, master="master-3")
    os.truncate(data, os.path.getsize(data) - 4)
    os.remove(hold)
    farm.end(expect=8)


@test
def data_that_were_touched_while_a_run_went_on_are_remarked(case):
    """They are as they were by size and time, but may have been others meanwhile."""
    hold, data = case.write("hold", ""), case.path("observed.segy")
    farm, log = inversion(case, env={"SHOT_HOLD": hold, "SHOT_MOST": "9"}, data=data, inversion={"iterations": 1})
    farm.start()
    wait_until(lambda: len(lines(log)) > 6, "the first wave is through")
    was = os.stat(data)
    os.utime(data, ns=(was.st_atime_ns, was.st_mtime_ns))
    os.remove(hold)
    farm.end()
    said = [event["sentence"] for event in farm.events("notice")]
    assert sum(f"{data} was touched while this run went on" in sentence for sentence in said) == 1, said


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


def begin_and_kill(case):
    """An inversion whose master died in the midst of it."""
    hold = case.write("hold", "")
    farm, log = inversion(case, env={"SHOT_HOLD": hold, "SHOT_MOST": "30"})
    farm.start()
    wait_until(lambda: len(lines(log)) > 20, "it goes on")
    farm.kill("master")
    farm.end(expect=7)
    os.remove(hold)
    return farm


@test
def an_inversion_goes_on_where_its_folder_is_gone(case):
    """As on another machine, which has the journal and the store: nothing else is needed."""
    farm = begin_and_kill(case)
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
    farm = begin_and_kill(case)
    for name in put_files(farm):
        os.remove(os.path.join(farm.path("store"), name))
    farm.start("--resume")
    done = farm.end(expect=None)
    assert done.code != 0 and "what the work was at cannot be had" in done.out + done.err, done


def change_inversion(case, **keys):
    with open(case.path("survey.json"), encoding="utf-8") as file:
        survey = json.load(file)
    survey["inversion"] = {key: value for key, value in {**survey["inversion"], **keys}.items() if value}
    case.write("survey.json", survey)


@test
def the_band_that_an_inversion_is_in_cannot_go(case):
    bands = [{"max_hz": 4, "iterations": 1}, {"max_hz": 8, "iterations": 2}]
    farm, _ = inversion(case, inversion={"bands": bands})
    # A gradient and a line search in the first band, and sums: the second one has begun.
    farm.run("--limit", "30", expect=1)
    for fewer in bands[:1], None:
        change_inversion(case, bands=fewer)
        said = farm.resume("--limit", "10000", "--accept-changes", expect=8)
        assert "in band 2 of its inversion" in said.out, said
    change_inversion(case, bands=bands)
    farm.resume("--limit", "10000", "--accept-changes")
    assert {row["max_hz"] for row in history(case)} == {"4", "8"}, history(case)


@test
def the_misfits_of_an_inversion_stay_what_they_are(case):
    farm, _ = inversion(case, inversion={"iterations": 2})
    farm.run("--limit", "10", expect=1)
    survey = json.loads(case.read("survey.json"))
    for key, other in (("wavelet", {**survey["wavelet"], "peak_hz": 11}),
                       ("wavelet", {"kind": "sampled", "interval_ms": 1, "values": [0, 1, -1]}),
                       ("misfit", {"kind": "huber"})):
        case.write("survey.json", {**survey, key: other})
        said = farm.resume("--limit", "10000", "--accept-changes", expect=8)
        assert "this run began with misfits of l2, a Ricker wavelet of" in said.out, said
    # How they are come by may change.
    case.write("survey.json", {**survey, "memory": {"method": "checkpoints"}})
    farm.resume("--limit", "10000", "--accept-changes")


@test
def an_inversion_that_is_over_stays_so_and_says_it(case):
    farm, _ = inversion(case, inversion={"iterations": 1})
    farm.run()
    before = history(case)
    change_inversion(case, iterations=3)
    farm.resume("--accept-changes")
    told = [event["sentence"] for event in farm.events("notice", master="master-2")]
    assert any("all iterations are done; an inversion that is over stays so" in said
               and "survey.velocity.json" in said for said in told), told
    assert history(case) == before


@test
def a_lens_is_found_by_inversion(case):
    observe(case)
    real_farm(case, "found", "fwi", model={"velocity": "start.json"}, data="observed.data.segy",
              inversion={"iterations": 4, "min_velocity_m_s": 1500, "max_velocity_m_s": 2400}).run()
    misfits = [float(row["misfit"]) for row in history(case, "found")]
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
    rows = history(case, "found")
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


def misfit_of_truth(case, name, wavelet=None, **inversion):
    """Of the true model, where nothing but the source is to be found."""
    keys = {"wavelet": wavelet} if wavelet else {}
    real_farm(case, name, "fwi", model={"velocity": "true.json"}, data="observed.data.segy", numerics={"dt_ms": 1},
              inversion={"iterations": 1, "line_search": 1, **inversion}, **keys).run()
    return first_misfit(case, name)


@test_plainly
def a_source_estimated_in_a_band_fits_it(case):
    """The estimate ends where the band does; the wavelet must not be cut off there, as it would ring before time 0."""
    observe(case, numerics={"dt_ms": 1})
    late = {"kind": "ricker", "peak_hz": 15, "delay_s": 0.04, "amplitude": 3}
    for band in {"max_hz": 4}, {"max_hz": 8}, {"min_hz": 5, "max_hz": 12}:
        name, bands = "-".join(map(str, band.values())), [band]
        fits = misfit_of_truth(case, f"same-{name}", bands=bands, source_estimation=True)
        off = misfit_of_truth(case, f"off-{name}", bands=bands, wavelet=late)
        found = misfit_of_truth(case, f"found-{name}", bands=bands, wavelet=late, source_estimation=True)
        assert fits < 1e-9 * off and found < 0.01 * off, (band, fits, found, off)


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


if __name__ == "__main__":
    harness.main(globals())
