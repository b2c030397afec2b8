#!/usr/bin/env python3
"""SEG-Y files as surveys meet them: one of 20 GB of which a worker reads its shot alone, lying ones,
those of all revisions and formats, and what other readers make of those that we write."""
import array
import os
import struct
import sys

import harness
from farms import Farm
from harness import program, test, test_plainly

sys.path.insert(0, os.path.join(harness.SOURCE, "tests"))
import debian_python  # pylint: disable=wrong-import-position

segyio, obspy = debian_python.module("segyio"), debian_python.module("obspy")

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


# --- files of all kinds

FEW = 3  # shots
SIZE = 240 + 4 * SAMPLES
ODD = 3600 + 6 * SIZE  # the header of trace 7, the third of shot 2


def whole(shot, trace):
    """Values that every format of samples can hold."""
    return [round(value * 1e3) for value in values(shot, trace)]


def pack(kind, order=">"):
    return lambda samples: struct.pack(f"{order}{len(samples)}{kind}", *samples)


def ibm(samples):
    """Floats of the System/360."""
    def bits(value):
        sign, value, exponent = 128 * (value < 0), abs(value), 64
        while value >= 1:
            value, exponent = value / 16, exponent + 1
        return (sign | exponent if value else 0) << 24 | int(value * (1 << 24))
    return struct.pack(f">{len(samples)}I", *map(bits, samples))


def three_bytes(samples):
    return b"".join(struct.pack(">i", value)[1:] for value in samples)


def put(case, name, segy, words=None, encode=None, middle=b"", tail=b""):
    """A file of a few shots; words(shot, trace) are what a header has otherwise, "n" how many samples,
    "extension" what stands behind it."""
    with open(case.path(name), "wb") as file:
        file.write(segy.head() + middle)
        for shot in range(FEW):
            for trace in range(TRACES):
                other = dict(words(shot, trace) or {}) if words else {}
                samples = (whole(shot, trace) + [0] * 9)[:other.pop("n", SAMPLES)]
                extension = other.pop("extension", b"")
                file.write(segy.trace(shot + 1, *place(shot, trace), **other) + extension)
                file.write((encode or segy.floats)(samples))
        file.write(tail)
    return name


def every(**words):
    return lambda shot, trace: words


def third_of_shot_2(**words):
    return lambda shot, trace: words if (shot, trace) == (1, 2) else {}


def extension(order=">", x=None):
    """An additional header of revision 2, which has the coordinates."""
    def words(shot, trace):
        header = bytearray(240)
        header[232:240] = b"SEG00001"
        receiver = place(shot, trace)[1] if x is None or (shot, trace) != (1, 2) else x
        struct.pack_into(order + "dd", header, 96, place(shot, trace)[0], 0)
        struct.pack_into(order + "d", header, 112, receiver)
        struct.pack_into(order + "IQ", header, 136, SAMPLES, 0)
        struct.pack_into(order + "H", header, 156, 1)
        return {"extension": bytes(header), "b73i": 0, "b81i": 0}
    return words


def scaled(scalar, unit):
    return lambda shot, trace: {"b71h": scalar, "b73i": place(shot, trace)[0] * 10 // unit,
                                "b81i": place(shot, trace)[1] * 10 // unit}


def longer(shot, trace):
    return {"n": SAMPLES + trace, "b115H": SAMPLES + trace}


TEXT = b"\x40" * 3200
GOOD = {
    "revision 1": [Segy()],
    "revision 0": [Segy(0)],
    "revision 2": [Segy(2)],
    "revision 0, little-endian": [Segy(0, order="<")],
    "revision 1, little-endian": [Segy(1, order="<")],
    "revision 2, little-endian": [Segy(2, order="<")],
    "a revision of blanks": [Segy(0, b3501H=0x2020)],
    "IBM floats": [Segy(0, code=1), None, ibm],
    "4-byte integers": [Segy(code=2), None, pack("i")],
    "2-byte integers": [Segy(code=3), None, pack("h")],
    "1-byte integers": [Segy(code=8), None, pack("b")],
    "3-byte integers": [Segy(2, code=7), None, three_bytes],
    "8-byte floats": [Segy(2, code=6), None, pack("d")],
    "8-byte integers, little-endian": [Segy(2, code=9, order="<"), None, pack("q", "<")],
    "an extended text": [Segy(b3505H=1), None, None, TEXT],
    "texts up to one that ends them": [Segy(b3505h=-1), None, None,
                                       TEXT + b"((SEG: EndText))".ljust(3200)],
    "a scalar of 1": [Segy(), scaled(1, 10)],
    "a scalar of 0": [Segy(), scaled(0, 10)],
    "a scalar of 10": [Segy(), scaled(10, 100)],
    "a scalar of -1000": [Segy(), lambda shot, trace: {"b71h": -1000,
                                                       "b73i": 1000 * place(shot, trace)[0],
                                                       "b81i": 1000 * place(shot, trace)[1]}],
    "elevations without a scalar": [Segy(), every(b69h=0, b41i=-10, b49i=20)],
    "lengths of the binary header": [Segy(), every(b115H=0)],
    "lengths of trace headers": [Segy(0, b3221H=0)],
    "intervals of the binary header": [Segy(), every(b117H=0)],
    "intervals of trace headers": [Segy(b3217H=0)],
    "a number of traces": [Segy(2, b3513Q=FEW * TRACES)],
    "a place of the first trace": [Segy(2, b3521Q=6800), None, None, b"x" * 3200],
    "a trailer": [Segy(2, b3529I=1), None, None, b"", b"((SEG: end".ljust(3200)],
    "additional headers": [Segy(2, b3507I=1), extension()],
    "additional headers, little-endian": [Segy(2, b3507I=1, order="<"), extension("<")],
    "traces of different lengths": [Segy(0), longer],
    "the same, said by revision 1": [Segy(b3503H=0), longer],
}


@test
def files_of_every_kind_say_the_same(case):
    model(case)
    record = {"length_s": (SAMPLES - 1) * INTERVAL_US * 1e-6}
    told = {}
    kinds = {**GOOD, **{f"format {code} told": [Segy(code=code, b3225H=99), None, encode]
                        for code, encode in ((1, ibm), (2, pack("i")), (7, three_bytes), (9, pack("q")))}}
    for i, (kind, what) in enumerate(kinds.items()):
        data = {"paths": [put(case, f"kind{i}.segy", *what)]}
        if kind.endswith("told"):
            data["sample_format"] = what[0].code
        path = survey(case, data, record=record)
        done = case.run(program("beofarm-shot"), "--survey", path, "--shot", "2", "--operation",
                        "misfit")
        assert done.code == 0, f"{kind} {done}"
        told[kind] = done.json()["misfit"]
    assert len(set(told.values())) == 1 and told["revision 1"] > 0, told


# What is wrong with a file, and what has to stand in the sentence. "trace 7" is the third of shot 2.
WRONG = [
    ([Segy()], ["cut.segy", "3599 bytes"], 3599),
    ([Segy()], ["no traces"], 3600),
    ([Segy()], ["trace 1 ", "byte 3600", "100 bytes are left"], 3700),
    ([Segy()], ["trace 7 ", f"byte {ODD}", "behind shot 2", "17 bytes are left"], ODD + 17),
    ([Segy()], ["shot 2, trace 7 ", "76 samples", f"byte {ODD + SIZE}"], ODD + SIZE - 1),
    ([Segy(0)], ["shot 2, trace 7 ", "76 samples", f"byte {ODD + SIZE}"], ODD + 240),
    ([Segy(2)], ["shot 2, trace 7 ", "76 samples", f"byte {ODD + SIZE}"], ODD + 241),
    ([Segy(), third_of_shot_2(b115H=99)], ["shot 2, trace 7 ", "99 samples", "says 76"]),
    ([Segy(0), third_of_shot_2(b115H=99)], ["shot 2, trace 7, header at byte"]),
    ([Segy(0), third_of_shot_2(b115H=50)], ["shot 2, trace 7, header at byte"]),
    ([Segy(b3221H=50)], ["shot 1, trace 1 ", "76 samples", "says 50"]),
    ([Segy(b3221H=0), every(b115H=0)], ["shot 1, trace 1 ", "how many samples"]),
    ([Segy(0, b3221H=38), every(b115H=0)], ["trace 2 ", "behind shot 1", "not as long"]),
    ([Segy(), third_of_shot_2(b117H=2000)], ["shot 2, trace 7 ", "2000", "says 4000"]),
    ([Segy(b3217H=0), third_of_shot_2(b117H=2000)], ["shot 2, trace 7 ", "every 2 ms", "every 4 ms"]),
    ([Segy(b3217H=0), every(b117H=0)], ["shot 1, trace 1 ", "sample interval"]),
    ([Segy(), third_of_shot_2(b109h=40)], ["shot 2, trace 7 ", "from 40 ms", "from 0 ms"]),
    ([Segy(), third_of_shot_2(b81i=10 ** 6)], ["shot 2", "trace 7 of", "x 100000"]),
    ([Segy(), third_of_shot_2(b81i=-11)], ["shot 2", "trace 7 of", "x -1.1"]),
    ([Segy(), third_of_shot_2(b41i=50)], ["shot 2", "trace 7 of", "z -5"]),
    ([Segy(), third_of_shot_2(b85i=1000)], ["shot 2", "trace 7", "y goes from 0 to 100 m"]),
    ([Segy(), third_of_shot_2(b73i=5000)], ["shot 2, trace 7 ", "(500, 0, 20)", "(110, 0, 20)"]),
    ([Segy(), third_of_shot_2(b71h=-32768)], ["shot 2, trace 7 ", "(110, 0, 20)"]),
    ([Segy(), third_of_shot_2(b71h=1)], ["shot 2, trace 7 ", "(1100, 0, 20)"]),
    ([Segy(), third_of_shot_2(b89h=2)], ["shot 2, trace 7 ", "seconds of arc"]),
    ([Segy(), lambda shot, trace: {"b73i": 10 ** 7} if shot == 1 else {}],
     ["shot 2", "trace 5 of", "x 1000000"]),
    ([Segy(), every(b71h=10)], ["do not overlap", "41000"]),
    ([Segy(), every(b29h=2)], ["dead"]),
    ([Segy(2, b3507I=1), extension(x=float("nan"))], ["shot 2, trace 7 ", "receiver x", "nan"]),
    ([Segy(2, b3507I=1), extension(x=1e300)], ["shot 2", "trace 7 of", "x 1e+300"]),
    ([Segy(2, b3507i=900)], ["trace 1 ", "additional headers"]),
    ([Segy(2, b3507h=2000)], ["byte 3507", "additional"]),
    ([Segy(code=3)], ["trace 2 ", "behind shot 1"]),
    ([Segy(code=0)], ["byte 3225", "format 0"]),
    ([Segy(code=14)], ["byte 3225", "format 14"]),
    ([Segy(b3501B=3)], ["byte 3501", "revision 3"]),
    ([Segy(b3505h=-2)], ["byte 3505", "below -1"]),
    ([Segy(b3505h=-1)], ["byte 3505", "EndText"]),
    ([Segy(b3505h=32767)], ["byte 3505", "more extended"]),
    ([Segy(b3505h=1)], ["trace 1 ", "byte 6800"]),
    ([Segy(2, b3513Q=13)], ["13 traces", "12", "byte 3513"]),
    ([Segy(2, b3521Q=100)], ["byte 3521"]),
    ([Segy(2, b3521Q=10 ** 12)], ["byte 3521"]),
    ([Segy(2, b3529i=9)], ["byte 3529", "trailers"]),
    ([Segy(2, b3297I=0x02010403)], ["byte 3297", "pairs"]),
    ([Segy(2, b3297I=0x04030201)], ["byte 3225", "byte order"]),
    ([Segy(2, b3269i=-5)], ["byte 3269", "negative"]),
    ([Segy(2, b3273d=float("nan"))], ["byte 3273", "not a number"]),
]


@test
def what_is_wrong_with_a_file_is_named_before_any_shot_is_farmed(case):
    model(case)
    made = farm(case)
    for what, words, *size in WRONG:
        survey(case, put(case, "cut.segy", *what))
        if size:
            os.truncate(case.path("cut.segy"), size[0])
        done = made.run(expect=None)
        assert done.code == 3, f"{words} {done}"
        assert "cut.segy" in done.err or "overlap" in words[0], f"{words} {done}"
        assert all(word in done.err for word in words), f"{words} {done}"
        assert not os.path.exists(case.path("runs")), words
    os.remove(case.path("cut.segy"))
    for make, word in ((lambda path: os.mkfifo(path), "regular"),
                       (lambda path: os.mkdir(path), "regular"),
                       (lambda path: os.symlink("/dev/zero", path), "regular"),
                       (lambda path: os.symlink("nowhere", path), "cut.segy"),
                       (lambda path: case.write("cut.segy", "no SEG-Y\n" * 999), "is it a SEG-Y")):
        make(case.path("cut.segy"))
        done = made.run(expect=None)
        assert done.code in (3, 4) and word in done.err and not os.path.exists(case.path("runs")), f"{word} {done}"
        (os.rmdir if os.path.isdir(case.path("cut.segy")) else os.remove)(case.path("cut.segy"))


@test_plainly
def the_survey_that_init_writes_is_modelled_as_it_stands(case):
    program("beofarm-shot")
    case.beofarm("init", "shots", expect=0)
    case.beofarm("check", expect=0)
    case.beofarm("run", "-q", expect=0)
    case.run(program("beofarm"), "plot", "survey.data.segy", "--shot", "5", expect=0)
    assert os.path.getsize(case.path("survey.data.png")) > 5000
    # What a user has made of it is spared.
    case.write("survey.json", "mine")
    done = case.beofarm("init", "shots", "--force", expect=0)
    assert "stays" in done.out and case.read("survey.json") == "mine", done


# --- what others read

def expect_by_segyio(path, sources, receivers):
    """Coordinates and samples of a line's gathers, as segyio has them."""
    field = segyio.TraceField
    with segyio.open(path, ignore_geometry=True) as file:
        assert file.tracecount == len(sources) * len(receivers), file.tracecount
        assert list(file.samples) == [4.0 * k for k in range(SAMPLES)]
        assert segyio.tools.dt(file) == INTERVAL_US and file.bin[segyio.BinField.Format] == 5
        for i in range(file.tracecount):
            header, source, receiver = (file.header[i], sources[i // len(receivers)],
                                        receivers[i % len(receivers)])

            def scaled(word, scalar, header=header):
                by = header[scalar]
                return header[word] * by if by > 0 else header[word] / -by if by else header[word]
            found = [scaled(field.SourceX, field.SourceGroupScalar),
                     scaled(field.GroupX, field.SourceGroupScalar),
                     scaled(field.SourceDepth, field.ElevationScalar),
                     -scaled(field.ReceiverGroupElevation, field.ElevationScalar)]
            assert found == [source[0], receiver[0], source[1], receiver[1]], (i, found)
            assert header[field.FieldRecord] == i // len(receivers) + 1
            assert header[field.TraceNumber] == i % len(receivers) + 1
            assert header[field.TRACE_SEQUENCE_FILE] == i + 1
        return [list(trace) for trace in file.trace]


def expect_by_obspy(path, traces):
    stream = obspy.read(path, format="SEGY", unpack_trace_headers=True)
    assert len(stream) == len(traces) and stream[0].stats.delta == INTERVAL_US * 1e-6
    assert all(list(read.data) == trace for read, trace in zip(stream, traces))


@test
def other_readers_understand_what_is_written(case):
    if not segyio:
        raise harness.Skip("python3-segyio is not installed")
    model(case)
    sources, receivers = ([123.25, 20], [311.5, 20]), ([50, 7.5], [162.125, 7.5], [274.25, 7.5])
    for kind in ("segy1", "segy2"):
        survey(case, None, name=kind + ".json", operation="model", output={"traces": kind},
               record={"length_s": (SAMPLES - 1) * INTERVAL_US * 1e-6},
               geometry={"sources": {"points": sources}, "receivers": {"points": receivers}})
        farm(case, kind).run()
        path = case.path(kind + ".data.segy")
        traces = expect_by_segyio(path, sources, receivers)
        assert all(max(map(abs, trace)) > 0 for trace in traces)
        if obspy:
            expect_by_obspy(path, traces)
    # A model in three dimensions is a cube for those who ask for in-lines and cross-lines.
    survey(case, put(case, "d.segy", Segy()), name="cube.json",
           model={"velocity": 1600, "grid": {"points": [35, 12, 20], "spacing_m": [20, 10, 12.5],
                                             "origin_m": [0, -50.5, 0]}})
    farm(case, "cube").run()
    with segyio.open(case.path("cube.gradient.segy")) as file:
        assert segyio.tools.cube(file).shape in ((35, 12, 20), (12, 35, 20))
        field = segyio.TraceField
        last = file.header[file.tracecount - 1]
        scale = -last[field.SourceGroupScalar]
        assert (last[field.CDP_X], last[field.CDP_Y]) == (680 * scale, 59.5 * scale), last
        assert segyio.tools.dt(file) == 12500


if __name__ == "__main__":
    harness.main(globals())
