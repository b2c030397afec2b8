#!/usr/bin/env python3
"""A shot program for beofarm: reads tasks from standard input, answers on standard output.

It knows one layer of constant velocity above one reflector, and two operations: `model` writes the
direct and the reflected wave of each shot as SEG-Y, `rtm` stacks observed traces along diffraction
curves (Kirchhoff migration). Replace compute() by a call of Devito, JUDI or whatever you have; what is
around it is all that beofarm asks for (docs/runners.md). Standard library only.
"""
import array
import json
import math
import os
import struct
import sys

REFLECTOR_M = 400.0


def places(what):
    """Points (x, z) of a "line" of the survey's geometry."""
    line = what["line"]
    count = line["count"]
    step = line.get("step") or [(b - a) / max(count - 1, 1) for a, b in zip(line["start"], line["end"])]
    return [[a + i * d for a, d in zip(line["start"], step)] for i in range(count)]


def ricker(time_s, peak_hz):
    square = (math.pi * peak_hz * time_s) ** 2
    return (1 - 2 * square) * math.exp(-square)


# --- SEG-Y, revision 1, IEEE floats ---


def write_segy(path, gathers, interval_s, samples):
    """gathers: (shot number, source, [(receiver, samples)])"""
    with open(path, "wb") as file:
        file.write(b"C 1 MADE BY SHOT.PY".ljust(3200))
        file.write(struct.pack(">12xhhhhhhh274xHH96x", len(gathers[0][2]), 0, round(1e6 * interval_s),
                               0, samples, 0, 5, 0x0100, 1))
        number = 0
        for shot, source, traces in gathers:
            for channel, (receiver, values) in enumerate(traces, 1):
                number += 1
                header = bytearray(240)
                struct.pack_into(">iiiiii", header, 0, number, number, shot, channel, shot, 0)
                struct.pack_into(">hhhhi", header, 28, 1, 1, 1, 1, 0)
                struct.pack_into(">ii", header, 40, round(-100 * receiver[1]), 0)
                struct.pack_into(">i", header, 48, round(100 * source[1]))
                struct.pack_into(">hh", header, 68, -100, -100)
                struct.pack_into(">iiii", header, 72, round(100 * source[0]), 0,
                                 round(100 * receiver[0]), 0)
                struct.pack_into(">hh", header, 114, samples, round(1e6 * interval_s))
                file.write(header + struct.pack(f">{samples}f", *values))


def read_segy(path, shot):
    """The traces of shot number `shot` (trace header, bytes 9-12), in the order of the file."""
    traces = []
    with open(path, "rb") as file:
        file.seek(3200)
        binary = file.read(400)
        samples, form = struct.unpack_from(">H", binary, 20)[0], struct.unpack_from(">h", binary, 24)[0]
        if form != 5:
            raise ValueError(f"{path}: sample format {form} is not 5, IEEE floats")
        while len(header := file.read(240)) == 240:
            if struct.unpack_from(">i", header, 8)[0] == shot:
                traces.append(struct.unpack(f">{samples}f", file.read(4 * samples)))
            else:
                file.seek(4 * samples, 1)
    return traces


# --- what is computed ---


class Survey:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.text = json.load(file)
        self.folder = os.path.dirname(path)
        self.velocity = self.text["model"]["velocity"]
        self.grid = self.text["model"]["grid"]
        self.sources = places(self.text["geometry"]["sources"])
        self.receivers = places(self.text["geometry"]["receivers"])
        self.peak_hz = self.text["wavelet"]["peak_hz"]
        self.interval_s = self.text["record"]["interval_ms"] / 1000
        self.samples = round(self.text["record"]["length_s"] / self.interval_s) + 1


def model_shot(survey, source):
    traces = []
    for receiver in survey.receivers:
        offset = receiver[0] - source[0]
        direct = math.hypot(offset, receiver[1] - source[1])
        down_and_up = math.hypot(offset, 2 * REFLECTOR_M - source[1] - receiver[1])
        values = []
        for i in range(survey.samples):
            time_s = i * survey.interval_s - 1 / survey.peak_hz
            values.append(ricker(time_s - direct / survey.velocity, survey.peak_hz) / (1 + direct)
                          + 0.5 * ricker(time_s - down_and_up / survey.velocity, survey.peak_hz)
                          / (1 + down_and_up))
        traces.append((receiver, values))
    return traces


def migrate_shot(survey, source, traces, image):
    points, spacing = survey.grid["points"], survey.grid["spacing_m"]
    for ix in range(points[0]):
        x = ix * spacing[0]
        for iz in range(points[1]):
            z = iz * spacing[1]
            there = math.hypot(x - source[0], z - source[1])
            value = 0.0
            for receiver, trace in zip(survey.receivers, traces):
                back = math.hypot(x - receiver[0], z - receiver[1])
                at = ((there + back) / survey.velocity + 1 / survey.peak_hz) / survey.interval_s
                i = int(at)
                if i + 1 < len(trace):
                    value += trace[i] + (at - i) * (trace[i + 1] - trace[i])
            image[ix * points[1] + iz] += value


def compute(params, folder):
    """Values and output files of a task."""
    survey = Survey(params["files"].get("survey.json", params["survey"]))
    shots = params["shots"]
    if params["operation"] == "model":
        name = f"shot-{shots[0] + 1}.sgy"
        gathers = [(s + 1, survey.sources[s], model_shot(survey, survey.sources[s])) for s in shots]
        write_segy(os.path.join(folder, name), gathers, survey.interval_s, survey.samples)
        return {}, [name]
    if params["operation"] == "rtm" and params["arrays"] == ["image"]:
        image = array.array("f", bytes(4 * math.prod(params["grid"])))
        data = os.path.join(survey.folder, survey.text["data"])
        for s in shots:
            migrate_shot(survey, survey.sources[s], read_segy(data, s + 1), image)
        # Summed in the worker with those of other shots, and not sent home one by one.
        with open(os.path.join(folder, "image.f32"), "wb") as file:
            image.tofile(file)
        return {}, []
    raise ValueError(f"{params['operation']} of {params.get('arrays')} is more than this program knows")


def main():
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a library prints must not get among the replies
    for line in sys.stdin:
        task = json.loads(line)
        reply = {"task": task["task"], "ok": True}
        try:
            reply["values"], reply["outputs"] = compute(task["params"], task["dir"])
        except Exception as error:  # fails the task, not the program
            reply = {"task": task["task"], "ok": False, "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=replies, flush=True)


if __name__ == "__main__":
    main()
