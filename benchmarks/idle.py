"""What master and workers use of a core while each worker has one long task."""

import time

import lib

SECONDS = 10
SLEEP_S = 60 + 20 * lib.ROUNDS


def own(processes):
    """The processes of the farm itself, without its tasks."""
    return {name: pids for name, pids in processes.items() if name.startswith("beofarm")}


def used(farm):
    return {pid: lib.cpu_seconds(pid) for pids in own(farm.processes()).values() for pid in pids}


def sample(farm):
    """Percent of a core by program; of the processes that were there all the time."""
    before = used(farm)
    time.sleep(SECONDS)  # the length of the measurement, not a wait for something
    after = used(farm)
    return {
        name: 100 / SECONDS * sum(after[pid] - before[pid] for pid in pids if pid in before)
        for name, pids in own(farm.processes()).items()
    }


def measure(transport):
    work = {
        "kind": "sweep",
        "command": ["/bin/sleep", str(SLEEP_S)],
        "params": {"grid": {"i": {"from": 1, "to": lib.WORKERS, "count": lib.WORKERS}}},
    }
    with lib.Farm(work, transport=transport) as farm:
        farm.start().wait_for(lambda event: event.get("running") == lib.WORKERS)
        rounds = [sample(farm) for _ in range(lib.ROUNDS)]
        figures = {name: [each[name] for each in rounds] for name in rounds[0]}
        figures[f"beofarm {transport}"] = [sum(each.values()) for each in rounds]
        lib.report(figures, "% of a core", subject=None)
        lib.verdict(
            f"beofarm {transport}", lib.median(figures, f"beofarm {transport}"), 0.5,
            "% of a core", better=min,
        )


def main():
    lib.title(f"idle: CPU used in {SECONDS} s while every worker has one long task")
    for transport in lib.transports():
        measure(transport)


if __name__ == "__main__":
    lib.main(main)
