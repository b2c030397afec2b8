"""Small shots of a survey over two workers, against the same shots in one process and in two.

What is lost to the farm: the farm's time, from the first worker's coming to the end, against that of
two beofarm-shot processes that are sent half of the shots each, line by line, and nothing else. Traces
are sent home and joined, which the loops leave out. BENCH_SCALE=1 is 256 shots. On a machine that does
other things too, the share of time in which slots had no work says more than the ratios.
"""

import csv
import json
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


def farm(transport, idle):
    """Seconds; the share of them in which a slot's program had nothing to do is added to `idle`."""
    with lib.Farm({"kind": "shots", "survey": "survey.json"}, transport=transport) as run:
        run.write("survey.json", json.dumps(SURVEY))
        seconds = seconds_of(run)
        results = next(run.folder.glob("runs/*/results.csv"))
        with open(results, encoding="utf-8") as file:
            busy = sum(float(row["seconds"]) for row in csv.DictReader(file))
        idle.append(1 - busy / seconds / lib.WORKERS)
        return seconds


def loop(shots, ready, folder):
    """Send these shots to one process, the next when one is answered. Waits for `ready`."""
    process = subprocess.Popen(
        [lib.built("beofarm-shot"), "--serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
    )
    ready.wait()
    for number, shot in enumerate(shots):
        line = {
            "task": number + 1,
            "attempt": 1,
            "dir": folder,
            "params": {
                "operation": "model",
                "survey": folder + "/survey.json",
                "shots": [shot],
                "band_hz": [0, None],
                "memory_bytes": 0,
                "threads": 1,
            },
        }
        process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if not answer["ok"]:
            raise RuntimeError(answer["error"])
    process.stdin.close()
    process.wait()


def loops(processes):
    """Seconds that all shots take in so many processes at once."""
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        with open(folder + "/survey.json", "w", encoding="utf-8") as file:
            json.dump(SURVEY, file)
        ready = threading.Barrier(processes + 1)
        threads = [
            threading.Thread(target=loop, args=(range(i, SHOTS, processes), ready, folder))
            for i in range(processes)
        ]
        for thread in threads:
            thread.start()
        ready.wait()
        began = time.monotonic()
        for thread in threads:
            thread.join()
        return time.monotonic() - began


def main():
    lib.title(f"shots: {SHOTS} small shots of a survey, 2-D {POINTS[0]} x {POINTS[1]} points")
    lib.built("beofarm-shot")
    transport = lib.transports()[-1]
    name = f"beofarm {transport}, 2 workers"
    idle = []
    figures = lib.measure(
        {
            name: lambda: farm(transport, idle),
            "2 processes": lambda: loops(2),
            "1 process": lambda: loops(1),
        }
    )
    for other, share in (("2 processes", 1), ("1 process", 2)):
        if name in figures and other in figures:
            lost = 100 * (share * lib.ratio(figures, name, other) - 1)
            lib.verdict("lost to the farm", lost, 2, f"% against {other}", min)
    if idle:
        print(f"  slots without work: {100 * statistics.median(idle):.2f} % of the time")
    lib.report(figures, "s", subject=name)


if __name__ == "__main__":
    lib.main(main)
