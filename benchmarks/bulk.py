"""1 MiB in and 1 MiB out per task, against a bare TCP echo of the same messages.

Every task has an input file of its own and brings its copy home; each round uses new content, so
nothing is cached. The echo only moves bytes: it reads no files, hashes nothing, keeps nothing. Two
farms stand beside it:

- "files": a process per task, everything on the disk where temporary files lie. Each input is
  fetched by its SHA-256 and each output is durable before its task counts as done, so the disk is
  part of the figure; how fast it makes such files durable by itself is printed too.
- "memory": a persistent runner, and everything in /dev/shm: the same way without disk and processes.

links.py has the links by themselves.
"""

import os
import pathlib
import tempfile
import time

import lib

SIZE = 1 << 20
TASKS = lib.scaled(200)
MEMORY = pathlib.Path("/dev/shm")


def echo():
    return float(
        lib.output_of([lib.built("benchmarks/tcp_echo"), str(SIZE), str(10 * TASKS), "2"])
    )


def disk():
    """Durable files of this size per second, made durable all together."""
    content = os.urandom(SIZE)
    with tempfile.TemporaryDirectory(prefix="beofarm-bench-") as folder:
        start = time.monotonic()
        for i in range(TASKS):
            (pathlib.Path(folder) / str(i)).write_bytes(content)
        for i in range(TASKS):
            fd = os.open(f"{folder}/{i}", os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
        return TASKS / (time.monotonic() - start)


def farm(transport, in_memory):
    work = {
        "kind": "sweep",
        "command": ["/bin/cp", "in.dat", "out.dat"],
        "params": {"grid": {"i": {"from": 1, "to": TASKS, "count": TASKS}}},
        "inputs": [{"from": "in/{i}.dat", "to": "in.dat"}],
        "outputs": ["out.dat"],
    }
    if in_memory:
        if not os.access(MEMORY, os.W_OK):
            raise lib.Skip(f"{MEMORY} is not there")
        work |= {"runner": "persistent", "command": [lib.built("benchmarks/copy_runner")]}
    with lib.Farm(work, parent=MEMORY if in_memory else None, transport=transport) as farm:
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
    contestants = {"bare TCP echo": echo, "durable files": disk}
    farms = []
    for transport in lib.transports():
        for in_memory in (False, True):
            name = f"beofarm {transport}, {'memory' if in_memory else 'files'}"
            contestants[name] = lambda t=transport, m=in_memory: farm(t, m)
            farms.append(name)
    figures = lib.measure(contestants)
    for name in farms:
        if name in figures:
            shown = {key: figures[key] for key in ("bare TCP echo", "durable files", name)}
            target = None if name.endswith("files") else 0.5  # a disk is no network
            lib.report(shown, "MiB/s each way", "bare TCP echo", target, subject=name)


if __name__ == "__main__":
    lib.main(main)
