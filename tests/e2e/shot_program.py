#!/usr/bin/env python3
"""A shot program for tests: it speaks the protocol of docs/runners.md and computes something cheap.

Arrays are made from the shots' numbers alone, with floats of very different sizes, so that a sum that
depends on its order shows. With a model of its own (an inversion) the misfit is that of a quadratic
whose minimum TRUTH has. Environment: SHOT_LOG, a line for each shot computed, with its weight
where several are fired as one; SHOT_HOLD, a file: while
it is there, shots above the number in it wait; SHOT_BAD, shots that fail, "all" or numbers; SHOT_S,
seconds that a shot takes; SHOT_UNSTABLE, a velocity: models with higher ones fail; SHOT_SLOW, a file: the
program that makes it, after its first shot, ends no further one while it is there; SHOT_SILENT,
shots whose norm is 0, "all" or numbers; that of others is 10."""
import array
import json
import os
import random
import struct
import sys
import time

TRUTH = 2100.0


def weight(shot, point):
    return 0.5 + ((shot * 31 + point * 17) % 11) / 11


def pseudo(shot, name, points):
    chance = random.Random(f"{shot} {name}")
    return [chance.uniform(-1, 1) * 10.0 ** chance.randint(-12, 3) for _ in range(points)]


def velocity_of(line):
    files = line["params"].get("files") or {}
    if "survey.json" not in files:
        return None
    with open(files["survey.json"], encoding="utf-8") as file:
        header = files[json.load(file)["model"]["velocity"]]
    values = array.array("f")
    with open(os.path.join(os.path.dirname(header), "velocity.bin"), "rb") as file:
        values.frombytes(file.read())
    return values


def write_floats(path, values):
    with open(path, "wb") as file:
        array.array("f", values).tofile(file)


def segy(shot, samples=10, traces=3):
    """A gather in SEG-Y revision 1."""
    binary = bytearray(400)
    struct.pack_into(">H", binary, 16, 4000)
    struct.pack_into(">H", binary, 20, samples)
    struct.pack_into(">H", binary, 24, 5)
    struct.pack_into(">HHH", binary, 300, 0x0100, 1, 0)
    out = bytearray(b"\x40" * 3200) + binary
    for trace in range(traces):
        header = bytearray(240)
        struct.pack_into(">iiii", header, 0, trace + 1, trace + 1, shot + 1, trace + 1)
        struct.pack_into(">h", header, 28, 1)
        struct.pack_into(">hh", header, 68, -100, -100)
        struct.pack_into(">i", header, 48, 1000)           # source depth: 10 m
        struct.pack_into(">i", header, 40, -2000)          # receiver: 20 m deep
        struct.pack_into(">ii", header, 72, (100 + 10 * shot) * 100, 0)
        struct.pack_into(">ii", header, 80, (100 + 50 * trace) * 100, 0)
        struct.pack_into(">h", header, 88, 1)
        struct.pack_into(">HH", header, 114, samples, 4000)
        out += header + struct.pack(f">{samples}f", *(shot + trace / 8 for _ in range(samples)))
    return bytes(out)


def hold(shot):
    """SHOT_HOLD, as long as it exists: the last shot that is not held back; with SHOT_MOST that many may be
    computed in all, whichever they are."""
    path, most = os.environ.get("SHOT_HOLD", ""), os.environ.get("SHOT_MOST", "")
    while path and os.path.exists(path):
        if most:
            with open(os.environ["SHOT_LOG"], "a+", encoding="ascii") as file:
                file.seek(0)
                free = len(file.readlines()) < int(most)
        else:
            free = shot <= last_of(path)
        if free:
            return
        time.sleep(0.01)


def last_of(path):
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read().strip() or -1)
    except FileNotFoundError:
        return -1  # it was removed just now


class Pace:
    """Whether this process is the slow one."""
    done, slow = 0, False


def dawdle():
    path = os.environ.get("SHOT_SLOW", "")
    if path and Pace.done and not Pace.slow:
        try:
            # Once: were another slow when it is removed, both would wait for the new one.
            os.close(os.open(path + ".made", os.O_CREAT | os.O_EXCL))
            os.close(os.open(path, os.O_CREAT))
            Pace.slow = True
        except FileExistsError:
            pass
    while Pace.slow and os.path.exists(path):
        time.sleep(0.01)
    Pace.done += 1


def is_named(shot, variable):
    named = os.environ.get(variable, "").split()
    return "all" in named or str(shot) in named


def check(shot):
    if is_named(shot, "SHOT_BAD"):
        raise ValueError(f"shot {shot} is a bad one")


def compute(line):
    asked = line["params"]
    points = 1
    for n in asked.get("grid") or [1]:
        points *= n
    arrays = {name: [0.0] * points for name in asked.get("arrays") or []}
    velocity, misfit, outputs = velocity_of(line), 0.0, []
    if velocity and max(velocity) > float(os.environ.get("SHOT_UNSTABLE", "inf")):
        raise ValueError(f"{max(velocity)} m/s are unstable")
    for at, shot in enumerate(asked["shots"]):
        hold(shot)
        dawdle()
        time.sleep(float(os.environ.get("SHOT_S", "0")))
        check(shot)
        if os.environ.get("SHOT_LOG"):
            with open(os.environ["SHOT_LOG"], "a", encoding="ascii") as file:
                sign = f" {asked['weights'][at]}" if "weights" in asked else ""
                file.write(f"{asked['operation']} {shot} {line['task']} {line['attempt']}{sign}\n")
        if velocity is None:
            misfit += 1 + shot
            for name, values in arrays.items():
                for i, value in enumerate(pseudo(shot, name, points)):
                    values[i] += value
        else:
            for i, v in enumerate(velocity):
                scale = (weight(shot, i) * 1e-3) ** 2
                misfit += 0.5 * scale * (v - TRUTH) ** 2
                if "gradient" in arrays:
                    arrays["gradient"][i] += scale * (v - TRUTH)
        if asked["operation"] in ("model", "born"):
            outputs.append(f"shot-{shot + 1}.sgy")
            with open(os.path.join(line["dir"], outputs[-1]), "wb") as file:
                file.write(segy(shot))
    for name, values in arrays.items():
        write_floats(os.path.join(line["dir"], name + ".f32"), values)
    norm = sum(0.0 if is_named(shot, "SHOT_SILENT") else 10.0 for shot in asked["shots"])
    return {"values": {"misfit": misfit, "norm": norm, "seconds": 0.01}, "outputs": outputs}


def main():
    out, sys.stdout = sys.stdout, sys.stderr
    for text in sys.stdin:
        line = json.loads(text)
        answer = {"task": line["task"], "ok": True}
        try:
            answer.update(compute(line))
        except ValueError as problem:
            answer = {"task": line["task"], "ok": False, "error": str(problem)}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
