"""From the command to the first result, on one machine."""

import subprocess
import time

import lib

WANTED_S = {"tcp": 0.2, "mpi": 1.0}


def farm(transport):
    work = {
        "kind": "sweep",
        "command": ["/bin/true"],
        "params": {"list": [{"i": 1}, {"i": 2}]},
    }
    with lib.Farm(work, transport=transport) as farm:
        event = farm.start().wait_for(lambda event: event.get("done", 0) >= 1)
        for _ in farm.events():  # let it end
            pass
        return event["at"]


def parallel():
    command = [lib.need_program("parallel"), "-j", "2", "echo", ":::", "1", "2"]
    start = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        process.stdout.readline()
        return time.monotonic() - start


def mpi4py():
    start = time.time()
    return float(lib.mpi4py("mpi4py_tasks.py", "first", 2)) - start


def main():
    lib.title("first_result: seconds from the command to its first result")
    contestants = {f"beofarm {name}": lambda name=name: farm(name) for name in lib.transports()}
    contestants["GNU parallel"] = parallel
    contestants["mpi4py.futures"] = mpi4py
    figures = lib.measure(contestants)
    lib.report(figures, "s", subject=None)
    for name, wanted in WANTED_S.items():
        if f"beofarm {name}" in figures:
            lib.verdict(
                f"beofarm {name}", lib.median(figures, f"beofarm {name}"), wanted, "s", better=min
            )


if __name__ == "__main__":
    lib.main(main)
