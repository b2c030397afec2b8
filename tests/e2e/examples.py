#!/usr/bin/env python3
"""The examples, run as their READMEs say, against what their models say by themselves."""
import csv
import json
import math
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import traceback

import harness
import shot_program

SOURCE = os.environ["BEOFARM_SOURCE"]
BUILD = os.environ["BEOFARM_BUILD"]
BEOFARM = os.path.join(BUILD, "beofarm")
RUN_LIMIT_S = 300


class Skip(Exception):
    """Why a test cannot be run here."""


class Example:
    """A copy of an example's build folder, and what `beofarm run` made in it."""

    def __init__(self, name):
        self.root = tempfile.mkdtemp(prefix=f"beofarm-{os.path.basename(name)}-")
        self.path = os.path.join(self.root, name)
        shutil.copytree(os.path.join(BUILD, "examples", name), self.path,
                        ignore=shutil.ignore_patterns("*.o", ".deps", ".dirstamp", "runs"))

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:  # a failed test leaves its traces
            shutil.rmtree(self.root)
        else:
            print(f"# see {self.root}")

    def run(self, farm, *options):
        """Run a farm file; the path of its run directory."""
        try:
            done = subprocess.run([BEOFARM, "run", farm, *options], cwd=self.path, text=True,
                                  stdin=subprocess.DEVNULL, capture_output=True,
                                  timeout=RUN_LIMIT_S, check=False)
        except subprocess.TimeoutExpired:  # the farm outlives its `beofarm run`
            subprocess.run([BEOFARM, "cancel"], cwd=self.path, timeout=200, check=False,
                           stdout=subprocess.DEVNULL)
            raise
        assert done.returncode == 0, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        runs = os.path.join(self.path, "runs")
        return max((os.path.join(runs, name) for name in os.listdir(runs)),
                   key=lambda run: os.stat(run).st_ctime_ns)


def results_of(run):
    with open(os.path.join(run, "results.csv"), newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def ade1d_says(example, parameters):
    """What the model prints for one row, without beofarm."""
    with open(os.path.join(SOURCE, "examples/advection/column.in.tpl"), encoding="utf-8") as file:
        text = re.sub(r"\{(\w+)\}", lambda place: parameters[place[1]], file.read())
    with open(os.path.join(example.root, "column.in"), "w", encoding="utf-8") as file:
        file.write(text)
    done = subprocess.run([os.path.join(example.path, "ade1d"), "column.in"], cwd=example.root,
                          text=True, capture_output=True, check=True)
    return dict(line.split(" = ") for line in done.stdout.splitlines())


def the_table_of_advection_runs_and_agrees_with_the_model():
    with Example("advection") as example:
        run = example.run("farm.json")
        rows = results_of(run)
        assert len(rows) == 240, len(rows)
        assert {row["status"] for row in rows} == {"ok"}, rows
        with open(os.path.join(example.path, "params.csv"), newline="", encoding="utf-8") as file:
            table = list(csv.DictReader(file))
        for row, parameters in list(zip(rows, table))[::60]:
            for name, value in parameters.items():
                assert float(row[name]) == float(value), (row, parameters)
            said = ade1d_says(example, parameters)
            for name in ["arrival_day", "peak", "peak_day", "decayed_share"]:
                if said[name] not in ("nan", "-nan"):
                    assert float(row[name]) == float(said[name]), (name, row, said)
        for task in ["1", "240"]:
            curve = os.path.join(run, "out", task, "breakthrough.csv")
            with open(curve, encoding="utf-8") as file:
                assert file.readline() == "day,concentration\n"


def the_grid_of_advection_has_every_combination():
    with Example("advection") as example:
        rows = results_of(example.run("grid.json"))
        pairs = {(row["retardation"], row["half_life"]) for row in rows}
        assert len(rows) == len(pairs) == 120, (len(rows), len(pairs))
        assert {row["status"] for row in rows} == {"ok"}
        # More sorption, and a shorter half-life, never make the peak higher.
        peak = {(float(r["retardation"]), float(r["half_life"])): float(r["peak"]) for r in rows}
        for (retardation, half_life), value in peak.items():
            for (other_retardation, other_half_life), other in peak.items():
                if other_retardation >= retardation and other_half_life <= half_life:
                    assert other <= value * (1 + 1e-6), (retardation, half_life)


def random_samples_are_the_same_in_every_run():
    with Example("advection") as example:
        first = results_of(example.run("random.json", "--limit", "20"))
        second = results_of(example.run("random.json", "--limit", "20"))
        names = ["task", "conductivity", "porosity", "dispersivity", "retardation", "half_life",
                 "peak"]
        assert len(first) == 20, len(first)
        assert [[row[n] for n in names] for row in first] == [[row[n] for n in names]
                                                              for row in second]
        for row in first:
            assert 2 <= float(row["conductivity"]) <= 20
            assert float(row["half_life"]) in (120, 600, 2000)


def well_function(u):
    """E1 by its integral, with none of the C code's formulas: exp(-e^y) dy from ln u to ln 60,
    by Simpson's rule; the integrand is smooth, so 2000 steps are good to 1e-9."""
    low, high, steps = math.log(u), math.log(60), 2000
    h = (high - low) / steps
    f = [math.exp(-math.exp(low + i * h)) for i in range(steps + 1)]
    return h / 3 * (f[0] + f[-1] + 4 * sum(f[1:-1:2]) + 2 * sum(f[2:-1:2]))


def the_persistent_runner_of_theis_computes_drawdowns():
    with Example("theis") as example:
        rows = results_of(example.run("farm.json", "--limit", "2000"))
        assert len(rows) == 2000, len(rows)
        assert {row["status"] for row in rows} == {"ok"}
        for row in rows[::200]:
            t, s, q, r, river, days = (float(row[name]) for name in (
                "transmissivity", "storativity", "pumping", "distance", "river", "days"))
            scale = s / (4 * t * days)
            wanted = q / (4 * math.pi * t) * (
                well_function(r * r * scale) - well_function((2 * river - r) ** 2 * scale))
            # The integral is good to 1e-9, the factor before it at most some metres.
            assert abs(float(row["drawdown"]) - wanted) < 1e-7, (row, wanted)


def the_aquifer_is_calibrated():
    with Example("aquifer") as example:
        run = example.run("aquifer.pst", "--workers", "2")
        with open(os.path.join(example.path, "aquifer.iobj"), newline="", encoding="utf-8") as file:
            phi = [float(row["total_phi"]) for row in csv.DictReader(file)]
        # 42 measurements whose weights are one over their standard deviations, 12 parameters: the
        # sum of squares at the minimum is near 30, and 60 would be met once in a thousand cases.
        assert phi[0] > 1e5 and 10 < phi[-1] < 60, phi
        with open(os.path.join(SOURCE, "examples/aquifer/make_case.py"), encoding="utf-8") as file:
            truth = {int(n): float(value) for n, value in
                     re.findall(r'"transmissivity_(\d)": ([0-9.]+)', file.read())}
        with open(os.path.join(example.path, "aquifer.par.usum.csv"), newline="",
                  encoding="utf-8") as file:
            rows = {row["name"]: row for row in csv.DictReader(file)}
        for number, value in truth.items():  # four standard deviations
            row = rows[f"t{number}"]
            far = abs(float(row["post_mean"]) - math.log10(value)) / float(row["post_stdev"])
            assert far < 4, (number, value, row)
        farm = example.run("farm.json")
        for name in ["aquifer.par", "aquifer.rei"]:
            paths = [os.path.join(where, "out", "master", name) for where in (run, farm)]
            texts = [open(path, encoding="utf-8").read() for path in paths]
            assert texts[0] == texts[1], name


def column_of(path):
    """The column of an image below the middle of the line, of 81 x 61 floats."""
    with open(path, "rb") as file:
        return struct.unpack("<61f", file.read()[40 * 61 * 4:41 * 61 * 4])


def shots_of_a_program_add_up_to_an_image():
    with Example("runners/shots") as example:
        example.run("model.json")
        example.run("image.json")
        path = os.path.join(example.path, "migrate.image.bin")
        column = column_of(path)
        # Without the operators of exact migration, the peak may be off by a fraction of the
        # wavelength (133 m); a point is 10 m.
        deepest = max(range(20, 61), key=lambda i: abs(column[i]))
        assert 38 <= deepest <= 42, deepest


def somebody_elses_master_and_workers_come_to_their_end():
    with Example("external") as example:
        port = harness.free_port()
        path = os.path.join(example.path, "farm.json")
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("4004", str(port))
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        run = example.run("farm.json")
        found = [os.path.join(where, name) for where, _, names in os.walk(run)
                 for name in names if name == "case.results.csv"]
        assert found, "case.results.csv did not come home"
        with open(found[0], newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        with open(os.path.join(example.path, "case.json"), encoding="utf-8") as file:
            case = json.load(file)
        assert len(rows) == case["runs"], len(rows)
        assert min(float(row["misfit"]) for row in rows) < 1


def write_case(folder):
    """The smallest PEST case: case.pst and what it names."""
    control = """pcf
* control data
restart estimation
1 1 1 0 1
1 1 double point
10 2 0.3 0.01 10
10 10 0.001
0.1
20 0.005 4 4 0.005 4
1 1 1
* parameter groups
g relative 0.01 0 switch 2 parabolic
* parameter data
k log factor 1 0.1 10 g 1 0 1
* observation groups
o
* observation data
h 1 1 o
* model command line
./henry
* model input/output
case.tpl case.in
case.ins case.out
"""
    for name, text in {"case.pst": control, "case.tpl": "ptf ~\n~k           ~\n",
                       "case.ins": "pif @\nl1 !h!\n"}.items():
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)


PRETENDER = """#!/usr/bin/env python3
# Stands in for pestpp-glm: a master that waits for two agents and lets them run the model once.
import pathlib, socket, subprocess, sys
case, flag, where = sys.argv[1:]
host, port = where.rsplit(":", 1)
assert case == "aquifer.pst" and flag == "/h" and pathlib.Path(case).exists()
if host:
    link = socket.create_connection((host, int(port)))
    text = pathlib.Path("aquifer.in.tpl").read_text().split("\\n", 1)[1]
    for number in range(text.count("~") // 2):
        text = text.replace(text[text.index("~"):text.index("~", text.index("~") + 1) + 1], "1", 1)
    pathlib.Path("aquifer.in").write_text(text)
    subprocess.run(["./aquifer"], check=True)
    link.sendall(pathlib.Path("budget.out").read_bytes())
    link.shutdown(socket.SHUT_WR)
    link.recv(1)
else:
    with socket.create_server(("", int(port))) as server:
        links = [server.accept()[0] for _ in range(2)]
        said = [b"".join(iter(lambda: link.recv(4096), b"")) for link in links]
        pathlib.Path("aquifer.rec").write_bytes(b"".join(said))
"""


def somebody_elses_estimator_runs_the_same_case():
    with Example("aquifer") as example:
        path = os.path.join(example.path, "pestpp.json")
        port = str(harness.free_port())
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("4004", port)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        program = os.path.join(example.root, "pestpp-glm")
        with open(program, "w", encoding="utf-8") as file:
            file.write(PRETENDER)
        os.chmod(program, 0o755)
        before = os.environ["PATH"]
        os.environ["PATH"] = example.root + os.pathsep + before
        try:
            run = example.run("pestpp.json")
        finally:
            os.environ["PATH"] = before
        with open(os.path.join(run, "out/master/aquifer.rec"), encoding="utf-8") as file:
            assert file.read().count("in a dry year:") == 2


def write_inputs(folder):
    """The files that JSON texts of the documents name."""
    def write(name, content, mode=0o644):
        path = os.path.join(folder, name)
        with open(path, "wb") as file:
            file.write(content)
        os.chmod(path, mode)
    for name in ["k.csv", "params.csv"]:
        write(name, b"K,retardation\n1,2\n")
    for name in ["henry", "ade1d", "column.in.tpl"]:
        write(name, b"#!/bin/sh\n", 0o755)
    os.mkdir(os.path.join(folder, "grid"))
    write("grid/a.dat", b"")
    write_case(folder)
    write("vp.bin", struct.pack("<f", 2000) * (501 * 21))
    write("vp.json", json.dumps({"data": "vp.bin", "points": [501, 21], "spacing_m": [20, 20],
                                 "units": "m/s"}).encode())
    write("line-1.segy", shot_program.segy(0))
    write("survey.json", json.dumps(
        {"model": {"velocity": "vp.json"}, "wavelet": {"kind": "ricker", "peak_hz": 5},
         "data": "line-*.segy"}).encode())


def json_texts_of_the_documents_are_valid():
    farms = surveys = 0
    for name in ["README.md", "docs/farmfile.md", "docs/pest.md", "docs/shots.md"]:
        with open(os.path.join(SOURCE, name), encoding="utf-8") as file:
            texts = re.findall(r"^```json\n(\{.*?)^```", file.read(), re.S | re.M)
        for text in texts:
            if name == "docs/shots.md" and '"work"' not in text and '"wavelet"' not in text:
                continue  # the header of a raw model
            with tempfile.TemporaryDirectory() as folder:
                write_inputs(folder)
                if '"wavelet"' in text:
                    surveys += 1
                    with open(os.path.join(folder, "survey.json"), "w", encoding="utf-8") as file:
                        file.write(text.replace("vp.segy", "vp.json"))
                    text = json.dumps({"name": "survey", "backend": {"kind": "local", "workers": 1},
                                       "work": {"kind": "shots", "survey": "survey.json"}})
                with open(os.path.join(folder, "farm.json"), "w", encoding="utf-8") as file:
                    file.write(text)
                done = subprocess.run([BEOFARM, "check", "farm.json"], cwd=folder, text=True,
                                      capture_output=True, timeout=200, check=False)
                assert done.returncode == 0, (name, text, done.stdout, done.stderr)
                farms += 1
    assert farms >= 5 and surveys >= 2, (farms, surveys)


TESTS = [
    json_texts_of_the_documents_are_valid,
    the_table_of_advection_runs_and_agrees_with_the_model,
    the_grid_of_advection_has_every_combination,
    random_samples_are_the_same_in_every_run,
    the_persistent_runner_of_theis_computes_drawdowns,
    the_aquifer_is_calibrated,
    shots_of_a_program_add_up_to_an_image,
    somebody_elses_estimator_runs_the_same_case,
    somebody_elses_master_and_workers_come_to_their_end,
]


def main():
    print(f"1..{len(TESTS)}", flush=True)
    failed = False
    for number, test in enumerate(TESTS, 1):
        began = time.monotonic()
        try:
            test()
            print(f"ok {number} - {test.__name__} # {time.monotonic() - began:.2f} s", flush=True)
        except Skip as reason:
            print(f"ok {number} - {test.__name__} # SKIP {reason}", flush=True)
        except Exception:  # whatever it is, the others shall run
            failed = True
            for line in traceback.format_exc().splitlines():
                print(f"# {line}")
            print(f"not ok {number} - {test.__name__}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
