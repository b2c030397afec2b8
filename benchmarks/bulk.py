"""1 MiB in and 1 MiB out per task, against a bare TCP echo of the same messages.

Every task has an input file of its own and brings its copy home; each round uses new content, so
nothing is cached. The echo only moves bytes: it reads no files, hashes nothing, keeps nothing.
"""

import os

import lib

SIZE = 1 << 20
TASKS = lib.scaled(200)


def echo():
    return float(
        lib.output_of([lib.built("benchmarks/tcp_echo"), str(SIZE), str(10 * TASKS), "2"])
    )


def farm(transport):
    work = {
        "kind": "sweep",
        "command": ["/bin/cp", "in.dat", "out.dat"],
        "params": {"grid": {"i": {"from": 1, "to": TASKS, "count": TASKS}}},
        "inputs": [{"from": "in/{i}.dat", "to": "in.dat"}],
        "outputs": ["out.dat"],
    }
    with lib.Farm(work, transport=transport) as farm:
        for i in range(1, TASKS + 1):
            farm.write(f"in/{i}.dat", os.urandom(SIZE))
        rate = farm.run(TASKS)
        check(farm, TASKS)
        return rate


def check(farm, last):
    """What came home is what was sent."""
    for i in (1, last):
        sent = (farm.folder / f"in/{i}.dat").read_bytes()
        homes = sorted(farm.folder.glob("runs/*/out/*/out.dat"))
        if not any(home.stat().st_size == SIZE and home.read_bytes() == sent for home in homes):
            raise RuntimeError(f"in/{i}.dat did not come home")


def main():
    lib.title(f"bulk: {TASKS} tasks with 1 MiB in and 1 MiB out each")
    contestants = {"bare TCP echo": echo}
    for name in lib.transports():
        contestants[f"beofarm {name}"] = lambda name=name: farm(name)
    figures = lib.measure(contestants)
    for name in lib.transports():
        lib.report(
            {key: figures[key] for key in ("bare TCP echo", f"beofarm {name}") if key in figures},
            "MiB/s each way",
            limit="bare TCP echo",
            target=0.5,
            subject=f"beofarm {name}",
        )


if __name__ == "__main__":
    lib.main(main)
