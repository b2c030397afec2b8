#!/usr/bin/env python3
"""beofarm-shot by hand and as a persistent runner: answers, files, and sentences for what is wrong."""
import array
import json
import math
import os
import struct
import subprocess

import harness
from harness import program, test, test_plainly

N = (41, 26)  # x, z: 25 m apart
MODEL = {"operation": "model", "model": {"velocity": "v.json"}, "wavelet": {"kind": "ricker", "peak_hz": 6},
         "numerics": {"space_order": 4, "absorbing_points": 10},
         "record": {"length_s": 0.6, "interval_ms": 8},
         "geometry": {"sources": {"line": {"start": [300, 60], "step": [200, 0], "count": 3}},
                      "receivers": {"line": {"start": [103, 81], "end": [898, 81], "count": 20}}}}


def write_model(case, name, velocity):
    """Raw floats with their header; velocity is a function of x and z in points."""
    values = array.array("f", [velocity(x, z) for x in range(N[0]) for z in range(N[1])])
    with open(case.path(name + ".bin"), "wb") as file:
        file.write(values.tobytes())
    case.write(name + ".json", {"data": name + ".bin", "points": list(N), "spacing_m": [25, 25]})


def layers(x, z):
    return 1800 + 20 * z + (300 if z > 12 else 0)


def smooth(x, z):
    return 1800 + 24 * z


def survey(case, name, **changes):
    text = dict(MODEL, **changes)
    return case.write(name, {key: value for key, value in text.items() if value is not None})


def shot(case, *words, stdin=None, **variables):
    environment = dict(os.environ, OMP_NUM_THREADS="1", **variables)
    return subprocess.run([program("beofarm-shot"), *map(str, words)], input=stdin, text=True,
                          cwd=case.folder, env=environment, capture_output=True, timeout=200, check=False)


def answer(done):
    assert done.returncode == 0, done
    return json.loads(done.stdout)


def refused(done, code, *texts):
    assert done.returncode == code and not done.stdout, done
    assert len(done.stderr.splitlines()) == 1, done
    for text in texts:
        assert text in done.stderr, f"{text!r} is not in: {done.stderr}"


def observe(case):
    """Data of the layers, and a survey that compares them with the smooth model."""
    write_model(case, "v", layers)
    write_model(case, "smooth", smooth)
    model = survey(case, "model.json")
    for name in "123":
        answer(shot(case, "--survey", model, "--shot", name, "--operation", "model", "--output",
                    f"shot-{name}.sgy"))
    return survey(case, "gradient.json", operation="gradient", model={"velocity": "smooth.json"},
                  data={"paths": ["shot-*.sgy"]}, geometry=None, record=None)


def floats(case, name):
    with open(case.path(name), "rb") as file:
        return array.array("f", file.read())


@test
def a_command_line_that_makes_no_sense_is_refused(case):
    refused(shot(case), 2, "--survey")
    refused(shot(case, "--shots", "3"), 2, "--help")
    refused(shot(case, "--survey", "s", "--shot", "1", "--operation", "invert"), 2, "invert")
    refused(shot(case, "--survey", "s", "--shot", "1", "--operation", "model"), 2, "--output")
    refused(shot(case, "--survey", "s", "--shot", "1", "--operation", "misfit", "--output", "x"), 2, "misfit")
    refused(shot(case, "--serve", "--band", "9:3"), 2, "9:3")
    refused(shot(case, "--serve", "--memory", "3X"), 2, "3X")
    refused(shot(case, "--survey", "none.json", "--shot", "1", "--operation", "misfit"), 4, "none.json")
    assert "--operation" in shot(case, "--help").stdout


@test
def more_threads_than_processors_are_warned_of(case):
    write_model(case, "v", layers)
    model, count = survey(case, "model.json"), len(os.sched_getaffinity(0))

    def said(threads):
        done = shot(case, "--survey", model, "--shot", "1", "--operation", "model", "--output", "s.sgy",
                    "--threads", threads)
        answer(done)
        return done.stderr
    assert f"--threads {count} is faster" in said(count + 1), said(count + 1)
    assert not said(count), said(count)


@test
def threads_are_bound_each_to_its_place(case):
    # As the environment of a slot of several cores says. Beginning again (main.c) kept the thread
    # bound to the first place, and so all threads of such a slot had one core.
    processors = sorted(os.sched_getaffinity(0))[:2]
    if len(processors) < 2:
        raise harness.Skip("one processor")
    write_model(case, "v", layers)
    done = shot(case, "--survey", survey(case, "model.json"), "--shot", "1", "--operation", "model",
                "--output", "s.sgy", "--threads", 2, OMP_PROC_BIND="close", OMP_DISPLAY_AFFINITY="true",
                OMP_PLACES=",".join("{%d}" % one for one in processors), OMP_AFFINITY_FORMAT="bound %n to %A")
    answer(done)
    assert "warn" not in done.stderr, done.stderr
    for thread, one in enumerate(processors):
        assert f"bound {thread} to {one}\n" in done.stderr, done.stderr


@test
def as_many_threads_compute_as_were_told(case):
    # OMP_DYNAMIC has no more than there are processors, less what the machine does already.
    write_model(case, "v", layers)
    count = len(os.sched_getaffinity(0)) + 1
    done = shot(case, "--survey", survey(case, "model.json"), "--shot", "1", "--operation", "model",
                "--output", "s.sgy", "--threads", count, OMP_DYNAMIC="true", OMP_DISPLAY_AFFINITY="true",
                OMP_AFFINITY_FORMAT="thread %n of %N.")
    answer(done)
    assert f"thread {count - 1} of {count}." in done.stderr, done.stderr


@test
def bad_models_and_places_are_named(case):
    write_model(case, "v", layers)
    words = ("--shot", "2", "--operation", "model", "--output", "d.sgy", "--survey")
    refused(shot(case, *words[:1], "9", *words[2:], survey(case, "s.json")), 3, "no shot 9", "3")
    refused(shot(case, *words, survey(case, "s.json", numerics={"dt_ms": 50})), 3, "0.05 s", "shot 2")
    geometry = dict(MODEL["geometry"], receivers={"points": [[500, 80], [5000, 80]]})
    refused(shot(case, *words, survey(case, "s.json", geometry=geometry)), 3, "5000")
    geometry = dict(MODEL["geometry"], receivers={"points": [[500, 80], [600, 0]]})
    refused(shot(case, *words, survey(case, "s.json", geometry=geometry, numerics={"free_surface": True})),
            3, "600", "free surface")
    born = (*words[:3], "born", *words[4:])
    refused(shot(case, *born, survey(case, "s.json")), 3, "no model.perturbation")
    write_model(case, "v", lambda x, z: float("nan") if (x, z) == (7, 3) else 2000)
    refused(shot(case, *words, survey(case, "s.json")), 3, "v.json", "x 7, y 0, z 3")
    write_model(case, "v", lambda x, z: -5 if (x, z) == (7, 3) else 2000)
    refused(shot(case, *words, survey(case, "s.json")), 3, "$.model.velocity", "x 7, y 0, z 3", "-5")
    assert not os.path.exists(case.path("d.sgy"))


@test
def the_true_model_has_no_misfit_and_another_one_has_a_gradient(case):
    path = observe(case)
    other = answer(shot(case, "--survey", path, "--shot", "2", "--operation", "misfit"))
    assert 0 < other["misfit"] < 2 * other["norm"], other
    true = survey(case, "true.json", operation="gradient", data={"paths": ["shot-*.sgy"]}, geometry=None,
                  record=None)
    same = answer(shot(case, "--survey", true, "--shot", "2", "--operation", "misfit"))
    # the files hold 32-bit floats of the same run; the time step may differ with the fastest velocity
    assert same["misfit"] < 1e-6 * same["norm"], same
    done = answer(shot(case, "--survey", path, "--shot", "2", "--operation", "gradient", "--output", "g.f32",
                       "--illumination", "i.f32"))
    assert abs(done["misfit"] - other["misfit"]) < 1e-6 * other["misfit"], done
    gradient, light = floats(case, "g.f32"), floats(case, "i.f32")
    assert len(gradient) == len(light) == N[0] * N[1]
    assert max(map(abs, gradient)) > 0 and min(light) >= 0
    loud = dict(json.loads(case.read("gradient.json")), wavelet=dict(MODEL["wavelet"], amplitude=1e30))
    refused(shot(case, "--survey", case.write("loud.json", loud), "--shot", "2", "--operation", "gradient",
                 "--output", "g.f32"), 3, "shot 2", "trace 1: the misfit's derivative is", "amplitude")
    with open(case.path("shot-2.sgy"), "r+b") as file:
        file.seek(3600 + 240 + 4 * 49)
        file.write(struct.pack(">f", 1e38))  # a float, but no image of it is
    refused(shot(case, "--survey", path, "--shot", "2", "--operation", "gradient", "--output", "g.f32"), 3,
            "shot 2", "trace 1: sample 50", "1e+38")


@test
def gradients_of_all_misfits_are_their_slopes(case):
    observe(case)

    def bump(x, z):  # not at the top, which layers continue: a gradient does not know that they change, too
        return (z > 0) * 30 * math.exp(-((x - 20) ** 2 + (z - 9) ** 2) / 30)
    for step in (-1, 0, 1):
        write_model(case, f"v{step}", lambda x, z, step=step: smooth(x, z) + step * bump(x, z))
    for kind in ({"kind": "l2"}, {"kind": "normalised"}, {"kind": "envelope"},
                 {"kind": "huber", "huber_threshold": 0.5}):
        def run(step, *words, kind=kind):
            path = survey(case, "try.json", operation="gradient", model={"velocity": f"v{step}.json"},
                          data={"paths": ["shot-*.sgy"]}, geometry=None, record=None, misfit=kind,
                          numerics={**MODEL["numerics"], "dt_ms": 4})
            return answer(shot(case, "--survey", path, "--shot", "2", *words))["misfit"]
        lower, upper = (run(step, "--operation", "misfit") for step in (-1, 1))
        run(0, "--operation", "gradient", "--output", "slope.f32")
        along = sum(g * bump(i // N[1], i % N[1]) for i, g in enumerate(floats(case, "slope.f32")))
        # Over 60 m/s of 2000 the curve of the misfit is no straight line; the middle's slope is off by
        # its third derivative.
        assert abs((upper - lower) / 2 - along) < 0.01 * abs(along), (kind, upper, lower, along)


@test
def a_gradient_knows_all_that_the_fastest_point_does(case):
    observe(case)
    observed = survey(case, "shallow.json", geometry={
        "sources": {"points": [[300, 33]]}, "receivers": {"line": {"start": [103, 41], "end": [898, 41], "count": 20}}})
    answer(shot(case, "--survey", observed, "--shot", "1", "--operation", "model", "--output", "shallow.sgy"))

    def run(step, *words):
        write_model(case, "fast", lambda x, z: smooth(x, z) + ((x, z) == (12, 10)) * (800 + step))
        path = survey(case, "try.json", operation="gradient", model={"velocity": "fast.json"}, data="shallow.sgy",
                      geometry=None, record=None, numerics={**MODEL["numerics"], "dt_ms": 3})
        return answer(shot(case, "--survey", path, "--shot", "1", *words))["misfit"]
    run(0, "--operation", "gradient", "--output", "slope.f32")
    along = floats(case, "slope.f32")[12 * N[1] + 10]
    by_differences = (run(20, "--operation", "misfit") - run(-20, "--operation", "misfit")) / 40
    assert abs(by_differences - along) < 0.01 * abs(along), (by_differences, along)


def word_put(case, name, trace, place, form, *values):
    """Into a trace of 20 by 76 samples, from the beginning of its header."""
    with open(case.path(name), "r+b") as file:
        file.seek(3600 + trace * (240 + 4 * 76) + place)
        file.write(struct.pack(form, *values))


@test
def what_is_migrated_tells_its_norm(case):
    """Half the sum of squares: what a misfit calls so. Of zeros it is 0, for there is nothing to migrate."""
    path = observe(case)
    arrays = {"arrays": ["image"], "grid": [N[0], 1, N[1]]}

    def norm(operation, **more):
        reply = shot(case, "--serve", stdin=line(1, case, path, operation, [1], **more)).stdout
        return json.loads(reply)["values"]["norm"]
    assert 0 < norm("rtm", **arrays) and abs(norm("rtm", **arrays) / norm("misfit") - 1) < 1e-6
    for trace in range(20):
        word_put(case, "shot-2.sgy", trace, 240, ">76f", *[0] * 76)
    assert norm("rtm", **arrays) == 0


@test
def shots_of_one_number_are_told_apart_by_their_places(case):
    path = observe(case)
    by_number = answer(shot(case, "--survey", path, "--shot", "2", "--operation", "misfit"))["misfit"]
    for name in "123":
        for trace in range(20):
            word_put(case, f"shot-{name}.sgy", trace, 8, ">i", 7)
    refused(shot(case, "--survey", path, "--shot", "7", "--operation", "misfit"), 3, "among its 3", "called 7@1")
    assert answer(shot(case, "--survey", path, "--shot", "7@2", "--operation", "misfit"))["misfit"] == by_number


@test
def dead_traces_have_no_part_in_anything(case):
    """One of zeros counts as one that its header calls dead."""
    observe(case)
    word_put(case, "shot-2.sgy", 3, 240, ">76f", *[0] * 76)
    arrays = {"arrays": ["gradient"], "grid": [N[0], 1, N[1]]}
    said = {}
    for code in (1, 2):
        word_put(case, "shot-2.sgy", 3, 28, ">h", code)
        for kind in ("l2", "normalised", "envelope", "huber"):
            path = survey(case, f"{kind}-{code}.json", operation="gradient", model={"velocity": "smooth.json"},
                          data={"paths": ["shot-2.sgy"]}, geometry=None, record=None, misfit={"kind": kind})
            text = line(code, case, path, "gradient", [0], **arrays) + line(3, case, path, "source", [0])
            replies = [json.loads(reply) for reply in shot(case, "--serve", stdin=text).stdout.splitlines()]
            values = [reply["values"] for reply in replies]
            extra = [json.loads(value["extra"]) for value in values]
            assert [e.get("dead_traces") for e in extra] == [1 if code == 1 else None] * 2, extra
            said[kind, code] = values[0]["misfit"], floats(case, f"task-{code}/gradient.f32"), extra[1]["power"]
    for kind in ("l2", "normalised", "envelope", "huber"):
        (zeros, one, power), (dead, two, same) = said[kind, 1], said[kind, 2]
        assert abs(zeros - dead) < 1e-9 * dead and power == same, kind
        scale = max(map(abs, two))
        assert scale > 0 and all(abs(a - b) < 1e-5 * scale for a, b in zip(one, two)), kind


def ricker(t):
    """10 Hz, its peak at 0.15 s."""
    a = (math.pi * 10 * (t - 0.15)) ** 2
    return (1 - 2 * a) * math.exp(-a)


def closed_form(dims, r, t, c=1500):
    if dims == 3:
        return ricker(t - r / c) / (4 * math.pi * r)
    end = math.acosh(max(1, c * t / r))  # over where the wave has been, by midpoints
    parts = 400
    return sum(ricker(t - r / c * math.cosh(end * (i + 0.5) / parts)) for i in range(parts)) * end / parts / (2 * math.pi)


def check_closed_form(case, dims, source, receiver):
    """Relative L2 error of a trace 300 m from the source, order 8, 10 m."""
    size = [81, 41, 51] if dims == 3 else [81, 61]
    path = case.write("closed.json", {
        "model": {"velocity": 1500, "grid": {"points": size, "spacing_m": [10] * dims}},
        "wavelet": {"kind": "ricker", "peak_hz": 10, "delay_s": 0.15}, "numerics": {"dt_ms": 0.5},
        "record": {"length_s": 0.5, "interval_ms": 2},
        "geometry": {"sources": {"points": [source]}, "receivers": {"points": [receiver]}}})
    answer(shot(case, "--survey", path, "--shot", "1", "--operation", "model", "--output", "closed.sgy"))
    with open(case.path("closed.sgy"), "rb") as file:
        trace = struct.unpack(">251f", file.read()[3840:])
    r = math.dist(source, receiver)
    assert abs(r - 300) < 1e-9
    closed = [closed_form(dims, r, 2e-3 * k) for k in range(251)]
    return math.sqrt(sum((a - b) ** 2 for a, b in zip(trace, closed)) / sum(b * b for b in closed))


@test_plainly
def a_homogeneous_medium_answers_as_the_closed_form_says(case):
    """On the points of the grid and between them."""
    for dims, source, receiver in ((2, [200, 300], [500, 300]), (2, [203.7, 302.2], [443.7, 482.2]),
                                   (3, [200, 200, 250], [500, 200, 250]),
                                   (3, [203.7, 148.1, 173.3], [383.7, 268.1, 173.3 + math.sqrt(43200)])):
        error = check_closed_form(case, dims, source, receiver)
        assert error < 2e-3, (dims, source, error)


@test
def an_aperture_leaves_zeros_outside(case):
    observe(case)
    path = survey(case, "cut.json", operation="rtm", model={"velocity": "smooth.json"},
                  data={"paths": ["shot-*.sgy"]}, geometry=None, record=None,
                  aperture={"limit_m": True, "buffer_m": 50, "max_offset_m": 220})
    answer(shot(case, "--survey", path, "--shot", "1", "--operation", "rtm", "--output", "image.f32"))
    image = floats(case, "image.f32")
    assert any(image[:24 * N[1]]) and not any(image[24 * N[1]:]), "the cut ends at 570 m"


def line(task, case, path, operation, shots, **more):
    params = {"operation": operation, "survey": path, "shots": shots, "files": {}, "band_hz": [0, None],
              "memory_bytes": 0, "threads": 1, **more}
    os.makedirs(case.path(f"task-{task}"), exist_ok=True)
    return json.dumps({"task": task, "attempt": 1, "dir": case.path(f"task-{task}"), "params": params}) + "\n"


@test
def a_runner_answers_each_task_and_survives_bad_ones(case):
    path = observe(case)
    arrays = {"arrays": ["gradient", "illumination"], "grid": [N[0], 1, N[1]]}
    text = (line(1, case, path, "gradient", [0], **arrays) + line(2, case, path, "gradient", [99], **arrays) +
            line(3, case, path, "gradient", [1], **arrays) + line(4, case, path, "gradient", [0, 1], **arrays) +
            line(5, case, path, "model", [2]) + line(6, case, path, "source", [0]))
    done = shot(case, "--serve", stdin=text)
    assert done.returncode == 0, done
    replies = [json.loads(reply) for reply in done.stdout.splitlines()]
    assert [reply["task"] for reply in replies] == [1, 2, 3, 4, 5, 6], replies
    assert [reply["ok"] for reply in replies] == [True, False, True, True, True, True], replies
    assert "99" in replies[1]["error"], replies[1]
    window = replies[0]["values"]["window"].split()
    assert window == ["0", "0", "0", str(N[0]), "1", str(N[1])], window
    one, two, both = (floats(case, f"task-{task}/gradient.f32") for task in (1, 3, 4))
    scale = max(map(abs, both))
    for a, b, c in zip(one, two, both):  # three roundings to 32 bits
        assert abs(a + b - c) < 1e-6 * scale
    assert replies[4]["outputs"] == ["shot-3.sgy"], replies[4]
    with open(case.path("task-5/shot-3.sgy"), "rb") as file:
        assert struct.unpack(">H", file.read(3222)[3220:3222])[0] == 76  # samples, of the binary header
    spectra = json.loads(replies[5]["values"]["extra"])
    assert len(spectra["cross"]) == len(spectra["power"]) > 10, spectra


@test
def a_survey_whose_index_turns_out_damaged_is_opened_again(case):
    observe(case)
    with open(case.path("shot-1.sgy"), "rb") as one, open(case.path("shot-2.sgy"), "rb") as two:
        one, two = one.read(), two.read()[3600:]
    traces = 80000  # so that those who need one shot do not look at all of it
    with open(case.path("large.segy"), "wb") as file:
        file.write(one + two * (traces // 20))
    path = survey(case, "large.json", operation="gradient", model={"velocity": "smooth.json"},
                  data="large.segy", geometry=None, record=None)
    before = answer(shot(case, "--survey", path, "--shot", "1", "--operation", "misfit"))
    index, = [name for name in os.listdir(case.folder) if name.endswith(".index")]
    with open(case.path(index), "r+b") as file:
        place = file.seek(-traces * 56 - 10, os.SEEK_END)  # in the last record of the first shot
        flipped = bytes([file.read(1)[0] ^ 1])
        file.seek(place)
        file.write(flipped)
    text = "".join(line(task, case, path, "misfit", [0]) for task in (1, 2))
    first, second = [json.loads(reply) for reply in shot(case, "--serve", stdin=text).stdout.splitlines()]
    assert not first["ok"] and "damaged; it was removed" in first["error"], first
    assert second["ok"] and second["values"]["misfit"] == before["misfit"], second


@test
def checkpoints_change_nothing_but_the_memory(case):
    path = observe(case)
    full = answer(shot(case, "--survey", path, "--shot", "1", "--operation", "gradient", "--output", "full.f32"))
    assert full["extra"]["memory"].startswith("full"), full
    small = survey(case, "small.json", operation="gradient", model={"velocity": "smooth.json"},
                   data={"paths": ["shot-*.sgy"]}, geometry=None, record=None,
                   memory={"method": "checkpoints", "budget_gib": 1e-3})
    part = answer(shot(case, "--survey", small, "--shot", "1", "--operation", "gradient", "--output", "part.f32"))
    assert part["extra"]["memory"].startswith("checkpoints"), part
    assert floats(case, "full.f32") == floats(case, "part.f32")


@test
def encoded_shots_are_fired_as_one(case):
    path = observe(case)
    arrays = {"arrays": ["gradient"], "grid": [N[0], 1, N[1]]}
    text = (line(1, case, path, "misfit", [0]) + line(2, case, path, "misfit", [0], weights=[-1]) +
            line(3, case, path, "gradient", [0, 1], weights=[1, -1], **arrays))
    replies = [json.loads(reply) for reply in shot(case, "--serve", stdin=text).stdout.splitlines()]
    assert all(reply["ok"] for reply in replies), replies
    one, minus = (reply["values"]["misfit"] for reply in replies[:2])
    assert abs(one - minus) < 1e-9 * one  # signs of source and data cancel


@test
def encoded_shots_are_what_one_shot_of_all_their_sources_is(case):
    path = observe(case)
    places = [[300, 60], [500, 60]]
    geometry = {**MODEL["geometry"], "sources": {"points": [places]}}
    answer(shot(case, "--survey", survey(case, "both.json", geometry=geometry), "--shot", "1",
                "--operation", "model", "--output", "both.sgy"))
    both = survey(case, "both-gradient.json", operation="gradient", model={"velocity": "smooth.json"},
                  data="both.sgy", geometry=geometry)
    arrays = {"arrays": ["gradient"], "grid": [N[0], 1, N[1]]}
    text = (line(1, case, path, "gradient", [0, 1], weights=[1, 1], **arrays) +
            line(2, case, both, "gradient", [0], **arrays) +
            line(3, case, path, "gradient", [0, 1], weights=[1, -1], **arrays))
    replies = [json.loads(reply) for reply in shot(case, "--serve", stdin=text).stdout.splitlines()]
    assert all(reply["ok"] for reply in replies), replies
    encoded, fired, other = (reply["values"]["misfit"] for reply in replies)
    assert abs(encoded - fired) < 1e-4 * fired, replies  # sums of two files of floats, and of one
    assert abs(encoded - other) > 1e-2 * fired, replies  # the sign does matter
    one, two = (floats(case, f"task-{task}/gradient.f32") for task in (1, 2))
    scale = max(map(abs, two))
    assert all(abs(a - b) < 1e-4 * scale for a, b in zip(one, two))


if __name__ == "__main__":
    harness.main(globals())
