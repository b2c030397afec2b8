#!/usr/bin/env python3
"""SEG-Y files as surveys meet them: one of 20 GB of which a worker reads its shot alone, lying ones,
those of all revisions and formats, and what other readers make of those that we write."""
import array
import os
import struct
import sys

import harness
from farms import Farm
from harness import program, test

NX, NZ, SPACING = 61, 31, 10
SAMPLES, INTERVAL_US = 76, 4000


def model(case):
    """Raw floats with their header: a velocity that grows with depth."""
    values = array.array("f", [1600 + 12 * z for _ in range(NX) for z in range(NZ)])
    with open(case.path("v.bin"), "wb") as file:
        values.tofile(file)
    case.write("v.json", {"data": "v.bin", "points": [NX, NZ], "spacing_m": [SPACING] * 2})


def survey(case, data, name="survey.json", **more):
    content = {"operation": "gradient", "model": {"velocity": "v.json"}, "data": data,
               "wavelet": {"kind": "ricker", "peak_hz": 12}, "sum": "exact",
               "numerics": {"space_order": 4, "absorbing_points": 10}, **more}
    return case.write(name, {key: value for key, value in content.items() if value is not None})


def farm(case, name="survey", workers=2, **work):
    return Farm(case, {"name": name, "backend": {"kind": "local", "workers": workers}, "transport": "tcp",
                       "port": 0, "worker": {"slots": 1, "pin": False},
                       "work": {"kind": "shots", "survey": name + ".json", **work}},
                name=name + "-farm.json")


class Segy:
    """What is written into a file; every word can be another than it should be."""

    def __init__(self, revision=1, samples=SAMPLES, order=">", code=5, interval=INTERVAL_US, **binary):
        self.order, self.samples, self.code = order, samples, code
        self.binary = bytearray(400)
        self.put(self.binary, 3217, "H", interval)
        self.put(self.binary, 3221, "H", samples if samples < 65536 else 0)
        self.put(self.binary, 3225, "H", code)
        if revision:
            self.binary[300] = revision
            self.put(self.binary, 3503, "H", 1)
        if revision == 2:
            self.put(self.binary, 3269, "I", samples)
            self.put(self.binary, 3297, "I", 0x01020304)
        for word, value in binary.items():  # b3213H=4: a word of two bytes at byte 3213
            self.put(self.binary, int(word[1:-1]), word[-1], value)

    def put(self, header, byte, kind, value):
        struct.pack_into(self.order + kind, header, byte - 1 - (3200 if byte > 3200 else 0), value)

    def head(self):
        return b"\x40" * 3200 + bytes(self.binary)

    def trace(self, shot, x, receiver, **words):
        """A header: source at x and 20 m deep, receiver at another x and 10 m deep, in decimetres."""
        header = bytearray(240)
        for byte, kind, value in ((9, "i", shot), (41, "i", -100), (49, "i", 200), (69, "h", -10),
                                  (71, "h", -10), (73, "i", 10 * x), (81, "i", 10 * receiver),
                                  (29, "h", 1), (115, "H", self.samples & 65535),
                                  (117, "H", INTERVAL_US)):
            self.put(header, byte, kind, value)
        for word, value in words.items():
            self.put(header, int(word[1:-1]), word[-1], value)
        return bytes(header)

    def floats(self, values):
        return struct.pack(f"{self.order}{len(values)}f", *values)


# --- a large one

LONG = 500000  # samples of a trace: 2 MB
SHOTS, TRACES = 2500, 4
WANTED = (17, 1200, 2499)


def place(shot, trace):
    return 100 + shot % 40 * 10, 50 + 120 * trace


def values(shot, trace):
    return [((shot * 31 + trace * 17 + k * 7) % 23 - 11) * 1e-3 for k in range(SAMPLES)]


def write_large(path, shots=SHOTS):
    """20 GB, of which the headers are there, and the first samples of the wanted shots."""
    segy = Segy(2, LONG, interval=INTERVAL_US)
    size = 240 + 4 * LONG
    with open(path, "wb") as file:
        file.write(segy.head())
        for shot in range(shots):
            for trace in range(TRACES):
                file.seek(3600 + (shot * TRACES + trace) * size)
                file.write(segy.trace(shot + 1, *place(shot, trace)))
                if shot in WANTED:
                    file.write(segy.floats(values(shot, trace)))
        file.truncate(3600 + shots * TRACES * size)


def write_wanted(path):
    """The same traces of the wanted shots alone."""
    segy = Segy()
    with open(path, "wb") as file:
        file.write(segy.head())
        for shot in WANTED:
            for trace in range(TRACES):
                file.write(segy.trace(shot + 1, *place(shot, trace)))
                file.write(segy.floats(values(shot, trace)))


# Runs a command with its own input; before each line of its output is passed on, and at its end, the
# bytes that it has read until then are noted.
COUNTER = """
import subprocess, sys
child = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE)
def note(pid):
    with open(f"/proc/{pid}/io", encoding="ascii") as io, open(sys.argv[1], "a") as notes:
        notes.write(io.readline().split()[1] + "\\n")
for line in child.stdout:
    note(child.pid)
    sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
code = child.wait()
note("self")  # what a process read is counted to its parent when that has waited for it
sys.exit(code)
"""


def counted(case, name):
    """The beginning of a command whose reading is noted in a file."""
    return [sys.executable, case.path("counter.py"), case.path(name + ".read")]


def bytes_read(case, name):
    return [int(line) for line in case.read(name + ".read").split()]


def floats(case, name):
    with open(case.path(name), "rb") as file:
        return array.array("f", file.read())


@test
def of_a_file_of_20_gb_a_worker_reads_its_shot_alone(case):
    if not os.path.exists("/proc/self/io"):
        raise harness.Skip("this system does not count what a process reads")
    model(case)
    case.write("counter.py", COUNTER)
    os.makedirs(case.path("far"))
    try:
        write_large(case.path("far/large.segy"))
    except OSError as error:
        raise harness.Skip(f"no file of 20 GB can be made here: {error}") from error
    assert os.path.getsize(case.path("far/large.segy")) > 20e9
    write_wanted(case.path("few.segy"))
    record = {"length_s": (SAMPLES - 1) * INTERVAL_US * 1e-6}
    shot = [program("beofarm-shot"), "--serve"]
    survey(case, {"paths": [case.path("far/large.segy")], "shots": [shot + 1 for shot in WANTED]},
           record=record, program=[*counted(case, "large"), *shot])
    large = farm(case, workers=1)
    # The index is made once: the second look at the survey reads none of the traces' headers.
    for name in ("first", "second"):
        case.run(*counted(case, name), program("beofarm"), "check", large.file, expect=0)
    first, second = (bytes_read(case, name)[-1] for name in ("first", "second"))
    assert first > second + 240 * SHOTS * TRACES, (first, second)
    large.run()
    # The file's headers, and of each trace its header and samples: what a small file takes, too.
    survey(case, "few.segy", name="few.json", program=[*counted(case, "few"), *shot])
    farm(case, "few", workers=1).run()
    of_large, of_few = bytes_read(case, "large"), bytes_read(case, "few")
    assert len(of_large) == len(of_few) == len(WANTED), (of_large, of_few)
    assert of_large[-1] < of_few[-1] + 100e3, (of_large, of_few)
    assert floats(case, "survey.gradient.bin") == floats(case, "few.gradient.bin")
    assert any(floats(case, "few.gradient.bin"))


@test
def of_large_data_that_travel_a_worker_gets_its_shots_alone(case):
    model(case)
    write_large(case.path("large.segy"), 20)  # 160 MB
    assert os.path.getsize(case.path("large.segy")) > 64 << 20
    write_wanted(case.path("few.segy"))
    for name, file in (("large", "large.segy"), ("few", "few.segy")):
        survey(case, {"paths": [file], "shots": [WANTED[0] + 1]}, name=name + ".json",
               record={"length_s": (SAMPLES - 1) * INTERVAL_US * 1e-6})
        made = farm(case, name)
        made.run()
        assert ("shot-" in made.rows()[0]["files"]) == (name == "large"), made.rows()[0]
        for worker in ("worker-1", "worker-2"):
            found = [os.stat(os.path.join(folder, file)).st_size for folder, _, files in
                     os.walk(made.path("backend/tasks", worker)) for file in files]
            assert sum(found) < 2e6, (name, found)
    assert floats(case, "large.gradient.bin") == floats(case, "few.gradient.bin")


if __name__ == "__main__":
    harness.main(globals())
