"""Small shots of a survey over two workers, against the same shots in one process.

The farm has two workers with a core and a thread each. Its time is that from the first worker's coming to
the end. It is set against two loops, each with both cores as well, that send beofarm-shot the shots line
by line and do nothing else (the farm's traces are sent home, kept safe and joined besides):

  1 process    all shots one after another, each with two threads: the same loop in one process, and what
               the promise of 2 % is about
  2 processes  half of the shots each, side by side, with a thread each: no process can do better, as it
               would have to do all that the farm does in no time at all; what is lost against it is all
               of the farm

Twice: modelled, and as a gradient that is summed exactly ("sum": "exact"; what each shot has computed is
read, checked and added up, which the loops leave out, too). BENCH_SCALE=1 is 256 shots. On a machine that does other things too, the share of time in which slots had no
work says more than the ratios.
"""

import concurrent.futures
import csv
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time

import lib

SHOTS = lib.scaled(256)
POINTS = [201, 121]
SURVEY = {
    "operation": "model",
    "model": {"velocity": 2000, "grid": {"points": POINTS, "spacing_m": [10, 10]}},
    "wavelet": {"kind": "ricker", "peak_hz": 10},
    "geometry": {
        "sources": {"line": {"start": [10, 20], "end": [1990, 20], "count": SHOTS}},
        "receivers": {"line": {"start": [0, 20], "step": [20, 0], "count": 101}},
    },
    "record": {"length_s": 2, "interval_ms": 4},
}


# Of the modelled shots, which lie in a folder that every process sees.
OPERATIONS = {
    "model": ({}, []),
    "gradient": ({"sum": "exact"}, ["gradient"]),
}


def survey_of(operation, data):
    """The survey of an operation; `data` is the folder of observed data, if any."""
    more, _ = OPERATIONS[operation]
    survey = {**SURVEY, "operation": operation, **more}
    if data:
        survey["model"] = {**SURVEY["model"], "velocity": 2050}
        survey["data"] = data + "/shot-*.sgy"
        del survey["geometry"], survey["record"]
    return json.dumps(survey)


def seconds_of(run):
    """From the first worker's coming to the end, when all shots are there."""
    joined = end = None
    run.start()
    for event in run.events():
        if event.get("state") == "joined" and not joined:
            joined = event
        if event.get("event") == "end":
            end = event
    run.process.wait()
    if not joined or not end or end["status"] != "done":
        raise RuntimeError(f"not all shots are done: {end} {run.stderr()}")
    return end["at"] - joined["at"]


def farm(transport, operation, data, idle):
    """Seconds; the share of them in which a slot's program had nothing to do is added to `idle`."""
    with lib.Farm({"kind": "shots", "survey": "survey.json"}, transport=transport) as run:
        run.write("survey.json", survey_of(operation, data))
        seconds = seconds_of(run)
        results = next(run.folder.glob("runs/*/results.csv"))
        with open(results, encoding="utf-8") as file:
            busy = sum(float(row["seconds"]) for row in csv.DictReader(file))
        idle.append(1 - busy / seconds / lib.WORKERS)
        return seconds


def line_of(number, shot, operation, folder, thread_count):
    """What beofarm-shot is sent (common/seismic/shot_line.h)."""
    params = {
        "operation": operation,
        "survey": folder + "/survey.json",
        "shots": [shot],
        "arrays": OPERATIONS[operation][1],
        "band_hz": [0, None],
        "memory_bytes": 0,
        "threads": thread_count,
    }
    if params["arrays"]:
        params["grid"] = [POINTS[0], 1, POINTS[1]]
    return json.dumps({"task": number, "attempt": 1, "dir": folder, "params": params}) + "\n"


def loop(operation, shots, ready, folder, thread_count):
    """Send these shots to one process, the next when one is answered. Waits for `ready`."""
    process = subprocess.Popen(
        [lib.built("beofarm-shot"), "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"OMP_NUM_THREADS": str(thread_count), "PATH": "/usr/bin:/bin"},
    )
    ready.wait()
    for number, shot in enumerate(shots):
        process.stdin.write(line_of(number + 1, shot, operation, folder, thread_count))
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if not answer["ok"]:
            raise RuntimeError(answer["error"])
    process.stdin.close()
    process.wait()


def loops(processes, operation, data, folder):
    """Seconds that all shots take in so many processes at once, that share the cores."""
    ready = threading.Barrier(processes + 1)
    with concurrent.futures.ThreadPoolExecutor(processes) as executor:
        running = []
        for i in range(processes):
            own = f"{folder}/{i}"
            os.makedirs(own, exist_ok=True)
            with open(own + "/survey.json", "w", encoding="utf-8") as file:
                file.write(survey_of(operation, data))
            shots = range(i, SHOTS, processes)
            share = lib.WORKERS // processes
            running.append(executor.submit(loop, operation, shots, ready, own, share))
        ready.wait()
        began = time.monotonic()
        for one in running:
            one.result()
        return time.monotonic() - began


def fresh_loops(processes, operation, data):
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        return loops(processes, operation, data, folder)


def compare(operation, data):
    transport = lib.transports()[-1]
    name = f"beofarm {transport}, 2 workers"
    idle = []
    figures = lib.measure(
        {
            name: lambda: farm(transport, operation, data, idle),
            "1 process": lambda: fresh_loops(1, operation, data),
            "2 processes": lambda: fresh_loops(2, operation, data),
        }
    )
    for other in ("1 process", "2 processes"):
        if name in figures and other in figures:
            lost = 100 * (lib.ratio(figures, name, other) - 1)
            if other == "1 process":
                lib.verdict("lost to the farm", lost, 2, f"% against {other}", min)
            else:
                print(f"  lost to the farm: {lost:.1f} % against {other} side by side")
    if idle:
        print(f"  slots without work: {100 * statistics.median(idle):.2f} % of the time")
    lib.report(figures, "s", subject=name)


def main():
    lib.title(f"shots: {SHOTS} small shots of a survey, 2-D {POINTS[0]} x {POINTS[1]} points")
    lib.built("beofarm-shot")
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        print("modelled")
        compare("model", None)
        print("gradient, summed exactly")
        loops(1, "model", None, folder)
        compare("gradient", folder + "/0")


if __name__ == "__main__":
    lib.main(main)
