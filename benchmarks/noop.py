"""Tasks that do nothing, through persistent runners, with a durable journal: the farm's own cost.

BENCH_SCALE=1 is 200,000 tasks a round.
"""

import lib

TASKS = lib.scaled(200000)
ONE_BY_ONE = lib.scaled(10000)


def farm(transport):
    work = {
        "kind": "sweep",
        "runner": "persistent",
        "command": [lib.built("benchmarks/noop_runner")],
        "params": {"grid": {"i": {"from": 1, "to": TASKS, "count": TASKS}}},
        "values": [{"name": "y"}],
    }
    with lib.Farm(work, transport=transport) as farm:
        return farm.run(TASKS)


def main():
    lib.title(f"noop: {TASKS} tasks that return a number, through persistent runners")
    contestants = {f"beofarm {name}": lambda name=name: farm(name) for name in lib.transports()}
    contestants["mpi4py.futures one by one"] = lambda: float(
        lib.mpi4py("mpi4py_tasks.py", "noop", ONE_BY_ONE)
    )
    contestants["mpi4py.futures by 100"] = lambda: float(
        lib.mpi4py("mpi4py_tasks.py", "noop", TASKS, 100)
    )
    figures = lib.measure(contestants)
    for name in contestants:
        if name.startswith("beofarm") and name in figures:
            lib.verdict(name, lib.median(figures, name), 50000, "tasks/s")
    lib.report(figures, "tasks/s", subject=f"beofarm {lib.transports()[-1]}")


if __name__ == "__main__":
    lib.main(main)
