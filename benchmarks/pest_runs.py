"""Model runs through templates and instructions: a sweep of parameter sets, as pestpp-swp does it.

Two cases: 100 runs of a model that takes 1 s (ideally 25 s on four slots), and 2,000 runs of one
that computes for 1 ms. Beside them a bare loop that only starts the short model, and PEST++ (its
master and four agents on this machine), where pestpp-swp is on the PATH.
"""

import os
import pathlib
import shutil
import socket
import subprocess
import tempfile
import time

import lib
from pest_case import case_files

PARAMETERS, OBSERVATIONS = 10, 20
SLOTS = 4
LONG_RUNS, SHORT_RUNS = lib.scaled(100), lib.scaled(2000)


def farm_seconds(how, seconds, runs):
    """From when the last worker had joined to the end."""
    work = {"kind": "pest", "control": "case.pst", "mode": "sweep"}
    worker = {"slots": SLOTS // lib.WORKERS, "threads_per_slot": 1, "pin": False}
    with lib.Farm(work, worker=worker) as farm:
        for name, text in case_files(how, seconds, PARAMETERS, OBSERVATIONS, runs).items():
            farm.write(name, text)
        shutil.copy2(lib.built("benchmarks/pest_model"), farm.folder / "pest_model")
        joined = end = None
        farm.start()
        for event in farm.events():
            if event.get("state") == "joined":
                joined = event
            if event.get("event") == "end":
                end = event
        farm.process.wait()
        if not end or end.get("done") != runs:
            raise RuntimeError(f"not all of {runs} runs are done: {end} {farm.stderr()}")
        return end["at"] - joined["at"]


def loop_rate():
    """The short model started again and again, one at a time, nothing else."""
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        (pathlib.Path(folder) / "model.in").write_text("1\n" * PARAMETERS)
        count = max(1, SHORT_RUNS // 4)
        command = [lib.built("benchmarks/spawn_loop"), lib.built("benchmarks/pest_model"),
                   str(count), "1", "spin", "0.001", str(OBSERVATIONS)]
        return float(lib.output_of(command, cwd=folder))


def pestpp_seconds(how, seconds, runs):
    """PEST++'s master and four agents, until the master ends."""
    program = lib.need_program("pestpp-swp")
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        for agent in range(SLOTS + 1):
            path = pathlib.Path(folder) / str(agent)
            path.mkdir()
            for name, text in case_files(how, seconds, PARAMETERS, OBSERVATIONS, runs).items():
                (path / name).write_text(text)
            shutil.copy2(lib.built("benchmarks/pest_model"), path / "pest_model")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        start = time.monotonic()
        master = subprocess.Popen([program, "case.pst", "/h", f":{port}"],
                                  cwd=os.path.join(folder, "0"), **quiet)
        agents = [subprocess.Popen([program, "case.pst", "/h", f"127.0.0.1:{port}"],
                                   cwd=os.path.join(folder, str(agent + 1)), **quiet)
                  for agent in range(SLOTS)]
        master.wait()
        seconds = time.monotonic() - start
        for agent in agents:
            agent.kill()
            agent.wait()
        return seconds


def main():
    lib.title(f"pest_runs: {LONG_RUNS} runs of a 1 s model, {SLOTS} slots")
    figures = lib.measure({
        "beofarm": lambda: farm_seconds("sleep", 1, LONG_RUNS),
        "PEST++": lambda: pestpp_seconds("sleep", 1, LONG_RUNS),
    })
    lib.report(figures, "s")
    ideal = LONG_RUNS / SLOTS
    lib.verdict("beofarm", lib.median(figures, "beofarm") / ideal, 1.02, "of the ideal time",
                better=min)
    lib.title(f"pest_runs: {SHORT_RUNS} runs of a 1 ms model, {SLOTS} slots")
    figures = lib.measure({
        "bare loop": loop_rate,
        "beofarm": lambda: SHORT_RUNS / farm_seconds("spin", 0.001, SHORT_RUNS),
        "PEST++": lambda: SHORT_RUNS / pestpp_seconds("spin", 0.001, SHORT_RUNS),
    })
    lib.report(figures, "runs/s")
    lib.verdict("beofarm", lib.median(figures, "beofarm"), 400, "runs/s")


if __name__ == "__main__":
    lib.main(main)
