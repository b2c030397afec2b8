#!/usr/bin/env python3
"""Surveys on the farm with beofarm-shot: data, images and gradients as files, and the examples."""
import array
import csv
import json
import os
import re
import shutil
import struct
import subprocess

import harness
import pictures
from harness import test, test_plainly
from surveys import blank, first_misfit, floats, history, observe, real_farm


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
def a_check_tells_what_a_shot_takes(case):
    observe(case)
    farm = real_farm(case, "told", "gradient", model={"velocity": "start.json"},
                     data="observed.data.segy")
    told = case.beofarm("check", "--json", farm.file, expect=0).json()["takes"]
    assert f"  each       {told}\n" in case.beofarm("check", farm.file, expect=0).out
    points, steps, dt_ms, memory_mb = re.fullmatch(
        r"up to (\d+ x \d+) points, (\d+) steps of ([\d.]+) ms, ([\d.]+) MB of memory", told).groups()
    farm.run()
    rows = [row for row in farm.rows() if row["shots"]]  # not what sums are
    done = [json.loads(row["extra"]) for row in rows]
    assert points == "{} x {}".format(*json.loads(case.read("start.json"))["points"]), told
    assert {shot["steps"] for shot in done} == {int(steps)}, (told, done)
    assert all(abs(1e3 * shot["dt_s"] - float(dt_ms)) < 1e-3 for shot in done), (told, done)
    most = max(int(row["memory_bytes"]) for row in rows)
    assert abs(most * 1e-6 - float(memory_mb)) < 0.01 * most * 1e-6, (told, most)


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
def steps_are_imaged_as_seldom_as_the_waves_allow(case):
    observe(case)
    gradients = []
    for name, memory in (("each", {}), ("seldom", {"subsampling": "auto"})):
        farm = real_farm(case, name, "gradient", model={"velocity": "start.json"}, memory=memory,
                         data="observed.data.segy")
        farm.run()
        gradients.append(floats(case, name + ".gradient.bin"))
        told = json.loads(farm.rows()[0]["extra"])["memory"]
        # 60 and 125 Hz at most, of wavelet and data: 185, of which 5.4 ms are a period.
        assert (", 1 step in 2 imaged, " in told) == (name == "seldom"), told
    off = sum((a - b) ** 2 for a, b in zip(*gradients)) / sum(a ** 2 for a in gradients[0])
    # Traces end in the midst of waves here (docs/shots.md); with one step in 6 it is 2.6e-2.
    assert 0 < off ** 0.5 < 1e-3, off ** 0.5


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
    source, nosource = first_misfit(case, "source"), first_misfit(case, "nosource")
    assert source < 0.05 * nosource, (source, nosource)


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


def observe_both(case):
    """Data of two shots, the first of which has two sources; returns the geometry."""
    observe(case)
    observed = json.loads(case.read("observed.json"))
    geometry = {**observed["geometry"], "sources": {"points": [[[100, 20], [300, 20]], [[200, 20]]]}}
    farm = real_farm(case, "both", "model", geometry=geometry, record=observed["record"],
                     model={"velocity": "true.json"})
    farm.run()
    said = [event["sentence"] for event in farm.events("notice")]
    assert sum("$.geometry.sources: fires several at once" in text for text in said) == 1, said
    return geometry


@test
def several_sources_of_a_shot_do_not_travel_in_headers(case):
    geometry = observe_both(case)
    survey = {"geometry": geometry, "model": {"velocity": "true.json"}, "data": "both.data.segy"}
    whole = real_farm(case, "whole", "gradient", **survey)
    whole.run()
    assert sum(float(row["misfit"] or 0) for row in whole.rows()) < 1e-9, whole.rows()
    done = real_farm(case, "shots", "gradient", work={"data": "shots"}, **survey).run(expect=3)
    assert "$.work.data" in done.err and "several at once" in done.err, done


def swell(case, like, name):
    """The file `like` with more than 64 MiB of textual headers, which take no room on the disk."""
    texts = 21500
    with open(case.path(like), "rb") as old, open(case.path(name), "wb") as file:
        head = bytearray(old.read(3600))
        struct.pack_into(">h", head, 3504, texts)
        file.write(head)
        file.seek(3200 * texts, os.SEEK_CUR)
        file.write(old.read())


@test
def large_data_travel_by_shots_where_each_has_one_source(case):
    several = {"geometry": observe_both(case)}
    for name, like, more in (("one", "observed.data.segy", {}), ("several", "both.data.segy", several)):
        swell(case, like, name + ".segy")
        gradients, ways = [], []
        for size, data in (("small", like), ("large", name + ".segy")):
            farm = real_farm(case, f"{name}-{size}", "gradient", model={"velocity": "start.json"}, data=data,
                             **more)
            farm.run()
            gradients.append(floats(case, f"{name}-{size}.gradient.bin"))
            ways.append({"shot-" in row["files"] for row in farm.rows() if row["operation"] == "gradient"})
        assert ways == [{False}, {name == "one"}], (name, ways)
        largest = max(map(abs, gradients[0]))
        # As above of those in files of their own; whole ones are the same to the bit.
        assert largest > 0 and (gradients[0] == gradients[1] or name == "one"), name
        assert all(abs(a - b) < 1e-4 * largest for a, b in zip(*gradients)), name


@test
def of_zeros_alone_no_image_is_made(case):
    observe(case)
    blank(case, "observed.data.segy", "zero.segy")
    said = "$.data: of shot 1 and 5 more, all observed samples%s are zero: there is nothing to explain"
    for operation in ("rtm", "gradient", "fwi"):
        farm = real_farm(case, operation, operation, model={"velocity": "start.json"}, data="zero.segy")
        done = farm.run(expect=3)
        assert f"{operation}.json: {said % ''}" in done.err and not os.path.exists(farm.run_dir), done
    done = real_farm(case, "near", "rtm", model={"velocity": "start.json"}, data="zero.segy",
                     aperture={"max_offset_m": 200}).run(expect=3)
    assert said % " within $.aperture's offsets" in done.err, done
    # One that cannot be read is left to who computes, and of what was computed the others are zero.
    blank(case, "observed.data.segy", "odd.segy", struct.pack(">f", float("nan")))
    farm = real_farm(case, "odd", "rtm", model={"velocity": "start.json"}, data="odd.segy", batch={"shots": 1})
    done = farm.run(expect=1)
    assert "$.data: of shot 2 and 4 more, all observed samples are zero" in done.out, done
    assert not os.path.exists(case.path("odd.image.bin"))


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
            subprocess.run(words, cwd=case.path("."), check=True, timeout=200)
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
    rows = [row for row in history(case, "inversion") if row["max_hz"] == "4"]
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
