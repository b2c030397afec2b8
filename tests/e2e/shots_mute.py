#!/usr/bin/env python3
"""Muted surveys on the farm, beside the same made by hand: weights by their formula, on data as files."""
import array
import json
import math
import os
import struct

import harness
from clients import Client, start
from harness import test
from surveys import floats, observe, real_farm

SAMPLES, INTERVAL_S = 101, 0.004
TRACE = 240 + 4 * SAMPLES
# Through the midst of the wave, which goes from the top to receivers at the bottom.
MUTES = [{"keep": keep, "velocity_m_s": 1850, "delay_s": delay_s, "taper_s": 0.05}
         for keep, delay_s in (("reflections", 0.08), ("turning", 0.04))]


def traces(case, name):
    """Headers, and samples: those of shot 1, then of shot 2 ..."""
    with open(case.path(name), "rb") as file:
        file.seek(3600)
        records = iter(lambda: file.read(TRACE), b"")
        return [(record[:240], struct.unpack(f">{SAMPLES}f", record[240:])) for record in records]


def write(case, name, like, samples):
    """The file `like` with other samples."""
    with open(case.path(like), "rb") as old, open(case.path(name), "wb") as file:
        file.write(old.read(3600))
        for (header, _), values in zip(traces(case, like), samples):
            file.write(header + struct.pack(f">{SAMPLES}f", *values))


def weights(header, mute):
    """By the places in the header, which are whole metres: its scalars are 1."""
    elevation, depth = struct.unpack(">i4xi", header[40:52])
    assert struct.unpack(">2h", header[68:72]) == (1, 1)
    source, receiver = struct.unpack(">i4xi", header[72:84])
    line = math.hypot(source - receiver, depth + elevation) / mute["velocity_m_s"] + mute["delay_s"]
    found = []
    for i in range(SAMPLES):
        beyond = line - i * INTERVAL_S if mute["keep"] == "reflections" else i * INTERVAL_S - line
        share = min(max(beyond / mute["taper_s"], 0), 1)
        found.append((1 + math.cos(math.pi * share)) / 2)
    return found


def near(one, other, share=1e-4):
    largest = max(map(abs, other))
    return largest > 0 and max(abs(a - b) for a, b in zip(one, other)) < share * largest


def synthetic(case):
    """Data of the model that gradients begin with, at the same time step."""
    observed = json.loads(case.read("observed.json"))
    real_farm(case, "synthetic", "model", model={"velocity": "start.json"}, geometry=observed["geometry"],
              record=observed["record"]).run()
    return [samples for _, samples in traces(case, "synthetic.data.segy")]


def gradient(case, name, data, **more):
    farm = real_farm(case, name, "gradient", model={"velocity": "start.json"}, data=data, **more)
    farm.run()
    return floats(case, name + ".gradient.bin"), sum(float(row["misfit"] or 0) for row in farm.rows())


@test
def a_muted_gradient_is_that_of_weighted_differences(case):
    """J' W W (F - d) is what is without a mute the gradient for the data F - W W (F - d)."""
    observe(case)
    modelled, observed = synthetic(case), traces(case, "observed.data.segy")
    whole, _ = gradient(case, "whole", "observed.data.segy")
    for mute, batch in zip(MUTES, ({"shots": 1}, {"shots": 3})):
        keep = mute["keep"]
        muted, misfit = gradient(case, keep, "observed.data.segy", mute=mute, batch=batch)
        changed, half = [], 0
        for f, (header, d) in zip(modelled, observed):
            rest = [w * (a - b) for w, a, b in zip(weights(header, mute), f, d)]
            half += sum(r * r for r in rest) / 2
            changed.append([a - w * r for a, w, r in zip(f, weights(header, mute), rest)])
        write(case, keep + ".segy", "observed.data.segy", changed)
        byhand, _ = gradient(case, "byhand-" + keep, keep + ".segy")
        assert abs(misfit - half) < 1e-4 * half, (misfit, half)
        assert near(muted, byhand) and not near(muted, whole, 0.1), mute


@test
def a_muted_image_is_that_of_weighted_data(case):
    observe(case)
    observed = traces(case, "observed.data.segy")

    def image(name, data, **more):
        real_farm(case, name, "rtm", model={"velocity": "start.json"}, data=data, **more).run()
        return floats(case, name + ".image.bin")
    whole = image("whole", "observed.data.segy")
    for mute in MUTES:
        keep = mute["keep"]
        write(case, keep + ".segy", "observed.data.segy",
              [[w * a for w, a in zip(weights(header, mute), d)] for header, d in observed])
        muted = image(keep, "observed.data.segy", mute=mute)
        assert near(muted, image("byhand-" + keep, keep + ".segy")) and not near(muted, whole, 0.1), mute


@test
def where_all_that_is_not_zero_is_muted_there_is_no_image(case):
    observe(case)
    observed = traces(case, "observed.data.segy")
    for mute in MUTES:
        keep = mute["keep"]
        write(case, keep + ".segy", "observed.data.segy",
              [[0 if w > 0 else a for w, a in zip(weights(header, mute), d)] for header, d in observed])
        assert any(any(d) for _, d in traces(case, keep + ".segy")), keep
        done = real_farm(case, keep, "rtm", model={"velocity": "start.json"}, data=keep + ".segy",
                         mute=mute).run(expect=3)
        assert "of shot 1 and 5 more, all observed samples that $.mute keeps are zero" in done.err, done


@test
def an_inversion_goes_by_what_the_mute_leaves(case):
    """Data with noise where the mute takes them away are inverted as if there were none, source and all."""
    observe(case)
    mute = MUTES[1]
    noisy = []
    for number, (header, d) in enumerate(traces(case, "observed.data.segy")):
        loud = max(map(abs, d))
        noisy.append([a if w > 0 else loud * math.sin(number + i * i)
                      for i, (w, a) in enumerate(zip(weights(header, mute), d))])
    write(case, "noisy.segy", "observed.data.segy", noisy)
    models = []
    for name, data in (("clean", "observed.data.segy"), ("noise", "noisy.segy")):
        real_farm(case, name, "fwi", model={"velocity": "start.json"}, data=data, mute=mute,
                  inversion={"iterations": 2, "min_velocity_m_s": 1500, "max_velocity_m_s": 2500,
                             "bands": [{"max_hz": 15}, {"max_hz": 30}], "source_estimation": True}).run()
        models.append(floats(case, name + ".velocity.bin"))
    assert models[0] == models[1] != floats(case, "start.bin")


@test
def who_asks_for_operations_gets_muted_misfits_and_their_exact_gradients(case):
    observe(case)
    begin, true = floats(case, "start.bin"), floats(case, "true.bin")
    change = [t - s for s, t in zip(begin, true)]
    header = json.loads(case.read("start.json"))

    def lay(name, h):
        with open(case.path(name + ".bin"), "wb") as file:
            array.array("f", [s + h * d for s, d in zip(begin, change)]).tofile(file)
        return case.write(name + ".json", {**header, "data": name + ".bin"})

    steps, misfits, data = [0.2, 0.1, 0.05], [], []
    for number, more in enumerate(({}, {"mute": MUTES[0]})):
        case.write("asked.json", {"wavelet": {"kind": "ricker", "peak_hz": 15}, "data": "observed.data.segy",
                                  "model": {"velocity": "start.json"},
                                  "inversion": {"max_velocity_m_s": 2400}, **more})
        farm = start(case, {"name": f"asked{number}", "backend": {"kind": "local", "workers": 2},
                            "transport": "tcp", "port": 0, "worker": {"slots": 1, "pin": False},
                            "work": {"kind": "socket", "survey": "asked.json"}})
        client = Client(farm.socket, "mine")
        client.say(do="submit", id="g", params={"operation": "gradient", "velocity": lay("m", 0)})
        client.say(do="submit", sets=[{"id": str(h), "params": {"operation": "misfit",
                                                                "velocity": lay(f"m{k}", h)}}
                                      for k, h in enumerate(steps)])
        client.say(do="submit", id="f", params={"operation": "model"})
        g, *others = client.wait(["g", *map(str, steps)])
        misfits.append(g["values"]["misfit"])
        values = array.array("f")
        path = g["files"]["gradient"]
        with open(os.path.join(os.path.dirname(path), json.loads(case.read(path))["data"]), "rb") as file:
            values.frombytes(file.read())
        slope = sum(a * b for a, b in zip(values, change))
        rest = [other["values"]["misfit"] - misfits[-1] - h * slope for h, other in zip(steps, others)]
        # Halving h quarters what is left; third order in h is some percent of it at h = 0.2.
        assert all(3.4 < a / b < 4.6 for a, b in zip(rest, rest[1:])), (more, rest)
        data.append(traces(case, client.wait(["f"])[0]["files"]["data"]))
        client.finish()
        farm.end()
    assert misfits[1] < 0.9 * misfits[0], misfits
    assert data[0] == data[1], "what is modelled is whole"


@test
def a_run_goes_on_with_the_mute_that_it_began_with(case):
    observe(case)
    more = {"model": {"velocity": "start.json"}, "data": "observed.data.segy", "batch": {"shots": 1}}
    farm = real_farm(case, "muted", "gradient", mute=MUTES[0], **more)
    farm.run("--limit", "2", expect=None)
    real_farm(case, "muted", "gradient", mute={**MUTES[0], "delay_s": 0.09}, **more)
    done = farm.resume(expect=8)
    assert '"muted.json" (changed)' in done.err and "--accept-changes" in done.err, done
    real_farm(case, "muted", "gradient", mute=MUTES[0], **more)
    farm.resume("--limit", "100", "--accept-changes")
    straight = real_farm(case, "straight", "gradient", mute=MUTES[0], **more)
    straight.run()
    assert floats(case, "muted.gradient.bin") == floats(case, "straight.gradient.bin")


@test
def a_mute_without_a_meaning_is_refused_before_anything_is_farmed(case):
    observe(case)
    mute = MUTES[0]

    def check(operation, *texts, **more):
        survey = {"model": {"velocity": "start.json"}, "data": "observed.data.segy", "mute": mute, **more}
        farm = real_farm(case, "wrong", "gradient", work={"operation": operation}, **survey)
        done = case.beofarm("check", farm.file, expect=None)
        assert done.code == 3, done
        for text in texts:
            assert text in done.out + done.err, (text, done)

    check("model", '$.mute: has no effect on what "model" makes')
    check("gradient", "$.mute.velocity_m_s: ", mute={**mute, "velocity_m_s": -1850})
    check("gradient", "$.mute.taper_s: 0.5 s is longer than the record, which has 0.4 s",
          mute={**mute, "taper_s": 0.5})
    check("rtm", "$.mute: leaves nothing of shot 1: its first line comes at", mute={**mute, "delay_s": 0.4})
    check("fwi", "$.mute: leaves nothing of shot 1: its last line comes at",
          mute={**mute, "keep": "turning", "delay_s": -1})
    check("gradient", "$.mute: is what beofarm-shot does", program=["./shot.py"])
    check("gradient", "$.mute: has a line for each shot", batch={"encoded": 2})
    check("gradient", '$.mute: the key "delay_s" is missing', mute={"keep": "turning", "velocity_m_s": 1500})


if __name__ == "__main__":
    harness.main(globals())
