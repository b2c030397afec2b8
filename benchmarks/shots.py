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
read, checked and added up, which the loops leave out, too). BENCH_SCALE=1 is 256 shots.

Cores that a host lends to other guests, too, are faster and slower by the second, and so are seconds. What of
the cores' time the programs of the shots did not get (because they had no work, or because master and
workers were at work) depends on that less. It is given for the farm and for the two loops, with what the
farm loses by it. Whatever else this machine does counts as well: it should be doing nothing.
"""

import concurrent.futures
import json
import os
import resource
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


class Meter(threading.Thread):
    """The processor time that some processes have used, looked at until they are gone."""

    def __init__(self, pids):
        super().__init__(daemon=True)
        self.seconds = dict.fromkeys(pids, 0)
        self.start()

    @staticmethod
    def used(pid):
        folder, used = f"/proc/{pid}/task", 0
        for task in os.listdir(folder):
            with open(f"{folder}/{task}/schedstat", encoding="ascii") as file:
                used += int(file.read().split()[0]) * 1e-9
        return used

    def run(self):
        running = set(self.seconds)
        while running:
            for pid in list(running):
                try:
                    used = self.used(pid)
                except OSError:
                    used = 0
                self.seconds[pid] = max(self.seconds[pid], used)
                if not used:
                    running.remove(pid)
            time.sleep(0.03)  # so seldom that it costs a thousandth itself

    def total(self):
        self.join()
        return sum(self.seconds.values())


def not_shots(seconds, cpu):
    """The time of the cores that was not the shots', as a part of that which was."""
    return lib.WORKERS * seconds / cpu - 1


def seconds_of(run):
    """From the first worker's coming to the end, when all shots are there; and the processor time of the
    programs."""
    joined = end = meter = None
    run.start()
    for event in run.events():
        if event.get("state") == "joined" and not joined:
            joined = event
        if event.get("event") == "progress" and not meter:
            programs = run.processes().get("exe", [])
            meter = Meter(programs) if len(programs) == lib.WORKERS else None
        if event.get("event") == "end":
            end = event
    run.process.wait()
    if not joined or not end or end["status"] != "done" or not meter:
        raise RuntimeError(f"not all shots are done: {end} {run.stderr()}")
    return end["at"] - joined["at"], meter.total()


def farm(transport, operation, data, others):
    """Seconds; what of the cores' time was not the shots' is added to `others`."""
    with lib.Farm({"kind": "shots", "survey": "survey.json"}, transport=transport) as run:
        run.write("survey.json", survey_of(operation, data))
        seconds, cpu = seconds_of(run)
        others.append(not_shots(seconds, cpu))
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


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def fresh_loops(processes, operation, data, others):
    """As loops; what of the cores' time was not the shots' is added to `others`."""
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        before = children_cpu()
        seconds = loops(processes, operation, data, folder)
        others.append(not_shots(seconds, children_cpu() - before))
        return seconds


def tell_losses(figures, others, name):
    lost = 100 * (lib.ratio(figures, name, "1 process") - 1)
    lib.verdict("lost to the farm", lost, 2, "% against 1 process", min)
    lost = 100 * (lib.ratio(figures, name, "2 processes") - 1)
    print(f"  lost to the farm: {lost:.1f} % against 2 processes side by side")
    mine, theirs = statistics.median(others[name]), statistics.median(others["2 processes"])
    print(f"  not the shots': {100 * mine:.2f} % of what was, {100 * theirs:.2f} % of the loops'")
    lost = 100 * ((1 + mine) / (1 + theirs) - 1)
    lib.verdict("lost of the cores' time", lost, 2, "% against 2 processes", min)


def compare(operation, data):
    names = {f"beofarm {one}, 2 workers": one for one in lib.transports()}
    others = {name: [] for name in [*names, "1 process", "2 processes"]}

    def farmed(name):
        return lambda: farm(names[name], operation, data, others[name])

    def looped(name):
        return lambda: fresh_loops(int(name[0]), operation, data, others[name])

    contestants = {name: farmed(name) for name in names}
    figures = lib.measure(
        {**contestants, "1 process": looped("1 process"), "2 processes": looped("2 processes")}
    )
    for name in names:
        print(f" {name}")
        tell_losses(figures, others, name)
    lib.report(figures, "s", subject=list(names)[-1])


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
