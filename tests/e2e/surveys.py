"""Surveys and farms for the tests of shots: with the stand-in program of shot_program.py, in whose place
any program may be, and with beofarm-shot."""
import array
import csv
import json
import os
import re
import shutil
import struct
import sys

import harness
import shot_program
from farms import Farm
from harness import wait_until

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


def lay(case, operation, shots=SHOTS, env=None, work=None, worker=None, limits=None, backend=None, **more):
    """A farm with its survey; returns it and the file in which the program leaves its lines."""
    log = case.path("shots.log")
    with open(case.path("observed.segy"), "wb") as file:
        for shot in range(shots):
            file.write(shot_program.segy(shot)[3600 if shot else 0:])
    shutil.copy(shot_program.__file__, case.path("shot_program.py"))
    case.write("survey.json", survey(operation, **more))
    farm = {"name": "toy", "backend": backend or {"kind": "local", "workers": 2}, "transport": "tcp",
            "port": 0,
            "worker": {"slots": 2, "pin": False, "rejoin_s": 20, **(worker or {})},
            # Where a machine stands still for a moment, nothing is started a second time.
            "limits": {"task_timeout_s": 300, "attempts": 2, "duplicates": False, **(limits or {})},
            "work": {"kind": "shots", "survey": "survey.json", **(work or {}),
                     "env": {"SHOT_LOG": log, **(env or {})}}}
    return Farm(case, farm), log


def programs(case):
    """How often the program of each worker has gone to sleep."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            where = os.readlink(f"/proc/{pid}/cwd")
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                command = file.read()
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
                count = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M)
        except OSError:
            continue
        name = re.search("/(worker-[0-9]+|on-n[0-9]+)/", where)
        if where.startswith(case.folder) and name and count and b"shot_program.py" in command:
            found[name[1]] = int(count[1])
    return found


def held_back(case, first):
    """The workers at a shot that is held back: their programs have looked again and again since `first`."""
    now = programs(case)
    return [name for name, count in now.items() if count > first.setdefault(name, count) + 20]


def wait_held_back(case, workers):
    """Until that many are: tasks that are queued may still go from one to another, these do not."""
    first = {}
    wait_until(lambda: len(held_back(case, first)) == workers, "all are at a shot")


def start_up_to(case, farm, hold, last, workers=2):
    """Let shots up to `last` go when each worker is at one: so each of them has done something."""
    case.write("hold", "-1\n")
    farm.start()
    wait_held_back(case, workers)
    case.write("hold.new", f"{last}\n")
    os.replace(case.path("hold.new"), hold)


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


def inversion(case, **more):
    return lay(case, "fwi", shots=6,
               inversion={"iterations": 5, "min_velocity_m_s": 1500, "max_velocity_m_s": 3000, **more.pop("inversion", {})},
               **more)


def history(case, name="survey"):
    """A row for each evaluation of the inversion of that survey."""
    with open(case.path(name + ".fwi.csv"), encoding="ascii") as file:
        return list(csv.DictReader(file))


def first_misfit(case, name):
    """That of the first gradient."""
    return next(float(row["misfit"]) for row in history(case, name) if row["purpose"] == "gradient")


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
                       "limits": {"task_timeout_s": 300, "duplicates": False},
                       "work": {"kind": "shots", "survey": name + ".json", **(work or {})}},
                name=name + "-farm.json")


def observe(case, **more):
    harness.program("beofarm-shot")
    real_model(case, "true", 150)
    real_model(case, "start", 0)
    geometry = {"sources": {"line": {"start": [20, 20], "step": [70, 0], "count": REAL_SHOTS}},
                "receivers": {"line": {"start": [0, 290], "step": [20, 0], "count": 21}}}
    real_farm(case, "observed", "model", model={"velocity": "true.json"}, geometry=geometry,
              record={"length_s": 0.4, "interval_ms": 4}, **more).run()


def blank(case, like, name, first=b""):
    """The file `like` with zeros in place of all samples; `first` are the bytes that it begins with."""
    with open(case.path(like), "rb") as file:
        data = bytearray(file.read())
    size = 4 * struct.unpack_from(">H", data, 3220)[0]
    for at in range(3600 + 240, len(data), 240 + size):
        data[at:at + size] = bytes(size)
    data[3840:3840 + len(first)] = first
    with open(case.path(name), "wb") as file:
        file.write(data)
