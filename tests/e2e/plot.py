#!/usr/bin/env python3
"""beofarm plot and beofarm report."""
import os
import struct

import harness
from farms import Farm, sweep
from harness import program, test


def field(case, name, points, value=lambda *place: sum(place), **more):
    """A raw model, z fastest, and its header."""
    def places(rest):
        if not rest:
            yield ()
            return
        for i in range(rest[0]):
            for place in places(rest[1:]):
                yield (i, *place)
    with open(case.path(name + ".bin"), "wb") as file:
        for place in places(points):
            file.write(struct.pack("<f", value(*place)))
    return case.write(name + ".json", {"data": name + ".bin", "points": points,
                                       "spacing_m": [10] * len(points), **more})


def png_size(path):
    with open(path, "rb") as file:
        data = file.read()
    assert data[:8] == b"\x89PNG\r\n\x1a\n" and data[-8:-4] == b"IEND", path
    return struct.unpack(">II", data[16:24])


def gather(case, name, traces=12, samples=50):
    """SEG-Y, revision 1, IEEE floats: two shots, of 4 and of the other traces."""
    with open(case.path(name), "wb") as file:
        file.write(b"\x40" * 3200)
        binary = bytearray(400)
        struct.pack_into(">hhhh", binary, 16, 2000, 0, samples, 0)
        struct.pack_into(">h", binary, 24, 5)
        struct.pack_into(">hh", binary, 300, 0x0100, 1)
        file.write(binary)
        for i in range(traces):
            head = bytearray(240)
            struct.pack_into(">i", head, 8, 7 if i < 4 else 8)
            struct.pack_into(">h", head, 70, 1)
            struct.pack_into(">iiii", head, 72, 500 + (i >= 4), 0, 100 * i + 100, 0)
            struct.pack_into(">hh", head, 114, samples, 2000)
            file.write(head + b"".join(struct.pack(">f", (i + 1) * (-1) ** k)
                                       for k in range(samples)))
    return case.path(name)


def plot(case, *args, **more):
    return case.run(program("beofarm"), "plot", *args, **more)


@test
def a_model_is_drawn_to_scale(case):
    field(case, "wide", [400, 100])
    done = plot(case, "wide.json", expect=0)
    assert done.out == "wide.png\n", done
    wide = png_size(case.path("wide.png"))
    field(case, "deep", [200, 100])
    plot(case, "deep.json", "-o", "other.png", "--title", "a <title>", expect=0)
    deep = png_size(case.path("other.png"))
    plot(case, "deep.bin", "-o", "same.png", expect=0)  # by the header beside it
    assert png_size(case.path("same.png")) == deep
    assert deep[0] == wide[0] and deep[1] > wide[1] + 100, (wide, deep)


@test
def a_cube_is_cut_where_it_is_told(case):
    field(case, "cube", [20, 16, 12])
    plot(case, "cube.json", "--at", "x=50,z=20", expect=0)
    assert png_size(case.path("cube.png"))[1] > 600  # three panels
    outside = plot(case, "cube.json", "--at", "y=9999", expect=2)
    assert "y = 9999 m lies outside" in outside.err and "0 to 150 m" in outside.err, outside


@test
def a_shot_is_found_in_a_file(case):
    gather(case, "shots.sgy")
    plot(case, "shots.sgy", expect=0)
    plot(case, "shots.sgy", "--shot", 8, "--clip", "90", "--colours", "red-white-blue", "-o", "8.png",
         expect=0)
    assert png_size(case.path("8.png")) == png_size(case.path("shots.png"))
    for shot in (9, -8):
        missing = plot(case, "shots.sgy", "--shot", shot, expect=2)
        assert f"no trace belongs to shot {shot}" in missing.err, missing


@test
def what_cannot_be_drawn_gets_a_sentence(case):
    case.write("text.sgy", "this is no seismic file")
    field(case, "short", [10, 10])
    os.truncate(case.path("short.bin"), 300)
    field(case, "hole", [3, 3], lambda x, z: float("nan"))
    for args, words in ((["text.sgy"], "text.sgy"), (["nothing.json"], "nothing.json"),
                        (["short.json"], "short"), (["hole.json"], "hole"),
                        (["short.json", "--clip", "x"], "--clip"),
                        (["short.json", "--clip", "0"], "percentage"),
                        (["short.json", "--colours", "red"], "viridis"),
                        (["short.json", "--at", "5"], "y=1500"),
                        (["short.json", "--as", "song"], "neither model nor gather"),
                        ([], "one file")):
        done = plot(case, *args)
        assert done.code in (2, 3, 4) and words in done.err and not done.out, done
    assert not [name for name in os.listdir(case.folder) if name.endswith(".png")]


@test
def a_report_shows_what_the_farm_made(case):
    command = ["sh", "-c", "cp \"$SOURCE\"* . && mv shots.sgy 'a & <b>.sgy' && echo x > bad.rsf && exit $i"]
    os.makedirs(case.path("made"))
    field(case, "made/field", [30, 20], data="field.bin")
    gather(case, "made/shots.sgy")
    farm = Farm(case, sweep(command, {"list": [{"i": 0}, {"i": 3}]},
                            work_outputs=["*.json", "*.bin", "*.sgy", "*.rsf"],
                            work_env={"SOURCE": case.path("made") + "/"}))
    farm.start()
    farm.end(expect=1)
    done = case.run(program("beofarm"), "report", farm.run_dir, expect=0)
    path = done.out.strip()
    with open(path, encoding="utf-8") as file:
        page = file.read()
    assert "Task 2 failed: " in page and "a &amp; &lt;b&gt;.sgy" in page, page
    assert page.count("<img ") == 2 and "cannot be drawn" in page, page
    assert len(os.listdir(os.path.join(os.path.dirname(path), "report"))) == 2


@test
def a_report_shows_the_newest_first_if_only_by_a_millisecond(case):
    os.makedirs(case.path("made"))
    for name in "abc":
        field(case, f"made/{name}", [30, 20], data=name + ".bin")
    farm = Farm(case, sweep(["sh", "-c", "cp \"$SOURCE\"* ."], {"list": [{"i": 0}]},
                            work_outputs=["*.json", "*.bin"], work_env={"SOURCE": case.path("made") + "/"}))
    farm.run()
    second = 10**9 * 1_700_000_000
    for name, when in ("a", 2), ("b", 3), ("c", 1):
        os.utime(farm.path("out", "1", name + ".json"), ns=(second, second + 10**6 * when))
    with open(case.run(program("beofarm"), "report", farm.run_dir, expect=0).out.strip(), encoding="utf-8") as file:
        page = file.read()
    assert sorted("abc", key=lambda name: page.index(f"1/{name}.json")) == ["b", "a", "c"], page


@test
def a_model_is_one_in_segy_too_and_is_shown_once(case):
    """beofarm writes fields raw and as SEG-Y, whose words for places are those of a gather."""
    beofarm_shot = program("beofarm-shot")
    survey = {"model": {"velocity": 1800, "grid": {"points": [41, 21], "spacing_m": [10, 10]}},
              "wavelet": {"kind": "ricker", "peak_hz": 12}, "record": {"length_s": 0.2},
              "geometry": {"sources": {"points": [[100, 20]]}, "receivers": {"points": [[300, 20]]}}}
    path = case.write("model.json", survey)
    case.run(beofarm_shot, "--survey", path, "--shot", "1", "--operation", "model", "--output", "d.segy",
             expect=0)
    case.write("gradient.json", {**survey, "operation": "gradient", "data": "d.segy",
                                 "output": {"models": "rsf"}})
    farm = Farm(case, {"name": "toy", "backend": {"kind": "local", "workers": 1}, "transport": "tcp",
                       "port": 0, "worker": {"slots": 1},
                       "work": {"kind": "shots", "survey": "gradient.json"}})
    farm.run()
    for name in ("gradient.gradient.segy", "gradient.gradient.json", "gradient.gradient.rsf"):
        plot(case, name, "-o", name + ".png", expect=0)
    # To scale, and not 1.1 s by one trace.
    sizes = {png_size(case.path(name + ".png")) for name in ("gradient.gradient.segy",
                                                            "gradient.gradient.json")}
    assert len(sizes) == 1, sizes
    done = case.run(program("beofarm"), "report", farm.run_dir, expect=0)
    with open(done.out.strip(), encoding="utf-8") as file:
        page = file.read()
    assert page.count("<img ") == 1 and "gradient.gradient.json" in page, page


if __name__ == "__main__":
    harness.main(globals())
